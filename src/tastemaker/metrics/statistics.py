"""Confidence intervals of means over users, and tests of differences between models."""

import numpy as np

NUMBERS_AT_ONCE = 1 << 20
"""Number of resampled users held in memory at a time (8 MiB)."""

ROUNDING = 1e-12
"""Relative tolerance within which sums of the same differences in another order are equal."""


def bootstrap_intervals(
    values: np.ndarray, *, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Computes percentile bootstrap intervals of means over users (Efron 1979).

    Every resample draws as many users as there are, with replacement, and the same users for all
    metrics.

    Args:
        values: (n_metrics, n_users) float64; NaN where a metric is undefined for a user, who is
            then left out of the mean.
        seed: seed of the draws.
        resamples: number of resamples.
        level: the fraction of resampled means inside the interval.

    Returns:
        (n_metrics,) lower and (n_metrics,) upper ends; NaN for a metric without any value.
    """
    ends = np.full((2, len(values)), np.nan)
    if values.shape[1] == 0:
        return ends[0], ends[1]
    means = _resampled_means(values, np.random.default_rng(seed), resamples)
    tail = (1.0 - level) / 2
    known = ~np.isnan(means).all(axis=0)
    if known.any():
        ends[:, known] = np.nanquantile(means[:, known], [tail, 1.0 - tail], axis=0)
    return ends[0], ends[1]


def paired_permutation_test(
    one: np.ndarray, other: np.ndarray, *, seed: int = 0, permutations: int = 10_000
) -> float:
    """Returns the two-sided p-value of the hypothesis of equally good models (Fisher 1935).

    If the models were equally good, each user's difference could as well have had the other sign.
    The p-value is the fraction of random signs that give a mean difference at least as far from 0
    as the observed one, (1 + count) / (1 + permutations); if few users differ, every combination of
    signs is tried once.

    Args:
        one: (n_users,) values of one model.
        other: (n_users,) values of the other for the same users; a pair with a NaN is left out.
        seed: seed of the random signs.
        permutations: number of random combinations of signs.

    Returns:
        Above 0, at most 1; exactly 1 if no user differs.
    """
    differences = one - other
    # A difference of 0 has no sign to flip, and leaves the sum as it is.
    differences = differences[~np.isnan(differences) & (differences != 0)]
    n = len(differences)
    threshold = abs(differences.sum()) - ROUNDING * np.abs(differences).sum()
    if n < 63 and 2**n <= permutations:
        all_flips = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return _count_at_least(threshold, differences, all_flips) / 2**n
    rng, step, count = np.random.default_rng(seed), max(1, NUMBERS_AT_ONCE // n), 0
    for start in range(0, permutations, step):
        shape = (min(step, permutations - start), -(-n // 8))
        random_bytes = rng.integers(0, 256, shape, dtype=np.uint8)
        flips = np.unpackbits(random_bytes, axis=1, count=n)
        count += _count_at_least(threshold, differences, flips)
    return (1 + count) / (1 + permutations)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjusts p-values to control the probability of any false finding (Holm 1979).

    Args:
        p_values: (n,) in any order.

    Returns:
        (n,) adjusted, in the given order, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    return _in_original_order(order, np.maximum.accumulate(stepped))


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Adjusts p-values to control the false discovery rate (Benjamini and Hochberg 1995).

    Args:
        p_values: (n,) in any order.

    Returns:
        (n,) adjusted, in the given order, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    return _in_original_order(order, np.minimum.accumulate(stepped[::-1])[::-1])


def _resampled_means(values: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Returns (resamples, n_metrics) means; NaN where only users without a value were drawn."""
    known = ~np.isnan(values)
    columns = np.concatenate([np.where(known, values, 0.0), known]).T  # (n_users, 2 n_metrics)
    n_users, step = len(columns), max(1, NUMBERS_AT_ONCE // len(columns))
    sums = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, step):
        n = min(step, resamples - start)
        drawn = rng.integers(n_users, size=(n, n_users)) + np.arange(n)[:, None] * n_users
        n_draws = np.bincount(drawn.ravel(), minlength=n * n_users).reshape(n, n_users)
        sums[start : start + n] = n_draws.astype(np.float64) @ columns
    total, n_known = np.hsplit(sums, 2)
    return np.divide(total, n_known, out=np.full(total.shape, np.nan), where=n_known > 0)


def _count_at_least(threshold: float, differences: np.ndarray, flips: np.ndarray) -> int:
    """Counts the rows of flips (m, n) that give a sum at least `threshold` away from 0."""
    sums = differences.sum() - 2.0 * (flips.astype(np.float64) @ differences)
    return int((np.abs(sums) >= threshold).sum())


def _in_original_order(order: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(ascending, 1.0)
    return adjusted
