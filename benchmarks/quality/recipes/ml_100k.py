"""MovieLens 100K, all but each last rating: one function a model, with the settings found."""

import tastemaker as tm
from recipes.defaults import EARLIER_DEFAULTS, UNFADED, popularity


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF."""
    return tm.ItemKNN(similarity="tfidf", neighbours=100, **UNFADED)


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form."""
    return tm.EASE(regularization=400, **UNFADED)


def ials(seed: int) -> tm.IALS:
    """Alternating least squares on all pairs."""
    return tm.IALS(embedding_size=128, alpha=5, regularization=40, **UNFADED, seed=seed)


def mf(seed: int) -> tm.MF:
    """A dot product, trained by softmax over the whole catalog."""
    return tm.MF(embedding_size=512, regularization=0.03, batch_size=256, epochs=31, seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with the softmax over the catalog."""
    return tm.SASRec(epochs=60, **EARLIER_DEFAULTS, seed=seed)


def esasrec(seed: int) -> tm.ESASRec:
    """Gated residuals and SwiGLU."""
    return tm.ESASRec(epochs=34, **EARLIER_DEFAULTS, seed=seed)


RECIPES = {
    recipe.__name__: recipe for recipe in (popularity, itemknn, ease, ials, mf, sasrec, esasrec)
}
