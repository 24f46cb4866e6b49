"""Makes protocols from options, and prints evaluations as tables."""

from typing import Any, Literal

from tastemaker.cli.common import err, out, table_of
from tastemaker.data.split import Split
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation.protocols import (
    CandidateLists,
    FullRanking,
    RankingProtocol,
    SampledRanking,
)
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.ranking.candidates import Draw

SAMPLED_WARNING = (
    "note: sampled metrics can order models differently than ranking the whole catalog does "
    "(--protocol full); see Krichene and Rendle 2020, https://doi.org/10.1145/3394486.3403226"
)

SHOWN = ("hit_rate", "ndcg", "mrr")
"""Accuracy metrics in the table; --json has all."""


def make_protocol(
    name: Literal["auto", "sampled", "full", "candidates"],
    negatives: int | None,
    candidate_seed: int | None,
    draw: Draw | None,
    split: Split,
    default: Literal["sampled", "full"] = "sampled",
) -> RankingProtocol:
    """The protocol that the options give; without candidates, auto means `default`.

    Raises:
        ConfigError: an option on sampled items is given, but none are sampled.
        SplitError: the protocol is candidates, but the split has none.
    """
    if name == "auto":
        name = default if split.candidates is None else "candidates"
    options: dict[str, Any] = {"negatives": negatives, "seed": candidate_seed, "draw": draw}
    given = {option: value for option, value in options.items() if value is not None}
    if name == "sampled":
        return SampledRanking(**given)
    if given:
        option = next(iter(given))
        flag = "--candidate-seed" if option == "seed" else f"--{option}"
        raise ConfigError(
            f"{flag} is about sampled items, but the protocol is {name}; leave it out, or give "
            "--protocol sampled"
        )
    if name == "full":
        return FullRanking()
    if split.candidates is None:
        raise SplitError(f"{split.train.name}: the split has no candidate lists; give --candidates")
    return CandidateLists()


def print_evaluation(evaluation: dict[str, Any]) -> None:
    """Prints the model's metrics with their intervals, and the baselines' beside them."""
    accuracy = [name for name in evaluation["metrics"] if name.split("@")[0] in SHOWN]
    lists = [name for name in evaluation["metrics"] if name.split("@")[0] not in ACCURACY]
    columns = {evaluation["model"]: evaluation["metrics"]} | evaluation["baseline"]
    rows = [
        {
            "metric": name,
            **{model: metrics.get(name) for model, metrics in columns.items()},
            f"{evaluation['model']}, 95% interval": _interval(evaluation["intervals"].get(name)),
        }
        for name in accuracy + lists
    ]
    out.print(
        f"{evaluation['dataset']}, {evaluation['split']}, {evaluation['part']}: "
        f"{evaluation['protocol']}; {evaluation['n_users']:,} users",
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    out.print(table_of(rows))
    for name, baseline in evaluation["baseline"].items():
        worse = [metric for metric in accuracy if evaluation["metrics"][metric] < baseline[metric]]
        if worse:
            out.print(
                f"{evaluation['model']} is worse than {name} on {', '.join(worse)}",
                style="bold yellow",
            )
    if evaluation["protocol"].startswith("sampled"):
        err.print(SAMPLED_WARNING, style="dim", soft_wrap=True)


def _interval(ends: list[float | None] | None) -> str | None:
    """The interval as text; None if the metric has none, as one of all lists together."""
    if ends is None or None in ends:
        return None
    return " to ".join(f"{end:.4f}" for end in ends)
