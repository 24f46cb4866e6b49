"""MovieLens 100K, all but each user's last rating: one function a model, as found."""

import tastemaker as tm
from recipes.defaults import ease, itemknn, mf, popularity


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with the softmax over the catalog: the defaults."""
    return tm.SASRec(epochs=60, seed=seed)


def esasrec(seed: int) -> tm.ESASRec:
    """Gated residuals and SwiGLU: the defaults."""
    return tm.ESASRec(epochs=35, batch_size=32, seed=seed)


RECIPES = {recipe.__name__: recipe for recipe in (popularity, itemknn, ease, mf, sasrec, esasrec)}
