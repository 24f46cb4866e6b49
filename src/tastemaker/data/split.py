"""Split: training data, and the interactions held out to evaluate models."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from tastemaker.data.blocks import blocks, in_threads
from tastemaker.data.dataset import Dataset
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import SplitError
from tastemaker.representation import short_repr

Part = Literal["validation", "test"]

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

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.users)

    def at(self, rows: np.ndarray) -> "Targets":
        """Returns the targets selected by a boolean mask or ascending positions."""
        times = None if self.timestamps is None else self.timestamps[rows]
        return Targets(self.users[rows], self.items[rows], times)


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
    a user already had is not a target.
    """

    train: Dataset
    """Folded: no (user, item) pair occurs twice. A log with repeats is folded by its own rule."""
    test: Targets | None = None
    validation: Targets | None = None
    candidates: Candidates | None = None
    not_evaluated: Targets | None = None
    """Held-out interactions that cannot be evaluated, because their user or item does not occur in
    training; `everything` includes them."""
    method: str = "none"
    """How the split was made, for labelling results."""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", self.train.folded())
        train = (self.train.users, self.train.items)
        if self.validation is not None:
            _refuse_leak(self.train, train, self.validation, "validation")
        if self.test is not None:
            _refuse_leak(self.train, train, self.test, "test")
            if self.validation is not None:
                validation = (self.validation.users, self.validation.items)
                _refuse_leak(self.train, validation, self.test, "test")

    def __repr__(self) -> str:
        held = {"validation": self.validation, "test": self.test}
        sizes = "".join(f", {len(t):,} {part}" for part, t in held.items() if t is not None)
        return f"Split({self.method}: {self.train!r} to train on{sizes})"

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

    def known_before(self, part: Part) -> Dataset:
        """Returns the interactions that are known when a model is evaluated on the part.

        These are the training data and, for the test, also the validation targets: the users had
        touched those items by then, so they belong to the histories and are not candidates.
        """
        return self._known_before_test if part == "test" else self.train

    @cached_property
    def _known_before_test(self) -> Dataset:
        held = self.validation
        return self.train if held is None else _with_appended(self.train, held)

    @cached_property
    def everything(self) -> Dataset:
        """All interactions of the users, including the held-out ones."""
        known = self.known_before("test")
        for targets in (self.test, self.not_evaluated):
            known = known if targets is None else _with_appended(known, targets)
        return known


def _with_appended(train: Dataset, targets: Targets) -> Dataset:
    """Returns the training data with each user's targets appended to the user's history."""
    users = np.concatenate([train.users, targets.users.astype(np.int32)])
    order = np.argsort(users, kind="stable")
    times = None
    if train.timestamps is not None and targets.timestamps is not None:
        times = np.concatenate([train.timestamps, targets.timestamps])[order]
    items = np.concatenate([train.items, targets.items.astype(np.int32)])[order]
    return replace(
        train, users=users[order], items=items, timestamps=times, ratings=None, weights=None
    )


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
            "that it knows already; remove them from one of the two parts, or leave out repeats "
            'from the later part of a ready-made split with repeats="drop"'
        )
