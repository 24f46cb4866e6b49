"""Evaluations and leaderboards as figures: what is drawn, and what a notebook gets."""

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.testing.worlds import two_tastes

SPLIT = tm.leave_one_out(two_tastes())
MODELS = {"$5 and $6": tm.EASE(), "popularity": tm.Popularity(), "random": tm.Random()}


@pytest.fixture(scope="module")
def board() -> tm.Leaderboard:
    results = {
        label: tm.evaluate(model.fit(SPLIT), protocol=tm.FullRanking())
        for label, model in MODELS.items()
    }
    return tm.Leaderboard([tm.Entry(label, result) for label, result in results.items()])


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]


def test_a_leaderboard_draws_each_model_with_its_interval(board: tm.Leaderboard) -> None:
    figure = board.plot()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [entry.name for entry, _ in board.ranked]
    means = [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert means == [evaluation.metrics["ndcg@10"] for _, evaluation in board.ranked]
    assert "NDCG@10, mean and 95% interval; hollow: significantly worse" in _texts(figure)


def test_only_models_that_are_not_significantly_worse_are_filled(board: tm.Leaderboard) -> None:
    dots = [line for line in board.plot().axes[0].lines if len(line.get_xdata()) == 1]
    filled = [line.get_markerfacecolor() != "#ffffff" for line in dots]
    assert filled == [not board.is_worse(entry.name) for entry, _ in board.ranked]
    assert filled[0]
    assert not all(filled)


def test_an_evaluation_draws_itself_beside_popularity_for_each_segment(
    board: tm.Leaderboard,
) -> None:
    evaluation = board.ranked[0][1]
    figure = evaluation.plot("hit_rate@10")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 1 + len(evaluation.segments)
    assert labels[0] == f"all {evaluation.n_users:,} users"
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["ease", "popularity"]


def test_a_notebook_gets_a_picture(board: tm.Leaderboard) -> None:
    png, size = board.plot()._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert size["width"] > size["height"] > 0


def test_a_metric_without_values_of_users_cannot_be_plotted(board: tm.Leaderboard) -> None:
    with pytest.raises(ConfigError, match='metric="ndgc@10" cannot be plotted; did you mean'):
        board.ranked[0][1].plot("ndgc@10")
    with pytest.raises(ConfigError, match="no model of the leaderboard has a result"):
        tm.Leaderboard([tm.Entry("ease", error="no times")]).plot()


def test_a_missing_matplotlib_is_one_line_with_the_command_that_installs_it() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
import tastemaker as tm
from tastemaker.testing.worlds import two_tastes
evaluation = tm.evaluate(tm.EASE().fit(tm.leave_one_out(two_tastes())))
try:
    evaluation.plot()
except tm.TastemakerError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "figures need the package Matplotlib: pip install matplotlib\n"
