"""The measurements as pictures: how the others compare with ours, and how our cost grows."""

from pathlib import Path
from typing import Literal

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from harness import growth
from harness.claims import Claim
from harness.results import Result, Run

SLOWER, FASTER, AIM, INK, FAINT = "#3d6b8f", "#c25b3f", "#e0a030", "#2b2b2b", "#d9d9d9"
ROW_INCHES = 0.27


def draw_ratios(claims: list[Claim], path: Path) -> None:
    """Draws the worst ratio of all machines for each contender."""
    by_title: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.measure == "times" and claim.worst:
            by_title.setdefault(claim.title, []).append(claim)
    if by_title:
        _draw_ratios(by_title, path)


def draw_growth(run: Run, path: Path) -> None:
    """Draws how the cost grows with the data, where several sizes were measured."""
    growing = [result for result in run.results if growth.has_slope(result)]
    if growing:
        _draw_growth(growing, path)


def _draw_ratios(by_title: dict[str, list[Claim]], path: Path) -> None:
    n_rows = sum(1.6 + len(claims) for claims in by_title.values())
    figure, axes = plt.subplots(figsize=(9, ROW_INCHES * n_rows + 1.2), layout="constrained")
    y, ticks, labels = 0.0, [], []
    for title, claims in by_title.items():
        axes.text(
            0.005, y, title, transform=axes.get_yaxis_transform(), ha="left", va="center",
            fontweight="bold", color=INK, fontsize=9, backgroundcolor="white",
        )  # fmt: skip
        for claim in claims:
            worst = claim.worst
            assert worst
            y -= 1
            color = SLOWER if worst.number >= 1 else FASTER
            axes.barh(y, worst.number - 1, left=1, height=0.62, color=color)
            if claim.aim:
                axes.vlines(claim.aim.bound, y - 0.42, y + 0.42, color=AIM, linewidth=3)
            ticks.append(y)
            labels.append(f"{claim.contender}   {claim.shown(worst)}")
        y -= 1.6
    axes.axvline(1, color=INK, linewidth=1, zorder=0)
    axes.set_yticks(ticks, labels, fontsize=8, color=INK)
    axes.set_ylim(y + 0.6, 0.8)
    axes.set_xscale("log")
    axes.set_xlim(left=min(0.5, axes.get_xlim()[0]))
    axes.xaxis.set_major_formatter("{x:g}×")
    axes.set_xlabel("times as long as ours takes; the bars across are what we aim at", fontsize=8)
    axes.spines["left"].set_visible(False)
    _plain(axes, "x")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _draw_growth(results: list[Result], path: Path) -> None:
    figure, (time, memory) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for result, color, marker in zip(results, (SLOWER, FASTER), "os", strict=False):
        rows = growth.sizes(result)
        for axes, costs in ((time, growth.seconds(result)), (memory, growth.peaks_gib(result))):
            label = f"{result.unit}: slope {growth.slope(rows, costs):.2f}"
            axes.plot(rows, costs, marker=marker, color=color, label=label)
    for axes, title in ((time, "seconds"), (memory, "peak memory, GiB")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("interactions")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend(frameon=False, fontsize=8)
        _plain(axes, "both")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _plain(axes: Axes, grid: Literal["both", "x", "y"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
