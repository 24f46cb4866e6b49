"""Splitting: the methods that hold out interactions of a data set."""

from collections.abc import Sequence
from numbers import Integral
from typing import Literal, get_args

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.extending import joined_columns
from tastemaker.data.folding import pair_keys
from tastemaker.data.notes import reports_notes
from tastemaker.data.ordering import first_or_latest
from tastemaker.data.split import Split, Targets
from tastemaker.data.ties import count_ties, notes_of_ties
from tastemaker.errors import ConfigError, SplitError, did_you_mean

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

    A user keeps at least one interaction to train on; otherwise nothing of the user is held out.
    Only events of the target kinds are held out. In a log with repeated pairs, an item is new at
    the user's first such event with it; if the rules of the data allow repeats as targets, the last
    k events are held out whether their items are new or not. Training ends before the user's first
    held-out event; other events after that are neither trained on nor evaluated. By a random draw,
    a pair is held out with all of its interactions, or a single event if repeats are targets.

    Args:
        data: the data set to split; not changed.
        k: number of items per user.
        validation: whether to hold out the k before as well; otherwise they stay in training.
        by: the order that defines "last": time, the order of the input, or a random draw.
        seed: seed of the random draw.

    Raises:
        ConfigError: k is no whole number of 1 or more, the seed none of 0 or more, or `by` no
            order; or single events are to be drawn from data that keep repeats but do not predict
            them.
        SplitError: `by` is "time" and the data have no times, or "input" and they have times; or no
            user has more than k items.
    """
    _refuse_wrong_arguments(data, k, by, seed)
    log = data.folded() if by == "random" else data
    may = log.target_rows()
    order = _order(log if may.all() else log.rows(may), by, seed)
    test = _held_from_end(log, may, order, 0, k)
    if not test.any():
        raise SplitError(
            f"{data.name}: no user has more than {k} different item(s) to predict, so nothing can "
            "be held out; use a smaller k, or no_holdout() for a production model"
        )
    held = np.zeros_like(test)
    if validation:
        held = _held_from_end(log, may, order, k, 2 * k)
    trained = ~test & ~held
    before_test = after_test = None
    n_others = 0
    if not may.all() and by != "random":
        trained = _before(log, test | held)
        others = ~trained & ~test & ~held
        n_others, is_before = int(others.sum()), _before(log, test)
        before_test = _rows_or_none(log, others & is_before)
        after_test = _rows_or_none(log, others & ~is_before)
    method = f"leave {'one' if k == 1 else k} out by {by}" + (f", seed {seed}" * (by == "random"))
    return Split(
        log.rows(trained),
        _targets(log, test),
        _targets_or_none(log, held),
        before_test=before_test,
        after_test=after_test,
        method=method,
        notes=(
            *_notes_of_held(log, test | held, n_others),
            *(_NO_VALIDATION if validation and not held.any() else ()),
            *(notes_of_ties(count_ties(log)) if by == "time" else ()),
        ),
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
    times = _times(data, "split in another way")
    test_from = np.quantile(times, 1 - test_fraction, method="higher")
    test = times >= test_from
    held = np.zeros_like(test)
    if validation:
        held = (times >= np.quantile(times, 1 - 2 * test_fraction, method="higher")) & ~test
    before, between, after = (data.rows(rows) for rows in (~test & ~held, held, test))
    train = before.folded()
    validation_part = _target_pairs(between, [train])
    test_part = _target_pairs(after, [train, between.folded()])
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
        before_test=_without_pairs(between, validation_part),
        after_test=_without_pairs(after, test_part),
        method=f"temporal, latest {test_fraction:g}",
        notes=(
            *_notes_of_cold(n_cold),
            *(_NO_VALIDATION if validation and not warm[0].any() else ()),
            *_notes_of_others(
                data, int(held.sum() + test.sum()) - len(validation_part) - len(test_part)
            ),
        ),
    )


_NO_VALIDATION = (
    "nothing is left for a validation part, so there is none by which a number of epochs could be "
    "chosen",
)


def no_holdout(data: Dataset) -> Split:
    """Uses all data for training: for a production model, or for data that cannot be split."""
    return Split(data)


def _refuse_wrong_arguments(data: Dataset, k: int, by: Order, seed: int) -> None:
    if not isinstance(k, Integral) or k < 1:
        raise ConfigError(f"leave_k_out: k is {k}; it is a whole number of 1 or more")
    if by not in get_args(Order):
        raise ConfigError(f'by="{by}" is no order; {did_you_mean(by, get_args(Order))}')
    if not isinstance(seed, Integral) or seed < 0:
        raise ConfigError(f"seed is {seed}; it is a whole number of 0 or more")
    if by == "random" and data.rules.repeats == "keep" and not data.rules.repeat_targets:
        raise ConfigError(
            'by="random" draws single events, since repeats="keep" keeps them apart, but others of '
            "the same user and item could stay in training; use repeat_targets=True, another "
            'repeats, or by="time"'
        )


def _times(data: Dataset, other_ways: str) -> np.ndarray:
    if data.timestamps is None:
        raise SplitError(
            f"{data.name}: there is no time column, so nothing can be held out by time; "
            f"name it with time=…, {other_ways}, or hold out nothing with no_holdout()"
        )
    return data.timestamps


def _order(data: Dataset, by: Order, seed: int) -> np.ndarray | None:
    """Returns positions that sort rows by user, each user's last at the end; None if sorted."""
    if by == "random":
        return np.lexsort((np.random.default_rng(seed).random(len(data)), data.users))
    if by == "time":
        _times(data, 'hold out with by="input" or by="random"')
    elif data.timestamps is not None:
        raise SplitError(
            f"{data.name}: the interactions have times and are sorted by them; "
            'hold out with by="time" or by="random"'
        )
    return None


