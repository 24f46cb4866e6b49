"""Protocols from options, and evaluations as tables."""

from typing import Any, Literal

from tastemaker.cli.common import err, out, table_of
from tastemaker.data.splitting import Split
from tastemaker.evaluation.protocols import (
    CandidateLists,
    FullRanking,
    RankingProtocol,
    SampledRanking,
)

SAMPLED_WARNING = (
    "note: sampled metrics can order models differently than ranking the whole catalog does "
    "(--protocol full); see Krichene and Rendle 2020, https://doi.org/10.1145/3394486.3403226"
)

SHOWN = ("hit_rate", "ndcg", "mrr")
"""Metrics in a table; --json has all."""


def make_protocol(
    name: Literal["auto", "sampled", "full", "candidates"], negatives: int, seed: int, split: Split
) -> RankingProtocol:
    """The protocol that the options name."""
    if name == "auto":
        name = "sampled" if split.candidates is None else "candidates"
    if name == "sampled":
        return SampledRanking(negatives, seed)
    return FullRanking() if name == "full" else CandidateLists()


def print_evaluation(evaluation: dict[str, Any]) -> None:
    """Prints the model's metrics with the baselines' beside them, the better one in bold."""
    names = [name for name in evaluation["metrics"] if name.split("@")[0] in SHOWN]
    columns = {evaluation["model"]: evaluation["metrics"]} | evaluation["baseline"]
    rows = [
        {"metric": name, **{model: metrics[name] for model, metrics in columns.items()}}
        for name in names
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
        lost = [metric for metric in names if evaluation["metrics"][metric] < baseline[metric]]
        if lost:
            out.print(
                f"{evaluation['model']} loses to {name} on {', '.join(lost)}", style="bold yellow"
            )
    if evaluation["protocol"].startswith("sampled"):
        err.print(SAMPLED_WARNING, style="dim", soft_wrap=True)
