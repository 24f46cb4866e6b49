"""Video games of the SASRec paper, all but each last event: one function a model, as found."""

import tastemaker as tm
from recipes.defaults import EARLIER_DEFAULTS, UNFADED, popularity


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=3000, **UNFADED)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=1000, **UNFADED)


def mf(seed: int) -> tm.MF:
    """A dot product by softmax."""
    return tm.MF(embedding_size=128, regularization=0.2, batch_size=256, epochs=10, seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with a softmax over 4,096 items that are drawn for each batch."""
    return tm.SASRec(
        loss="sampled_softmax", negatives=4096, epochs=14, **EARLIER_DEFAULTS, seed=seed
    )


RECIPES = {recipe.__name__: recipe for recipe in (popularity, itemknn, ease, mf, sasrec)}
