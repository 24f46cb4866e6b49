"""Gowalla in LightGCN's split: one function a model, with the settings found."""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity
from recipes.lightgcn_splits import (
    blend_with_lightgcn,
    closed_form_blend,
    ease,
    gfcf,
    lightgcn,
)

GRAPH_FILTER: dict[str, Any] = {
    "user_exponent": 0.3, "item_exponent": 0.4, "popularity_exponent": 0.2, "ideal_dimensions": 0,
    "sharpening": 1.5,
}  # fmt: skip
BSPM: dict[str, Any] = {"ideal_dimensions": 448, "ideal_weight": 0.2, "sharpening": 2.5}
WEIGHTS = (0.3, 0.2, 0.5)
"""The weights of graph filter, EASE and LightGCN that were best on the validation part, with either
filter."""


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter that raises popular items, sharpened, without an ideal one."""
    return tm.GraphFilter(**GRAPH_FILTER)


def bspm(seed: int) -> tm.GraphFilter:
    """The settings that BSPM's authors publish for Gowalla."""
    return tm.GraphFilter(**BSPM)


def blend(seed: int) -> tm.Blend:
    """The graph filter, EASE and LightGCN."""
    return blend_with_lightgcn(GRAPH_FILTER, WEIGHTS, seed)


def bspm_blend(seed: int) -> tm.Blend:
    """The same, with BSPM's filter."""
    return blend_with_lightgcn(BSPM, WEIGHTS, seed)


def linear_blend(seed: int) -> tm.Blend:
    """The graph filter and EASE, with the same weight."""
    return closed_form_blend(GRAPH_FILTER, (0.5, 0.5))


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        popularity, ease, graphfilter, bspm, gfcf, lightgcn, blend, bspm_blend, linear_blend,
    )
}  # fmt: skip

PUBLISHED = {
    "ease": ("0.1765 / 0.1467", "BARS, with all weights"),
    "gfcf": ("0.1849 / 0.1518", "Shen et al. 2021"),
    "bspm": ("0.1920 / 0.1597", "Choi et al. 2023"),
    "lightgcn": ("0.1830 / 0.1554", "He et al. 2020, without contrast"),
    "blend": ("0.1920 / 0.1597", "BSPM, Choi et al. 2023, the best that was found"),
    "bspm_blend": ("0.1920 / 0.1597", "BSPM, Choi et al. 2023, the best that was found"),
    "linear_blend": ("0.1920 / 0.1597", "BSPM, Choi et al. 2023, the best that was found"),
}
"""Recall@20 / NDCG@20 that are to be reached, by recipe, and whose they are."""
