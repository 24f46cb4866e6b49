"""BPR: matrix factorization that learns which of two items a user prefers.

Steffen Rendle, Christoph Freudenthaler, Zeno Gantner and Lars Schmidt-Thieme, 2009: BPR: Bayesian
Personalized Ranking from Implicit Feedback (UAI). It is trained by the package `implicit`;
recommending needs only the vectors.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch.nn.functional import pad

from tastemaker.config import Config
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization import implicit_library
from tastemaker.models.factorization.fold_in import FoldIn
from tastemaker.models.factorization.user_loss import SampledLoss
from tastemaker.models.factorization.user_vectors import user_vectors
from tastemaker.models.matrices import interaction_matrix
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.losses import bpr_rows
from tastemaker.training.run import TrainingRun


class BPRConfig(Config):
    """Settings of BPR."""

    embedding_size: int = Field(64, ge=1)
    """Dimension of the user and item vectors."""
    epochs: int = Field(100, ge=1)
    """Number of passes, each over as many sampled pairs of items as there are interactions."""
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
    """

    name = "bpr"
    config_class = BPRConfig
    config: BPRConfig
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

        def fraction_in_wrong_order(correct: float, skipped: float) -> float:
            return 1 - correct / max(1, len(train) - skipped)

        matrix = interaction_matrix(train)
        self.log = implicit_library.fit(bpr, matrix, config.epochs, fraction_in_wrong_order, run)
        # The package stores the bias as one more dimension, in which every user's vector is 1.
        self._users = torch.tensor(bpr.user_factors[:, :-1])
        self._items = torch.tensor(bpr.item_factors[:, :-1])
        self._biases = torch.tensor(bpr.item_factors[:, -1])
        self._finish(train)

    def _finish(self, train: Dataset) -> None:
        self._keys = torch.cat([self._items, self._biases[:, None]], dim=1)
        loss = SampledLoss(self._score_vectors, train.n_items, self.config.seed, bpr_rows)
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
        vectors = user_vectors(users, self._users, self.dataset, self._fold_in)
        return pad(vectors, (0, 1), value=1)
