"""Fresh data: the pairs that an earlier data set lacks, and a split that holds out the newest."""

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.folding import pair_keys
from tastemaker.data.split import Split, Targets
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary


def newest_held_out(data: Dataset, earlier: Dataset, fraction: float, max_pairs: int) -> Split:
    """Returns a split whose test part is the newest of the fresh (user, item) pairs.

    The age of a pair is that of its row in `Dataset.target_rows`: its first interaction of a target
    kind, or any of them if the rules allow repeats as targets. Only this row is evaluated, but no
    interaction of a held-out pair is trained on. Pairs whose item does not occur in training are
    not evaluated.

    Args:
        data: the earlier data and what has been added since, with times.
        earlier: the earlier data.
        fraction: fraction of the fresh pairs to hold out; at least one is held out.
        max_pairs: the largest number of pairs that are held out.
    """
    assert data.timestamps is not None, "fresh data must have times"
    fresh = is_fresh(data, earlier) & data.target_rows()
    n_held = min(max(1, int(fraction * fresh.sum())), max_pairs)
    positions = np.flatnonzero(fresh)
    newest = positions[np.argsort(data.timestamps[positions], kind="stable")[-n_held:]]
    held = np.zeros(len(data), dtype=bool)
    held[newest] = True
    pairs = pair_keys(data.users, data.items, data.n_items)
    train = data.rows(~np.isin(pairs, pairs[held])).folded()
    evaluated = held & (train.item_counts[data.items] > 0)
    unit = "events" if data.rules.repeat_targets else "pairs"
    return Split(
        train,
        _targets(data, evaluated),
        not_evaluated=_targets(data, held & ~evaluated),
        method=f"the newest {n_held:,} of {int(fresh.sum()):,} fresh {unit} held out",
    )


def is_fresh(data: Dataset, earlier: Dataset) -> np.ndarray:
    """Returns (n,) bool: marks the interactions whose (user, item) pair the earlier data lack.

    With kinds of events, only earlier events of a target kind count: a pair that was only viewed
    before is fresh.
    """
    users = earlier_codes(earlier.user_vocabulary, data.user_vocabulary)[data.users]
    items = earlier_codes(earlier.item_vocabulary, data.item_vocabulary)[data.items]
    known = (users != UNKNOWN) & (items != UNKNOWN)
    targets = earlier.of_targets
    earlier_pairs = pair_keys(targets.users, targets.items, earlier.n_items)
    return ~(known & np.isin(pair_keys(users, items, earlier.n_items), earlier_pairs))


def earlier_codes(earlier: Vocabulary, later: Vocabulary) -> np.ndarray:
    """Returns (n,) int64: the earlier code of each id of the later vocabulary; UNKNOWN if new."""
    found = later.find(earlier.ids.cast(later.ids.dtype))
    codes = np.full(len(later.ids), UNKNOWN, dtype=np.int64)
    is_present = found != UNKNOWN
    codes[found[is_present]] = np.flatnonzero(is_present)
    return codes


def _targets(data: Dataset, mask: np.ndarray) -> Targets | None:
    """Returns, as targets, the interactions that the mask selects; None if there are none."""
    return Targets.of(data.rows(mask)) if mask.any() else None
