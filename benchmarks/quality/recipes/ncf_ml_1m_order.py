"""MovieLens 1M as split by the NCF paper, with the order of the training events.

One function a model, with the settings found. All but `sasrec` read histories as sets whose items
fade.
"""

import tastemaker as tm
from recipes.defaults import popularity


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=1000, half_life_events=10)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=300, half_life_events=10)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(embedding_size=64, half_life_events=5, seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer over the latest 200 events, with the softmax over the catalog."""
    return tm.SASRec(
        embedding_size=64, heads=2, dropout=0.3, batch_size=32, epochs=20, precision="bfloat16",
        seed=seed,
    )  # fmt: skip


def blend(seed: int) -> tm.Blend:
    """A sum of iALS and EASE, with the weights that were best on the validation part."""
    return tm.Blend(
        parts=("ials", "ease"),
        weights=(0.7, 0.3),
        ials={"embedding_size": 128, "half_life_events": 4},
        ease={"regularization": 200, "half_life_events": 10},
        seed=seed,
    )


RECIPES = {recipe.__name__: recipe for recipe in (popularity, itemknn, ease, ials, sasrec, blend)}
