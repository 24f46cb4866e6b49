"""Dataset: interactions as integer codes, sorted by user and time. Immutable."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.blocks import in_threads
from tastemaker.data.catalog import Catalog
from tastemaker.data.folding import (
    DuplicateWeights,
    Folding,
    combined_weights,
    first_rows,
    pair_keys,
)
from tastemaker.data.interactions import Interactions
from tastemaker.data.ordering import Duplicates, first_or_latest, sort_by_user_and_time
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked

COLUMNS = ("users", "items", "timestamps", "ratings", "weights")
"""The fields that hold one value per row."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions as dense integer codes, in the order of user, then time, then input.

    Immutable: every operation returns a new object, which shares arrays where possible. The rows of
    user `u` are `indptr[u]:indptr[u + 1]`, oldest first.

    A data set as it was read may hold a (user, item) pair several times; `folding` is then the rule
    by which the rows of a pair are merged into one. The training part of a Split is folded: no pair
    occurs twice.
    """

    name: str
    users: np.ndarray
    """(n,) int32 user codes, ascending."""
    items: np.ndarray
    """(n,) int32 item codes."""
    user_vocabulary: Vocabulary
    item_vocabulary: Vocabulary
    catalog: Catalog
    """Aligned to the item codes."""
    timestamps: np.ndarray | None = None
    """(n,) int64 seconds since 1970 UTC, or None for data without times."""
    ratings: np.ndarray | None = None
    """(n,) float32, or None."""
    weights: np.ndarray | None = None
    """(n,) float32 weight of each interaction, or None for 1 each."""
    time_unit: str | None = None
    n_duplicates: int = 0
    """Number of rows that folding dropped because their (user, item) pair occurred repeatedly."""
    n_missing: int = 0
    """Number of rows left out because an id, a time or a weight is missing."""
    folding: Folding | None = None
    """How repeated rows are merged into one; None if no (user, item) pair occurs twice."""
    notes: tuple[str, ...] = field(default=())
    """Decisions made while the data set was read and prepared, for a log."""

    def __post_init__(self) -> None:
        refuse_forked()
        self._freeze()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled or copied object and makes its arrays read-only again."""
        self.__dict__.update(state)
        self._freeze()

    def _freeze(self) -> None:
        for name in COLUMNS:
            array = getattr(self, name)
            if array is not None:
                # A view, so that the caller's own array does not become read-only.
                frozen = array.view()
                frozen.flags.writeable = False
                object.__setattr__(self, name, frozen)

    @classmethod
    def from_interactions(
        cls,
        interactions: Interactions,
        catalog: Catalog | None = None,
        *,
        duplicates: Duplicates = "latest",
        duplicate_weights: DuplicateWeights = "kept",
        min_rating: float | None = None,
        user_vocabulary: Vocabulary | None = None,
        item_vocabulary: Vocabulary | None = None,
        untouched_items: bool = False,
    ) -> "Dataset":
        """Encodes and sorts a log of interactions.

        Args:
            interactions: the validated log.
            catalog: titles, categories and images of the items.
            duplicates: which of several interactions of one user with one item to keep in each
                part of a split.
            duplicate_weights: the weight of such a pair: that of the kept row ("kept"), or the
                "sum" or the "max" of its rows.
            min_rating: keep only interactions with at least this rating. It is compared with the
                rating that folding keeps: with duplicates="latest", the latest rating of the pair.
            user_vocabulary: vocabulary to use instead of that of these interactions alone.
            item_vocabulary: likewise for the items.
            untouched_items: include the items of the catalog that no user touched, so that a model
                that represents items by their categories can recommend them; by default they are
                left out.

        Raises:
            DataError: min_rating is given for data without ratings, or leaves no rows;
                duplicate_weights combines weights but the data have none; or untouched_items is
                set without a catalog.
        """
        if untouched_items and catalog is None:
            raise DataError(
                f"{interactions.name}: untouched_items=True includes items without interactions, "
                "but there is no catalog that lists them; give one with catalog=…"
            )
        frame = interactions.frame
        users = user_vocabulary or Vocabulary.of(frame["user_id"], kind="user")
        items = item_vocabulary or Vocabulary.of(frame["item_id"], kind="item")
        columns = _columns(frame, users, items)
        sort_by_user_and_time(columns)
        dataset = cls(
            interactions.name,
            user_vocabulary=users,
            item_vocabulary=items,
            catalog=Catalog(pl.DataFrame({"item_id": items.ids})),
            time_unit=interactions.time_unit,
            n_missing=interactions.n_missing,
            notes=interactions.notes,
            **columns,
        )._with_folding(Folding(duplicates, duplicate_weights, min_rating))
        if catalog is None:
            return dataset
        coverage = catalog.coverage(dataset.item_vocabulary)
        dataset = dataset.with_catalog(catalog, untouched_items=untouched_items)
        return replace(dataset, notes=(*dataset.notes, *catalog.notes, coverage))

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name}: {len(self):,} interactions, {self.n_users:,} users, "
            f"{self.n_items:,} items)"
        )

    @property
    def n_users(self) -> int:
        """Number of users in the vocabulary, including those without interactions here."""
        return len(self.user_vocabulary)

    @property
    def n_items(self) -> int:
        """Number of items in the vocabulary, including those without interactions here."""
        return len(self.item_vocabulary)

    @cached_property
    def indptr(self) -> np.ndarray:
        """(n_users + 1,) int64 row pointers."""
        return pointers(self.users, self.n_users)

    @cached_property
    def user_counts(self) -> np.ndarray:
        """(n_users,) int64 number of interactions of each user."""
        return np.diff(self.indptr)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """(n_items,) int64 number of interactions of each item."""
        return np.bincount(self.items, minlength=self.n_items)

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b hash of ids, codes, times, ratings, weights and folding; equal for equal data."""
        digest = blake2b(digest_size=16)
        for vocabulary in (self.user_vocabulary, self.item_vocabulary):
            ids = vocabulary.ids
            digest.update(
                "\0".join(ids).encode() if vocabulary.is_text else ids.to_numpy().tobytes()
            )
            digest.update(f"|{len(ids)}|".encode())
        for array in (self.users, self.items, self.timestamps, self.ratings, self.weights):
            digest.update(b"none" if array is None else np.ascontiguousarray(array).data)
        if self.folding is not None:
            digest.update(repr(self.folding).encode())
        return digest.hexdigest()

    def history(self, user: int) -> np.ndarray:
        """Returns the item codes of one user, oldest first: (n,) int32."""
        return self.items[self.indptr[user] : self.indptr[user + 1]]

    def histories(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the concatenated item codes of many users, and the row pointers into them.

        Args:
            users: (n,) codes.

        Returns:
            (m,) int64 item codes and (n + 1,) int64 pointers.
        """
        rows, indptr = take_runs(self.indptr, users)
        return self.items[rows].astype(np.int64), indptr

    def rows(self, keep: np.ndarray) -> "Dataset":
        """Returns the rows in `keep` (a boolean mask or ascending positions), codes unchanged."""
        names = [name for name in COLUMNS if getattr(self, name) is not None]
        kept = in_threads(lambda name: getattr(self, name)[keep], names, len(self))
        return replace(self, **dict(zip(names, kept, strict=True)))

    def folded(self) -> "Dataset":
        """Applies `folding`: returns one row for each (user, item) pair, codes unchanged."""
        rule = self.folding
        if rule is None:
            return self
        kept = first_or_latest(self.users, self.items, rule.keep)
        folded = replace(self.rows(kept), n_duplicates=len(self) - int(kept.sum()), folding=None)
        if self.weights is not None:
            pairs = pair_keys(self.users, self.items, self.n_items)
            weights = combined_weights(pairs, self.weights, kept, rule.weights)
            folded = replace(folded, weights=weights)
        if rule.min_rating is not None and folded.ratings is not None:
            folded = folded.rows(folded.ratings >= rule.min_rating)
        return folded

    def first_rows(self) -> np.ndarray:
        """Returns (n,) bool: marks the row that introduced each pair that folding keeps."""
        if self.folding is None:
            return np.ones(len(self), dtype=bool)
        return first_rows(self.users, self.items, self.ratings, self.folding)

    def compact(self) -> "Dataset":
        """Drops users and items that have no interaction left, and assigns new dense codes."""
        users, items = self.user_counts > 0, self.item_counts > 0
        new_user, new_item = np.cumsum(users) - 1, np.cumsum(items) - 1
        catalog = self.catalog.frame.filter(pl.Series(items))
        return replace(
            self,
            users=new_user[self.users].astype(np.int32),
            items=new_item[self.items].astype(np.int32),
            user_vocabulary=Vocabulary(self.user_vocabulary.ids.filter(pl.Series(users)), "user"),
            item_vocabulary=Vocabulary(self.item_vocabulary.ids.filter(pl.Series(items)), "item"),
            catalog=Catalog(catalog),
        )

    def with_catalog(self, catalog: Catalog, *, untouched_items: bool = False) -> "Dataset":
        """Returns the same interactions with a catalog of the items.

        Args:
            catalog: titles, categories and images of the items.
            untouched_items: include items that only the catalog lists; all items are then coded
                in the order of their ids.

        Raises:
            DataError: the ids are whole numbers in the data and text in the catalog or vice versa,
                or no id of the catalog is an item of the data.
        """
        known, items = self.item_vocabulary, self.items
        catalog = catalog.matching(known, keep_all=untouched_items)
        if untouched_items:
            known = Vocabulary.of(known.ids, catalog.frame["item_id"], kind="item")
            items = known.find(self.item_vocabulary.ids)[items]
        aligned = catalog.aligned_to(known)
        return replace(self, items=items, item_vocabulary=known, catalog=aligned)

    def with_note(self, note: str) -> "Dataset":
        """Returns the same data with one more note."""
        return replace(self, notes=(*self.notes, note))

    def to_frame(self) -> pl.DataFrame:
        """Returns the interactions with their external ids, as a new table."""
        columns = {
            "user_id": self.user_vocabulary.decode(self.users),
            "item_id": self.item_vocabulary.decode(self.items),
            "timestamp": self.timestamps,
            "rating": self.ratings,
            "weight": self.weights,
        }
        return pl.DataFrame({name: c for name, c in columns.items() if c is not None})

    def _with_folding(self, rule: Folding) -> "Dataset":
        """Adds the folding rule if a pair occurs twice, and applies the rule's minimum rating."""
        if rule.weights != "kept" and self.weights is None:
            raise DataError(
                f'{self.name}: duplicate_weights="{rule.weights}" combines the weights of repeated '
                "rows, but there is no weight column; name it with weight=…"
            )
        kept = first_or_latest(self.users, self.items, rule.keep)
        data = self if kept.all() else replace(self, folding=rule)
        if rule.min_rating is not None:
            data = data._rated_at_least(rule.min_rating, kept)
        if data.folding is None:
            return data
        how = rule.describe(weighted=self.weights is not None)
        return data.with_note(f"{int((~kept).sum()):,} rows repeat a (user, item) pair; {how}")

    def _rated_at_least(self, min_rating: float, kept: np.ndarray) -> "Dataset":
        """Drops the pairs that were never rated so high, since no part of a split keeps them."""
        if self.ratings is None:
            raise DataError(
                f"{self.name}: min_rating=… needs a rating column, but there is none; name the "
                "column with rating=…, or leave out min_rating=…"
            )
        liked = self.ratings >= min_rating
        if not (liked & kept).any():
            raise DataError(
                f"{self.name}: no rating is {min_rating:g} or above "
                f"(the highest is {np.nanmax(self.ratings[kept]):g}); lower min_rating=…"
            )
        if self.folding is not None:
            pairs = pair_keys(self.users, self.items, self.n_items)
            liked = np.isin(pairs, pairs[liked])
        note = f"{int((~liked).sum()):,} rows not rated {min_rating:g} or above are left out"
        return self.rows(liked).compact().with_note(note)


def pointers(sorted_codes: np.ndarray, n: int) -> np.ndarray:
    """Returns (n + 1,) int64 pointers to where each code's run begins in ascending codes."""
    return np.searchsorted(sorted_codes, np.arange(n + 1, dtype=sorted_codes.dtype))


def take_runs(indptr: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the concatenated positions of chosen runs of a ragged array, and their pointers."""
    return runs(indptr[which], indptr[which + 1] - indptr[which])


def runs(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (m,) concatenated positions of the given runs, and (n + 1,) pointers into them."""
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], counts), indptr


def _columns(frame: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> dict[str, Any]:
    """Returns new arrays for the fields of a Dataset, by name, in the order of the table."""
    others = [name for name in ("timestamp", "rating", "weight") if name in frame.columns]
    copies = in_threads(lambda name: _copied(frame[name]), others, frame.height)
    codes = {"users": users.find(frame["user_id"]), "items": items.find(frame["item_id"])}
    return codes | {f"{name}s": copy for name, copy in zip(others, copies, strict=True)}


def _copied(column: pl.Series) -> np.ndarray:
    """Returns a new array, copied chunk by chunk: to_numpy would first concatenate the chunks."""
    return np.concatenate([chunk.to_numpy() for chunk in column.get_chunks()])
