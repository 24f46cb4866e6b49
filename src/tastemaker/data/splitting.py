"""Splitting: the methods that hold out interactions of a data set."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.notes import reports_notes
from tastemaker.data.split import Split, Targets
from tastemaker.errors import ConfigError, SplitError

Order = Literal["time", "input", "random"]


def leave_one_out(
    data: Dataset, *, validation: bool = True, by: Order = "time", seed: int = 0
) -> Split:
    """Holds out each user's latest new item for the test, and the one before it for validation.

    This is `leave_k_out` with k = 1: a user needs two items to be in the test and three to be in
    the validation part; users with fewer are only in training.

    Args:
        data: the data set to split; not changed.
        validation: whether to hold out the last but one as well; otherwise it stays in training.
        by: the order that defines "last": time, the order of the input, or a random draw.
        seed: seed of the random draw.

    Raises:
        SplitError: `by` is "time" and the data have no times, or "input" and they have times; or no
            user has two items.
    """
    return leave_k_out(data, 1, validation=validation, by=by, seed=seed)


@reports_notes
def leave_k_out(
    data: Dataset, k: int, *, validation: bool = True, by: Order = "time", seed: int = 0
) -> Split:
    """Holds out each user's last k new items for the test, and the k before them for validation.

    A user keeps at least one item to train on; otherwise nothing of the user is held out. In a log
    with repeated pairs, an item is new at the user's first interaction with it. Training ends
    before the user's first held-out item; a repeated interaction after that is neither trained on
    nor evaluated. By a random draw, a pair is held out with all of its interactions.

    Args:
        data: the data set to split; not changed.
        k: number of items per user.
        validation: whether to hold out the k before as well; otherwise they stay in training.
        by: the order that defines "last": time, the order of the input, or a random draw.
        seed: seed of the random draw.

    Raises:
        ConfigError: k is below 1.
        SplitError: `by` is "time" and the data have no times, or "input" and they have times; or no
            user has more than k items.
    """
    if k < 1:
        raise ConfigError(f"leave_k_out: k is {k}; at least 1 interaction must be held out")
    log = data.folded() if by == "random" else data
    is_new = log.first_rows()
    new_pairs = log if log.folding is None else log.rows(is_new)
    order = _order(new_pairs, by, seed)
    test = _held_from_end(new_pairs, order, 0, k, at_least=k + 1)
    if not test.any():
        raise SplitError(
            f"{data.name}: no user has more than {k} interaction(s), so nothing can be held out"
        )
    held = np.zeros_like(test)
    if validation:
        held = _held_from_end(new_pairs, order, k, 2 * k, at_least=2 * k + 1)
    trained = ~test & ~held
    notes: tuple[str, ...] = ()
    if log.folding is not None:
        trained = _before(log, np.flatnonzero(is_new)[~trained])
        notes = _note_of_repeats(int((~trained).sum() - test.sum() - held.sum()))
    method = f"leave {'one' if k == 1 else k} out by {by}" + (f", seed {seed}" * (by == "random"))
    return Split(
        log.rows(trained),
        _targets(new_pairs, test),
        _targets_or_none(new_pairs, held),
        method=method,
        notes=notes,
    )


@reports_notes
def temporal(data: Dataset, *, test_fraction: float = 0.1, validation: bool = True) -> Split:
    """Holds out the latest fraction of the interactions: all those from one moment on.

    Unlike with leave-one-out, no model learns from later interactions of one user to predict
    earlier ones of another. A held-out interaction whose user or item does not occur in training is
    counted but not evaluated, since a model that looks users up by code cannot predict it. An
    interaction with an item that the user had before (in training or, for the test, in the
    validation part) is not evaluated either.

    Args:
        data: the data set to split; not changed.
        test_fraction: the fraction of all interactions, the latest, to test on.
        validation: whether to hold out the same fraction just before as well.

    Raises:
        ConfigError: test_fraction is not above 0, or leaves nothing to train on.
        SplitError: the data have no times, or nothing is left to test on.
    """
    if not 0 < test_fraction < (0.5 if validation else 1):
        raise ConfigError(
            f"temporal: test_fraction is {test_fraction}; it must be above 0 and leave data for "
            "training"
        )
    times = _times(data)
    test_from = np.quantile(times, 1 - test_fraction, method="higher")
    validate_from = np.quantile(times, 1 - 2 * test_fraction, method="higher")
    test = times >= test_from
    held = (times >= validate_from) & ~test if validation else np.zeros_like(test)
    train = data.rows(~test & ~held).folded()
    validation_part = _new_pairs(data.rows(held), [train])
    test_part = _new_pairs(data.rows(test), [train, validation_part])
    warm = [_seen_in_training(train, part) for part in (validation_part, test_part)]
    if not warm[1].any():
        raise SplitError(
            f"{data.name}: no interaction after the cut is of a user and an item that occur in "
            "training; use a smaller test_fraction"
        )
    n_cold = sum(int((~known).sum()) for known in warm)
    return Split(
        train,
        _targets(test_part, warm[1]),
        _targets_or_none(validation_part, warm[0]),
        not_evaluated=_merged(_targets(validation_part, ~warm[0]), _targets(test_part, ~warm[1])),
        method=f"temporal, latest {test_fraction:g}",
        notes=(
            f"{n_cold:,} held-out interactions are of users or items that are new after the cut, "
            "and are not evaluated",
            *_note_of_repeats(int(held.sum() + test.sum()) - len(validation_part) - len(test_part)),
        ),
    )


def no_holdout(data: Dataset) -> Split:
    """Uses all data for training: for a production model, or for data that cannot be split."""
    return Split(data)


def _times(data: Dataset) -> np.ndarray:
    if data.timestamps is None:
        raise SplitError(
            f"{data.name}: there is no time column, so nothing can be held out by time; "
            'name it with time=…, hold out with by="input" or by="random", or hold out nothing '
            "with no_holdout()"
        )
    return data.timestamps


def _order(data: Dataset, by: Order, seed: int) -> np.ndarray | None:
    """Returns positions that sort rows by user, each user's last at the end; None if sorted."""
    if by == "random":
        return np.lexsort((np.random.default_rng(seed).random(len(data)), data.users))
    if by == "time":
        _times(data)
    elif data.timestamps is not None:
        raise SplitError(
            f"{data.name}: the interactions have times and are sorted by them; "
            'hold out with by="time" or by="random"'
        )
    return None


