"""Evaluation: the results of a model under a protocol, user by user."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.evaluation.segments import Segment
from tastemaker.figures.rows import Row, rows_figure
from tastemaker.html_tables import html_table
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.metrics.names import title
from tastemaker.metrics.statistics import bootstrap_intervals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVAL_SEED = 0
"""Seed of the bootstrap: the same users are resampled for every model."""

MAX_SHOWN_METRICS = 4
"""Maximum number of metrics in the `repr` of an evaluation."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of one model on one part of one split under one protocol."""

    model: str
    dataset: str
    fingerprint: str
    """Fingerprint of the training data."""
    split: str
    """How the data were split."""
    part: str
    """The held-out part that was ranked: test or validation."""
    protocol: str
    """Description of the protocol, from `RankingProtocol.describe`."""
    users: np.ndarray
    """(n_users,) int64 codes of the evaluated users."""
    ranks: np.ndarray
    """(n_targets,) int64 ranks of the held-out items, from 1, by user."""
    indptr: np.ndarray
    """(n_users + 1,) pointers into ranks."""
    per_user: dict[str, np.ndarray]
    """Metric name, such as `ndcg@10`, to (n_users,) float64; NaN where a user has no value."""
    overall: dict[str, float] = field(default_factory=dict)
    """Metrics of all lists together, such as `coverage@10`; empty if lists were not evaluated."""
    segments: tuple[Segment, ...] = ()
    """The accuracy for subsets of the users and of the held-out items."""
    baselines: dict[str, "Evaluation"] = field(default_factory=dict)
    """The same evaluation of simple models, by name."""

    @property
    def n_users(self) -> int:
        """Number of evaluated users."""
        return len(self.users)

    @property
    def conditions(self) -> str:
        """What was evaluated and how: data, split, part, protocol and number of users."""
        return f"{self.dataset}, {self.split}, {self.part}: {self.protocol}; {self.n_users:,} users"

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The mean of each metric over the users with a value, and the metrics of all lists."""
        return {name: mean(values) for name, values in self.per_user.items()} | self.overall

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95% interval of each mean, which estimates its variation between sets of users."""
        return intervals(self.per_user)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON: means, intervals, segments and the baselines' means."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "part": self.part,
            "protocol": self.protocol,
            "n_users": self.n_users,
            "metrics": nan_to_none(self.metrics),
            "intervals": {
                name: [_number_or_none(end) for end in ends]
                for name, ends in self.intervals.items()
            },
            "segments": [
                {
                    "by": segment.by,
                    "name": segment.name,
                    "n_users": segment.n_users,
                    "metrics": nan_to_none(
                        {name: mean(values) for name, values in segment.per_user.items()}
                    ),
                }
                for segment in self.segments
            ],
            "baseline": {
                name: nan_to_none(other.metrics) for name, other in self.baselines.items()
            },
        }

    def to_frame(self) -> pl.DataFrame:
        """Returns the values that `print` shows, in a frame with a row for each model and metric.

        Returns:
            Columns model, metric, value (the mean), low and high (the ends of its 95% interval,
            null where there is none) and n_users. The evaluated model comes first, then its
            baselines. Segments are left out.
        """
        return pl.DataFrame(
            [
                (result.model, metric, value, *result.intervals.get(metric, (None, None)))
                for result in (self, *self.baselines.values())
                for metric, value in nan_to_none(result.metrics).items()
            ],
            schema={"model": pl.String, "metric": pl.String}
            | dict.fromkeys(("value", "low", "high"), pl.Float64),
            orient="row",
        ).with_columns(n_users=pl.lit(self.n_users))

    def __repr__(self) -> str:
        means = list(self.metrics.items())
        first_means = ", ".join(f"{name} {value:.4f}" for name, value in means[:MAX_SHOWN_METRICS])
        more = ", …" if len(means) > MAX_SHOWN_METRICS else ""
        return (
            f"Evaluation({self.model} on {self.dataset}, {self.part} of {self.split}, "
            f"{self.protocol}; {self.n_users:,} users: {first_means}{more})"
        )

    def __str__(self) -> str:
        columns = self._columns()
        width = max(12, *(len(name) + 2 for name in columns))
        label_width = max(14, *(len(name) + 2 for name in self.metrics))
        lines = [
            self.conditions,
            " " * label_width
            + "".join(f"{name:>{width}}" for name in columns)
            + f"  {self.model}, 95% interval",
        ]
        for metric in self.metrics:
            values = "".join(f"{means[metric]:>{width}.4f}" for means in columns.values())
            interval = self._interval(metric)
            lines.append(f"{metric:<{label_width}}{values}{interval and f'  {interval}'}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        columns = self._columns()
        rows = [
            (metric, *(means.get(metric) for means in columns.values()), self._interval(metric))
            for metric in self.metrics
        ]
        headers = ("metric", *columns, f"{self.model}, 95% interval")
        return html_table(self.conditions, headers, rows)

    def plot(self, metric: str | None = None) -> "Figure":
        """Draws a metric of the model and its baselines, for all users and for each segment.

        Args:
            metric: an accuracy metric, such as `ndcg@10`; by default NDCG at the first k.

        Returns:
            A Matplotlib figure, which a notebook shows; `savefig` writes it to a file.

        Raises:
            ConfigError: the metric was not measured, or has no values for segments.
            UnsupportedError: Matplotlib is not installed.
        """
        measured = [name for name in self.per_user if name.partition("@")[0] in ACCURACY]
        if metric is None:
            metric = next(name for name in measured if name.startswith("ndcg@"))
        if metric not in measured:
            raise ConfigError(
                f'metric="{metric}" cannot be plotted; {did_you_mean(metric, measured)}'
            )
        series = {self.model: self._rows(metric, highlighted=True)}
        for name, baseline in self.baselines.items():
            if name != self.model:  # popularity is its own baseline
                series[name] = baseline._rows(metric, highlighted=False)
        return rows_figure(
            series,
            title=self.conditions,
            x_title=f"{title(metric)}, mean and 95% interval",
        )

    def _rows(self, metric: str, *, highlighted: bool) -> list[Row]:
        """Returns a row for all users, and one for each segment."""
        values = {f"all {self.n_users:,} users": self.per_user[metric]}
        for segment in self.segments:
            whose = "history" if segment.by == "history" else "items"
            values[f"{whose}, {segment.name} ({segment.n_users:,})"] = segment.per_user[metric]
        rows = []
        for label, of_users in values.items():
            low, high = intervals({metric: of_users})[metric]
            rows.append(Row(label, low, mean(of_users), high, highlighted=highlighted))
        return rows

    def _columns(self) -> dict[str, dict[str, float]]:
        """Returns the means by metric of the model and its baselines, by name."""
        return {e.model: e.metrics for e in (self, *self.baselines.values())}

    def _interval(self, metric: str) -> str:
        """Returns the 95% interval as text; "" for a metric without one."""
        ends = self.intervals.get(metric)
        return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def mean(values: np.ndarray) -> float:
    """Returns the mean of the values that are not NaN; NaN if there are none."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else float("nan")


def nan_to_none(values: dict[str, float]) -> dict[str, float | None]:
    """Replaces NaN by None, since JSON has no NaN."""
    return {name: _number_or_none(value) for name, value in values.items()}


def _number_or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def intervals(per_user: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Returns the 95% bootstrap interval over users of each mean."""
    low, high = bootstrap_intervals(np.stack(list(per_user.values())), seed=INTERVAL_SEED)
    return dict(zip(per_user, zip(low.tolist(), high.tolist(), strict=True), strict=True))
