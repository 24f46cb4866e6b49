"""Split: training data, and the interactions held out to evaluate models."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl

from tastemaker.data.blocks import blocks, in_threads
from tastemaker.data.dataset import Dataset
from tastemaker.data.extending import extended
from tastemaker.data.fingerprint import buffers_of
from tastemaker.data.pairs import run_of
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import SplitError
from tastemaker.html_tables import html_table
from tastemaker.representation import short_repr

Part = Literal["validation", "test"]

Held = TypeVar("Held", Dataset, "Targets")

MAX_TABLE_LOOKUPS = 3
"""Number of targets per user up to which table look-ups are faster than one search for all."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Held-out interactions, sorted by user: the items that a good model would recommend."""

    users: np.ndarray
    """(n,) int64 codes, ascending; a user with several targets occurs several times."""
    items: np.ndarray
    """(n,) int64 codes."""
    timestamps: np.ndarray | None = None
    """(n,) int64 seconds since 1970 UTC, or None."""
    weights: np.ndarray | None = None
    """(n,) float32 weights of the interactions, or None for 1 each."""
    kinds: np.ndarray | None = None
    """(n,) int8 kinds of the events, codes of the kinds of the training data, or None."""

    __repr__ = short_repr

    @classmethod
    def of(cls, data: Dataset) -> "Targets":
        """Returns the interactions of a data set as targets."""
        users, items = data.users.astype(np.int64), data.items.astype(np.int64)
        return cls(users, items, data.timestamps, data.weights, data.kinds)

    def __len__(self) -> int:
        return len(self.users)

    def at(self, rows: np.ndarray | slice) -> "Targets":
        """Returns the targets selected by a boolean mask, ascending positions or a slice."""
        others = (self.timestamps, self.weights, self.kinds)
        return Targets(
            self.users[rows],
            self.items[rows],
            *(None if column is None else column[rows] for column in others),
        )

    def of_users(self, users: range) -> "Targets":
        """Returns the targets of a range of users, without a copy."""
        return self.at(run_of(self.users, users))


@dataclass(frozen=True, eq=False)
class Candidates:
    """For each listed user, the items against which a held-out item is ranked."""

    items: np.ndarray
    """(m,) int64 codes, the lists of all users concatenated in the order of the user codes."""
    indptr: np.ndarray
    """(n_users + 1,) int64 pointers into items; a user without a list has an empty run."""

    __repr__ = short_repr


@dataclass(frozen=True, eq=False)
class Split:
    """Training data and the interactions held out from them. Immutable.

    All parts share the vocabularies of `train`. The training data do not reveal the held-out pairs:
    these are not among the positives, they are not excluded from the negatives, and no earlier row
    is removed because a pair occurs again later. No (user, item) pair is in two parts: an item that
    a user already had is not a target, unless the rules of the data allow repeats as targets. With
    kinds of events, an item that was only viewed may be a target: it was not had yet.
    """

    train: Dataset
    """Folded: a log with repeats or with rows that say no is turned into training data."""
    test: Targets | None = None
    validation: Targets | None = None
    candidates: Candidates | None = None
    not_evaluated: Targets | None = None
    """Held-out interactions that cannot be evaluated, because their user or item does not occur in
    training; `everything` includes them."""
    histories: Dataset | None = None
    """Interactions that are not trained on, but known before all held-out ones: the histories of
    users who are not in training and whose held-out interactions are predicted from them."""
    before_test: Dataset | None = None
    """Further rows of the log that belong to the histories when the test begins: those from the
    first held-out interaction on that are not held out themselves, such as views."""
    after_test: Dataset | None = None
    """The remaining rows of the log; `everything` includes them."""
    method: str = "none"
    """How the split was made, for labelling results."""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", self.train.folded())
        if self.train.rules.repeat_targets:
            return
        pairs = self._known_before_validation.of_targets
        known = (pairs.users, pairs.items)
        if self.validation is not None:
            _refuse_leak(self.train, known, self.validation, "validation")
        if self.test is not None:
            _refuse_leak(self.train, known, self.test, "test")
            if self.validation is not None:
                validation = (self.validation.users, self.validation.items)
                _refuse_leak(self.train, validation, self.test, "test")

    def __repr__(self) -> str:
        held = {"validation": self.validation, "test": self.test}
        sizes = "".join(f", {len(t):,} {part}" for part, t in held.items() if t is not None)
        return f"Split({self.method}: {self.train!r} to train on{sizes})"

    def _repr_html_(self) -> str:
        parts = {
            "train": self.train, "validation": self.validation, "test": self.test,
            "not evaluated": self.not_evaluated,
        }  # fmt: skip
        sizes = [
            (name, *(f"{n:,}" for n in (len(part), _n_unique(part.users), _n_unique(part.items))))
            for name, part in parts.items()
            if part is not None
        ]
        headers = ("part", "interactions", "users", "items")
        return html_table(f"{self.train.name}, {self.method}", headers, sizes, notes=self.notes)

    def targets(self, part: Part) -> Targets:
        """Returns the held-out interactions of a part.

        Raises:
            SplitError: nothing was held out for the part.
        """
        targets = self.test if part == "test" else self.validation
        if targets is None or len(targets) == 0:
            raise SplitError(
                f"{self.train.name}: the split ({self.method}) has no {part} interactions"
            )
        return targets

    @cached_property
    def in_pairs(self) -> "Split":
        """The same split with each (user, item) pair once in training, with the sum of its weights.

        For models that do not read histories in order. This differs from the split itself only
        with repeats="keep".
        """
        if self.train.rules.repeats != "keep":
            return self
        rules = replace(self.train.rules, repeats="sum")
        return replace(self, train=replace(self.train.pairs, rules=rules))

    def known_before(self, part: Part) -> Dataset:
        """Returns the interactions that are known when a model is evaluated on the part.

        These are the training data, the histories that are not trained on and, for the test, also
        the validation targets and other events up to the test: the users had touched those items by
        then, so they belong to the histories.
        """
        return self._known_before_test if part == "test" else self._known_before_validation

    @cached_property
    def _known_before_validation(self) -> Dataset:
        return _extended(self.train, [], [self.histories])

    @cached_property
    def _known_before_test(self) -> Dataset:
        return _extended(self._known_before_validation, [self.validation], [self.before_test])

    @property
    def held_out_arrays(self) -> list[Any]:
        """The arrays of all that is held out, with None for each kind that does not exist."""
        parts = (self.validation, self.test, self.not_evaluated)
        arrays = [None if t is None else np.stack([t.users, t.items]) for t in parts]
        lists = self.candidates
        return [*arrays, *((None, None) if lists is None else (lists.items, lists.indptr))]

    @cached_property
    def held_out_fingerprint(self) -> str:
        """BLAKE2b hash, 16 hexadecimal digits, of what is held out and of the catalog.

        Together with the fingerprint of `train`, it says on what a training depends.
        """
        digest = blake2b(digest_size=8)
        for array in self.held_out_arrays:
            for buffer in buffers_of(array):
                digest.update(buffer)
            digest.update(b"|")
        for features in self.train.catalog.feature_bytes():
            digest.update(features)
        return digest.hexdigest()

    @cached_property
    def everything(self) -> Dataset:
        """All interactions of the users, including the held-out ones."""
        return _extended(
            self.known_before("test"), [self.test, self.not_evaluated], [self.after_test]
        )

    def everything_of(self, users: range) -> Dataset:
        """Returns the rows of a range of users in `everything`, without computing all of it.

        Codes are unchanged.
        """

        def part(rows: Held | None) -> Held | None:
            return None if rows is None else rows.of_users(users)

        known = _extended(self.train.of_users(users), [], [part(self.histories)])
        known = _extended(known, [part(self.validation)], [part(self.before_test)])
        return _extended(
            known, [part(self.test), part(self.not_evaluated)], [part(self.after_test)]
        )


