"""Which items may be recommended at all: of some categories, on a list, not on another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.shown import short_repr

Id = int | str
Ids = Sequence[Id] | pl.Series


class ItemFilter(Protocol):
    """Says which items may be recommended."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """(n_items,) bool, true for the items of the data set that may."""


@dataclass(frozen=True, eq=False)
class EligibleCodes(ItemFilter):
    """The items that are wanted, by code: for whoever keeps them at hand."""

    codes: np.ndarray
    """(n_items,) bool."""

    __repr__ = short_repr

    @override
    def mask(self, dataset: Dataset) -> np.ndarray:
        return self.codes


@dataclass(frozen=True, eq=False)
class Eligible(ItemFilter):
    """The items that are wanted. What is left empty demands nothing; together all must hold.

    tm.Eligible(categories=["Comedy", "Drama"], never=[296])
    """

    categories: Sequence[str] | str = ()
    """An item must be in one of them."""
    only: Ids | Id | None = None
    """An item must be on this list, as what is in stock."""
    never: Ids | Id = ()
    """An item must not be on this one."""

    __repr__ = short_repr

    def mask(self, dataset: Dataset) -> np.ndarray:
        """(n_items,) bool, true for the items of the data set that are eligible.

        Raises:
            UnknownIdError: an item is not in the data.
            ConfigError: a category that no item is in.
        """
        encode = dataset.item_vocabulary.encode
        eligible = np.ones(dataset.n_items, dtype=bool)
        if categories := as_list(self.categories):
            eligible &= dataset.catalog.in_categories(categories)
        if self.only is not None:
            eligible &= np.isin(np.arange(dataset.n_items), encode(as_list(self.only)))
        eligible[encode(as_list(self.never))] = False
        return eligible


def as_list(ids: Any) -> Any:
    """One id as a list of one; a list as it is."""
    return [ids] if isinstance(ids, int | str | np.integer) else ids
