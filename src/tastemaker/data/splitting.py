"""Splitting: the methods that hold interactions out."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.notes import telling
from tastemaker.data.split import Split, Targets
from tastemaker.errors import ConfigError, SplitError

Order = Literal["time", "input", "random"]


def leave_one_out(
    data: Dataset, *, validation: bool = True, by: Order = "time", seed: int = 0
) -> Split:
    """Each user's latest new item is the test, the one before it the validation part.

    As `leave_k_out` with a k of 1: a user needs two items to be tested and three to be validated
    on; the others only train.

    Args:
        data: what to split; not changed.
        validation: also hold out the last but one. False leaves it in training.
        by: what "last" means: time, the order of the input, or a random draw.
        seed: of the random draw.

    Raises:
        SplitError: by time, on data without times; or nobody has two items.
    """
    return leave_k_out(data, 1, validation=validation, by=by, seed=seed)


@telling
def leave_k_out(
    data: Dataset, k: int, *, validation: bool = True, by: Order = "time", seed: int = 0
) -> Split:
    """The k items that each user came to last are the test, the k before them the validation part.

    A user keeps at least one item to train on, else nothing of the user is held out. Where a log
    repeats pairs, a user comes to an item by the first interaction with it. Training ends before
    the first item held out; a repeated interaction after that is neither trained on nor asked
    about. By a random draw, a pair is held out with all of its interactions.

    Args:
        data: what to split; not changed.
        k: how many items of each user.
        validation: also hold out the k before. False leaves them in training.
        by: what "last" means: time, the order of the input, or a random draw.
        seed: of the random draw.

    Raises:
        ConfigError: k is below 1.
        SplitError: by time, on data without times; or no user has more than k items.
    """
    if k < 1:
        raise ConfigError(f"leave_k_out: k is {k}; at least 1 interaction must be held out")
    log = data.folded() if by == "random" else data
    came = log.first_rows()
    firsts = log if log.folding is None else log.rows(came)
    order = _order(firsts, by, seed)
    test = _held_from_end(firsts, order, 0, k, at_least=k + 1)
    if not test.any():
        raise SplitError(
            f"{data.name}: no user has more than {k} interaction(s), so nothing can be held out"
        )
    held = np.zeros_like(test)
    if validation:
        held = _held_from_end(firsts, order, k, 2 * k, at_least=2 * k + 1)
    trained = ~test & ~held
    notes: tuple[str, ...] = ()
    if log.folding is not None:
        trained = _before(log, np.flatnonzero(came)[~trained])
        notes = _note_of_repeats(int((~trained).sum() - test.sum() - held.sum()))
    method = f"leave {'one' if k == 1 else k} out by {by}" + (f", seed {seed}" * (by == "random"))
    return Split(
        log.rows(trained),
        _targets(firsts, test),
        _targets_or_none(firsts, held),
        method=method,
        notes=notes,
    )


@telling
def temporal(data: Dataset, *, test_fraction: float = 0.1, validation: bool = True) -> Split:
    """Everything after one moment is the test; the moment is where the latest fraction begins.

    Unlike leave-one-out it never learns from one person's future to predict another's present. A
    held-out interaction of a user or with an item that training does not have is counted and not
    asked about, since no model that looks users up could answer for it. Nor is one with an item
    that the user had before, in training or for the test in the validation part.

    Args:
        data: what to split; not changed.
        test_fraction: the fraction of all interactions, the latest, to test on.
        validation: also hold out the same fraction just before.

    Raises:
        ConfigError: a fraction that leaves nothing to train on.
        SplitError: data without times, or nothing left to test on.
    """
    if not 0 < test_fraction < (0.5 if validation else 1):
        raise ConfigError(
            f"temporal: test_fraction is {test_fraction}; it must be above 0 and leave data to "
            "train on"
        )
    times = _times(data)
    test_from = np.quantile(times, 1 - test_fraction, method="higher")
    validate_from = np.quantile(times, 1 - 2 * test_fraction, method="higher")
    test = times >= test_from
    held = (times >= validate_from) & ~test if validation else np.zeros_like(test)
    train = data.rows(~test & ~held).folded()
    validated = _new_pairs(data.rows(held), [train])
    tested = _new_pairs(data.rows(test), [train, validated])
    warm = [_known_to(train, part) for part in (validated, tested)]
    if not warm[1].any():
        raise SplitError(
            f"{data.name}: after the cut nobody is left whom training knows; lower test_fraction"
        )
    n_cold = sum(int((~known).sum()) for known in warm)
    return Split(
        train,
        _targets(tested, warm[1]),
        _targets_or_none(validated, warm[0]),
        not_evaluated=_together(_targets(validated, ~warm[0]), _targets(tested, ~warm[1])),
        method=f"temporal, latest {test_fraction:g}",
        notes=(
            f"{n_cold:,} held-out interactions are of users or items new after the cut "
            "and are not asked about",
            *_note_of_repeats(int(held.sum() + test.sum()) - len(validated) - len(tested)),
        ),
    )


def no_holdout(data: Dataset) -> Split:
    """Everything is training: for a model that goes to production, or data that cannot be split."""
    return Split(data)


def _times(data: Dataset) -> np.ndarray:
    if data.timestamps is None:
        raise SplitError(
            f"{data.name}: there is no time column, so nothing can be held out by time; "
            'name it with time=…, or hold out with by="input" or by="random", or nothing with '
            "no_holdout()"
        )
    return data.timestamps


def _order(data: Dataset, by: Order, seed: int) -> np.ndarray | None:
    """Positions of the rows, each user's together and the last behind; None where they are so."""
    if by == "random":
        return np.lexsort((np.random.default_rng(seed).random(len(data)), data.users))
    if by == "time":
        _times(data)
    elif data.timestamps is not None:
        raise SplitError(
            f"{data.name}: the interactions have times and are sorted by them; "
            "hold out by time or at random"
        )
    return None


