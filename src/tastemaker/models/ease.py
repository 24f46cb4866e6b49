"""EASE: a linear model in closed form that predicts a history from itself, without the diagonal.

Harald Steck, 2019: Embarrassingly Shallow Autoencoders for Sparse Data (WWW).
"""

import os

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.splitting import Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import UnsupportedError
from tastemaker.models.recommender import Recommender
from tastemaker.training.run import TrainingRun

MATRICES_AT_ONCE = 3
"""n_items x n_items matrices of float64 that are in memory while the Gram matrix is inverted."""


class EASEConfig(Config):
    """Settings of EASE."""

    regularization: float = Field(500.0, gt=0)
    """λ: added to the diagonal of the Gram matrix; the larger, the smoother."""


class EASE(Recommender):
    """Item-to-item weights by ridge regression in closed form; no epochs, hard to beat.

    With X the users x items matrix of 0 and 1 and P = (XᵀX + λI)⁻¹, the weights are
    B = I - P diag(P)⁻¹ (equation 8), and a person's scores are the sums of the rows of B over the
    person's history. Nobody has to be known: a stranger's history is as good as a user's.
    """

    name = "ease"
    config_class = EASEConfig
    config: EASEConfig

    def _fit(self, split: Split, run: TrainingRun) -> None:
        _refuse_too_large(split.train)
        gram = _gram(split.train)
        gram.diagonal().add_(self.config.regularization)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.fill_diagonal_(0.0)
        self._weights = weights.float().contiguous()

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._histories(users) @ self._weights

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, n_items) float32: an item is what it says of the others."""
        return self._weights

    def state(self) -> dict[str, torch.Tensor]:
        """weights: (n_items, n_items) float32."""
        return {"weights": self._weights}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._weights = state["weights"]

    def _histories(self, users: UserBatch) -> torch.Tensor:
        """(n, n_items) float32 of 0 and 1."""
        histories = torch.zeros(len(users), len(self._weights))
        histories[torch.from_numpy(users.rows), torch.from_numpy(users.items)] = 1.0
        return histories


def _gram(data: Dataset) -> torch.Tensor:
    """XᵀX: (n_items, n_items) float64, how many users two items have in common."""
    matrix = csr_array(
        (np.ones(len(data)), data.items, data.indptr), shape=(data.n_users, data.n_items)
    )
    return torch.from_numpy((matrix.T @ matrix).toarray())


def _refuse_too_large(data: Dataset) -> None:
    needed = MATRICES_AT_ONCE * 8 * data.n_items**2
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise UnsupportedError(
            f"ease on {data.name}: {data.n_items:,} items need {needed / 2**30:.1f} GiB of memory, "
            f"and this machine has {there / 2**30:.1f} GiB; keep fewer items (--k-core) or choose "
            "another model"
        )
