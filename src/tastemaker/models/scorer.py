"""Scorer: what lists, similar items and explanations need of a model."""

from typing import Protocol

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.ranking.similarity import ItemSimilarity


class Scorer(Protocol):
    """A fitted model as far as lists are made of it; `Recommender` documents each member."""

    @property
    def name(self) -> str:
        """The name of the model."""

    @property
    def dataset(self) -> Dataset:
        """The training data."""

    @property
    def item_keys(self) -> torch.Tensor | None:
        """(n_items, d) float32; None where scores are no inner products."""

    @property
    def item_similarity(self) -> ItemSimilarity:
        """The similarity of items."""

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """(n,) bool: the users who get the popularity of the items."""

    def queries(self, users: UserBatch) -> torch.Tensor:
        """(n, d) float32: the users' factors of the inner products with `item_keys`."""

    def score(self, users: UserBatch) -> torch.Tensor:
        """(n, n_items) float32 scores."""

    def contributions(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(c, h) float32: the contribution of each of h items of a history to c items' scores."""
