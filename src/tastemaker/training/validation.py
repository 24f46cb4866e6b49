"""The metrics measured after each epoch, under names that no evaluation table uses.

`validation_ndcg@10` ranks each validation item in the whole catalog, and
`validation_sampled_99_ndcg@10` ranks it among 99 sampled items. The second is far higher for the
same model, so neither must be confused with the other or with a test metric.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FULL = "validation_"

FULL_RANKING = "validation, full ranking"

MEASURED = re.compile(r"validation_(?:sampled_(?P<n_sampled>\d+)_)?(?P<metric>.+@\d+)")


def sampled(n_items: int) -> str:
    """Returns the prefix of metrics that rank among `n_items` sampled items."""
    return f"validation_sampled_{n_items}_"


@dataclass(frozen=True)
class Validation:
    """Measures a network; called after each epoch, with the network in evaluation mode."""

    prefix: str
    """How the held-out items are ranked: FULL, or `sampled(n_items)`."""
    measure: Callable[[], dict[str, float]]
    """Returns the metrics by their plain names, including `ndcg@10`."""

    @property
    def monitored(self) -> str:
        """The metric that decides which epoch is the best and when to stop."""
        return f"{self.prefix}ndcg@10"

    def __call__(self) -> dict[str, float]:
        """Returns the metrics by their full names."""
        return {f"{self.prefix}{name}": value for name, value in self.measure().items()}


def plain_name(measured: str) -> str:
    """Removes the prefix of a validation metric, as in `validation_ndcg@10`, from its name.

    Other names are returned unchanged.
    """
    match = MEASURED.fullmatch(measured)
    return match["metric"] if match else measured


def ranking_method(measured: str) -> str:
    """Describes how a metric was measured: `validation, 99 sampled` or `validation, full ranking`.

    The result is empty if it is not a validation metric.
    """
    match = MEASURED.fullmatch(measured)
    if match is None:
        return ""
    return f"validation, {match['n_sampled']} sampled" if match["n_sampled"] else FULL_RANKING


def epoch_line(metrics: Mapping[str, float]) -> str:
    """Formats an epoch's metrics: `loss 0.3121  validation, 99 sampled: hit_rate@10 0.6902  …`."""
    words, previous = [], ""
    for name, value in metrics.items():
        method = ranking_method(name)
        words.append(f"{f'{method}: ' if method != previous else ''}{plain_name(name)} {value:.4f}")
        previous = method
    return "  ".join(words)


def name_of_metric(metric: str, names: list[str]) -> str | None:
    """Returns the first of `names` that is the metric, however measured, or None."""
    return next((name for name in names if plain_name(name) == metric), None)
