"""Vectors of items, computed from their categories in the catalog."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding_bag

from tastemaker.data.catalog import Catalog
from tastemaker.errors import DataError


class ItemFeatures(nn.Module):
    """The mean of the vectors of an item's categories; 0 for an item that has none."""

    def __init__(self, catalog: Catalog, size: int) -> None:
        super().__init__()
        if "categories" not in catalog.columns:
            raise DataError(
                "features=True needs categories, but the catalog has none; give a catalog "
                "with a categories column (catalog=…), or leave out features=True"
            )
        lists = catalog.frame["categories"]
        names = lists.explode().drop_nulls()
        self.names: list[str] = names.unique().sort().to_list()
        """The categories, in the order of their codes."""
        codes = np.searchsorted(np.array(self.names), names.to_numpy())
        counts = lists.list.len().fill_null(0).to_numpy()
        self.categories = nn.Embedding(len(self.names), size)
        nn.init.normal_(self.categories.weight, std=0.02)
        self._codes: torch.Tensor
        self._starts: torch.Tensor
        self._counts: torch.Tensor
        starts = np.cumsum(counts) - counts
        for name, array in (("_codes", codes), ("_starts", starts), ("_counts", counts)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.int64)), persistent=False)

    def forward(self, items: torch.Tensor | None) -> torch.Tensor:
        """Returns the vectors (…, size) of items (…,); with None, of all items, (n_items, size)."""
        if items is None:
            return embedding_bag(self._codes, self.categories.weight, self._starts, mode="mean")
        starts, counts = self._starts[items.flatten()], self._counts[items.flatten()]
        ends = counts.cumsum(0)
        offsets = ends - counts
        entries = torch.arange(int(ends[-1]), device=items.device)
        codes = self._codes[entries + (starts - offsets).repeat_interleave(counts)]
        vectors = embedding_bag(codes, self.categories.weight, offsets, mode="mean")
        return vectors.unflatten(0, items.shape)

    def of_categories(self, lists: Sequence[Sequence[str]]) -> torch.Tensor:
        """Returns the vectors (n, size) of items in these categories; unknown ones are ignored."""
        code = {name: number for number, name in enumerate(self.names)}
        device = self.categories.weight.device
        codes = [
            torch.tensor([code[name] for name in names if name in code], dtype=torch.int64)
            for names in lists
        ]
        starts = torch.tensor([0, *(len(each) for each in codes)]).cumsum(0)[:-1]
        flat = torch.cat([torch.empty(0, dtype=torch.int64), *codes])
        return embedding_bag(
            flat.to(device), self.categories.weight, starts.to(device), mode="mean"
        )
