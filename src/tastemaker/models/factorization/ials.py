"""iALS: factorizes the matrix that is 1 where a user touched an item and 0 elsewhere.

Yifan Hu, Yehuda Koren and Chris Volinsky, 2008: Collaborative Filtering for Implicit Feedback
Datasets (ICDM). Well tuned, it keeps up with far newer models: Steffen Rendle, Walid Krichene, Li
Zhang and Yehuda Koren, 2022: Revisiting the Performance of iALS on Item Recommendation Benchmarks
(RecSys). Recommending needs only the item vectors.
"""

from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization.als import ALS
from tastemaker.models.factorization.epochs import train_in_epochs
from tastemaker.models.factorization.weighting import Weighting, total_confidences
from tastemaker.models.fading import HALF_LIVES_TO_TRY, FadingConfig, FadingModel
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.run import TrainingRun


class IALSConfig(FadingConfig):
    """Settings of iALS."""

    embedding_size: int = Field(256, ge=1)
    """Dimension of the user and item vectors."""
    epochs: int = Field(15, ge=1)
    """Number of rounds, each of which improves all users and then all items."""
    alpha: float | None = Field(None, gt=0)
    """α: an interaction of weight w counts 1 + α w, with w = 1 in data without weights; the absence
    of one counts 1. none: 1 / √p, where p is the fraction of all pairs that are interactions,
    divided by their mean weight."""
    regularization: float | None = Field(None, gt=0)
    """λ: the mean penalty on the squared length of a vector. none: 0.06 (1 + α), with α times the
    mean weight, times the mean number of interactions of a user or an item."""
    regularization_exponent: float = Field(0.0, ge=0, le=1)
    """ν: the penalty on a user's or an item's vector is proportional to T^ν, where T is the sum of
    the confidences of all its pairs, and λ is the mean penalty: with 0, it is the same for all;
    with 1, it is highest for frequent users and items."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the initial vectors; the same seed gives the same result on any number of cores."""


