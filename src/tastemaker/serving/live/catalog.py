"""The live catalog: the run's, and what has changed since; a snapshot that never changes itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.ranking.filters import EligibleCodes
from tastemaker.serving.live.new_items import NewItems
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.search_table import SearchTable
from tastemaker.serving.live.trained_items import TrainedItems
from tastemaker.serving.store.ids import code_of, codes_of
from tastemaker.serving.store.items import ItemChanges, ItemRecord

SPARE_SETS = 1_000
"""Sets of categories that no item has any more are given up once half of all sets are more than
there are items, by this many."""


@dataclass(frozen=True, eq=False)
class LiveCatalog:
    """What is known of the items now."""

    run_items: RunItems
    as_of: ItemChanges | None
    """The changes that are in it; None without a database."""
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
        """The catalog of a run and what it does not say, or says otherwise."""
        table = SearchTable(lambda: run_items.searchable, {})
        as_in_run = cls(
            run_items, None, TrainedItems.of(run_items), NewItems(run_items.new_sets),
            run_items.n_in_category, table,
        )  # fmt: skip
        return as_in_run.with_changes(changed, as_of)

    def with_changes(
        self, changed: Sequence[ItemRecord], as_of: ItemChanges | None
    ) -> "LiveCatalog":
        """This catalog with some items changed; takes as long as there are changes, hardly more."""
        codes = codes_of(self.vocabulary, [record.item_id for record in changed]).tolist()
        pairs = list(zip(codes, changed, strict=True))
        new = self.new.with_changes([record for code, record in pairs if code == UNKNOWN])
        trained = self.trained.with_changes(
            {code: record for code, record in pairs if code != UNKNOWN}
        )
        last, ranks = len(self.run_items), self.run_items.popularity_ranks
        table = self._table.with_changes(
            {
                record.item_id: (last if code == UNKNOWN else int(ranks[code]), record)
                for code, record in pairs
            }
        )
        counts = self._counted_anew(pairs)
        made = LiveCatalog(self.run_items, as_of, trained, new, counts, table)
        return made._without_spare_sets()

    @property
    def changed(self) -> list[ItemRecord]:
        """All items that are otherwise than in the run, deleted ones included."""
        return [*self.trained.changed.values(), *self.new.records]

    @property
    def dataset(self) -> Dataset:
        """What the model was trained with."""
        return self.run_items.dataset

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the items that the model was trained with."""
        return self.dataset.item_vocabulary

    def record(self, key: str) -> ItemRecord | None:
        """What is known of an item; None if nothing is, or if it was deleted."""
        record = self.new.get(key)
        if record is None:
            code = code_of(self.vocabulary, key)
            record = None if code == UNKNOWN else self.at(code)
        return None if record is None or record.deleted else record

    def base(self, key: str) -> ItemRecord | None:
        """What holds of an item while nobody has changed it, or None if it is not there.

        Of an item of the run, what the run says: also of one that was deleted.
        """
        code = code_of(self.vocabulary, key)
        return self.record(key) if code == UNKNOWN else self.run_items.record(code)

    def at(self, code: int) -> ItemRecord:
        """What is known of an item that the model was trained with."""
        return self.trained.at(code)

    @property
    def n_withheld(self) -> int:
        """How many items that the model was trained with may not stand in a list."""
        return int(np.count_nonzero(~self.trained.listable))

    def eligible(self, categories: Sequence[str], exclude: Iterable[str]) -> EligibleCodes | None:
        """The items that may stand in this list; None if all may.

        Args:
            categories: an item must be in one of them, if there are any.
            exclude: not these, by key; unknown ones are left out anyway.
        """
        codes = [code for key in exclude if (code := code_of(self.vocabulary, key)) != UNKNOWN]
        mask = self.trained.listable.copy()
        if categories:
            mask &= self.trained.within(categories)
        mask[codes] = False
        return None if mask.all() else EligibleCodes(mask)

    def refuse_unknown(self, categories: Sequence[str]) -> None:
        """Raises ConfigError if no item is in one of the categories, with the nearest name."""
        for name in categories:
            if name not in self._counts:
                known = did_you_mean(name, self.n_in_category) if self._counts else ""
                raise ConfigError(f'no item is of the category "{name}"; {known}'.rstrip("; "))

    @cached_property
    def n_in_category(self) -> dict[str, int]:
        """How many items that may be found are in each category, the largest first."""
        return dict(sorted(self._counts.items(), key=lambda pair: -pair[1]))

    def recommendable(self, record: ItemRecord) -> str:
        """How the item can come into a list, as wire.Item says it."""
        if not record.listable:
            return "no"
        code = code_of(self.vocabulary, record.item_id)
        if code != UNKNOWN and self.dataset.item_counts[code] > 0:
            return "model"
        number = self.new.sets.number(record.categories or ())
        return "metadata" if self.run_items.vectors.known[number] else "trending"

    def code(self, key: str) -> int | None:
        """The code of an item that the model was trained with, else None."""
        code = code_of(self.vocabulary, key)
        return None if code == UNKNOWN else code

    def search(self, text: str, categories: Sequence[str]) -> list[str]:
        """Keys of the items whose titles hold all words of the text, in any order and case.

        The best matches first, of equal ones the most popular; without a text, all items.
        """
        return self._table.search(text, categories)

    def alike_by_categories(self, item: ItemRecord, k: int) -> list[tuple[ItemRecord, float]]:
        """The k items that share most of their categories with one, of equal ones the most popular.

        Returns:
            The items, and which fraction of the categories of both is in both.
        """
        found = ((self.record(key), fraction) for key, fraction in self._table.alike(item))
        alike = ((one, fraction) for one, fraction in found if one is not None and one.listable)
        return list(islice(alike, k))

    def _counted_anew(self, pairs: Sequence[tuple[int, ItemRecord]]) -> Mapping[str, int]:
        """How many items are in each category once these are as they are now."""
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

    def _without_spare_sets(self) -> "LiveCatalog":
        """The same, made anew where most sets of categories belong to no item any more."""
        items = self.run_items
        of_run, of_new = len(items.sets) // 2 - len(items), len(items.new_sets) // 2 - len(self.new)
        if max(of_run, of_new) <= SPARE_SETS:
            return self
        return LiveCatalog.of(RunItems(items.model), self.changed, self.as_of)
