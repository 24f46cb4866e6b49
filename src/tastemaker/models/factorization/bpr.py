"""BPR: matrix factorization that learns which of two items a user prefers.

Steffen Rendle, Christoph Freudenthaler, Zeno Gantner and Lars Schmidt-Thieme, 2009: BPR: Bayesian
Personalized Ranking from Implicit Feedback (UAI). It is trained by the package `implicit`;
recommending needs only the vectors.
"""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from torch.nn.functional import pad

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization import implicit_library
from tastemaker.models.factorization.epochs import OnEpoch
from tastemaker.models.factorization.fold_in import FoldIn
from tastemaker.models.factorization.user_loss import SampledLoss
from tastemaker.models.factorization.user_vectors import rows_of, user_vectors
from tastemaker.models.matrices import interaction_matrix
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.losses import bpr_rows
from tastemaker.training.run import TrainingRun

COPIES_OF_AN_AVERAGE = 4
"""Maximum number of copies of an interaction of the mean weight: the more, the more exactly light
interactions are told apart, and the longer an epoch takes."""


class BPRConfig(Config):
    """Settings of BPR."""

    embedding_size: int = Field(64, ge=1)
    """Dimension of the user and item vectors."""
    epochs: int = Field(100, ge=1)
    """Number of passes, each over as many sampled pairs of items as there are interactions, those
    that are copied for their weights included."""
    learning_rate: float = Field(0.01, gt=0)
    """Learning rate of stochastic gradient descent."""
    regularization: float = Field(0.01, ge=0)
    """λ: L2 penalty, by which each step shrinks the vectors that it updates."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the initial vectors and of the sampled pairs."""


class BPR(Recommender):
    """Matrix factorization by pairwise ranking, with touched items above untouched ones.

    Maximises Σ ln σ(s_ui - s_uj) over items i that user u touched and other items j (equation 4.2).

    The score s_ui is x_u · y_i + b_i. Training uses one core, since the result would differ each
    time if several cores wrote to the same vectors. An unseen user gets a vector by fold-in.

    Positives are sampled in proportion to their weights. The package samples them uniformly from
    the entries of a matrix, and allows an entry to occur several times, so an interaction is copied
    in proportion to its weight (see `copies`).
    """

    name = "bpr"
    config_class = BPRConfig
    config: BPRConfig
    uses_weights = True
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((16, 32, 64, 128)),
        "epochs": Int(20, 300, log=True),
        "learning_rate": Float(0.003, 0.1, log=True),
        "regularization": Float(0.001, 0.1, log=True),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        config, train = self.config, split.train
        bpr = implicit_library.bpr(
            self.name,
            factors=config.embedding_size,
            iterations=config.epochs,
            learning_rate=config.learning_rate,
            regularization=config.regularization,
            random_state=config.seed,
            num_threads=1,
        )
        matrix = _copied(train, config.seed)

        def train_in_place(on_epoch: OnEpoch) -> None:
            def report(epoch: int, seconds: float, correct: float, skipped: float) -> None:
                fraction_in_wrong_order = 1 - correct / max(1, matrix.nnz - skipped)
                on_epoch(seconds, fraction_in_wrong_order)

            bpr.fit(matrix, show_progress=False, callback=report)

        self.log = implicit_library.fit(train_in_place, config.epochs, run)
        # The package stores the bias as one more dimension, in which every user's vector is 1.
        self._users = torch.tensor(bpr.user_factors[:, :-1])
        self._items = torch.tensor(bpr.item_factors[:, :-1])
        self._biases = torch.tensor(bpr.item_factors[:, -1])
        self._finish(train)

    def _finish(self, train: Dataset) -> None:
        self._keys = torch.cat([self._items, self._biases[:, None]], dim=1)
        loss = SampledLoss(
            self._score_vectors, train.n_items, self.config.seed, bpr_rows, train.mean_weight
        )
        is_trained = torch.from_numpy(train.user_counts > 0)
        self._fold_in = FoldIn.of(loss, self._users, is_trained)

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, embedding_size) float32."""
        return self._items

    @property
    def item_keys(self) -> torch.Tensor:
        """(n_items, embedding_size + 1) float32: the vectors, followed by the biases."""
        return self._keys

    def _score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the scores of items (n, c) for user vectors (n, d): (n, c)."""
        return torch.einsum("nd,ncd->nc", vectors, self._items[items]) + self._biases[items]

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `users` (n_users, d), `items` (n_items, d) and `biases` (n_items,), float32."""
        return {"users": self._users, "items": self._items, "biases": self._biases}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._users, self._items, self._biases = state["users"], state["items"], state["biases"]
        self._finish(self.dataset)

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """Returns (n, embedding_size + 1): the trained or folded-in vector, and 1 for the bias."""
        vectors = user_vectors(
            users, rows_of(self._users, users.codes), self.dataset, self._fold_in
        )
        return pad(vectors, (0, 1), value=1)


def _copied(train: Dataset, seed: int) -> csr_matrix:
    """Returns the interactions, (n_users, n_items), each as often as it is copied."""
    matrix = interaction_matrix(train)
    if train.weights is None:
        return matrix
    n_copies = copies(matrix.data, np.random.default_rng(seed))
    ends = np.concatenate([[0], np.cumsum(n_copies)])[matrix.indptr]
    items = np.repeat(matrix.indices, n_copies)
    ones = np.ones(len(items), dtype=np.float32)
    return csr_matrix((ones, items, ends.astype(matrix.indptr.dtype)), matrix.shape)


def copies(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Returns how often each interaction is copied, in proportion to its weight.

    The unit, which is copied once, is the smallest weight, but at least the mean weight over
    COPIES_OF_AN_AVERAGE. Fractions are rounded up or down at random, so that the expected number is
    exact; an interaction lighter than the unit is copied once as well.

    Args:
        weights: (n,) above 0.
        generator: for rounding.

    Returns:
        (n,) int64, at least 1.
    """
    weights = weights.astype(np.float64)
    unit = max(weights.min(), weights.mean() / COPIES_OF_AN_AVERAGE)
    return np.maximum(1, np.floor(weights / unit + generator.random(len(weights)))).astype(np.int64)
