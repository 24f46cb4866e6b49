"""Leaderboard: a table of comparable evaluations, with the significance of their differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.evaluation.results import Evaluation, mean
from tastemaker.figures.rows import Row, rows_figure
from tastemaker.html_tables import html_table
from tastemaker.metrics.names import MAIN_METRIC, title
from tastemaker.metrics.statistics import benjamini_hochberg, holm, paired_permutation_test
from tastemaker.representation import short_repr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Correction = Literal["holm", "benjamini-hochberg"]

CORRECTIONS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}

SIGNIFICANCE_LEVEL = 0.05

SECOND_METRICS = ("hit_rate", "ndcg")
"""Metrics shown beside the deciding one: the first of them that differs from it is used."""

MAX_SHOWN_MODELS = 5
"""Maximum number of models in the `repr` of a leaderboard."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One model's row: its evaluation, or the error if it failed."""

    name: str
    evaluation: Evaluation | None = None
    fit_s: float | None = None
    """Duration of training in seconds."""
    error: str | None = None
    """The error, for a model that failed."""

    __repr__ = short_repr


@dataclass(frozen=True)
class Comparison:
    """The difference between two models on one metric, user by user."""

    better: str
    worse: str
    difference: float
    """Mean difference over users, 0 or more."""
    p_value: float
    """P-value of the paired permutation test, corrected for the number of pairs."""

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at the 5% level."""
        return self.p_value < SIGNIFICANCE_LEVEL


class Leaderboard:
    """Models ordered by one metric, all evaluated on the same users under the same conditions."""

    def __init__(
        self, entries: Sequence[Entry], metric: str = MAIN_METRIC, correction: Correction = "holm"
    ) -> None:
        """Orders the entries; failed ones come last.

        Raises:
            ConfigError: the metric was not measured, two entries have the same name, or entries
                differ in data, split, part, protocol or users.
        """
        evaluated = [entry for entry in entries if entry.evaluation is not None]
        evaluations = [entry.evaluation for entry in evaluated if entry.evaluation is not None]
        _refuse_same_names(entries)
        _refuse_different_conditions(evaluations)
        if evaluations and metric not in evaluations[0].per_user:
            suggestion = did_you_mean(metric, evaluations[0].per_user)
            raise ConfigError(f'the leaderboard cannot be ordered by "{metric}"; {suggestion}')
        evaluated.sort(key=lambda entry: -mean(_values(entry, metric)))
        self.metric, self.correction = metric, correction
        self.entries = [*evaluated, *(entry for entry in entries if entry.evaluation is None)]
        self.comparisons = _compare(evaluated, metric, correction)
        """One for each pair of models, in the order of the table."""

    @property
    def ranked(self) -> list[tuple[Entry, Evaluation]]:
        """The entries that have a result, best first."""
        return [(entry, entry.evaluation) for entry in self.entries if entry.evaluation is not None]

    def __repr__(self) -> str:
        models = [f"{e.name} {mean(_values(e, self.metric)):.4f}" for e, _ in self.ranked]
        if len(models) > MAX_SHOWN_MODELS:
            models[MAX_SHOWN_MODELS:] = [f"and {len(models) - MAX_SHOWN_MODELS} more"]
        n_failed = len(self.entries) - len(self.ranked)
        failed = f"; {n_failed} failed" if n_failed else ""
        return f"Leaderboard({self.metric}: {', '.join(models)}{failed})"

    def _repr_html_(self) -> str:
        rows = self.summary()
        notes = [self.verdict()] if len(self.ranked) > 1 else []
        notes += [f"{entry.name} failed: {entry.error}" for entry in self.entries if entry.error]
        caption = self.ranked[0][1].conditions if rows else "no model has a result"
        headers = list(rows[0]) if rows else []
        return html_table(caption, headers, [list(row.values()) for row in rows], notes=notes)

    def summary(self) -> list[dict[str, Any]]:
        """Returns the rows of a short table, best model first, without the models that failed.

        Each has rank, model, the deciding metric and its 95% interval, whether the model is
        significantly worse than the best, another metric and coverage if they were measured for
        any model (None for a model without them), and the training time, partly as text.
        """
        metric, _, cutoff = self.metric.partition("@")
        second = next(name for name in SECOND_METRICS if name != metric)
        further = [
            name
            for name in (f"{second}@{cutoff}", f"coverage@{cutoff}")
            if any(name in evaluation.metrics for _, evaluation in self.ranked)
        ]
        return [
            {
                "rank": rank,
                "model": entry.name,
                self.metric: evaluation.metrics[self.metric],
                "95% interval": "{:.4f}-{:.4f}".format(*evaluation.intervals[self.metric]),
                "worse": "-" if rank == 1 else "yes" if self.is_worse(entry.name) else "no",
                **{name: evaluation.metrics.get(name) for name in further},
                "fit": "-" if entry.fit_s is None else f"{entry.fit_s:.1f} s",
            }
            for rank, (entry, evaluation) in enumerate(self.ranked, 1)
        ]

    def verdict(self) -> str:
        """States whether the best model's lead over the second is significant; needs two models."""
        best, second = (entry.name for entry, _ in self.ranked[:2])
        lead = self.comparison(best, second)
        p = f"p {'< 0.001' if lead.p_value < 0.001 else f'= {lead.p_value:.3f}'}"
        meaning = "significant" if lead.significant else "not significant and may be due to chance"
        return (
            f"{best} leads {second} by {lead.difference:.4f} {self.metric}, which is {meaning} "
            f"({p}, paired permutation test, {self.correction} correction)"
        )

    def is_worse(self, name: str) -> bool:
        """Returns whether a model is significantly worse than the best."""
        best = self.ranked[0][0].name
        return name != best and self.comparison(best, name).significant

    def plot(self) -> "Figure":
        """Draws the mean of the deciding metric and its 95% interval for each model, best first.

        The dots of the best model and of those that are not significantly worse are filled. Models
        that failed are left out.

        Returns:
            A Matplotlib figure, which a notebook shows; `savefig` writes it to a file.

        Raises:
            ConfigError: no model has a result.
            UnsupportedError: Matplotlib is not installed.
        """
        if not self.ranked:
            raise ConfigError("no model of the leaderboard has a result, so there is no plot")
        rows = []
        for entry, evaluation in self.ranked:
            value, (low, high) = evaluation.metrics[self.metric], evaluation.intervals[self.metric]
            rows.append(
                Row(entry.name, low, value, high, f"{value:.4f}", not self.is_worse(entry.name))
            )
        return rows_figure(
            {"": rows},
            title=self.ranked[0][1].conditions,
            x_title=f"{title(self.metric)}, mean and 95% interval; hollow: significantly worse",
        )

    def comparison(self, one: str, other: str) -> Comparison:
        """Returns the comparison of two models, whichever of them is better."""
        return next(c for c in self.comparisons if {c.better, c.worse} == {one, other})

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        evaluations = [evaluation for _, evaluation in self.ranked]
        first = evaluations[0] if evaluations else None
        return {
            "metric": self.metric,
            "correction": self.correction,
            "dataset": first and first.dataset,
            "fingerprint": first and first.fingerprint,
            "split": first and first.split,
            "part": first and first.part,
            "protocol": first and first.protocol,
            "n_users": first and first.n_users,
            "models": [
                {"name": entry.name, "rank": rank, "fit_s": entry.fit_s} | evaluation.to_dict()
                for rank, (entry, evaluation) in enumerate(self.ranked, 1)
            ],
            "failed": [
                {"name": entry.name, "error": entry.error}
                for entry in self.entries
                if entry.evaluation is None
            ],
            "comparisons": [
                {
                    "better": c.better,
                    "worse": c.worse,
                    "difference": c.difference,
                    "p_value": c.p_value,
                    "significant": c.significant,
                }
                for c in self.comparisons
            ],
        }

    def to_frame(self) -> pl.DataFrame:
        """Returns one row for each model, best first, the failed ones last.

        Returns:
            Columns rank, model, fit_s (duration of training in seconds), error (null for a model
            that has a result), and for each metric its mean and, for example as `ndcg@10_low` and
            `ndcg@10_high`, the ends of its 95% interval.
        """
        fixed = {"rank": pl.Int64, "model": pl.String, "fit_s": pl.Float64, "error": pl.String}
        rows = self.rows()
        measured = {name: pl.Float64 for name in (rows[0] if rows else {}) if name not in fixed}
        return pl.DataFrame(rows, schema={**fixed, **measured})

    def rows(self) -> list[dict[str, Any]]:
        """Returns one flat row per model, for CSV, with the columns that `to_frame` documents."""
        measured = list(self.ranked[0][1].metrics) if self.ranked else []
        rows: list[dict[str, Any]] = []
        for rank, (entry, evaluation) in enumerate(self.ranked, 1):
            row = {"rank": rank, "model": entry.name, "fit_s": entry.fit_s, "error": None}
            for name in measured:
                row[name] = evaluation.metrics.get(name)
                if name in evaluation.intervals:
                    row[f"{name}_low"], row[f"{name}_high"] = evaluation.intervals[name]
            rows.append(row)
        failed = [entry for entry in self.entries if entry.evaluation is None]
        return rows + [
            {"rank": None, "model": entry.name, "fit_s": None, "error": entry.error}
            for entry in failed
        ]


