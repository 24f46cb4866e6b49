"""Run items: the items of a run, with the data that they had in training."""

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.models.recommender import Recommender
from tastemaker.serving.live.category_sets import CategorySets, NewItemVectors
from tastemaker.serving.live.search_table import rows_of
from tastemaker.serving.store.items import ItemRecord


class RunItems:
    """Items of a model's run, created once and shared by all live catalogs, which add changes."""

    def __init__(self, model: Recommender) -> None:
        self.model = model
        self.dataset: Dataset = model.dataset
        self.sets = CategorySets()
        """Sets of categories of the items of the run."""
        numbers = [self.sets.number(categories or ()) for categories in self._categories or ()]
        self.set_of = np.array(numbers or [self.sets.number(())] * len(self), dtype=np.int32)
        """(n_items,) int32: the number of each item's set of categories."""
        self.new_sets = CategorySets()
        """Sets of categories and other features of new items."""
        self.vectors = NewItemVectors(model, self.new_sets)

    def __len__(self) -> int:
        return self.dataset.n_items

    def record(self, code: int) -> ItemRecord:
        """Returns the record of an item as in the run."""
        return ItemRecord(
            str(self._ids[code]),
            self._titles[code] if self._titles else None,
            self._categories[code] if self._categories else None,
            self._images[code] if self._images else None,
        )

    @cached_property
    def n_in_category(self) -> Counter[str]:
        """Number of items in each category."""
        names: Counter[str] = Counter()
        for categories in self._categories or ():
            names.update(categories or ())
        return names

    @cached_property
    def popularity_ranks(self) -> np.ndarray:
        """(n_items,) int64: rank of each item, 0 for the one that was touched most."""
        popular = np.argsort(-self.dataset.item_counts, kind="stable")
        ranks = np.empty(len(self), dtype=np.int64)
        ranks[popular] = np.arange(len(self))
        return ranks

    @cached_property
    def searchable(self) -> pl.DataFrame:
        """All items, as a table for `SearchTable`."""
        ranks = self.popularity_ranks.tolist()
        return rows_of([(rank, self.record(code)) for code, rank in enumerate(ranks)]).sort("rank")

    @cached_property
    def _ids(self) -> list[int | str]:
        return self.dataset.item_vocabulary.ids.to_list()

    @cached_property
    def _titles(self) -> list[str | None] | None:
        return self._column("title")

    @cached_property
    def _categories(self) -> list[tuple[str, ...] | None] | None:
        lists = self._column("categories")
        return lists and [None if names is None else tuple(dict.fromkeys(names)) for names in lists]

    @cached_property
    def _images(self) -> list[str | None] | None:
        return self._column("image_url")

    def _column(self, name: str) -> list[Any] | None:
        catalog = self.dataset.catalog
        return catalog.frame[name].to_list() if name in catalog.columns else None
