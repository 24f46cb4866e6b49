"""MovieLens 1M, all but each user's last two events: one function a model, with the settings found.

All but `sasrec` read histories as sets whose items fade.
"""

import tastemaker as tm
from recipes.defaults import popularity


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=300, half_life_events=5)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=30, half_life_events=5)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(embedding_size=64, half_life_events=3, seed=seed)


def graphfilter(seed: int) -> tm.GraphFilter:
    """GF-CF with the weight of the ideal filter that was found."""
    return tm.GraphFilter(ideal_weight=0.1, half_life_events=5)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer over the latest 200 events, with the softmax over the catalog."""
    return tm.SASRec(
        length=200,
        embedding_size=128,
        heads=2,
        dropout=0.3,
        batch_size=32,
        epochs=30,
        patience=3,
        precision="bfloat16",
        seed=seed,
    )


def blend(seed: int) -> tm.Blend:
    """EASE and graph filters, with the weights that were best on the validation part."""
    return tm.Blend(
        parts=("ease", "graphfilter"),
        weights=(0.6, 0.4),
        ease={"regularization": 50, "half_life_events": 5},
        graphfilter={"half_life_events": 5},
        seed=seed,
    )


RECIPES = {
    recipe.__name__: recipe
    for recipe in (popularity, itemknn, ease, ials, graphfilter, sasrec, blend)
}

PUBLISHED = {"sasrec": ("0.3164 / 0.1813", "FuXi-α, Ye et al. 2025, the best that was found")}
"""HR@10 / NDCG@10 that are to be reached, by recipe, and whose they are."""
