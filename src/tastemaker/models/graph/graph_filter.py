"""GraphFilter: passes histories through low-pass filters of the graph of items, in closed form.

Yifei Shen, Yongji Wu, Yao Zhang, Caihua Shan, Jun Zhang, Khaled B. Letaief and Dongsheng Li, 2021:
How Powerful is Graph Convolution for Recommendation? (CIKM), GF-CF; Jin-Duk Park, Yong-Min Shin
and Won-Yong Shin, 2024: Turbo-CF: Matrix Decomposition-Free Graph Filtering for Fast
Recommendation (SIGIR); Jeongwhan Choi, Seoyoung Hong, Noseong Park and Sung-Bae Cho, 2023:
Blurring-Sharpening Process Models for Collaborative Filtering (SIGIR), BSPM.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix, diags_array, issparse

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.memory import refuse_beyond_memory
from tastemaker.models.fading import HALF_LIVES_TO_TRY, FadingConfig, FadingModel
from tastemaker.models.graph.singular import EXTRA_VECTORS, largest_singular
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.retrieval import SCORES_AT_ONCE
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.ranking.similarity import SparseSimilarity
from tastemaker.training.run import TrainingRun

COEFFICIENTS = {1: (1.0,), 2: (2.0, -1.0), 3: (0.71, 0.1, -0.01)}
"""The coefficients of P, P² and P³ in Turbo-CF's filters of each order."""

SHARPENING_ORDER = 4
"""BSPM sharpens by one step of the Runge-Kutta method of this order. As its equation is linear, the
result is the Taylor polynomial of exp(-tP) of this order, which is stable for t up to 2.78."""


class GraphFilterConfig(FadingConfig):
    """Settings of GraphFilter; the defaults are those of GF-CF."""

    order: Literal[1, 2, 3] = 1
    """Order of the polynomial filter: 1 is P, 2 is 2P - P², and 3 is 0.71P + 0.1P² - 0.01P³."""
    user_exponent: float = Field(0.5, ge=0, le=1)
    """a, of the users' degrees: the larger, the less the users with long histories count."""
    item_exponent: float = Field(0.5, ge=0, le=1)
    """b, of the items' degrees: the larger, the less popular items count."""
    popularity_exponent: float = Field(0.0, ge=-1, le=1)
    """c: the larger, the higher the scores of popular items, and the less an interaction with them
    counts in a history."""
    ideal_dimensions: int = Field(256, ge=0)
    """Number of the lowest frequencies that the ideal filter passes; 0 leaves this filter out."""
    ideal_weight: float = Field(0.3, ge=0)
    """w: weight of the ideal filter. The polynomial filter has the weight 1, with P scaled so that
    its largest eigenvalue is 1."""
    ideal_exponent: float = Field(0.5, ge=-1, le=1)
    """d: the same as c, for the ideal filter."""
    sharpening: float = Field(0.0, ge=0, le=2.7)
    """t, the time of BSPM's sharpening; 0 leaves it out. Up to about 1.6 the lowest frequencies
    lose the most weight, beyond that the middle ones."""


