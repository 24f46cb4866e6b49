"""What stands in the table of results: one function a model, with the settings that were found."""

from collections.abc import Callable
from dataclasses import dataclass

import tastemaker as tm


@dataclass(frozen=True)
class Recipe:
    """How a model is made, and what others published for it on the same split."""

    make: Callable[[int], tm.Recommender]
    """Takes a seed."""
    has_seed: bool = True
    published: tuple[float, float] | None = None
    """HR@10 and NDCG@10."""
    source: str = ""
