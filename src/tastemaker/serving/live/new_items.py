"""New items: the items of the catalog that the model was not trained with."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tastemaker.serving.live.category_sets import CategorySets
from tastemaker.serving.store.items import ItemRecord


@dataclass(frozen=True, eq=False)
class NewItems:
    """The new items, deleted ones included: records, and arrays with one value per record."""

    sets: CategorySets
    """Numbers the items' sets of categories and other features."""
    reads_titles: bool = False
    """Whether titles are features too."""
    records: Sequence[ItemRecord] = ()
    _place_of: dict[str, int] = field(default_factory=dict)
    set_of: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    listable: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    _changed: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.records)

    def with_changes(self, changed: Sequence[ItemRecord]) -> Self:
        """Returns the items with some added, or replaced if their ids are there already.

        The arrays are copied as a whole, which takes microseconds for thousands of items; values
        are computed for the changed items alone.
        """
        if not changed:
            return self
        added = {
            record.item_id: record for record in changed if record.item_id not in self._place_of
        }
        places = self._place_of
        if added:
            places = {**places, **{key: len(self) + i for i, key in enumerate(added)}}
        changed_places = [places[record.item_id] for record in changed]
        records = [*self.records, *added.values()]
        for place, record in zip(changed_places, changed, strict=True):
            records[place] = record

        def with_values(column: np.ndarray, values: Sequence[int]) -> np.ndarray:
            column = np.concatenate([column, np.zeros(len(added), dtype=column.dtype)])
            column[changed_places] = values
            return column

        return type(self)(
            self.sets,
            self.reads_titles,
            records,
            places,
            with_values(self.set_of, [self.set_number(record) for record in changed]),
            with_values(self.listable, [record.listable for record in changed]),
            with_values(self._changed, [record.changed for record in changed]),
        )

    def set_number(self, record: ItemRecord) -> int:
        """Returns the number of the item's set of categories and other features."""
        features = record.features or {}
        if self.reads_titles:
            features = {**features, "title": record.title}
        return self.sets.number(record.categories or (), features)

    def get(self, key: str) -> ItemRecord | None:
        """Returns the item, deleted or not; None if it is not a new one."""
        place = self._place_of.get(key)
        return None if place is None else self.records[place]

    def places(self, keys: Iterable[str]) -> np.ndarray:
        """Returns (n,) int64 positions of new items by key; -1 for other keys."""
        return np.array([self._place_of.get(key, -1) for key in keys], dtype=np.int64)

    def allowed(self, categories: Collection[str], exclude: Iterable[str]) -> np.ndarray:
        """Returns (n,) bool: which items may appear in a list.

        Args:
            categories: an item must be in one of them, if there are any.
            exclude: keys of items to leave out.
        """
        mask = self.listable
        if categories:
            mask = mask & self.sets.within(categories)[self.set_of]
        return self.without(mask, exclude)

    def without(self, mask: np.ndarray, keys: Iterable[str]) -> np.ndarray:
        """Returns a copy of the mask, (n,) bool, that is also false for items with these keys."""
        places = self.places(keys)
        mask = mask.copy()
        mask[places[places >= 0]] = False
        return mask

    def best(self, scores: np.ndarray, k: int) -> np.ndarray:
        """Returns the positions of the k items with the largest scores; of ties, the first changed.

        Args:
            scores: (n,) floats; -inf for items to leave out.
            k: number of items; may exceed the number there are.
        """
        k = min(k, int(np.count_nonzero(scores > -np.inf)))
        if k == 0:
            return np.zeros(0, dtype=np.int64)
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        # Items with the same categories have the same score. All that tie for the last position are
        # compared, so that every worker selects the same ones.
        candidates = np.flatnonzero(scores >= threshold)
        return candidates[np.lexsort((self._changed[candidates], -scores[candidates]))][:k]
