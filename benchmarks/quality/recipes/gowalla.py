"""Gowalla in LightGCN's split: one function a model, with the settings found."""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity

EASE: dict[str, Any] = {"regularization": 50, "neighbours": 100}
GRAPH_FILTER: dict[str, Any] = {
    "user_exponent": 0.3, "item_exponent": 0.4, "popularity_exponent": 0.2, "ideal_dimensions": 0,
    "sharpening": 1.5,
}  # fmt: skip


def ease(seed: int) -> tm.EASE:
    """Each item predicted by its 100 nearest."""
    return tm.EASE(**EASE)


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter that raises popular items, sharpened, without an ideal one."""
    return tm.GraphFilter(**GRAPH_FILTER)


def bspm(seed: int) -> tm.GraphFilter:
    """The settings that BSPM's authors publish for Gowalla."""
    return tm.GraphFilter(ideal_dimensions=448, ideal_weight=0.2, sharpening=2.5)


def blend(seed: int) -> tm.Blend:
    """EASE and the graph filter above, with the same weight."""
    return tm.Blend(
        parts=("graphfilter", "ease"), weights=(0.5, 0.5), graphfilter=GRAPH_FILTER, ease=EASE
    )


def gfcf(seed: int) -> tm.GraphFilter:
    """The settings of GF-CF, which are the defaults."""
    return tm.GraphFilter()


RECIPES = {recipe.__name__: recipe for recipe in (popularity, ease, graphfilter, bspm, gfcf, blend)}

PUBLISHED = {
    "ease": ("0.1765 / 0.1467", "BARS, with all weights"),
    "gfcf": ("0.1849 / 0.1518", "Shen et al. 2021"),
    "bspm": ("0.1920 / 0.1597", "Choi et al. 2023"),
    "blend": ("0.1920 / 0.1597", "BSPM, Choi et al. 2023, the best that was found"),
}
"""Recall@20 / NDCG@20 that are to be reached, by recipe, and whose they are."""
