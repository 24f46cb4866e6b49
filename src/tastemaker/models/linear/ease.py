"""EASE: a linear model in closed form that predicts a history from itself, with zero self-weights.

Harald Steck, 2019: Embarrassingly Shallow Autoencoders for Sparse Data (WWW). For catalogs whose
weights do not fit into memory, each item is predicted by its nearest items alone; see
regressions.py.
"""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix, hstack, vstack

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import DataError
from tastemaker.memory import refuse_beyond_memory
from tastemaker.models.fading import HALF_LIVES_TO_TRY, FadingConfig, FadingModel
from tastemaker.models.linear.inverse import invert, panel_edges
from tastemaker.models.linear.item_weights import (
    DenseWeights,
    ItemWeights,
    SparseWeights,
    rows_of_neighbours,
)
from tastemaker.models.linear.regressions import (
    BYTES_PER_PRODUCT,
    GramMatrix,
    nearest_weights,
)
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.space import Choice, Float, Range
from tastemaker.process_group import own_part, summed
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.parallel import on_all_cores
from tastemaker.ranking.similarity import ItemSimilarity
from tastemaker.training.run import TrainingRun

LEAST_PENALTY, PENALTY_PER_DIAGONAL = 20.0, 5.0
"""By default λ is the first number plus the second times the mean diagonal of the Gram matrix. On
small data sets, the second part alone is too low."""

BYTES_PER_ENTRY = 8
"""Peak memory, in bytes per entry of the (n_items, n_items) weights: the weights as float32, and
the lower triangle of the inverse as float64."""


class EASEConfig(FadingConfig):
    """Settings of EASE."""

    regularization: float | None = Field(None, gt=0)
    """λ: added to the diagonal of the Gram matrix; the larger, the smoother the weights. none: 20
    plus 5 times the mean of this diagonal, which holds the sum of the squared weights of each
    item's interactions."""
    feature_weight: float = Field(0.0, ge=0)
    """c: weight of the items' features. Each value of a feature counts like c² users who touched
    all items that have it; 0 does not read the features."""
    neighbours: int | None = Field(None, ge=1)
    """Number of nearest items that predict each item; none: all items. For large catalogs: memory
    then does not grow with the square of the number of items, and 100 lose little quality."""


