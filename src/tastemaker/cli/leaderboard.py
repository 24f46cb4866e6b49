"""Prints a leaderboard as a table, with a conclusion in one sentence."""

from typing import Any

from tastemaker.cli.common import err, out, table_of
from tastemaker.cli.judging import SAMPLED_WARNING
from tastemaker.cli.wording import in_flags
from tastemaker.evaluation.leaderboard import Entry, Leaderboard
from tastemaker.evaluation.results import Evaluation

BESIDE = ("hit_rate", "ndcg")
"""Metrics shown beside the deciding one: the first of them that differs from it is used."""

WORSE = "worse: significantly worse than the best model; fit: training time"


def print_leaderboard(board: Leaderboard) -> None:
    """Prints the ranking, the lead of the best model, and whether it is significant."""
    question = board.ranked[0][1]
    out.print(
        f"{question.dataset}, {question.split}, {question.part}: {question.protocol}; "
        f"{question.n_users:,} users",
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    out.print(table_of(_row(board, place, *ranked) for place, ranked in enumerate(board.ranked, 1)))
    for entry in board.entries:
        if entry.error is not None:
            out.print(
                f"{entry.name} failed: {in_flags(entry.error)}", style="bold yellow", markup=False
            )
    if len(board.ranked) > 1:
        out.print(WORSE, style="dim", markup=False, soft_wrap=True)
        out.print(verdict(board), style="bold", markup=False, soft_wrap=True)
    if question.protocol.startswith("sampled"):
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


def _row(board: Leaderboard, place: int, entry: Entry, evaluation: Evaluation) -> dict[str, Any]:
    cut = board.metric.partition("@")[2]
    low, high = evaluation.intervals[board.metric]
    other = next(name for name in BESIDE if name != board.metric.partition("@")[0]) + f"@{cut}"
    best = board.ranked[0][0].name
    worse = place > 1 and board.comparison(best, entry.name).significant
    return {
        "rank": place,
        "model": entry.name,
        board.metric: evaluation.metrics[board.metric],
        "95% interval": f"{low:.4f}-{high:.4f}",
        "worse": "-" if place == 1 else "yes" if worse else "no",
        other: evaluation.metrics[other],
        "coverage": evaluation.metrics[f"coverage@{cut}"],
        "fit": "-" if entry.fit_s is None else f"{entry.fit_s:.1f} s",
    }
