"""What is measured after each epoch, under names that no table of an evaluation has.

`validation_ndcg@10` ranks each validation item in the whole catalog, and
`validation_sampled_99_ndcg@10` ranks it among 99 sampled items. The second is far higher for the
same model, so that neither may be taken for the other or for a test metric.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FULL = "validation_"

FULL_RANKING = "validation, full ranking"

MEASURED = re.compile(r"validation_(?:sampled_(?P<n_sampled>\d+)_)?(?P<metric>.+@\d+)")


def sampled(n_items: int) -> str:
    """The prefix of metrics among so many sampled items."""
    return f"validation_sampled_{n_items}_"


@dataclass(frozen=True)
class Validation:
    """Measures a network as it is; called after each epoch, with the network in evaluation mode."""

    prefix: str
    """How the held-out items are ranked: FULL, or `sampled(n_items)`."""
    measure: Callable[[], dict[str, float]]
    """Gives the metrics by their plain names, `ndcg@10` among them."""

    @property
    def monitored(self) -> str:
        """The metric that decides which epoch is the best and when to stop."""
        return f"{self.prefix}ndcg@10"

    def __call__(self) -> dict[str, float]:
        """The metrics by their full names."""
        return {f"{self.prefix}{name}": value for name, value in self.measure().items()}


def plain_name(measured: str) -> str:
    """`ndcg@10` of `validation_sampled_99_ndcg@10`; any other name stays as it is."""
    match = MEASURED.fullmatch(measured)
    return match["metric"] if match else measured


def way_of(measured: str) -> str:
    """How a metric was measured, in words: `validation, 99 sampled`, or `validation, full ranking`.

    Empty for what is no validation metric.
    """
    match = MEASURED.fullmatch(measured)
    if match is None:
        return ""
    return f"validation, {match['n_sampled']} sampled" if match["n_sampled"] else FULL_RANKING


def epoch_line(metrics: Mapping[str, float]) -> str:
    """A line of an epoch: `loss 0.3121  validation, 99 sampled: hit_rate@10 0.6902  …`."""
    words, said = [], ""
    for name, value in metrics.items():
        way = way_of(name)
        words.append(f"{f'{way}: ' if way != said else ''}{plain_name(name)} {value:.4f}")
        said = way
    return "  ".join(words)


def measured_as(metric: str, names: list[str]) -> str | None:
    """Which of the names is the metric, whichever way it was measured; None where none is."""
    return next((name for name in names if plain_name(name) == metric), None)
