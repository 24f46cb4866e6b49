"""The live catalog: the run's, and what has changed since; a snapshot that never changes itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.models.recommender import NewItemKeys, Recommender
from tastemaker.ranking.filters import EligibleCodes
from tastemaker.serving.ids import code_of
from tastemaker.serving.item_store import ItemRecord


class NewItems(NamedTuple):
    """Items that the model can place by what they are, though nobody had touched them."""

    records: list[ItemRecord]
    keys: np.ndarray
    """(n, d) float32, as the model's item keys."""


class LiveCatalog:
    """What is known of the items now."""

    def __init__(self, model: Recommender, changed: Sequence[ItemRecord]) -> None:
        """Takes what the run does not say, or says otherwise."""
        self.dataset: Dataset = model.dataset
        self.changed = changed
        self._model = model
        self._changed = {record.item_id: record for record in changed}
        self._codes = {key: code_of(self.vocabulary, key) for key in self._changed}
        self._of_code = {
            code: self._changed[key] for key, code in self._codes.items() if code != UNKNOWN
        }

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the items that the model was trained with."""
        return self.dataset.item_vocabulary

    def record(self, key: str) -> ItemRecord | None:
        """What is known of an item; None if nothing is, or if it was deleted."""
        record = self._changed.get(key)
        if record is None:
            code = code_of(self.vocabulary, key)
            record = None if code == UNKNOWN else self.at(code)
        return None if record is None or record.deleted else record

    def at(self, code: int) -> ItemRecord:
        """What is known of an item that the model was trained with."""
        return self._of_code.get(code) or ItemRecord(
            str(self._ids[code]),
            self._titles[code] if self._titles else None,
            self._categories[code] if self._categories else None,
            self._images[code] if self._images else None,
        )

    @cached_property
    def listable(self) -> np.ndarray | None:
        """(n_items,) bool: which items may stand in a list; None if all may."""
        withheld = [code for code, record in self._of_code.items() if not record.listable]
        if not withheld:
            return None
        mask = np.ones(self.dataset.n_items, dtype=bool)
        mask[withheld] = False
        return mask

    def eligible(self, categories: Sequence[str], exclude: Iterable[str]) -> EligibleCodes | None:
        """The items that may stand in this list; None if all may.

        Args:
            categories: an item must be in one of them, if there are any.
            exclude: not these, by key; unknown ones are left out anyway.

        Raises:
            ConfigError: no item is in one of the categories.
        """
        codes = [code for key in exclude if (code := code_of(self.vocabulary, key)) != UNKNOWN]
        if not categories and not codes:
            return None if self.listable is None else EligibleCodes(self.listable)
        everything = np.ones(self.dataset.n_items, dtype=bool)
        mask = everything if self.listable is None else self.listable.copy()
        if categories:
            mask &= self._in_categories(tuple(categories))
        mask[codes] = False
        return EligibleCodes(mask)

    def refuse_unknown(self, categories: Sequence[str]) -> None:
        """Raises ConfigError if no item is in one of the categories, with the nearest name."""
        for name in categories:
            if name not in self.n_in_category:
                known = did_you_mean(name, self.n_in_category) if self.n_in_category else ""
                raise ConfigError(f'no item is of the category "{name}"; {known}'.rstrip("; "))

    @cached_property
    def n_in_category(self) -> dict[str, int]:
        """How many items that may be found are in each category, the largest first."""
        of_run = [()] if self._categories is None else self._categories
        names: Counter[str] = Counter()
        for code, own in enumerate(of_run):
            if code not in self._of_code:
                names.update(own or ())
        for record in self._changed.values():
            if record.findable:
                names.update(record.categories or ())
        return dict(names.most_common())

    @cached_property
    def added(self) -> list[ItemRecord]:
        """Items that the model was not trained with, those that may not be listed included."""
        return [
            record
            for key, record in self._changed.items()
            if self._codes[key] == UNKNOWN and not record.deleted
        ]

    @cached_property
    def new_items(self) -> NewItems | None:
        """Those of them that may be listed and that the model can place by their categories."""
        records = [record for record in self.added if record.listable]
        made = self._keys_of(records)
        if made is None or not made.known.any():
            return None
        placed = [record for record, known in zip(records, made.known, strict=True) if known]
        return NewItems(placed, made.keys.cpu().numpy()[made.known])

    def recommendable(self, record: ItemRecord) -> str:
        """How the item can come into a list, as wire.Item says it."""
        if not record.listable:
            return "no"
        code = code_of(self.vocabulary, record.item_id)
        if code != UNKNOWN and self.dataset.item_counts[code] > 0:
            return "model"
        made = self._keys_of([record])
        return "metadata" if made is not None and made.known[0] else "trending"

    def code(self, key: str) -> int | None:
        """The code of an item that the model was trained with, else None."""
        code = code_of(self.vocabulary, key)
        return None if code == UNKNOWN else code

    def search(self, text: str, categories: Sequence[str]) -> list[str]:
        """Keys of the items whose titles hold all words of the text, in any order and case.

        The best matches first, of equal ones the most popular; without a text, all items.
        """
        words = text.casefold().split()
        table = self._searchable
        for word in words:
            table = table.filter(pl.col("folded").str.contains(word, literal=True))
        if categories:
            wanted = pl.element().is_in(list(categories))
            table = table.filter(pl.col("categories").list.eval(wanted).list.any())
        if not words:
            return table["key"].to_list()
        whole = " ".join(words)
        fit = (
            pl.when(pl.col("folded") == whole).then(0)
            .when(pl.col("folded").str.starts_with(whole)).then(1)
            .when(pl.col("folded").str.contains(whole, literal=True)).then(2)
            .otherwise(3)
        )  # fmt: skip
        return table.sort(fit, maintain_order=True)["key"].to_list()

    def alike_by_categories(self, item: ItemRecord, k: int) -> list[tuple[ItemRecord, float]]:
        """The k items that share most of their categories with one, of equal ones the most popular.

        Returns:
            The items, and which share of the categories of both is in both.
        """
        own = pl.lit(list(item.categories or ()), dtype=pl.List(pl.String))
        both = pl.col("categories").list.set_intersection(own).list.len()
        either = pl.col("categories").list.set_union(own).list.len()
        table = self._searchable.select("key", share=both / either)
        table = table.filter((pl.col("share") > 0) & (pl.col("key") != item.item_id))
        best = table.sort("share", descending=True, maintain_order=True)
        found = ((self.record(key), share) for key, share in best.iter_rows())
        return [(one, share) for one, share in found if one is not None and one.listable][:k]

    @cached_property
    def _searchable(self) -> pl.DataFrame:
        """All items that may be found, the most popular first: key, folded title, categories."""
        popular = np.argsort(-self.dataset.item_counts, kind="stable")
        records = [self.at(int(code)) for code in popular] + self.added
        found = [record for record in records if record.findable]
        return pl.DataFrame(
            {
                "key": [record.item_id for record in found],
                "folded": [(record.title or record.item_id).casefold() for record in found],
                "categories": [list(record.categories or ()) for record in found],
            },
            schema={"key": pl.String, "folded": pl.String, "categories": pl.List(pl.String)},
        )

    def _keys_of(self, records: Sequence[ItemRecord]) -> NewItemKeys | None:
        return self._model.new_item_keys([record.categories or () for record in records])

    def _in_categories(self, names: tuple[str, ...]) -> np.ndarray:
        wanted = set(names)
        of_run = np.zeros(self.dataset.n_items, dtype=bool)
        if self._categories is not None:
            known = self.dataset.catalog.categories
            there = [name for name in names if name in known]
            if there:
                of_run = self.dataset.catalog.in_categories(there).copy()
        for code, record in self._of_code.items():
            of_run[code] = not wanted.isdisjoint(record.categories or ())
        return of_run

    @cached_property
    def _ids(self) -> list[int | str]:
        return self.vocabulary.ids.to_list()

    @cached_property
    def _titles(self) -> list[str | None] | None:
        return self._column("title")

    @cached_property
    def _categories(self) -> list[tuple[str, ...] | None] | None:
        lists = self._column("categories")
        return lists and [None if names is None else tuple(names) for names in lists]

    @cached_property
    def _images(self) -> list[str | None] | None:
        return self._column("image_url")

    def _column(self, name: str) -> list[Any] | None:
        catalog = self.dataset.catalog
        return catalog.frame[name].to_list() if name in catalog.columns else None
