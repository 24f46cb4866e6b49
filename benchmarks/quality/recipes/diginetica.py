"""Diginetica's sessions: one function a model, with the settings found."""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity


def repeat(seed: int) -> tm.Repeat:
    """The items of the session so far, the latest first."""
    return tm.Repeat(half_life_days=1 / 86_400)


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by the cosine of sessions; an item is no neighbour of itself."""
    return tm.ItemKNN(similarity="cosine", neighbours=200, half_life_events=2)


def graphfilter(seed: int) -> tm.GraphFilter:
    """A linear filter, for which an item is most similar to itself."""
    return tm.GraphFilter(ideal_dimensions=0, user_exponent=0.2, half_life_events=1)


_CORE: dict[str, Any] = {
    "precision": "bfloat16", "embedding_size": 128, "vector_dropout": 0.3, "batch_size": 256,
    "learning_rate": 3e-3, "schedule": "linear", "epochs": 8,
}  # fmt: skip


def core(seed: int) -> tm.CORE:
    """Weighted means of a session's items, for few epochs with a falling learning rate."""
    return tm.CORE(**_CORE, seed=seed)


def blend(seed: int) -> tm.Blend:
    """CORE and a little of a filter, with the weights that were best on held-out sessions."""
    return tm.Blend(
        parts=("core", "graphfilter"),
        weights=(0.9, 0.1),
        core=_CORE,
        graphfilter={"ideal_dimensions": 0, "half_life_events": 2},
        seed=seed,
    )


RECIPES = {
    recipe.__name__: recipe for recipe in (popularity, repeat, itemknn, graphfilter, core, blend)
}

PUBLISHED = {
    "blend": ("0.5422 / 0.1904", "GCE-GNN, Wang et al. 2020"),
    "core": ("0.5422 / 0.1904", "GCE-GNN, Wang et al. 2020"),
}
"""P@20 / MRR@20 that are to be reached, by recipe, and whose they are."""
