"""Prints a leaderboard as a table, with a conclusion in one sentence."""

from tastemaker.cli.common import err, out, table_of
from tastemaker.cli.evaluating import SAMPLED_WARNING
from tastemaker.cli.flags import in_flags
from tastemaker.evaluation.leaderboard import Leaderboard

LEGEND = "worse: significantly worse than the best model; fit: training time"


def print_leaderboard(board: Leaderboard) -> None:
    """Prints the ranking, the lead of the best model, and whether it is significant."""
    first = board.ranked[0][1]
    out.print(first.conditions, style="bold", markup=False, soft_wrap=True)
    out.print(table_of(board.summary()))
    for entry in board.entries:
        if entry.error is not None:
            out.print(
                f"{entry.name} failed: {in_flags(entry.error)}", style="bold yellow", markup=False
            )
    if len(board.ranked) > 1:
        out.print(LEGEND, style="dim", markup=False, soft_wrap=True)
        out.print(board.verdict(), style="bold", markup=False, soft_wrap=True)
    if first.protocol.startswith("sampled"):
        err.print(SAMPLED_WARNING, style="dim", soft_wrap=True)
