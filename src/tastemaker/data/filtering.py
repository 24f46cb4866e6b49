"""Selects parts of a data set: a sample of its users, or its k-core."""

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.notes import reports_notes
from tastemaker.errors import ConfigError, SplitError


@reports_notes
def sample_users(data: Dataset, fraction: float, *, seed: int = 0) -> Dataset:
    """Samples a fraction of the users with all their interactions; drops items left without any.

    Args:
        data: the data set to sample from; not changed.
        fraction: above 0, at most 1.
        seed: random seed; the same seed gives the same sample.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(
            f"sample_users: the fraction is {fraction}; it must be above 0 and at most 1"
        )
    n_kept = max(1, round(fraction * data.n_users))
    kept = np.zeros(data.n_users, dtype=bool)
    kept[np.random.default_rng(seed).permutation(data.n_users)[:n_kept]] = True
    sampled = data.rows(kept[data.users]).compact()
    return sampled.with_note(f"{n_kept:,} of {data.n_users:,} users are sampled with seed {seed}")


@reports_notes
def k_core(data: Dataset, k: int) -> Dataset:
    """Returns the largest part in which every user has at least k items, and every item k users.

    Raises:
        ConfigError: k is below 1.
        SplitError: nothing is left.
    """
    if k < 1:
        raise ConfigError(f"k_core(): k is {k}; it must be 1 or more")
    pairs = core = data.folded().pairs
    while len(core):
        keep = (core.user_counts >= k)[core.users] & (core.item_counts >= k)[core.items]
        if keep.all():
            break
        core = core.rows(keep)
    if len(core) == 0:
        raise SplitError(f"{data.name}: the {k}-core is empty; use a smaller k")
    note = f"{k}-core: {len(core):,} of {len(pairs):,} interactions are kept"
    if data.is_log:
        # The repeated rows of the remaining pairs are kept; the parts of a split fold them.
        core = data.rows((core.user_counts > 0)[data.users] & (core.item_counts > 0)[data.items])
    return core.compact().with_note(note)