class GraphFilter(FadingModel):
    """Scores items by the history after two low-pass filters of the graph of items.

    Two items are connected by the users who touched both: with R the users x items matrix of the
    weights of interactions (1 without weights), D_u and D_i the sums of its rows and columns and
    R̃ = D_u^-a R D_i^-b, divided by its largest singular value, the weights of the edges are
    P = R̃ᵀR̃, whose eigenvectors with the largest eigenvalues are the lowest frequencies. The scores
    of a user with the history h are

        h D_i^-c f(P) D_i^c + w h D_i^-d V Vᵀ D_i^d

    with the polynomial f and V the eigenvectors of the lowest frequencies. The largest singular
    value is 1 for a = b = 1/2. If the sharpening time t is above 0, these scores are multiplied by
    D_i^-c g(P) D_i^c, where g is the Taylor polynomial of order 4 of exp(-tP).

    P is never computed: it is applied to the histories by products with R̃, so that memory grows
    with the interactions, not with the square of the items. The time of scoring grows with the
    number of powers of P. Since only the history counts, unseen users are scored like known ones.
    """

    name = "graphfilter"
    config_class = GraphFilterConfig
    config: GraphFilterConfig
    space: ClassVar[dict[str, Range]] = {
        "half_life_events": HALF_LIVES_TO_TRY,
        "order": Choice((1, 2, 3)),
        "user_exponent": Float(0.0, 0.8),
        "item_exponent": Float(0.2, 0.8),
        "popularity_exponent": Float(-0.2, 0.5),
        "ideal_dimensions": Int(32, 1024, log=True),
        "ideal_weight": Float(0.001, 1.0, log=True),
        "ideal_exponent": Float(-0.2, 0.5),
        "sharpening": Float(0.0, 2.5),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        n = self.config.ideal_dimensions
        _refuse_too_large(split.train, n)
        matrix = _normalised(split.train, self.config)
        values, vectors = largest_singular(matrix, max(n, 1), run.on_progress)
        edges = torch.tensor(matrix.data) / values[0]
        self._set(split.train, edges, vectors[:, :n].clone())

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._scores(history_matrix(users, self._by_user.shape[1]))

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions`: what each item of the history alone would give.

        The filters are linear, so that the score is the sum of these terms over the history.
        """
        n = len(history)
        ones = np.ones(n, dtype=np.float32)
        shape = n, self._by_user.shape[1]
        single_items = csr_matrix((ones, history.numpy(), np.arange(n + 1)), shape)
        terms = self._scores(single_items)[:, items].T
        return terms if weights is None else terms * weights

    @property
    def item_similarity(self) -> SparseSimilarity:
        """The cosine of two items' columns of R̃, computed without making them dense."""
        return SparseSimilarity(self._by_item)

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, n_users) float32: the columns of R̃, made dense at each access.

        Raises:
            UnsupportedError: the dense matrix does not fit into memory.
        """
        n_users, n_items = self._by_user.shape
        refuse_beyond_memory(
            2 * 4 * n_users * n_items,
            f"{self.name}: the vectors of {n_items:,} items",
            "keep fewer users and items with k_core()",
        )
        return torch.from_numpy(self._by_item.toarray())

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `edges` and `frequencies`, both float32.

        `edges`, (n_interactions,), are the entries of R̃ in the order of the training data, and
        `frequencies`, (n_items, ideal_dimensions), is V.
        """
        own = {"edges": self._edges, "frequencies": self._frequencies}
        return super().state() | own

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        super()._restore(state, device)
        self._set(self.dataset, state["edges"], state["frequencies"])

    def _set(self, train: Dataset, edges: torch.Tensor, frequencies: torch.Tensor) -> None:
        self._edges, self._frequencies = edges, frequencies
        # A copy, since SciPy may sort the rows of a matrix in place.
        self._by_user = csr_matrix(
            (edges.numpy(), train.items, train.indptr), (train.n_users, train.n_items), copy=True
        )
        self._by_item = self._by_user.T.tocsr()
        self._item_degrees = _degrees(train.items, train.weights, train.n_items)

    def _scores(self, histories: csr_matrix) -> torch.Tensor:
        """Returns the scores (n, n_items) of histories (n, n_items)."""
        config = self.config
        step = max(1, SCORES_AT_ONCE // max(self._by_user.shape))
        blocks = []
        for start in range(0, max(histories.shape[0], 1), step):
            block = histories[start : start + step]
            signals = block.T.tocsr()
            scores = self._rescaled(self._polynomial, signals, config.popularity_exponent)
            if config.ideal_dimensions > 0:
                ideal = self._rescaled(self._ideal, signals, config.ideal_exponent)
                scores += np.float32(config.ideal_weight) * ideal
            if config.sharpening > 0:
                scores = self._rescaled(self._sharpened, scores, config.popularity_exponent)
            blocks.append(scores.T)
        return torch.from_numpy(np.concatenate(blocks))

    def _rescaled(
        self,
        apply: Callable[[csr_matrix | np.ndarray], np.ndarray],
        signals: csr_matrix | np.ndarray,
        exponent: float,
    ) -> np.ndarray:
        """Returns D_i^e F D_i^-e S of signals S and a filter F, both (n_items, n)."""
        scale = self._item_degrees**exponent
        return scale[:, None] * apply(diags_array(1 / scale) @ signals)

    def _polynomial(self, signals: csr_matrix | np.ndarray) -> np.ndarray:
        """Returns f(P) S of signals S, both (n_items, n)."""
        filtered = np.zeros(signals.shape, dtype=np.float32)
        for coefficient in COEFFICIENTS[self.config.order]:
            signals = self._passed(signals)
            filtered += np.float32(coefficient) * signals
        return filtered

    def _sharpened(self, signals: csr_matrix | np.ndarray) -> np.ndarray:
        """Returns g(P) S of signals S, both (n_items, n)."""
        sharpened = np.array(signals, dtype=np.float32)
        for power in range(1, SHARPENING_ORDER + 1):
            signals = np.float32(-self.config.sharpening / power) * self._passed(signals)
            sharpened += signals
        return sharpened

    def _passed(self, signals: csr_matrix | np.ndarray) -> np.ndarray:
        """Returns P S of signals S, both (n_items, n)."""
        by_user = self._by_user @ signals
        # Dense from here on, since the second product fills most of the matrix.
        return self._by_item @ (by_user.toarray() if issparse(by_user) else by_user)

    def _ideal(self, signals: csr_matrix | np.ndarray) -> np.ndarray:
        """Returns V Vᵀ S of signals S, both (n_items, n)."""
        frequencies = self._frequencies.numpy()
        return frequencies @ (signals.T @ frequencies).T


def _normalised(train: Dataset, config: GraphFilterConfig) -> csr_matrix:
    """Returns D_u^-a R D_i^-b, (n_users, n_items), with its entries in the order of the data."""
    matrix = interaction_matrix(train)
    users = _degrees(train.users, train.weights, train.n_users) ** -config.user_exponent
    items = _degrees(train.items, train.weights, train.n_items) ** -config.item_exponent
    matrix.data *= users[train.users] * items[train.items]
    return matrix


def _degrees(codes: np.ndarray, weights: np.ndarray | None, n: int) -> np.ndarray:
    """Returns the sum of the weights of each of n users or items, float32; 1 if it has none."""
    sums = np.bincount(codes, weights, minlength=n)
    return np.where(sums > 0, sums, 1).astype(np.float32)


def _refuse_too_large(data: Dataset, n_frequencies: int) -> None:
    n_vectors = min(n_frequencies + EXTRA_VECTORS, data.n_users, data.n_items)
    refuse_beyond_memory(
        4 * (data.n_users + 2 * data.n_items) * n_vectors,
        f"graphfilter on {data.name}: {n_vectors:,} vectors of users and items",
        "lower ideal_dimensions=… or keep fewer users and items with k_core()",
    )
