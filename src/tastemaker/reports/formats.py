"""Numbers and names as a reader of a report wants them."""

import math

from tastemaker.training.validation import plain_name, way_of

ABSENT = "–"

TITLES = {
    "hit_rate": "Hit rate",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "map": "MAP",
    "recall": "Recall",
    "precision": "Precision",
    "coverage": "Coverage",
    "novelty": "Novelty",
    "diversity": "Diversity",
    "embedding_diversity": "Embedding diversity",
    "gini": "Gini",
    "miscalibration": "Miscalibration",
    "average_popularity": "Average popularity",
    "long_tail_share": "Long tail",
    "long_tail_lift": "Long-tail lift",
}
"""Metric names as they are written in a sentence or a table."""


def metric_title(name: str) -> str:
    """`ndcg@10` as NDCG@10; what training measured comes with how it was measured."""
    way = way_of(name)
    if way:
        return f"{metric_title(plain_name(name))} ({way})"
    base, at, k = name.partition("@")
    return TITLES.get(base, base.replace("_", " ").capitalize()) + at + k


def missing(value: float | None) -> bool:
    """Whether there is no such number."""
    return value is None or math.isnan(value)


def decimals(value: float | None, places: int = 4) -> str:
    """A number with so many decimals; accuracy has 4."""
    return ABSENT if value is None or missing(value) else f"{value:,.{places}f}"


def percent(fraction: float | None) -> str:
    """A fraction with one decimal, or two where one would leave nothing of it."""
    if fraction is None or missing(fraction):
        return ABSENT
    return f"{fraction:.2%}" if 0 < fraction < 0.001 else f"{fraction:.1%}"


def p_value(p: float) -> str:
    """With three decimals; below that only that it is below."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(elapsed_s: float | None) -> str:
    """A duration in words: 0.31 s, 3.2 s, 2 min 5 s, 1 h 3 min."""
    if elapsed_s is None or missing(elapsed_s):
        return ABSENT
    if elapsed_s < 1:
        return f"{elapsed_s:.2f} s" if elapsed_s >= 0.01 else "under 0.01 s"
    if elapsed_s < 59.95:
        return f"{elapsed_s:.1f} s"
    minutes, rest = divmod(round(elapsed_s), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def counted(n: int, noun: str) -> str:
    """1 user, 6,040 users."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])


def shortened(label: str, length: int = 24) -> str:
    """A label that fits into a figure; its middle goes, for variants differ at their ends."""
    if len(label) <= length:
        return label
    tail = length * 2 // 5
    return f"{label[: length - tail - 1]}…{label[-tail:]}"
