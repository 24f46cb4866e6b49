"""What the catalog says of an item, as a vector."""

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
                "item features were asked for, but the catalog has no categories; give one with a "
                "categories column (--items), or leave the features out"
            )
        lists = catalog.frame["categories"]
        names = lists.explode().drop_nulls()
        known = names.unique().sort()
        codes = np.searchsorted(known.to_numpy(), names.to_numpy())
        counts = lists.list.len().fill_null(0).to_numpy()
        self.categories = nn.Embedding(len(known), size)
        nn.init.normal_(self.categories.weight, std=0.02)
        self._codes: torch.Tensor
        self._starts: torch.Tensor
        self._counts: torch.Tensor
        starts = np.cumsum(counts) - counts
        for name, array in (("_codes", codes), ("_starts", starts), ("_counts", counts)):
            self.register_buffer(name, torch.from_numpy(array.astype(np.int64)), persistent=False)

    def forward(self, items: torch.Tensor | None) -> torch.Tensor:
        """Vectors (…, size) of items (…,), or of all of them (n_items, size)."""
        if items is None:
            return embedding_bag(self._codes, self.categories.weight, self._starts, mode="mean")
        starts, counts = self._starts[items.flatten()], self._counts[items.flatten()]
        ends = counts.cumsum(0)
        first = ends - counts
        each = torch.arange(int(ends[-1]), device=items.device)
        codes = self._codes[each + (starts - first).repeat_interleave(counts)]
        vectors = embedding_bag(codes, self.categories.weight, first, mode="mean")
        return vectors.unflatten(0, items.shape)
