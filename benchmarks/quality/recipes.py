"""What stands in the table of results: one function a model, with the settings that were found."""

from collections.abc import Callable

import tastemaker as tm

Recipe = Callable[[int], tm.Recommender]
"""Takes a seed and gives the unfitted model."""


def popularity(seed: int) -> tm.Popularity:
    """What most people touched: the floor."""
    return tm.Popularity()