def _held_from_end(
    data: Dataset, order: np.ndarray | None, first: int, stop: int, *, at_least: int
) -> np.ndarray:
    """(n,) bool: counted from each user's end, the first (from 0) up to before the stop.

    Only of users with at least so many interactions.
    """
    ends = data.indptr[1:][data.user_counts >= at_least]
    held = np.zeros(len(data), dtype=bool)
    for back in range(first, stop):
        rows = ends - 1 - back
        held[rows if order is None else order[rows]] = True
    return held


def _before(log: Dataset, held: np.ndarray) -> np.ndarray:
    """(n,) bool: the rows of a log before the first row of their user that is held out.

    Args:
        log: (n) rows.
        held: positions of rows.
    """
    first = np.full(log.n_users, len(log))
    np.minimum.at(first, log.users[held], held)
    return np.arange(len(log)) < first[log.users]


def _note_of_repeats(n_repeats: int) -> tuple[str, ...]:
    """What is said of held-out interactions that are no targets, where there are any."""
    if n_repeats == 0:
        return ()
    return (
        f"{n_repeats:,} interactions after the cut are repeats, with an item that the user had by "
        "then; they are neither trained on nor asked about",
    )


def _new_pairs(part: Dataset, earlier: Sequence[Dataset]) -> Dataset:
    """A part, folded on its own, without the pairs of the parts before it."""
    if part.folding is None:
        return part
    folded = part.folded()
    pairs = pair_keys(folded.users, folded.items, folded.n_items)
    known = [pair_keys(each.users, each.items, each.n_items) for each in earlier]
    return folded.rows(~np.isin(pairs, np.concatenate(known)))


def _known_to(train: Dataset, part: Dataset) -> np.ndarray:
    """(n,) bool: the rows of a part whose user and item both occur in training."""
    return (train.user_counts > 0)[part.users] & (train.item_counts > 0)[part.items]


def _together(first: Targets, second: Targets) -> Targets | None:
    """The targets of both, each user's of the first before those of the second; None of none."""
    users = np.concatenate([first.users, second.users])
    if len(users) == 0:
        return None
    order = np.argsort(users, kind="stable")
    items = np.concatenate([first.items, second.items])
    times = None
    if first.timestamps is not None and second.timestamps is not None:
        times = np.concatenate([first.timestamps, second.timestamps])[order]
    return Targets(users[order], items[order], times)


def _targets(data: Dataset, held: np.ndarray) -> Targets:
    rows = np.flatnonzero(held)
    times = None if data.timestamps is None else data.timestamps[rows]
    return Targets(data.users[rows].astype(np.int64), data.items[rows].astype(np.int64), times)


def _targets_or_none(data: Dataset, held: np.ndarray) -> Targets | None:
    return _targets(data, held) if held.any() else None
