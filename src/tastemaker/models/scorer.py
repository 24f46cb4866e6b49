"""Scorer: what rankings, lists, similar items and explanations need of a fitted model."""

from typing import Protocol

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.ranking.similarity import ItemSimilarity


class Scorer(Protocol):
    """A fitted model that scores items for users; `Recommender` documents each member."""

    @property
    def name(self) -> str:
        """The name of the model."""

    @property
    def dataset(self) -> Dataset:
        """The data whose codes users and items have."""

    @property
    def device(self) -> torch.device:
        """The device on which scores are computed."""

    @property
    def item_keys(self) -> torch.Tensor | None:
        """(n_items, d) float32; None where scores are no inner products."""

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """(n,) bool: the users who get the popularity of the items."""

    def queries(self, users: UserBatch) -> torch.Tensor:
        """(n, d) float32: the users' factors of the inner products with `item_keys`."""

    def score(self, users: UserBatch) -> torch.Tensor:
        """(n, n_items) float32 scores."""

    def score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        """(n, c) float32 scores of (n, c) items."""


class ComparingScorer(Scorer, Protocol):
    """A scorer that also compares items, for diverse lists, similar items and explanations."""

    @property
    def item_similarity(self) -> ItemSimilarity:
        """The similarity of items."""

    def _as_read(self, users: UserBatch) -> UserBatch:
        """The users with their histories as the model reads them."""

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(c, h) float32: the contribution of each of h items of a history to c items' scores."""
