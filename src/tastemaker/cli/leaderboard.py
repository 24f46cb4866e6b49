"""Prints a leaderboard as a table, with a conclusion in one sentence."""

from typing import Any

from tastemaker.cli.common import err, out, table_of
from tastemaker.cli.evaluating import SAMPLED_WARNING
from tastemaker.cli.flags import in_flags
from tastemaker.evaluation.leaderboard import Entry, Leaderboard
from tastemaker.evaluation.results import Evaluation

SECOND_METRICS = ("hit_rate", "ndcg")
"""Metrics shown beside the deciding one: the first of them that differs from it is used."""

LEGEND = "worse: significantly worse than the best model; fit: training time"


def print_leaderboard(board: Leaderboard) -> None:
    """Prints the ranking, the lead of the best model, and whether it is significant."""
    first = board.ranked[0][1]
    out.print(
        f"{first.dataset}, {first.split}, {first.part}: {first.protocol}; {first.n_users:,} users",
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    out.print(table_of(_row(board, rank, *ranked) for rank, ranked in enumerate(board.ranked, 1)))
    for entry in board.entries:
        if entry.error is not None:
            out.print(
                f"{entry.name} failed: {in_flags(entry.error)}", style="bold yellow", markup=False
            )
    if len(board.ranked) > 1:
        out.print(LEGEND, style="dim", markup=False, soft_wrap=True)
        out.print(verdict(board), style="bold", markup=False, soft_wrap=True)
    if first.protocol.startswith("sampled"):
        err.print(SAMPLED_WARNING, style="dim", soft_wrap=True)


def verdict(board: Leaderboard) -> str:
    """States whether the best model's lead over the second is significant; needs two models."""
    best, second = (entry.name for entry, _ in board.ranked[:2])
    lead = board.comparison(best, second)
    p = f"p {'< 0.001' if lead.p_value < 0.001 else f'= {lead.p_value:.3f}'}"
    meaning = "significant" if lead.significant else "not significant and may be due to chance"
    return (
        f"{best} leads {second} by {lead.difference:.4f} {board.metric}, which is {meaning} "
        f"({p}, paired permutation test, {board.correction} correction)"
    )


def _row(board: Leaderboard, rank: int, entry: Entry, evaluation: Evaluation) -> dict[str, Any]:
    metric, _, cutoff = board.metric.partition("@")
    low, high = evaluation.intervals[board.metric]
    other = next(name for name in SECOND_METRICS if name != metric) + f"@{cutoff}"
    best = board.ranked[0][0].name
    is_worse = rank > 1 and board.comparison(best, entry.name).significant
    return {
        "rank": rank,
        "model": entry.name,
        board.metric: evaluation.metrics[board.metric],
        "95% interval": f"{low:.4f}-{high:.4f}",
        "worse": "-" if rank == 1 else "yes" if is_worse else "no",
        other: evaluation.metrics[other],
        "coverage": evaluation.metrics[f"coverage@{cutoff}"],
        "fit": "-" if entry.fit_s is None else f"{entry.fit_s:.1f} s",
    }
