"""Yelp2018 in LightGCN's split: one function a model, with the settings found."""

import tastemaker as tm
from recipes.defaults import popularity


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter and an ideal one, sharpened."""
    return tm.GraphFilter(ideal_exponent=0.3, sharpening=1)


def gfcf(seed: int) -> tm.GraphFilter:
    """The settings of GF-CF, which are the defaults."""
    return tm.GraphFilter()


RECIPES = {recipe.__name__: recipe for recipe in (popularity, graphfilter, gfcf)}

PUBLISHED = {
    "gfcf": ("0.0697 / 0.0571", "Shen et al. 2021"),
    "graphfilter": ("0.0720 / 0.0593", "BSPM, Choi et al. 2023"),
}
"""Recall@20 / NDCG@20 that are to be reached, by recipe, and whose they are."""
