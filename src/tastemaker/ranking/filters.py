"""Filters of the items that may be recommended: by category, by allow list and by deny list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.representation import short_repr

Id = int | str
Ids = Sequence[Id] | pl.Series


class ItemFilter(Protocol):
    """Selects the items that may be recommended."""

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Returns (n_items,) bool, true for the items of the data set that may be recommended."""


@dataclass(frozen=True, eq=False)
class EligibleCodes(ItemFilter):
    """The eligible items as a mask over codes, for callers that already have it."""

    codes: np.ndarray
    """(n_items,) bool."""

    __repr__ = short_repr

    @override
    def mask(self, dataset: Dataset) -> np.ndarray:
        return self.codes


@dataclass(frozen=True, eq=False)
class Eligible(ItemFilter):
    """The items that satisfy all of the given conditions; an empty field sets no condition.

    For example: `tm.Eligible(categories=["Comedy", "Drama"], never=[296])`.
    """

    categories: Sequence[str] | str = ()
    """An item must be in at least one of these categories."""
    only: Ids | Id | None = None
    """An item must be on this list, for example of items in stock; None sets no condition."""
    never: Ids | Id = ()
    """An item must not be on this list."""

    __repr__ = short_repr

    def mask(self, dataset: Dataset) -> np.ndarray:
        """Returns (n_items,) bool, true for the items of the data set that are eligible.

        Raises:
            UnknownIdError: a listed item is not in the data.
            ConfigError: no item is in one of the categories.
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
    """Returns a single id as a list of one, and a list unchanged."""
    return [ids] if isinstance(ids, int | str | np.integer) else ids
