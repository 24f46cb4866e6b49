"""Models with their defaults, which no table tunes: the same recipes wherever they stand."""

import tastemaker as tm


def popularity(seed: int) -> tm.Popularity:
    """What most people touched: the floor."""
    return tm.Popularity()
