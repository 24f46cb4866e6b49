"""How much interactions count by their age: 2^(-a / h) at the age a, with the half-life h."""

import numpy as np

SECONDS_PER_DAY = 86_400

SMALLEST_DECAY = 1e-30
"""Lower limit of the decay of an event, so that an old event is not taken for none."""


def recency(indptr: np.ndarray, half_life: float) -> np.ndarray:
    """Returns 2^(-a / h) of each interaction, where a later ones of its history follow it.

    Args:
        indptr: (n + 1,) ends of the histories, each of which is oldest first.
        half_life: h.

    Returns:
        (m,) float32, 1 for the latest interaction of each history.
    """
    ages = np.repeat(indptr[1:], np.diff(indptr)) - np.arange(1, indptr[-1] + 1)
    return decay(ages, half_life).astype(np.float32)


def decay(ages: np.ndarray, half_life: float) -> np.ndarray:
    """Returns 2^(-a / h) of ages a, at least SMALLEST_DECAY; any shape, float64."""
    with np.errstate(over="ignore"):  # a quotient that is infinite gives the lower limit
        return np.maximum(0.5 ** (ages / half_life), SMALLEST_DECAY)