def _values(entry: Entry, metric: str) -> np.ndarray:
    assert entry.evaluation is not None
    return entry.evaluation.per_user[metric]


def _compare(entries: Sequence[Entry], metric: str, correction: Correction) -> list[Comparison]:
    pairs = list(combinations(entries, 2))
    values = [(_values(better, metric), _values(worse, metric)) for better, worse in pairs]
    p_values = np.array([paired_permutation_test(one, other) for one, other in values])
    corrected = CORRECTIONS[correction](p_values)
    return [
        Comparison(better.name, worse.name, mean(one - other), float(p))
        for (better, worse), (one, other), p in zip(pairs, values, corrected, strict=True)
    ]


def _refuse_same_names(entries: Sequence[Entry]) -> None:
    names = [entry.name for entry in entries]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(
            f'two models of the leaderboard have the name "{repeated}"; give them different names'
        )


def _refuse_different_conditions(evaluations: Sequence[Evaluation]) -> None:
    def conditions(e: Evaluation) -> tuple[str, ...]:
        return (e.fingerprint, e.split, e.part, e.protocol)

    for other in evaluations[1:]:
        first = evaluations[0]
        if conditions(other) != conditions(first) or not np.array_equal(other.users, first.users):
            raise ConfigError(
                f"{first.model} and {other.model} were evaluated in different ways "
                f"({first.dataset}, {first.split}, {first.protocol}; {other.dataset}, "
                f"{other.split}, {other.protocol}); evaluate both on one split with one protocol"
            )