class EASE(FadingModel):
    """Item-to-item weights by ridge regression in closed form; a strong model without epochs.

    With X the users x items matrix of the weights of interactions (1 without weights, 0 where there
    is none) and P = (XᵀX + λI)⁻¹, the item-to-item weights are B = I - P diag(P)⁻¹ (equation 8). A
    user's scores are the sum of the rows of B over the user's history, each times the weight of the
    item in it. Since only the history counts, unseen users are scored like known ones.

    With `neighbours`, the weights that predict an item are computed in the same way from its
    nearest items alone, and all other weights are 0.

    Several processes divide the users, or the items if there are fewer users, to compute the matrix
    that is inverted. Each process inverts the whole matrix. With `neighbours`, they divide the
    items that are predicted.
    """

    name = "ease"
    config_class = EASEConfig
    config: EASEConfig
    trains_in_processes = True
    space: ClassVar[dict[str, Range]] = {
        "half_life_events": HALF_LIVES_TO_TRY,
        "regularization": Float(10.0, 5000.0, log=True),
        "neighbours": Choice((None, 50, 100, 200)),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        _refuse_too_large(split.train, self.config.neighbours)
        matrix = interaction_matrix(split.train)
        if split.train.weights is not None:
            matrix = matrix.astype(np.float64)  # float32 counts exactly, but sums inexactly
        self._has_features = self._known_items(split.train)
        features = csr_matrix((0, split.train.n_items), dtype=np.float32)
        if self.config.feature_weight > 0:
            features = self.config.feature_weight * self._features(split.train)
        fit = self._fit_all if self.config.neighbours is None else self._fit_nearest
        fit(matrix, features, run.on_progress)

    def _fit_all(
        self, matrix: csr_matrix, features: csr_matrix, on_progress: OnProgress | None
    ) -> None:
        rows = vstack([matrix, features], format="csr")
        inverse = _inverse_by_users if rows.shape[0] < rows.shape[1] else _inverse
        panels = inverse(rows, self._penalty(matrix), on_progress)
        self._set(_weights(panels, on_progress), None)

    def _fit_nearest(
        self, matrix: csr_matrix, features: csr_matrix, on_progress: OnProgress | None
    ) -> None:
        assert self.config.neighbours is not None
        gram = GramMatrix(matrix, features, self._penalty(matrix), on_progress)
        neighbours, weights = nearest_weights(gram, self.config.neighbours, on_progress)
        self._set(weights, neighbours)

    def _penalty(self, matrix: csr_matrix) -> float:
        """Returns λ for the weights (n_users, n_items); items without interactions do not count."""
        if self.config.regularization is not None:
            return self.config.regularization
        n_touched = int(np.count_nonzero(np.bincount(matrix.indices)))
        squares = float((matrix.data.astype(np.float64) ** 2).sum())
        mean_diagonal = squares / max(n_touched, 1)
        return LEAST_PENALTY + PENALTY_PER_DIAGONAL * mean_diagonal

    def _set(self, weights: torch.Tensor, neighbours: torch.Tensor | None) -> None:
        self._state = {"weights": weights}
        if neighbours is None:
            self._weights: ItemWeights = DenseWeights(weights)
        else:
            self._state["neighbours"] = neighbours
            matrix = rows_of_neighbours(neighbours, weights).T.tocsr()
            matrix.eliminate_zeros()
            self._weights = SparseWeights(matrix)

    def _features(self, train: Dataset) -> csr_matrix:
        """Returns F: the codes of all features as rows of 0 and 1, then their dense values.

        Raises:
            DataError: the items have no features.
        """
        encoder = self._fitted_encoders(train).items
        if encoder is None:
            raise DataError(
                f"{train.name}: feature_weight reads features of the items, but the data have none;"
                " give a table of items with further columns (items=…), or leave the setting out"
            )
        encoded = encoder.encode(train.catalog)
        ones = np.ones(len(encoded.codes), dtype=np.float32)
        shape = train.n_items, encoder.n_codes
        codes = csr_matrix((ones, encoded.codes, encoded.indptr), shape=shape)
        return hstack([codes, csr_matrix(encoded.dense)]).T.tocsr()

    def _known_items(self, train: Dataset) -> np.ndarray:
        """Returns (n_items,) bool: the items with a known feature, if features are read."""
        if self.config.feature_weight == 0:
            return np.zeros(train.n_items, dtype=bool)
        return np.asarray(np.diff(self._features(train).tocsc().indptr) > 0)

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        return super()._are_informative(items) | self._has_features[items]

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._weights.scores(history_matrix(users, self.dataset.n_items))

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions`: w_h B_hi; the score is their sum over h."""
        terms = self._weights.between(history, items)
        return terms if weights is None else terms * weights

    @property
    def item_similarity(self) -> ItemSimilarity:
        """Compares the items' weights for the other items, as `item_vectors` are."""
        return self._weights.similarity

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, n_items) float32: an item's vector is its weights for the other items.

        Raises:
            UnsupportedError: the weights of the nearest items do not fit into memory as a dense
                matrix.
        """
        return self._weights.dense

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `weights`, (n_items, n_items) float32.

        With `neighbours`, these are the codes of the nearest items of each item, (n_items, k)
        int32, nearest first, and `weights` has the same shape: the weights of these items in the
        item's score. Where there are fewer, the item's own code with the weight 0 fills the row.
        """
        return super().state() | self._state

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        super()._restore(state, device)
        self._set(state["weights"], state.get("neighbours"))
        self._has_features = self._known_items(self.dataset)


def _inverse(
    matrix: csr_matrix, regularization: float, on_progress: OnProgress | None
) -> list[torch.Tensor]:
    """Returns P = (XᵀX + λI)⁻¹ of X (n, m): (m, m) float64 in the panels of `invert`."""
    panels = _gram(matrix, on_progress)
    for panel in panels:
        panel.diagonal().add_(regularization)
    invert(panels, on_progress)
    return panels


def _gram(matrix: csr_matrix, on_progress: OnProgress | None) -> list[torch.Tensor]:
    """Returns XᵀX in the panels of `invert`; without weights, the users that two items share.

    It is the sum of the same product of each process's rows of X.
    """
    by_item = matrix[own_part(matrix.shape[0])].T.tocsr()
    edges = panel_edges(matrix.shape[1])
    meter = Meter(on_progress, "counting co-occurrences of items", len(edges))

    def panel(edge: tuple[int, int]) -> torch.Tensor:
        start, end = edge
        counts = by_item[start:] @ by_item[start:end].T.tocsr()
        return torch.from_numpy(counts.toarray()).double()

    def add_up(panel: torch.Tensor) -> None:
        summed(panel)
        meter.advance()

    return on_all_cores(panel, edges, torch.device("cpu"), add_up)


def _inverse_by_users(
    matrix: csr_matrix, regularization: float, on_progress: OnProgress | None
) -> list[torch.Tensor]:
    """Returns the same as `_inverse`, faster for fewer users than items.

    By the Woodbury identity, P = (I - Xᵀ(XXᵀ + λI)⁻¹X) / λ: only a matrix of users x users is
    inverted.
    """
    inverse = _square(_inverse(matrix.T.tocsr(), regularization, on_progress))
    by_item = matrix.T.tocsr().astype(np.float64)
    product = by_item @ inverse.numpy()  # (n_items, n_users)
    edges = panel_edges(matrix.shape[1])
    meter = Meter(on_progress, "inverting the matrix", len(edges))
    panels = []
    for start, end in edges:
        panel = torch.from_numpy(by_item[start:] @ product[start:end].T).div_(-regularization)
        panel.diagonal().add_(1 / regularization)
        panels.append(panel)
        meter.advance()
    return panels


def _square(panels: list[torch.Tensor]) -> torch.Tensor:
    """Returns the whole symmetric matrix whose lower triangle the panels hold."""
    square = panels[0].new_empty(len(panels[0]), len(panels[0]))
    for panel, (start, end) in zip(panels, panel_edges(len(square)), strict=True):
        square[start:, start:end] = panel
        square[start:end, start:] = panel.T
    return square


def _weights(panels: list[torch.Tensor], on_progress: OnProgress | None) -> torch.Tensor:
    """Returns I - P diag(P)⁻¹ as float32, and frees the panels of the inverse P one by one."""
    diagonal = torch.cat([panel.diagonal() for panel in panels])
    edges = panel_edges(len(diagonal))
    weights = torch.empty(len(diagonal), len(diagonal))
    meter = Meter(on_progress, "scaling the weights", len(edges))
    for start, end in edges:
        panel = panels.pop(0)
        weights[start:, start:end] = panel / -diagonal[start:end]
        weights[start:end, start:] = panel.T / -diagonal[start:]
        meter.advance()
    return weights.fill_diagonal_(0.0)


def _refuse_too_large(data: Dataset, neighbours: int | None) -> None:
    what = f"ease on {data.name}: {data.n_items:,} items"
    if neighbours is None:
        needed = BYTES_PER_ENTRY * data.n_items**2
        refuse_beyond_memory(
            needed, what, "train with neighbours=100, or keep fewer items with k_core()"
        )
    else:
        # Two items share a user only if both are in one history.
        shared = min(data.n_items**2, int((data.user_counts.astype(np.int64) ** 2).sum()))
        refuse_beyond_memory(
            BYTES_PER_PRODUCT * (shared + data.n_items * min(neighbours, data.n_items)),
            f"{what} with {neighbours:,} neighbours each",
            "keep fewer items with k_core() or choose another model",
        )
