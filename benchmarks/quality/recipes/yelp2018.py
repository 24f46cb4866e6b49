"""Yelp2018 in LightGCN's split: one function a model, with the settings found."""

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

GRAPH_FILTER: dict[str, Any] = {"ideal_exponent": 0.3, "sharpening": 1}


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter and an ideal one, sharpened."""
    return tm.GraphFilter(**GRAPH_FILTER)


def blend(seed: int) -> tm.Blend:
    """The graph filter, EASE and LightGCN, with weights by the validation part."""
    return blend_with_lightgcn(GRAPH_FILTER, (0.2, 0.15, 0.65), seed)


def linear_blend(seed: int) -> tm.Blend:
    """The graph filter and EASE alone."""
    return closed_form_blend(GRAPH_FILTER, (0.7, 0.3))


RECIPES = {
    recipe.__name__: recipe
    for recipe in (popularity, ease, graphfilter, gfcf, lightgcn, blend, linear_blend)
}

PUBLISHED = {
    "gfcf": ("0.0697 / 0.0571", "Shen et al. 2021"),
    "ease": ("0.0657 / 0.0552", "BARS, with all weights"),
    "graphfilter": ("0.0720 / 0.0593", "BSPM, Choi et al. 2023"),
    "lightgcn": ("0.0723 / 0.0604", "XSimGCL, Yu et al. 2023"),
    "blend": ("0.0723 / 0.0604", "XSimGCL, Yu et al. 2023, the best that was found"),
    "linear_blend": ("0.0723 / 0.0604", "XSimGCL, Yu et al. 2023, the best that was found"),
}
"""Recall@20 / NDCG@20 that are to be reached, by recipe, and whose they are."""