class IALS(FadingModel):
    """Matrix factorization of all pairs of users and items by alternating least squares.

    Minimises Σ_ui c_ui (p_ui - x_u · y_i)² + Σ_u λ_u ‖x_u‖² + Σ_i λ_i ‖y_i‖² over all pairs, where
    p_ui is 1 and the confidence c_ui is 1 + alpha r_ui if user u touched item i, and 0 and 1
    otherwise (Hu et al., equation 3). r_ui is the weight of the interaction: 1 in data without
    weights, and the mean weight of the training data for a history without weights.

    The penalty of a vector is λ T^ν / mean(T^ν), where T is the sum of the confidences of all its
    pairs, Σ_i c_ui or Σ_u c_ui, and the mean is that of all users and items. The mean penalty is
    therefore λ for every ν, and with ν = 0 all vectors have the penalty λ.

    Rendle et al. weight all pairs by α₀, those of interactions by 1 in addition, and penalise a
    vector by λ' (n + α₀ m)^ν, where n counts its interactions and m all its pairs. Without weights,
    that is the same model with alpha = 1 / α₀ and λ = λ' (1 + α₀) / α₀ · mean((n + α₀ m)^ν).

    Given the item vectors Y, a user's vector is x = (YᵀC_uY + λ_u I)⁻¹ YᵀC_u p_u (Hu et al.,
    equation 4). It is computed from the current history, for known and unseen users in the same
    way.

    A half-life that is found from the data is a quarter of the one that is best for plain
    similarities: iALS was best with 1 on MovieLens 1M and with 1 to 2 on Amazon Beauty, where EASE
    and ItemKNN were best with 5 and with 5 to 10. An interaction that fades loses its extra
    confidence α r_ui only; p_ui stays 1, so that less is lost by a short half-life.
    """

    name = "ials"
    config_class = IALSConfig
    config: IALSConfig
    trains_in_processes = True
    part_of_best = 0.25
    space: ClassVar[dict[str, Range]] = {
        "half_life_events": HALF_LIVES_TO_TRY,
        "embedding_size": Choice((16, 32, 64, 128, 256)),
        "epochs": Int(5, 30),
        "alpha": Float(0.5, 100.0, log=True),
        "regularization": Float(0.1, 200.0, log=True),
        "regularization_exponent": Float(0.0, 1.0),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        config, train = self.config, split.train
        weighting = self._weighting_of(train)
        extra = interaction_matrix(train)
        extra.data = weighting.extra(extra.data)
        of_users, of_items = map(weighting.penalties, total_confidences(train, weighting.alpha))
        als = ALS(extra, (of_users, of_items), config.embedding_size, config.seed)
        self.log = train_in_epochs(partial(als.train, config.epochs), config.epochs, run)
        self._set_items(torch.tensor(als.items), weighting)

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
        return super().state() | {"items": self._items}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        super()._restore(state, device)
        self._set_items(state["items"], self._weighting_of(self.dataset))

    def _set_items(self, items: torch.Tensor, weighting: Weighting) -> None:
        self._items, self._weighting = items, weighting
        vectors = items.double().numpy()
        # In the basis of the eigenvectors of YᵀY, its sum with any penalty is diagonal.
        eigenvalues, self._basis = np.linalg.eigh(vectors.T @ vectors)
        self._eigenvalues = eigenvalues.clip(min=0)
        self._items_in_basis = vectors @ self._basis

    def _weighting_of(self, train: Dataset) -> Weighting:
        config = self.config
        return Weighting.of(
            train, config.alpha, config.regularization, config.regularization_exponent
        )

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """Computes (n, embedding_size) float32 from the histories."""
        history = history_matrix(users, len(self._items))
        extra = self._extra_confidences(
            None if users.weights is None else history.data, history.nnz
        )
        vectors = np.empty((len(users), self._items.shape[1]), dtype=np.float32)
        for user, (start, end) in enumerate(pairwise(history.indptr)):
            of_user = extra[start:end]
            vectors[user] = self._solved(history.indices[start:end], of_user, 1 + of_user)
        return torch.from_numpy(vectors)

    def _extra_confidences(self, weights: np.ndarray | None, n: int) -> np.ndarray:
        """Returns α r of n interactions, (n,) float64; r is the mean weight if they have none."""
        if weights is None:
            weights = np.full(n, self._weighting.mean_weight)
        return self._weighting.extra(weights)

    def _solved(self, history: np.ndarray, extra: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Computes (YᵀC_uY + λ_u I)⁻¹ Y_hᵀ w for the user with a history.

        Args:
            history: (h,) codes of the items.
            extra: (h,) α r of the interactions.
            weights: w, (h,) or (h, m) float64.

        Returns:
            (d,) or (d, m) float64.
        """
        vectors, n = self._items_in_basis[history], len(history)
        penalty = self._weighting.penalties(len(self._items) + extra.sum())
        diagonal = self._eigenvalues + penalty
        if n < len(diagonal):
            # With the diagonal D and the confidences E above 1, by the Woodbury identity,
            # (D + Y_hᵀ E Y_h)⁻¹ Y_hᵀ = D⁻¹ Y_hᵀ (I + E Y_h D⁻¹ Y_hᵀ)⁻¹, a smaller system.
            divided = vectors / diagonal
            system = np.eye(n) + extra[:, None] * (vectors @ divided.T)
            solved = divided.T @ np.linalg.solve(system, weights)
        else:
            system = np.diag(diagonal) + (extra[:, None] * vectors).T @ vectors
            solved = np.linalg.solve(system, vectors.T @ weights)
        return self._basis @ solved

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions`: c_uh y_iᵀ (YᵀC_uY + λ_u I)⁻¹ y_h (section 5).

        Their sum over the history is the score.
        """
        extra = self._extra_confidences(None if weights is None else weights.numpy(), len(history))
        solved = self._solved(history.numpy(), extra, np.diag(1 + extra))  # (d, h)
        return torch.from_numpy((self._items[items].double().numpy() @ solved).astype(np.float32))
