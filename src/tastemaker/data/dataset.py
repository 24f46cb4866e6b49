"""Dataset: interactions as integer codes, sorted by user and time. Immutable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from tastemaker.data.blocks import ROWS_PER_BLOCK, in_threads
from tastemaker.data.catalog import Catalog
from tastemaker.data.fingerprint import Buffers, buffers_of, fingerprint
from tastemaker.data.folding import (
    cancelled_rows,
    first_rows,
    merged_kinds,
    merged_rows,
    merged_weights,
    pair_keys,
)
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_rules import DEFAULT_RULES, LogRules, Repeats
from tastemaker.data.ordering import sort_by_user_and_time
from tastemaker.data.pairs import Pairs, run_of
from tastemaker.data.times import iso_time
from tastemaker.data.user_table import UserTable
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.data.weights import all_weightless, counting_rows, note_on_weightless
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked
from tastemaker.html_tables import html_table

COLUMNS = ("users", "items", "timestamps", "ratings", "weights", "kinds")
"""The fields that hold one value per row."""

N_SHOWN_ROWS = 5
"""Number of interactions that a data set shows in a notebook."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions as dense integer codes, in the order of user, then time, then input.

    Immutable: every operation returns a new object, which shares arrays where possible. The rows of
    user `u` are `indptr[u]:indptr[u + 1]`, oldest first.

    A data set as it was read holds the rows of a log (`is_log`), with repeated (user, item) pairs
    and rows that say no; `rules` say how they become training data. The training part of a Split is
    folded: rejected items are in `rejected`, and, except with repeats="keep", no pair occurs twice.
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
    """(n,) float32 weight of each interaction, above 0 (0 if it says no), or None for 1 each."""
    kinds: np.ndarray | None = None
    """(n,) int8 kind of each event, a code of `rules.kinds`, or None."""
    time_unit: str | None = None
    n_duplicates: int = 0
    """Number of rows that folding dropped because their (user, item) pair occurred repeatedly."""
    n_missing: int = 0
    """Number of rows left out because an id, a time or a weight is missing."""
    rules: LogRules = DEFAULT_RULES
    """How the rows of the log become training data."""
    is_log: bool = False
    """Whether the rows are those of a log, which are not merged yet."""
    rejected: Pairs | None = None
    """The pairs whose latest event says no: the user never gets the item recommended."""
    user_table: UserTable | None = None
    """Features of the users, aligned to the user codes; None if nothing is known of them."""
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
        user_table: UserTable | None = None,
        repeats: Repeats | None = None,
        repeat_targets: bool | None = None,
        min_rating: float | None = None,
        user_vocabulary: Vocabulary | None = None,
        item_vocabulary: Vocabulary | None = None,
        untouched_items: bool = False,
    ) -> "Dataset":
        """Encodes and sorts a log of interactions.

        Args:
            interactions: the validated log.
            catalog: titles, categories, images and features of the items.
            user_table: features of the users.
            repeats: how the rows of a (user, item) pair are merged in each part of a split. By
                default the latest row counts, with the sum of the weights if there are weights, and
                with their maximum if there are kinds of events.
            repeat_targets: whether an item that the user had before may be held out and
                recommended again; by default only with repeats="keep".
            min_rating: keep only interactions with at least this rating. It is compared with the
                rating that folding keeps: except with repeats="first", the latest rating of the
                pair.
            user_vocabulary: vocabulary to use instead of that of these interactions alone.
            item_vocabulary: likewise for the items.
            untouched_items: include the items of the catalog that no user touched, so that a model
                that represents items by their categories can recommend them; by default they are
                left out.

        Raises:
            DataError: min_rating is given for data without ratings, or leaves no rows; all weights
                are 0; or untouched_items is set without a catalog.
        """
        frame, left_out = _of_some_weight(interactions)
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
            notes=(*interactions.notes, *left_out),
            **columns,
        )
        rules = LogRules.of(
            repeats, repeat_targets, min_rating, kinds=interactions.kinds,
            weight_transform=interactions.weight_transform, weighted=dataset.weights is not None,
        )  # fmt: skip
        return dataset.with_rules(rules).with_tables(
            catalog, user_table, untouched_items=untouched_items
        )

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name}: {len(self):,} interactions, {self.n_users:,} users, "
            f"{self.n_items:,} items)"
        )

    def _repr_html_(self) -> str:
        first = self.rows(slice(0, N_SHOWN_ROWS))
        frame = first.to_frame().with_columns(cs.float().cast(pl.String))
        if "title" in self.catalog.columns:
            frame.insert_column(2, self.catalog.frame["title"].gather(first.items))
        if first.timestamps is not None and self.time_unit != "order":
            times = pl.Series("time", [iso_time(seconds) for seconds in first.timestamps.tolist()])
            frame.replace_column(frame.columns.index("timestamp"), times)
        caption = (
            f"{self.name}: {len(self):,} interactions, {self.n_users:,} users, "
            f"{self.n_items:,} items"
        )
        return html_table(
            caption, frame.columns, frame.iter_rows(), n_rows=len(self), notes=self.notes
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
        counts = np.zeros(self.n_items, dtype=np.int64)
        step = max(self.n_items, ROWS_PER_BLOCK)
        # In blocks, since bincount converts its argument to int64.
        for start in range(0, len(self), step):
            counts += np.bincount(self.items[start : start + step], minlength=self.n_items)
        return counts

    @cached_property
    def mean_weight(self) -> float:
        """Mean weight of the interactions; 1 if they have no weights."""
        if self.weights is None or len(self) == 0:
            return 1.0
        return float(self.weights.mean(dtype=np.float64))

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b hash of all that a model can learn from, and of the rules of a log.

        These are the ids, codes, times, ratings, weights and kinds of the interactions, and the
        features. Categories alone are left out, as in runs that were saved before there were other
        features.
        """
        return self.hashed(lambda name: buffers_of(getattr(self, name)))

    def hashed(self, buffers: Callable[[str], Buffers]) -> str:
        """Returns the fingerprint of these data, whose columns are hashed piece by piece.

        Args:
            buffers: returns the bytes of a column by its name in COLUMNS.
        """
        names = [name for name in COLUMNS if name != "kinds" or self.kinds is not None]
        vocabularies = (self.user_vocabulary, self.item_vocabulary)
        return fingerprint(vocabularies, map(buffers, names), self._other_bytes())

    def _other_bytes(self) -> Iterator[bytes]:
        """Yields the bytes of what else a model can learn from, and of the rules of a log."""
        if self.rejected is not None:
            yield self.rejected.users.tobytes() + self.rejected.items.tobytes()
        tables = [self.catalog] if set(self.catalog.features) - {"categories"} else []
        for table in (*tables, *([] if self.user_table is None else [self.user_table])):
            yield from table.feature_bytes()
        if self.is_log:
            yield repr(self.rules).encode()

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

    def rows(self, keep: np.ndarray | slice) -> "Dataset":
        """Returns the rows in `keep` (a mask, ascending positions or a slice), codes unchanged."""
        names = [name for name in COLUMNS if getattr(self, name) is not None]
        kept = in_threads(lambda name: getattr(self, name)[keep], names, len(self))
        return replace(self, **dict(zip(names, kept, strict=True)))

    def of_users(self, users: range) -> "Dataset":
        """Returns the interactions of a range of users, without a copy; codes are unchanged."""
        rejected = None if self.rejected is None else self.rejected.in_range(users)
        return replace(self.rows(run_of(self.users, users)), rejected=rejected)

    def folded(self) -> "Dataset":
        """Turns the rows of a log into training data by `rules`, codes unchanged.

        A row that says no cancels itself and the earlier rows of its pair. If nothing is left of a
        pair, it is rejected. The other rows of each pair are merged.
        """
        if not self.is_log:
            return self
        folded = replace(self._without_cancelled(), is_log=False)
        if self.rules.repeats != "keep":
            folded = folded.merged(self.rules.repeats)
        if self.rules.min_rating is not None and folded.ratings is not None:
            folded = folded.rows(folded.ratings >= self.rules.min_rating)
        return folded

    def merged(self, repeats: Repeats) -> "Dataset":
        """Returns one row for each (user, item) pair.

        Args:
            repeats: how the rows of a pair are merged; not "keep".
        """
        kept = merged_rows(self.users, self.items, repeats)
        if kept.all():
            return self
        pairs = pair_keys(self.users, self.items, self.n_items)
        merged = self.rows(kept)
        weights = merged_weights(pairs, self.weights, kept, repeats)
        kinds = None
        if self.kinds is not None and self.rules.kinds is not None:
            kinds = merged_kinds(pairs, self.kinds, kept, self.rules.kinds)
        return replace(
            merged, weights=weights, kinds=kinds, n_duplicates=len(self) - int(kept.sum())
        )

    @property
    def pairs(self) -> "Dataset":
        """The same interactions with one row for each pair, which has the sum of its weights.

        This differs from the data themselves only with repeats="keep".
        """
        # Data that cached themselves would stay in memory until the next garbage collection.
        return self._merged_pairs if self.rules.repeats == "keep" else self

    @cached_property
    def _merged_pairs(self) -> "Dataset":
        return self.merged("sum")

    def positive_rows(self) -> np.ndarray:
        """Returns (n,) bool: marks the rows that no later row cancels."""
        return ~self._cancelled_rows()[0]

    def target_rows(self) -> np.ndarray:
        """Returns (n,) bool: marks the rows that may be held out.

        These are events of a target kind with an item that is new to the user, or with any item if
        the rules allow repeats as targets. Rows that a later event cancels are not held out.
        """
        may = np.ones(len(self), dtype=bool)
        if self.kinds is not None and self.rules.kinds is not None:
            may = self.rules.kinds.is_target[self.kinds] & self.positive_rows()
        if not self.is_log:
            return may
        if self.rules.repeat_targets:
            if self.rules.min_rating is not None and self.ratings is not None:
                may &= self.ratings >= self.rules.min_rating
            return may
        rows = self.rows(may)
        may[may] = first_rows(rows.users, rows.items, rows.ratings, self.rules)
        return may

    @property
    def of_targets(self) -> "Dataset":
        """The pairs of target kinds: the interactions that a list does not repeat."""
        pairs = self.pairs
        of_target_kinds = pairs._of_target_kinds
        return pairs if of_target_kinds is None else of_target_kinds

    @cached_property
    def _of_target_kinds(self) -> "Dataset | None":
        """The rows of target kinds; None if these are all rows."""
        if self.kinds is None or self.rules.kinds is None:
            return None
        is_target = self.rules.kinds.is_target[self.kinds]
        return None if is_target.all() else self.rows(is_target)

    def compact(self) -> "Dataset":
        """Drops users and items that have no interaction left, and assigns new dense codes."""
        users, items = self.user_counts > 0, self.item_counts > 0
        new_user, new_item = np.cumsum(users) - 1, np.cumsum(items) - 1
        catalog = self.catalog.with_frame(self.catalog.frame.filter(pl.Series(items)))
        user_table = self.user_table
        if user_table is not None:
            user_table = user_table.with_frame(user_table.frame.filter(pl.Series(users)))
        rejected = self.rejected
        if rejected is not None:
            rejected = rejected.rows(users[rejected.users] & items[rejected.items])
            rejected = Pairs(
                new_user[rejected.users].astype(np.int32), new_item[rejected.items].astype(np.int32)
            )
        return replace(
            self,
            rejected=rejected,
            users=new_user[self.users].astype(np.int32),
            items=new_item[self.items].astype(np.int32),
            user_vocabulary=Vocabulary(self.user_vocabulary.ids.filter(pl.Series(users)), "user"),
            item_vocabulary=Vocabulary(self.item_vocabulary.ids.filter(pl.Series(items)), "item"),
            catalog=catalog,
            user_table=user_table,
        )

    def with_rules(self, rules: LogRules, n_repeats: int | None = None) -> "Dataset":
        """Adds the rules; a log in which nothing has to be merged or rejected is folded already.

        Args:
            rules: how the rows become training data.
            n_repeats: number of rows that repeat a (user, item) pair; counted if it is None.

        Raises:
            DataError: the rules have a minimum rating for data without ratings, or no rating is so
                high.
        """
        kept = np.ones(0, dtype=bool)
        if n_repeats is None or rules.min_rating is not None:
            kept = merged_rows(self.users, self.items, rules.repeats)
            n_repeats = int((~kept).sum())
        data = replace(self, rules=rules)
        if n_repeats or rules.has_negative_kinds:
            data = replace(data, is_log=True)
        if rules.repeats == "keep" and data.weights is None:
            # The pairs of a model that reads no order have the number of their rows as weights.
            data = replace(data, weights=np.ones(len(data), dtype=np.float32))
        if rules.min_rating is not None:
            data = data._rated_at_least(rules.min_rating, kept)
        if not n_repeats:
            return data
        how = rules.describe(weighted=self.weights is not None)
        return data.with_note(f"{n_repeats:,} rows repeat a (user, item) pair; {how}")

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
        known, items, rejected = self.item_vocabulary, self.items, self.rejected
        catalog = catalog.matching(known, keep_all=untouched_items)
        if untouched_items:
            known = Vocabulary.of(known.ids, catalog.frame["item_id"], kind="item")
            new_codes = known.find(self.item_vocabulary.ids)
            items = new_codes[items]
            if rejected is not None:
                rejected = Pairs(rejected.users, new_codes[rejected.items])
        aligned = catalog.aligned_to(known)
        return replace(self, items=items, item_vocabulary=known, catalog=aligned, rejected=rejected)

    def with_tables(
        self,
        catalog: Catalog | None,
        user_table: UserTable | None,
        *,
        untouched_items: bool = False,
    ) -> "Dataset":
        """Returns the same interactions with what is known of the items and users, and with notes.

        Args:
            catalog: titles, categories, images and features of the items.
            user_table: features of the users.
            untouched_items: as for `with_catalog`.

        Raises:
            DataError: untouched_items is set without a catalog, or as for `with_catalog` and
                `with_user_table`.
        """
        if untouched_items and catalog is None:
            raise DataError(
                f"{self.name}: untouched_items=True includes items without interactions, "
                "but there is no catalog that lists them; give one with catalog=…"
            )
        data = self
        if user_table is not None:
            coverage = user_table.coverage(data.user_vocabulary)
            data = data.with_user_table(user_table)
            data = replace(data, notes=(*data.notes, *user_table.notes, coverage))
        if catalog is None:
            return data
        coverage = catalog.coverage(data.item_vocabulary)
        data = data.with_catalog(catalog, untouched_items=untouched_items)
        return replace(data, notes=(*data.notes, *catalog.notes, coverage))

    def with_user_table(self, user_table: UserTable) -> "Dataset":
        """Returns the same interactions with the features of the users.

        Raises:
            DataError: the ids are whole numbers in the data and text in the table or vice versa, or
                no id of the table is a user of the data.
        """
        return replace(self, user_table=user_table.aligned_to(self.user_vocabulary))

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
        if self.kinds is not None and self.rules.kinds is not None:
            columns["event"] = pl.Series(self.rules.kinds.names)[self.kinds]
        return pl.DataFrame({name: c for name, c in columns.items() if c is not None})

    def _cancelled_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the result of `cancelled_rows` for the rows of a log."""
        if self.kinds is None or self.rules.kinds is None or not self.rules.has_negative_kinds:
            nothing = np.zeros(len(self), dtype=bool)
            return nothing, nothing
        return cancelled_rows(self.users, self.items, self.kinds, self.rules.kinds)

    def _without_cancelled(self) -> "Dataset":
        """Moves rejected pairs into `rejected`, and drops all rows that are cancelled."""
        if not self.rules.has_negative_kinds:
            return self
        cancelled, rejected = self._cancelled_rows()
        pairs = Pairs(self.users[rejected], self.items[rejected])
        return replace(self.rows(~cancelled), rejected=pairs)

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
        if self.is_log:
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


def _of_some_weight(interactions: Interactions) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Returns the rows that have a weight or say no, and a note on the others, if there are any."""
    frame = interactions.frame
    counts = counting_rows(frame, interactions.kinds)
    if counts is None:
        return frame, ()
    if not counts.any():
        raise all_weightless(interactions.name)
    return frame.filter(counts), (note_on_weightless(int((~counts).sum())),)


def _columns(frame: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> dict[str, Any]:
    """Returns new arrays for the fields of a Dataset, by name, in the order of the table."""
    names = ("timestamp", "rating", "weight", "kind")
    others = [name for name in names if name in frame.columns]
    copies = in_threads(lambda name: _copied(frame[name]), others, frame.height)
    codes = {"users": users.find(frame["user_id"]), "items": items.find(frame["item_id"])}
    return codes | {f"{name}s": copy for name, copy in zip(others, copies, strict=True)}


def _copied(column: pl.Series) -> np.ndarray:
    """Returns a new array, copied chunk by chunk: to_numpy would first concatenate the chunks."""
    return np.concatenate([chunk.to_numpy() for chunk in column.get_chunks()])
