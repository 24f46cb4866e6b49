"""EASE: a linear model in closed form that predicts a history from itself, without the diagonal.

Harald Steck, 2019: Embarrassingly Shallow Autoencoders for Sparse Data (WWW).
"""

from typing import ClassVar

import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from torch.nn.functional import embedding_bag

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.splitting import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.memory import refuse_beyond_memory
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Float, Range
from tastemaker.training.run import TrainingRun

MATRICES_AT_ONCE = 1.8
"""n_items x n_items matrices of float64 in memory at the peak: the Gram matrix that becomes its own
inverse, the weights as float32 (half of one), and blocks of either."""

ENTRIES_AT_ONCE = 1 << 22
"""Entries of a block of rows, while a matrix is made of another (32 MiB)."""


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
    space: ClassVar[dict[str, Range]] = {"regularization": Float(10.0, 5000.0, log=True)}

    def _fit(self, split: Split, run: TrainingRun) -> None:
        _refuse_too_large(split.train)
        gram = _gram(interaction_matrix(split.train))
        gram.diagonal().add_(self.config.regularization)
        self._weights = _weights(_invert(gram))

    def _score(self, users: UserBatch) -> torch.Tensor:
        history = history_matrix(users, len(self._weights))
        items, offsets = torch.from_numpy(history.indices), torch.from_numpy(history.indptr)
        return embedding_bag(items, self._weights, offsets, mode="sum", include_last_offset=True)

    def contributions(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """As Recommender.contributions: B_hi, whose sum over the history is the score."""
        return self._weights[history][:, items].T

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, n_items) float32: an item is what it says of the others."""
        return self._weights

    def state(self) -> dict[str, torch.Tensor]:
        """weights: (n_items, n_items) float32."""
        return {"weights": self._weights}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._weights = state["weights"]


def _gram(matrix: csr_matrix) -> torch.Tensor:
    """XᵀX: (n_items, n_items) float64, how many users two items have in common."""
    n_items = matrix.shape[1]
    by_item = matrix.T.tocsr()
    gram = torch.empty(n_items, n_items, dtype=torch.float64)
    for rows in _blocks(n_items):
        gram[rows] = torch.from_numpy((by_item[rows] @ matrix).toarray())
    return gram


def _invert(matrix: torch.Tensor) -> torch.Tensor:
    """The inverse of a symmetric, positive definite float64 matrix, in the memory of the matrix."""
    # LAPACK reads columns where we have rows: only the transpose is worked on without a copy.
    columns = matrix.mT
    torch.linalg.cholesky(columns, out=columns)
    torch.cholesky_inverse(columns, out=columns)
    return matrix


def _weights(inverse: torch.Tensor) -> torch.Tensor:
    """I - P diag(P)⁻¹ of the inverse P, as float32."""
    weights = torch.empty_like(inverse, dtype=torch.float32)
    for rows in _blocks(len(inverse)):
        weights[rows] = (inverse[rows] / -inverse.diagonal()).float()
    return weights.fill_diagonal_(0.0)


def _blocks(n: int) -> list[slice]:
    step = max(1, ENTRIES_AT_ONCE // n)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _refuse_too_large(data: Dataset) -> None:
    refuse_beyond_memory(
        int(MATRICES_AT_ONCE * 8 * data.n_items**2),
        f"ease on {data.name}: {data.n_items:,} items",
        "keep fewer items with k_core() or choose another model",
    )
