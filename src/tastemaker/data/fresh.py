"""Fresh data: the interactions that an earlier data set lacks, and a split that holds some out."""

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.split import Split, Targets
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary


def newest_held_out(data: Dataset, earlier: Dataset, fraction: float, max_pairs: int) -> Split:
    """A split whose test part is the newest of the fresh interactions.

    The age of a (user, item) pair is that of its first interaction. If a pair is held out, all of
    its interactions are. Pairs whose item does not occur in training are not evaluated.

    Args:
        data: the earlier data and what has been added since, with times.
        earlier: the earlier data.
        fraction: fraction of the fresh pairs to hold out; at least one pair is held out.
        max_pairs: the largest number of pairs that are held out.
    """
    assert data.timestamps is not None, "fresh data must have times"
    fresh = is_fresh(data, earlier) & data.target_rows()
    n_held = min(max(1, int(fraction * fresh.sum())), max_pairs)
    rows = np.flatnonzero(fresh)
    newest = rows[np.argsort(data.timestamps[rows], kind="stable")[-n_held:]]
    held = np.zeros(len(data), dtype=bool)
    held[newest] = True
    pairs = pair_keys(data.users, data.items, data.n_items)
    train = data.rows(~np.isin(pairs, pairs[held])).folded()
    evaluated = held & (train.item_counts[data.items] > 0)
    return Split(
        train,
        _targets(data, evaluated),
        not_evaluated=_targets(data, held & ~evaluated),
        method=f"the newest {n_held:,} of {int(fresh.sum()):,} fresh events held out",
    )


def is_fresh(data: Dataset, earlier: Dataset) -> np.ndarray:
    """(n,) bool: whether the (user, item) pair of each interaction is absent from earlier data.

    With kinds of events, an item that the user only viewed in the earlier data is absent.
    """
    users = earlier_codes(earlier.user_vocabulary, data.user_vocabulary)[data.users]
    items = earlier_codes(earlier.item_vocabulary, data.item_vocabulary)[data.items]
    known = (users != UNKNOWN) & (items != UNKNOWN)
    had = earlier.of_targets
    pairs = had.users.astype(np.int64) * earlier.n_items + had.items
    return ~(known & np.isin(users * earlier.n_items + items, pairs))


def earlier_codes(earlier: Vocabulary, later: Vocabulary) -> np.ndarray:
    """(n,) int64: the earlier code of each member of the later vocabulary; UNKNOWN if it is new."""
    found = later.find(earlier.ids.cast(later.ids.dtype))
    codes = np.full(len(later.ids), UNKNOWN, dtype=np.int64)
    is_present = found != UNKNOWN
    codes[found[is_present]] = np.flatnonzero(is_present)
    return codes


def _targets(data: Dataset, rows: np.ndarray) -> Targets | None:
    """Returns, as targets, the interactions that the mask selects; None if there are none."""
    return Targets.of(data.rows(rows)) if rows.any() else None
