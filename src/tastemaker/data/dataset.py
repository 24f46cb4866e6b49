"""Dataset: interactions as integer codes, sorted by user and time. Frozen."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl

from tastemaker.data.blocks import on_all_cores
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
"""The fields with one value a row."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions by dense code, in the order of user, then time, then input.

    Never changes: every operation returns a new object that shares what it can. User `u` owns the
    rows `indptr[u]:indptr[u + 1]`, oldest first.

    A data set as it was read may hold a (user, item) pair several times; `folding` then says how
    the rows of a pair become one. The training part of a Split is folded: no pair occurs twice.
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
    """(n,) int64 seconds since 1970 UTC, or None for data without time."""
    ratings: np.ndarray | None = None
    """(n,) float32, or None."""
    weights: np.ndarray | None = None
    """(n,) float32, how much each interaction counts, or None for 1 each."""
    time_unit: str | None = None
    n_duplicates: int = 0
    """Rows that folding dropped, because the same user had the same item more than once."""
    n_missing: int = 0
    """Number of rows left out because an id, a time or a weight is missing."""
    folding: Folding | None = None
    """How repeated rows become one; None where no (user, item) pair occurs twice."""
    notes: tuple[str, ...] = field(default=())
    """What was decided on the way here, for a log."""

    def __post_init__(self) -> None:
        refuse_forked()
        self._freeze()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes up what was pickled or copied; NumPy leaves its copies writable."""
        self.__dict__.update(state)
        self._freeze()

    def _freeze(self) -> None:
        for name in COLUMNS:
            array = getattr(self, name)
            if array is not None:
                # A view, so that the caller's own array stays as writable as it was.
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
        """Encodes and sorts the log.

        Args:
            interactions: the validated log.
            catalog: what is known of the items.
            duplicates: which of several interactions of one user with one item to keep in each
                part of a split.
            duplicate_weights: the weight of such a pair: that of the kept row ("kept"), or the
                "sum" or the "max" of its rows.
            min_rating: keep only interactions rated at least this. It looks at the rating that
                folding keeps, so a change of heart counts.
            user_vocabulary: codes to use instead of those of these interactions alone.
            item_vocabulary: likewise for the items.
            untouched_items: take in the items of the catalog that nobody touched, so that a model
                that knows items by their categories can recommend them; else they are left out.

        Raises:
            DataError: a threshold on data without ratings, or one that leaves nothing; a rule for
                weights without weights; or untouched items without a catalog.
        """
        if untouched_items and catalog is None:
            raise DataError(
                f"{interactions.name}: items that nobody touched were asked for, but there is no "
                "catalog that lists any; give one with catalog=…"
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
        )._to_be_folded(Folding(duplicates, duplicate_weights, min_rating))
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
        """Users in the vocabulary, those without interactions here included."""
        return len(self.user_vocabulary)

    @property
    def n_items(self) -> int:
        """Items in the vocabulary, those without interactions here included."""
        return len(self.item_vocabulary)

    @cached_property
    def indptr(self) -> np.ndarray:
        """(n_users + 1,) int64 row pointers."""
        return pointers(self.users, self.n_users)

    @cached_property
    def user_counts(self) -> np.ndarray:
        """(n_users,) int64 interactions of each user."""
        return np.diff(self.indptr)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """(n_items,) int64 interactions of each item."""
        return np.bincount(self.items, minlength=self.n_items)

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b of ids, codes, times, weights and folding: equal data, equal fingerprint."""
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
        """Item codes of one user, oldest first: (n,) int32."""
        return self.items[self.indptr[user] : self.indptr[user + 1]]

    def histories(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Item codes of many users end to end, and the row pointers into them.

        Args:
            users: (n,) codes.

        Returns:
            (m,) int64 item codes and (n + 1,) int64 pointers.
        """
        rows, indptr = take_runs(self.indptr, users)
        return self.items[rows].astype(np.int64), indptr

    def rows(self, keep: np.ndarray) -> "Dataset":
        """Only the rows kept (a boolean mask or ascending positions), codes unchanged."""
        names = [name for name in COLUMNS if getattr(self, name) is not None]
        kept = on_all_cores(lambda name: getattr(self, name)[keep], names, len(self))
        return replace(self, **dict(zip(names, kept, strict=True)))

    def folded(self) -> "Dataset":
        """The data with one row for each (user, item) pair, as `folding` says, codes unchanged."""
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
        """(n,) bool: the row by which each user came to each item that folding keeps."""
        if self.folding is None:
            return np.ones(len(self), dtype=bool)
        return first_rows(self.users, self.items, self.ratings, self.folding)

    def compact(self) -> "Dataset":
        """Codes afresh, without the users and items that have no interaction left."""
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
        """The same interactions, with what is known of the items.

        Args:
            catalog: what is known of them.
            untouched_items: take in those that only the catalog lists; their codes are among the
                others', in the order of the ids.

        Raises:
            DataError: the ids are whole numbers here and text there, or no id of the catalog is
                one of the items.
        """
        known, items = self.item_vocabulary, self.items
        catalog = catalog.matching(known, all_of_them=untouched_items)
        if untouched_items:
            known = Vocabulary.of(known.ids, catalog.frame["item_id"], kind="item")
            items = known.find(self.item_vocabulary.ids)[items]
        aligned = catalog.aligned_to(known)
        return replace(self, items=items, item_vocabulary=known, catalog=aligned)

    def with_note(self, note: str) -> "Dataset":
        """The same data, with one more line in its log."""
        return replace(self, notes=(*self.notes, note))

    def to_frame(self) -> pl.DataFrame:
        """The interactions with their external ids, as a new table."""
        columns = {
            "user_id": self.user_vocabulary.decode(self.users),
            "item_id": self.item_vocabulary.decode(self.items),
            "timestamp": self.timestamps,
            "rating": self.ratings,
            "weight": self.weights,
        }
        return pl.DataFrame({name: c for name, c in columns.items() if c is not None})

    def _to_be_folded(self, rule: Folding) -> "Dataset":
        """The log with its rule, or as it is where no pair occurs twice."""
        if rule.weights != "kept" and self.weights is None:
            raise DataError(
                f"{self.name}: the weights of repeated rows were to be combined "
                f'(duplicate_weights="{rule.weights}"), but there is no weight column; '
                "name it with weight=…"
            )
        kept = first_or_latest(self.users, self.items, rule.keep)
        data = self if kept.all() else replace(self, folding=rule)
        if rule.min_rating is not None:
            data = data._rated_at_least(rule.min_rating, kept)
        if data.folding is None:
            return data
        how = rule.describe(weighted=self.weights is not None)
        return data.with_note(f"repeated (user, item) rows: {int((~kept).sum()):,}; {how}")

    def _rated_at_least(self, min_rating: float, kept: np.ndarray) -> "Dataset":
        """Without the pairs that were never rated so high: they are in no part of a split."""
        if self.ratings is None:
            raise DataError(
                f"{self.name}: a minimum rating was asked for, but there is no rating column; "
                "name it with rating=…, or leave min_rating=… out"
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
        note = f"ratings below {min_rating:g}: {int((~liked).sum()):,} rows left out"
        return self.rows(liked).compact().with_note(note)


def pointers(sorted_codes: np.ndarray, n: int) -> np.ndarray:
    """(n + 1,) int64 pointers to where each code's run begins in ascending codes."""
    return np.searchsorted(sorted_codes, np.arange(n + 1, dtype=sorted_codes.dtype))


def take_runs(indptr: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the chosen runs of a ragged array end to end, and the pointers into them."""
    return runs(indptr[which], indptr[which + 1] - indptr[which])


def runs(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) positions of the runs that begin at `starts`, end to end, and (n + 1,) pointers."""
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], counts), indptr


def _columns(frame: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> dict[str, Any]:
    """The arrays of a Dataset by field, new ones, in the order of the table."""
    others = [name for name in ("timestamp", "rating", "weight") if name in frame.columns]
    copies = on_all_cores(lambda name: _copied(frame[name]), others, frame.height)
    codes = {"users": users.find(frame["user_id"]), "items": items.find(frame["item_id"])}
    return codes | {f"{name}s": copy for name, copy in zip(others, copies, strict=True)}


def _copied(column: pl.Series) -> np.ndarray:
    """A new array, made chunk by chunk: to_numpy would first put the chunks together."""
    return np.concatenate([chunk.to_numpy() for chunk in column.get_chunks()])
