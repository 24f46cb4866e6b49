"""Data card: summary statistics of a data set."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.ties import Ties, count_ties, notes_of_ties
from tastemaker.data.times import iso_time
from tastemaker.representation import short_repr

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)

HEAD_FRACTION = 0.2
"""The most popular fifth of the items is the head; the rest is the long tail."""


@dataclass(frozen=True)
class KindSummary:
    """The events of one kind in a log."""

    kind: str
    events: int
    users: int
    items: int
    weight: float
    """0 for a kind that says no."""
    is_target: bool
    """Whether events of this kind are held out and predicted."""


@dataclass(frozen=True)
class DataCard:
    """Summary statistics of a log of interactions."""

    name: str
    n_interactions: int
    """Number of distinct (user, item) pairs; figures below count each pair once unless they say
    otherwise."""
    n_users: int
    n_items: int
    density: float
    """Fraction of all possible (user, item) pairs that occurred."""
    n_duplicates: int
    """Number of rows of the log that repeat a pair, in addition to the interactions."""
    n_missing: int
    """Number of rows left out because an id, a time or a weight is missing."""
    time_range: tuple[str, str] | None
    """First and last time as ISO 8601 (or as ranks if times are only an order)."""
    ties: Ties | None
    """Consecutive events of a user in the same second, of all rows; None without clock times."""
    user_activity: dict[str, float]
    """Quantiles of the number of interactions per user."""
    item_popularity: dict[str, float]
    """Quantiles of the number of interactions per item."""
    long_tail_fraction: float
    """Fraction of the interactions that fall outside the most popular fifth of the items."""
    activity_histogram: list[tuple[int, int, int]]
    """(from, to, users): number of users with that many interactions; bins double in width."""
    kinds: tuple[KindSummary, ...]
    """The kinds of events in the log, in the order of their codes; empty if it has none."""
    has_titles: bool
    has_ratings: bool
    fingerprint: str
    notes: tuple[str, ...]

    __repr__ = short_repr

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def describe(dataset: Dataset) -> DataCard:
    """Computes the data card of a data set; repeated pairs are folded first."""
    pairs = dataset.folded().pairs
    users, items = pairs.user_counts, pairs.item_counts
    ties = count_ties(dataset)
    return DataCard(
        name=dataset.name,
        n_interactions=len(pairs),
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        density=len(pairs) / (dataset.n_users * dataset.n_items),
        n_duplicates=pairs.n_duplicates,
        n_missing=dataset.n_missing,
        time_range=_time_range(dataset),
        ties=ties,
        user_activity=_quantiles(users),
        item_popularity=_quantiles(items),
        long_tail_fraction=_long_tail_fraction(items),
        activity_histogram=_doubling_histogram(users),
        kinds=_kinds(dataset),
        has_titles="title" in dataset.catalog.columns,
        has_ratings=dataset.ratings is not None,
        fingerprint=pairs.fingerprint,
        notes=(*dataset.notes, *notes_of_ties(ties)),
    )


def _kinds(log: Dataset) -> tuple[KindSummary, ...]:
    meaning = log.rules.kinds
    if log.kinds is None or meaning is None:
        return ()
    summaries = []
    for code, kind in enumerate(meaning.names):
        rows = log.rows(log.kinds == code)
        summaries.append(
            KindSummary(
                kind,
                len(rows),
                len(np.unique(rows.users)),
                len(np.unique(rows.items)),
                float(meaning.weight_of_code[code]),
                bool(meaning.is_target[code]),
            )
        )
    return tuple(summaries)


def _time_range(dataset: Dataset) -> tuple[str, str] | None:
    if dataset.timestamps is None:
        return None
    first, last = int(dataset.timestamps.min()), int(dataset.timestamps.max())
    if dataset.time_unit == "order":
        return str(first), str(last)
    return iso_time(first), iso_time(last)


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    values = np.quantile(counts, QUANTILES)
    return {f"{q:.0%}": float(v) for q, v in zip(QUANTILES, values, strict=True)}


def _long_tail_fraction(item_counts: np.ndarray) -> float:
    by_popularity = np.sort(item_counts)[::-1]
    head = int(np.ceil(HEAD_FRACTION * len(by_popularity)))
    return float(by_popularity[head:].sum() / by_popularity.sum())


def _doubling_histogram(counts: np.ndarray) -> list[tuple[int, int, int]]:
    powers = np.floor(np.log2(np.maximum(counts, 1))).astype(int)
    users = np.bincount(powers)
    first = int(powers.min())
    return [(2**p, 2 ** (p + 1) - 1, int(users[p])) for p in range(first, len(users))]