def _held_from_end(
    data: Dataset, order: np.ndarray | None, first: int, stop: int, *, at_least: int
) -> np.ndarray:
    """Returns (n,) bool: marks the rows first … stop - 1 of each user; row 0 is the user's last.

    Only rows of users with at least `at_least` interactions are marked.
    """
    ends = data.indptr[1:][data.user_counts >= at_least]
    held = np.zeros(len(data), dtype=bool)
    for distance in range(first, stop):
        rows = ends - 1 - distance
        held[rows if order is None else order[rows]] = True
    return held


def _before(log: Dataset, held: np.ndarray) -> np.ndarray:
    """Returns (n,) bool: marks the rows before the first held-out row of their user.

    Args:
        log: a data set of n rows.
        held: positions of the held-out rows.
    """
    first = np.full(log.n_users, len(log))
    np.minimum.at(first, log.users[held], held)
    return np.arange(len(log)) < first[log.users]


def _note_of_repeats(n_repeats: int) -> tuple[str, ...]:
    """Returns a note on interactions after the cut that are repeats, if there are any."""
    if n_repeats == 0:
        return ()
    return (
        f"{n_repeats:,} interactions after the cut repeat an item that the user already had; they "
        "are neither trained on nor evaluated",
    )


def _new_pairs(part: Dataset, earlier: Sequence[Dataset]) -> Dataset:
    """Returns a part, folded on its own, without the pairs of the parts before it."""
    if part.folding is None:
        return part
    folded = part.folded()
    pairs = pair_keys(folded.users, folded.items, folded.n_items)
    known = [pair_keys(each.users, each.items, each.n_items) for each in earlier]
    return folded.rows(~np.isin(pairs, np.concatenate(known)))


def _seen_in_training(train: Dataset, part: Dataset) -> np.ndarray:
    """Returns (n,) bool: marks the rows of a part whose user and item both occur in training."""
    return (train.user_counts > 0)[part.users] & (train.item_counts > 0)[part.items]


def _merged(first: Targets, second: Targets) -> Targets | None:
    """Merges targets by user, those of the first before those of the second; None if none."""
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
