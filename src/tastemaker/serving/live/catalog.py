"""The live catalog: an immutable snapshot of the run's catalog with its changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import refuse_wrong_values
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.ranking.filters import EligibleCodes
from tastemaker.serving.live.new_items import NewItems
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.search_table import SearchTable
from tastemaker.serving.live.trained_items import TrainedItems
from tastemaker.serving.store.ids import code_of, codes_of
from tastemaker.serving.store.items import ItemChanges, ItemRecord

MAX_SURPLUS_SETS = 1_000
"""Unused sets of categories are dropped once half the number of all sets exceeds the number of
items by more than this."""


@dataclass(frozen=True, eq=False)
class LiveCatalog:
    """The current data of all items."""

    run_items: RunItems
    as_of: ItemChanges | None
    """The changes that it includes; None without a database."""
    trained: TrainedItems
    new: NewItems
    _counts: Mapping[str, int]
    _table: SearchTable

    @classmethod
    def of(
        cls,
        run_items: RunItems,
        changed: Sequence[ItemRecord] = (),
        as_of: ItemChanges | None = None,
    ) -> "LiveCatalog":
        """Returns the catalog of a run with items added or changed."""
        table = SearchTable(lambda: run_items.searchable, {})
        unchanged = cls(
            run_items, None, TrainedItems.of(run_items),
            NewItems(run_items.new_sets, "title" in run_items.dataset.catalog.features),
            run_items.n_in_category, table,
        )  # fmt: skip
        return unchanged.with_changes(changed, as_of)

    def with_changes(
        self, changed: Sequence[ItemRecord], as_of: ItemChanges | None
    ) -> "LiveCatalog":
        """Returns this catalog with some items changed; the time depends mainly on their number."""
        codes = codes_of(self.vocabulary, [record.item_id for record in changed]).tolist()
        pairs = list(zip(codes, changed, strict=True))
        new = self.new.with_changes([record for code, record in pairs if code == UNKNOWN])
        trained = self.trained.with_changes(
            {code: record for code, record in pairs if code != UNKNOWN}
        )
        new_item_rank, ranks = len(self.run_items), self.run_items.popularity_ranks
        table = self._table.with_changes(
            {
                record.item_id: (new_item_rank if code == UNKNOWN else int(ranks[code]), record)
                for code, record in pairs
            }
        )
        counts = self._updated_counts(pairs)
        catalog = LiveCatalog(self.run_items, as_of, trained, new, counts, table)
        return catalog._without_unused_sets()

    @property
    def changed(self) -> list[ItemRecord]:
        """All items that differ from the run, deleted ones included."""
        return [*self.trained.changed.values(), *self.new.records]

    @property
    def dataset(self) -> Dataset:
        """The data set that the model was trained with."""
        return self.run_items.dataset

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the items that the model was trained with."""
        return self.dataset.item_vocabulary

    def record(self, key: str) -> ItemRecord | None:
        """Returns the current record of an item; None if it is unknown or deleted."""
        record = self.new.get(key)
        if record is None:
            code = code_of(self.vocabulary, key)
            record = None if code == UNKNOWN else self.at(code)
        return None if record is None or record.deleted else record

    def base(self, key: str) -> ItemRecord | None:
        """Returns the record from which a change of an item starts; None if there is none.

        For an item of the run this is the run's record, even if the item was deleted since.
        """
        code = code_of(self.vocabulary, key)
        return self.record(key) if code == UNKNOWN else self.run_items.record(code)

    def at(self, code: int) -> ItemRecord:
        """Returns the current record of an item that the model was trained with."""
        return self.trained.at(code)

    @property
    def n_withheld(self) -> int:
        """Number of items that the model was trained with and that may not appear in lists."""
        return int(np.count_nonzero(~self.trained.listable))

    def eligible(self, categories: Sequence[str], exclude: Iterable[str]) -> EligibleCodes | None:
        """Returns the trained items that may appear in a list; None if all may.

        Args:
            categories: an item must be in one of them, if there are any.
            exclude: keys of items to leave out; those that the model was not trained with are
                ignored.
        """
        codes = [code for key in exclude if (code := code_of(self.vocabulary, key)) != UNKNOWN]
        mask = self.trained.listable.copy()
        if categories:
            mask &= self.trained.within(categories)
        mask[codes] = False
        return None if mask.all() else EligibleCodes(mask)

    def refuse_unknown(self, categories: Sequence[str]) -> None:
        """Raises ConfigError, with the nearest name, if one of the categories has no item."""
        for name in categories:
            if name not in self._counts:
                known = did_you_mean(name, self.n_in_category) if self._counts else ""
                raise ConfigError(f'no item has the category "{name}"; {known}'.rstrip("; "))

    @cached_property
    def n_in_category(self) -> dict[str, int]:
        """Number of findable items in each category, largest category first."""
        return dict(sorted(self._counts.items(), key=lambda pair: -pair[1]))

    def recommendable(self, record: ItemRecord) -> str:
        """Returns how the item can appear in lists: a value of `wire.Item.recommendable`."""
        if not record.listable:
            return "no"
        code = code_of(self.vocabulary, record.item_id)
        if code != UNKNOWN and self.dataset.item_counts[code] > 0:
            return "model"
        number = self.new.set_number(record)
        return "metadata" if self.run_items.vectors.known[number] else "trending"

    def refuse_wrong_features(self, record: ItemRecord) -> None:
        """Raises ConfigError if a feature is unknown to the run, or is not of its kind."""
        for name in ("title", "categories"):
            if name in (record.features or {}):
                raise ConfigError(
                    f'"{name}" is a field of the item itself; send it beside features'
                )
        refuse_wrong_values(self.dataset.catalog, record.features or {})

    def code(self, key: str) -> int | None:
        """Returns the code of an item that the model was trained with, else None."""
        code = code_of(self.vocabulary, key)
        return None if code == UNKNOWN else code

    def search(self, text: str, categories: Sequence[str]) -> list[str]:
        """Returns keys of items whose titles contain all words of a text, in any order and case.

        The best matches come first, equal ones by popularity; an empty text finds all items.
        """
        return self._table.search(text, categories)

    def similar_by_categories(self, item: ItemRecord, k: int) -> list[tuple[ItemRecord, float]]:
        """Returns the k items whose categories are most similar, equal ones by popularity.

        Returns:
            The items, each with the Jaccard similarity of its categories to those of the given one.
        """
        found = ((self.record(key), fraction) for key, fraction in self._table.similar(item))
        similar = (
            (other, fraction) for other, fraction in found if other is not None and other.listable
        )
        return list(islice(similar, k))

    def _updated_counts(self, pairs: Sequence[tuple[int, ItemRecord]]) -> Mapping[str, int]:
        """Returns the number of items in each category after these changes."""
        counts = dict(self._counts)
        for code, record in pairs:
            before = self.new.get(record.item_id) if code == UNKNOWN else self.at(code)
            if before is not None and before.findable:
                for name in before.categories or ():
                    counts[name] -= 1
                    if not counts[name]:
                        del counts[name]
            if record.findable:
                for name in record.categories or ():
                    counts[name] = counts.get(name, 0) + 1
        return counts

    def _without_unused_sets(self) -> "LiveCatalog":
        """Returns this catalog, rebuilt if most sets of categories are no longer used."""
        items = self.run_items
        n_surplus_of_run = len(items.sets) // 2 - len(items)
        n_surplus_of_new = len(items.new_sets) // 2 - len(self.new)
        if max(n_surplus_of_run, n_surplus_of_new) <= MAX_SURPLUS_SETS:
            return self
        return LiveCatalog.of(RunItems(items.model), self.changed, self.as_of)
