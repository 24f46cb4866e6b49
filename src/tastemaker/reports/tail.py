"""The long tail: the fraction of each model's lists outside the most popular fifth of items."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.evaluation.results import Evaluation
from tastemaker.figures.labels import shortened, width_of_labels
from tastemaker.figures.rows import Row, draw_rows
from tastemaker.reports.formats import missing, percent
from tastemaker.reports.svg import INK, PLACEHOLDERS, inline_svg

WIDTH, ROW_HEIGHT = 420, 26
RIGHT, TOP, BOTTOM = 52, 30, 30


def tail_fractions(leaderboard: Leaderboard, k: str) -> list[tuple[str, float]]:
    """Returns each model's mean long-tail fraction of lists of length k, in leaderboard order."""
    fractions = [
        (entry.name, evaluation.metrics.get(f"long_tail_fraction@{k}", float("nan")))
        for entry, evaluation in leaderboard.ranked
    ]
    return [(name, fraction) for name, fraction in fractions if not missing(fraction)]


def chosen_fraction(evaluations: Sequence[Evaluation], k: str) -> float | None:
    """Returns the long tail's fraction of users' own choices, to which the lift relates the lists.

    None if no model's lists hold a long-tail item, since it cannot be derived from a lift of 0.
    """
    pairs = [
        (e.metrics.get(f"long_tail_lift@{k}"), e.metrics.get(f"long_tail_fraction@{k}"))
        for e in evaluations
    ]
    known = [
        (lift, fraction) for lift, fraction in pairs if lift and fraction and not missing(lift)
    ]
    if not known:
        return None
    lift, fraction = max(known)
    return float(fraction / lift)


def tail_figure(fractions: Sequence[tuple[str, float]], chosen: float | None) -> Markup:
    """Draws a dot per model, and a line at the fraction of users' own choices."""
    rows = [Row(shortened(name, 22), 0, value, value, percent(value)) for name, value in fractions]
    left = width_of_labels([row.label for row in rows])
    height = TOP + ROW_HEIGHT * len(fractions) + BOTTOM

    def paint(figure: Figure) -> None:
        axes = figure.add_axes(
            (
                left / WIDTH,
                BOTTOM / height,
                (WIDTH - left - RIGHT) / WIDTH,
                (height - TOP - BOTTOM) / height,
            )
        )
        max_fraction = max([fraction for _, fraction in fractions] + [chosen or 0.0]) or 0.01
        axes.set_xlim(-0.02 * max_fraction, max_fraction * 1.05)
        if chosen is not None:
            axes.axvline(chosen, color=INK, linewidth=1.4, linestyle=(0, (4, 3)))
            axes.text(
                chosen,
                1.0 + 8 / (height - TOP - BOTTOM),
                f"users' interactions: {percent(chosen)}",
                transform=axes.get_xaxis_transform(),
                ha="left" if chosen < max_fraction / 2 else "right",
                color=INK,
            )
        draw_rows(axes, rows, PLACEHOLDERS)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda fraction, _: f"{fraction * 100:.3g}%"))

    values = "; ".join(f"{name} {percent(fraction)}" for name, fraction in fractions)
    users_sentence = "" if chosen is None else f" Of the users' interactions: {percent(chosen)}."
    return inline_svg(
        "tail",
        (WIDTH, height),
        "Long-tail fraction of each model's lists",
        f"{values}.{users_sentence}",
        paint,
    )
