"""iALS: factorizes the matrix that is 1 where a user touched an item and 0 elsewhere.

Yifan Hu, Yehuda Koren and Chris Volinsky, 2008: Collaborative Filtering for Implicit Feedback
Datasets (ICDM). Well tuned, it keeps up with far newer models: Steffen Rendle, Walid Krichene, Li
Zhang and Yehuda Koren, 2022: Revisiting the Performance of iALS on Item Recommendation Benchmarks
(RecSys). It is trained by the package `implicit`; recommending needs only the item vectors.
"""

from functools import partial
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization import implicit_library
from tastemaker.models.factorization.als import ALS
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.run import TrainingRun

SYSTEMS_AT_ONCE = 1 << 22
"""Largest number of entries of the users' linear systems in memory at a time (32 MiB)."""


class IALSConfig(Config):
    """Settings of iALS."""

    embedding_size: int = Field(64, ge=1)
    """Dimension of the user and item vectors."""
    epochs: int = Field(15, ge=1)
    """Number of rounds, each of which solves for all users and then for all items."""
    alpha: float = Field(5.0, gt=0)
    """α: an interaction of weight w counts 1 + α w, with w = 1 in data without weights; the absence
    of one counts 1."""
    regularization: float = Field(30.0, gt=0)
    """λ: the penalty on the squared length of every vector."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the initial vectors; the same seed gives the same result on any number of cores."""


class IALS(Recommender):
    """Matrix factorization of all pairs of users and items by alternating least squares.

    Minimises Σ_ui c_ui (p_ui - x_u · y_i)² + λ (Σ_u |x_u|² + Σ_i |y_i|²) over all pairs, where p_ui
    is 1 and the confidence c_ui is 1 + alpha r_ui if user u touched item i, and 0 and 1 otherwise
    (equation 3). r_ui is the weight of the interaction: 1 in data without weights, and the mean
    weight of the training data for a history without weights. Without weights and with Rendle's
    weight α₀ of all pairs and penalty λ', alpha = 1 / α₀ and λ = λ' (1 + α₀) / α₀, with
    the same penalty for every vector (his ν = 0).

    Given the item vectors Y, a user's vector is x = (YᵀC_uY + λI)⁻¹ YᵀC_u p_u (equation 4). It is
    computed from the current history, for known and unseen users in the same way.
    """

    name = "ials"
    config_class = IALSConfig
    config: IALSConfig
    uses_weights = True
    trains_in_processes = True
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((16, 32, 64, 128, 256)),
        "epochs": Int(5, 30),
        "alpha": Float(0.5, 100.0, log=True),
        "regularization": Float(0.1, 200.0, log=True),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        config = self.config
        implicit_library.require(self.name)
        matrix = interaction_matrix(split.train)
        matrix.data = (1 + config.alpha * matrix.data.astype(np.float64)).astype(np.float32)
        als = ALS(matrix, config.embedding_size, config.regularization, config.seed)
        self.log = implicit_library.fit(partial(als.train, config.epochs), config.epochs, run)
        self._set_items(torch.tensor(als.items), split.train)

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, embedding_size) float32."""
        return self._items

    @property
    def item_keys(self) -> torch.Tensor:
        """(n_items, embedding_size) float32: the same vectors."""
        return self._items

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `items`, (n_items, embedding_size) float32."""
        return {"items": self._items}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._set_items(state["items"], self.dataset)

    def _set_items(self, items: torch.Tensor, train: Dataset) -> None:
        self._items, self._items64 = items, items.double().numpy()
        self._mean_weight = train.mean_weight
        # YᵀC_uY = YᵀY + alpha Y_hᵀR_hY_h: YᵀY is computed once, Y_hᵀR_hY_h for each history.
        d = self._items64.shape[1]
        self._unweighted_system = (
            self._items64.T @ self._items64 + self.config.regularization * np.eye(d)
        )

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """Computes (n, embedding_size) float32 from the histories."""
        step = max(1, SYSTEMS_AT_ONCE // self._unweighted_system.size)
        parts = [users.part(start, start + step) for start in range(0, len(users), step)]
        return torch.tensor(np.concatenate([self._solve(part) for part in parts]))

    def _solve(self, users: UserBatch) -> np.ndarray:
        history = history_matrix(users, len(self._items64))
        extra = self._extra_confidences(
            None if users.weights is None else history.data, history.nnz
        )
        confidences = csr_matrix((1 + extra, history.indices, history.indptr), history.shape)
        targets = confidences @ self._items64  # (n, d)
        ends = history.indptr[1:-1]
        systems = np.stack(
            [
                self._system(*history_of_user)
                for history_of_user in zip(
                    np.split(history.indices, ends), np.split(extra, ends), strict=True
                )
            ]
        )
        return np.linalg.solve(systems, targets[..., None])[..., 0].astype(np.float32)

    def _extra_confidences(self, weights: np.ndarray | None, n: int) -> np.ndarray:
        """Returns α r of n interactions, (n,) float64; r is the mean weight if they have none."""
        if weights is None:
            return np.full(n, self.config.alpha * self._mean_weight)
        return self.config.alpha * weights.astype(np.float64)

    def _system(self, history: np.ndarray, extra: np.ndarray) -> np.ndarray:
        """Returns YᵀC_uY + λI, (d, d), of a user who touched these items with these α r_ui."""
        vectors = self._items64[history]
        return self._unweighted_system + (extra[:, None] * vectors).T @ vectors

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions`: c_uh y_iᵀ (YᵀC_uY + λI)⁻¹ y_h (section 5).

        Their sum over the history is the score.
        """
        extra = self._extra_confidences(None if weights is None else weights.numpy(), len(history))
        history_vectors, item_vectors = self._items64[history.numpy()], self._items64[items.numpy()]
        solved = np.linalg.solve(self._system(history.numpy(), extra), history_vectors.T)  # (d, h)
        return torch.from_numpy((item_vectors @ solved * (1 + extra)).astype(np.float32))
