"""Models with their defaults, which no table tunes: the same recipes wherever they stand."""

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
