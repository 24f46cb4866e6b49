"""Gowalla in LightGCN's split: one function a model, with the settings found."""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity

EASE: dict[str, Any] = {"regularization": 50, "neighbours": 100}
GRAPH_FILTER: dict[str, Any] = {
    "user_exponent": 0.3, "item_exponent": 0.4, "popularity_exponent": 0.2, "ideal_dimensions": 0,
    "sharpening": 1.5,
}  # fmt: skip
BSPM: dict[str, Any] = {"ideal_dimensions": 448, "ideal_weight": 0.2, "sharpening": 2.5}
LIGHTGCN: dict[str, Any] = {
    "contrast": 0.2, "layers": 2, "negatives": 4, "batch_size": 8192, "learning_rate": 1e-2,
    "epochs": 12,
}  # fmt: skip


def ease(seed: int) -> tm.EASE:
    """Each item predicted by its 100 nearest."""
    return tm.EASE(**EASE)


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter that raises popular items, sharpened, without an ideal one."""
    return tm.GraphFilter(**GRAPH_FILTER)


def bspm(seed: int) -> tm.GraphFilter:
    """The settings that BSPM's authors publish for Gowalla."""
    return tm.GraphFilter(**BSPM)


def lightgcn(seed: int) -> tm.LightGCN:
    """With the contrast of XSimGCL and the settings of Yelp2018."""
    return tm.LightGCN(**LIGHTGCN, seed=seed)


def blend(seed: int) -> tm.Blend:
    """Graph filter, EASE and LightGCN, with the weights that were best on the validation part."""
    return _blend_with_lightgcn(GRAPH_FILTER, seed)


def bspm_blend(seed: int) -> tm.Blend:
    """The same, with BSPM's filter, for which the same weights were best."""
    return _blend_with_lightgcn(BSPM, seed)


def linear_blend(seed: int) -> tm.Blend:
    """EASE and the graph filter above, with the same weight."""
    return tm.Blend(
        parts=("graphfilter", "ease"), weights=(0.5, 0.5), graphfilter=GRAPH_FILTER, ease=EASE
    )


def gfcf(seed: int) -> tm.GraphFilter:
    """The settings of GF-CF, which are the defaults."""
    return tm.GraphFilter()


def _blend_with_lightgcn(graph_filter: dict[str, Any], seed: int) -> tm.Blend:
    return tm.Blend(
        parts=("graphfilter", "ease", "lightgcn"),
        weights=(0.3, 0.2, 0.5),
        graphfilter=graph_filter,
        ease=EASE,
        lightgcn=LIGHTGCN,
        seed=seed,
    )


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