def _held_from_end(
    log: Dataset, may: np.ndarray, order: np.ndarray | None, first: int, stop: int
) -> np.ndarray:
    """Returns (n,) bool: marks the rows first … stop - 1 of each user; row 0 is the user's last.

    Only rows that may be held out are counted, and only users are included who keep an interaction.

    Args:
        log: n rows.
        may: (n,) bool, the rows that may be held out.
        order: positions that sort these rows by user, each user's last at the end; None if sorted.
        first: the first row to mark, counted from the end.
        stop: the row after the last one to mark.
    """
    rows = None if may.all() else np.flatnonzero(may)
    counts = log.user_counts
    if rows is not None:
        counts = np.bincount(log.users[rows], minlength=log.n_users)
    ends, users = np.cumsum(counts)[counts >= stop], np.flatnonzero(counts >= stop)
    held = [ends - 1 - distance for distance in range(first, stop)]
    positions = [place if order is None else order[place] for place in held]
    if rows is not None:
        positions = [rows[place] for place in positions]
    keeps = counts[users] > stop
    if order is not None:
        keeps |= log.user_counts[users] > stop
    elif log.rules.kinds is not None:
        # Events of other kinds are also something to learn from.
        n_before = np.concatenate([[0], np.cumsum(log.positive_rows())])
        keeps |= n_before[positions[-1]] > n_before[log.indptr[users]]
    marked = np.zeros(len(log), dtype=bool)
    for position in positions:
        marked[position[keeps]] = True
    return marked


def _before(log: Dataset, held: np.ndarray) -> np.ndarray:
    """Returns (n,) bool: marks the rows before the first held-out row of their user.

    Args:
        log: n rows.
        held: (n,) bool, marks the held-out rows.
    """
    first = np.full(log.n_users, len(log))
    rows = np.flatnonzero(held)
    np.minimum.at(first, log.users[rows], rows)
    return np.arange(len(log)) < first[log.users]


def _notes_of_held(log: Dataset, held: np.ndarray, n_others: int) -> tuple[str, ...]:
    """Returns notes on repeats among the held-out rows, and on rows that are not used."""
    notes = []
    if log.is_log and log.rules.repeat_targets:
        is_repeat = ~first_or_latest(log.users, log.items, "first")
        notes.append(
            f"{int((held & is_repeat).sum()):,} of the {int(held.sum()):,} held-out interactions "
            "repeat an item that the user already had"
        )
    return (*notes, *_notes_of_others(log, n_others))


def _notes_of_cold(n_cold: int) -> tuple[str, ...]:
    """Returns a note on held-out interactions that are not evaluated, if there are any."""
    if n_cold == 0:
        return ()
    return (
        f"{n_cold:,} held-out interactions are of users or items that are new after the cut, and "
        "are not evaluated",
    )


def _notes_of_others(log: Dataset, n_others: int) -> tuple[str, ...]:
    """Returns a note on interactions after the cut that are not held out, if there are any."""
    if n_others == 0:
        return ()
    reason = "repeat an item that the user already had"
    if log.kinds is not None:
        reason += ", are of a kind that is no target, or are cancelled by a later event"
    return (
        f"{n_others:,} interactions after the cut {reason}; they are neither trained on nor "
        "evaluated",
    )


def _target_pairs(part: Dataset, earlier: Sequence[Dataset]) -> Dataset:
    """Returns the pairs that may be held out of a part of a log, each once.

    Args:
        part: rows of a log.
        earlier: folded; pairs that occur there are left out, unless the rules allow repeats.
    """
    asked = part.folded().of_targets
    if part.rules.repeat_targets or not part.is_log:
        return asked
    pairs = pair_keys(asked.users, asked.items, asked.n_items)
    known = [
        pair_keys(had.users, had.items, had.n_items) for had in (e.of_targets for e in earlier)
    ]
    return asked.rows(~np.isin(pairs, np.concatenate(known)))


def _without_pairs(part: Dataset, targets: Dataset) -> Dataset | None:
    """Returns the rows of a part of a log whose pairs are no targets; None if there are none."""
    if len(part) == len(targets):
        return None
    pairs = pair_keys(part.users, part.items, part.n_items)
    known = pair_keys(targets.users, targets.items, targets.n_items)
    return _rows_or_none(part, ~np.isin(pairs, known))


def _rows_or_none(log: Dataset, rows: np.ndarray) -> Dataset | None:
    """Returns rows of a log; None if there are none."""
    return log.rows(rows) if rows.any() else None


def _seen_in_training(train: Dataset, part: Dataset) -> np.ndarray:
    """Returns (n,) bool: marks the rows of a part whose user and item both occur in training."""
    return (train.user_counts > 0)[part.users] & (train.item_counts > 0)[part.items]


def _merged(first: Targets, second: Targets) -> Targets | None:
    """Merges targets by user, those of the first before those of the second; None if none."""
    columns = joined_columns(first, second)
    return Targets(**columns) if len(columns["users"]) else None


def _targets(data: Dataset, held: np.ndarray) -> Targets:
    return Targets.of(data.rows(np.flatnonzero(held)))


def _targets_or_none(data: Dataset, held: np.ndarray) -> Targets | None:
    return _targets(data, held) if held.any() else None
