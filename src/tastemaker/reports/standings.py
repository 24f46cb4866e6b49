"""Standings: the rows of the leaderboard as the report shows them."""

from dataclasses import dataclass
from string import ascii_lowercase

from tastemaker.evaluation.leaderboard import Comparison, Leaderboard
from tastemaker.evaluation.results import Evaluation
from tastemaker.metrics.names import REDUNDANT_WITH_ONE_TARGET
from tastemaker.reports.formats import decimals, metric_title, missing, p_value, percent, seconds
from tastemaker.reports.groups import groups

WHISKER_WIDTH = 130.0
"""Width of the drawing beside the main metric, in pixels."""

TABLE_METRICS = ("hit_rate", "ndcg", "mrr", "recall", "map")
"""Accuracy metrics that the table shows beside the main one; the others are collapsed."""


@dataclass(frozen=True)
class Whisker:
    """Positions of a mean and the ends of its interval on the common scale, 0 to WHISKER_WIDTH."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Standing:
    """The row of one model."""

    rank: int
    name: str
    value: str
    interval: str
    whisker: Whisker | None
    cells: tuple[str, ...]
    """The values in the order of `Standings.columns`."""
    verdict: str
    """How it compares with the best, in words."""
    near_best: bool
    """Whether it is the best, or not significantly different from it."""
    letters: str
    """Letters of the groups that the model is in."""


@dataclass(frozen=True)
class Standings:
    """The table, its columns and the scale of its whiskers."""

    metric: str
    columns: tuple[str, ...]
    rows: tuple[Standing, ...]
    failed: tuple[tuple[str, str], ...]
    """Name and reason of each model that failed."""
    scale: tuple[str, str]
    """Values at the two ends of the whiskers' scale."""
    one_target: bool
    """Whether recall and MAP are left out, since they equal hit rate and MRR."""
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """Letter and models of each group without significant differences."""


def standings(leaderboard: Leaderboard) -> Standings:
    """Builds the table of the leaderboard."""
    evaluations = [evaluation for _, evaluation in leaderboard.ranked]
    letter_groups = [(_letter(i), names) for i, names in enumerate(groups(leaderboard))]
    one_target = all(len(e.ranks) == e.n_users for e in evaluations)
    columns = _columns(leaderboard, one_target)
    ends = _scale(evaluations, leaderboard.metric)
    return Standings(
        metric=metric_title(leaderboard.metric),
        columns=(*map(metric_title, columns), "Training"),
        rows=tuple(
            _standing(leaderboard, place, columns, ends, letter_groups)
            for place in range(len(leaderboard.ranked))
        ),
        failed=tuple(
            (entry.name, entry.error or "no reason was recorded")
            for entry in leaderboard.entries
            if entry.evaluation is None
        ),
        scale=(decimals(ends[0]), decimals(ends[1])),
        one_target=one_target and bool(evaluations),
        groups=tuple(letter_groups),
    )


def against_best(leaderboard: Leaderboard, name: str) -> Comparison | None:
    """Returns the comparison of a model with the best; None for the best itself."""
    best = leaderboard.ranked[0][0].name
    return None if name == best else leaderboard.comparison(best, name)


def _standing(
    leaderboard: Leaderboard,
    place: int,
    columns: list[str],
    ends: tuple[float, float],
    letter_groups: list[tuple[str, tuple[str, ...]]],
) -> Standing:
    entry, evaluation = leaderboard.ranked[place]
    value, (low, high) = _with_interval(evaluation, leaderboard.metric)
    return Standing(
        rank=place + 1,
        name=entry.name,
        value=decimals(value),
        interval=f"{decimals(low)} to {decimals(high)}",
        whisker=_whisker(low, value, high, ends),
        cells=(*(_formatted(evaluation, name) for name in columns), seconds(entry.fit_s)),
        verdict=_verdict(leaderboard, entry.name),
        near_best=not leaderboard.is_worse(entry.name),
        letters=" ".join(letter for letter, names in letter_groups if entry.name in names),
    )


def _columns(leaderboard: Leaderboard, one_target: bool) -> list[str]:
    if not leaderboard.ranked:
        return []
    measured = leaderboard.ranked[0][1].metrics
    k = leaderboard.metric.partition("@")[2]
    shown_metrics = [
        name for name in TABLE_METRICS if not (one_target and name in REDUNDANT_WITH_ONE_TARGET)
    ]
    names = [f"{name}@{k}" for name in (*shown_metrics, "coverage")]
    return [name for name in names if name in measured and name != leaderboard.metric]


def _formatted(evaluation: Evaluation, name: str) -> str:
    value = evaluation.metrics.get(name)
    return percent(value) if name.startswith("coverage@") else decimals(value)


def _with_interval(evaluation: Evaluation, metric: str) -> tuple[float, tuple[float, float]]:
    return evaluation.metrics[metric], evaluation.intervals[metric]


def _scale(evaluations: list[Evaluation], metric: str) -> tuple[float, float]:
    """Returns the lowest and the highest end of any interval."""
    ends = [end for e in evaluations for end in _with_interval(e, metric)[1] if not missing(end)]
    return (min(ends), max(ends)) if ends else (float("nan"), float("nan"))


def _whisker(low: float, mean: float, high: float, ends: tuple[float, float]) -> Whisker | None:
    if any(map(missing, (low, mean, high))):
        return None
    span, margin = ends[1] - ends[0], 6.0

    def position(value: float) -> float:
        fraction = (value - ends[0]) / span if span > 0 else 0.5
        return round(margin + fraction * (WHISKER_WIDTH - 2 * margin), 2)

    return Whisker(position(low), position(mean), position(high))


def _verdict(leaderboard: Leaderboard, name: str) -> str:
    comparison = against_best(leaderboard, name)
    if comparison is None:
        return "best" if len(leaderboard.ranked) > 1 else "the only model"
    p = p_value(comparison.p_value)
    return f"{'worse' if comparison.significant else 'not significant'}, p {p}"


def _letter(i: int) -> str:
    return ascii_lowercase[i] if i < len(ascii_lowercase) else str(i + 1)
