"""Yelp2018 in LightGCN's split: one function a model, with the settings found."""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity

EASE: dict[str, Any] = {"regularization": 50, "neighbours": 100}
GRAPH_FILTER: dict[str, Any] = {"ideal_exponent": 0.3, "sharpening": 1}
LIGHTGCN: dict[str, Any] = {
    "contrast": 0.2, "layers": 2, "negatives": 4, "batch_size": 8192, "learning_rate": 1e-2,
    "epochs": 12,
}  # fmt: skip


def ease(seed: int) -> tm.EASE:
    """Each item predicted by its 100 nearest."""
    return tm.EASE(**EASE)


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter and an ideal one, sharpened."""
    return tm.GraphFilter(**GRAPH_FILTER)


def lightgcn(seed: int) -> tm.LightGCN:
    """With the contrast of XSimGCL, in larger batches."""
    return tm.LightGCN(**LIGHTGCN, seed=seed)


def blend(seed: int) -> tm.Blend:
    """The three above, with the weights that were best on the validation part."""
    return tm.Blend(
        parts=("graphfilter", "ease", "lightgcn"),
        weights=(0.2, 0.15, 0.65),
        graphfilter=GRAPH_FILTER,
        ease=EASE,
        lightgcn=LIGHTGCN,
        seed=seed,
    )


def linear_blend(seed: int) -> tm.Blend:
    """The graph filter and EASE alone."""
    return tm.Blend(
        parts=("graphfilter", "ease"), weights=(0.7, 0.3), graphfilter=GRAPH_FILTER, ease=EASE
    )


def gfcf(seed: int) -> tm.GraphFilter:
    """The settings of GF-CF, which are the defaults."""
    return tm.GraphFilter()


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
