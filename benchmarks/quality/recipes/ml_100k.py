"""MovieLens 100K, all but each user's last rating: one function a model, as found."""

import tastemaker as tm


def popularity(seed: int) -> tm.Popularity:
    """What most people touched: the floor."""
    return tm.Popularity()


def itemknn(seed: int) -> tm.ItemKNN:
    """Neighbours by TF-IDF, the default; not tuned."""
    return tm.ItemKNN()


def ease(seed: int) -> tm.EASE:
    """A linear model in closed form, the default; not tuned."""
    return tm.EASE()


def mf(seed: int) -> tm.MF:
    """A dot product by softmax, the default; not tuned."""
    return tm.MF(seed=seed)


def sasrec(seed: int) -> tm.SASRec:
    """A transformer with the softmax over the catalog: the defaults."""
    return tm.SASRec(epochs=60, seed=seed)


def esasrec(seed: int) -> tm.ESASRec:
    """Gated residuals and SwiGLU: the defaults."""
    return tm.ESASRec(epochs=35, batch_size=32, seed=seed)


RECIPES = {recipe.__name__: recipe for recipe in (popularity, itemknn, ease, mf, sasrec, esasrec)}