def _n_unique(codes: np.ndarray) -> int:
    return pl.Series(codes).n_unique()


def _extended(
    train: Dataset, held_out: Sequence[Targets | None], others: Sequence[Dataset | None]
) -> Dataset:
    """Returns the training data, extended by targets and by other rows of the same log."""
    parts = [_as_rows(train, targets) for targets in held_out if targets is not None]
    parts += [rows for rows in others if rows is not None]
    return extended(train, parts) if parts else train


def _as_rows(train: Dataset, targets: Targets) -> Dataset:
    """Returns targets as interactions in the codes of the training data."""
    return replace(
        train, users=targets.users.astype(np.int32), items=targets.items.astype(np.int32),
        timestamps=targets.timestamps, ratings=None, weights=targets.weights, kinds=targets.kinds,
        rejected=None,
    )  # fmt: skip


def _are_targets(
    users: np.ndarray, items: np.ndarray, targets: Targets, data: Dataset
) -> np.ndarray:
    """Returns (n,) bool: whether each pair is also a target."""
    nth = np.arange(len(targets)) - np.searchsorted(targets.users, targets.users)
    max_targets = int(nth.max(initial=-1)) + 1
    if max_targets > MAX_TABLE_LOOKUPS:
        pairs = pl.Series(users.astype(np.int64) * data.n_items + items)
        wanted = pl.Series(targets.users * data.n_items + targets.items)
        return pairs.is_in(wanted.implode()).to_numpy()
    tables = np.full((max_targets, data.n_users), UNKNOWN, dtype=items.dtype)
    tables[nth, targets.users] = targets.items
    found = np.zeros(len(users), dtype=bool)

    def look_up(block: slice) -> None:
        for nth_item in tables:
            found[block] |= nth_item[users[block]] == items[block]

    in_threads(look_up, blocks(len(users)), len(users))
    return found


def _refuse_leak(
    data: Dataset, known: tuple[np.ndarray, np.ndarray], targets: Targets, part: Part
) -> None:
    """Raises SplitError if targets are among the known pairs (users, items) of an earlier part."""
    leaked = np.flatnonzero(_are_targets(*known, targets, data))
    if len(leaked):
        user, item = (int(codes[leaked[0]]) for codes in known)
        raise SplitError(
            f"{data.name}: {len(leaked):,} of the {len(targets):,} {part} interactions are also in "
            f"an earlier part (first: user {data.user_vocabulary.ids[user]}, item "
            f"{data.item_vocabulary.ids[item]}), so a model would be evaluated on interactions "
            "that it knows already; remove them from one of the two parts, or, if repeated "
            "interactions are to be predicted, read the log with repeat_targets=True"
        )
