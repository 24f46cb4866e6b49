"""Amazon Beauty, all but each user's last two events: one function a model, with settings found.

The networks keep the epoch that is best on the validation event, and blends the weights.
"""

from typing import Any

import tastemaker as tm
from recipes.defaults import popularity

NETWORK: dict[str, Any] = {
    "length": 50, "batch_size": 128, "epochs": 80, "patience": 8, "precision": "bfloat16",
}  # fmt: skip
BSAREC: dict[str, Any] = {**NETWORK, "distances": False}
SASREC: dict[str, Any] = {**NETWORK, "weight_decay": 5e-4}
EASE: dict[str, Any] = {"regularization": 30, "half_life_events": 5}
IALS: dict[str, Any] = {"half_life_events": 3}


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by the cosine of users."""
    return tm.ItemKNN(similarity="cosine", neighbours=300, half_life_events=10)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(**EASE)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(**IALS, seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with attention by distance and an L2 penalty."""
    return tm.SASRec(**SASREC, seed=seed)


def bsarec(seed: int) -> tm.BSARec:
    """Attention beside a filter, with the batches and the length that it was compared with."""
    return tm.BSARec(**BSAREC, seed=seed)


def blend(seed: int) -> tm.Blend:
    """Two sequence models and two linear ones, each of its items predicted by its nearest."""
    return tm.Blend(
        parts=("bsarec", "sasrec", "ease", "ials"),
        bsarec=BSAREC,
        sasrec=SASREC,
        ease=EASE | {"neighbours": 100},
        ials=IALS,
        seed=seed,
    )


def bsarec_with_features(seed: int) -> tm.BSARec:
    """BSARec whose items bring their categories, brand and words along."""
    return tm.BSARec(**BSAREC, features=True, seed=seed)


def blend_with_features(seed: int) -> tm.Blend:
    """Two sequence models whose items bring their features along."""
    return tm.Blend(
        parts=("bsarec", "sasrec"),
        bsarec=BSAREC | {"features": True},
        sasrec=SASREC | {"features": True},
        seed=seed,
    )


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        popularity, itemknn, ease, ials, sasrec, bsarec, blend, bsarec_with_features,
        blend_with_features,
    )
}  # fmt: skip

PUBLISHED = {
    "bsarec": ("0.1002 / 0.0610", "BSARec with cross-entropy, RecBoard, mean of five seeds"),
}
"""HR@10 / NDCG@10 that are to be reached, by recipe, and whose they are."""
