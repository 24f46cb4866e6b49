"""ItemKNN: recommends items touched by the same users as the items of the history.

Badrul Sarwar, George Karypis, Joseph Konstan and John Riedl, 2001: Item-Based Collaborative
Filtering Recommendation Algorithms (WWW); Mukund Deshpande and George Karypis, 2004: Item-Based
Top-N Recommendation Algorithms (TOIS).
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix, diags_array

from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.fading import HALF_LIVES_TO_TRY, FadingConfig, FadingModel
from tastemaker.models.linear.item_weights import SparseWeights, rows_of_neighbours
from tastemaker.models.linear.nearest import nearest_items
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.process_group import gathered, own_part
from tastemaker.ranking.similarity import ItemSimilarity
from tastemaker.training.run import TrainingRun

Similarity = Literal["cosine", "tfidf", "bm25"]


class ItemKNNConfig(FadingConfig):
    """Settings of ItemKNN."""

    similarity: Similarity = "tfidf"
    """Similarity of two items: cosine of the users who touched them; tfidf, the same with less
    weight for users who touched many items; bm25, where in addition popular items count more."""
    neighbours: int = Field(300, ge=1)
    """Number of nearest items kept for each item; its similarity to all others counts as 0."""
    k1: float = Field(1.2, gt=0)
    """bm25 only: the larger, the less each further user of an item adds."""
    b: float = Field(0.75, ge=0, le=1)
    """bm25 only: how far an item's popularity is corrected for, from 0, not at all, to 1, fully."""


class ItemKNN(FadingModel):
    """Scores an item by the sum of its similarities to the items of the history.

    An item i is a vector v_i with an entry for each user, computed from the weights of their
    interactions with it. The similarity of i and j is v_i · v_j, and the score of j is the sum of
    r_i v_i · v_j over the items i of the history that have j among their nearest neighbours, with
    r_i the weight of i in the history. Since only the history counts, unseen users are scored like
    known ones.

    The weight of an interaction is the term frequency of TF-IDF and BM25, with items as documents
    and users as terms. It is 1 if the data have no weights.

    Several processes divide the items; each finds the neighbours of its own.
    """

    name = "itemknn"
    config_class = ItemKNNConfig
    config: ItemKNNConfig
    trains_in_processes = True
    space: ClassVar[dict[str, Range]] = {
        "half_life_events": HALF_LIVES_TO_TRY,
        "similarity": Choice(("cosine", "tfidf", "bm25")),
        "neighbours": Int(10, 1000, log=True),
        "k1": Float(0.5, 200.0, log=True),
        "b": Float(0.0, 1.0),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        vectors = _item_vectors(interaction_matrix(split.train), self.config)
        own = own_part(split.train.n_items)
        nearest = nearest_items(vectors, own, self.config.neighbours, run.on_progress)
        self._set_neighbours(*map(gathered, nearest))

    def _score(self, users: UserBatch) -> torch.Tensor:
        return self._weights.scores(history_matrix(users, self.dataset.n_items))

    def contributions(
        self, history: torch.Tensor, items: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Implements `Recommender.contributions`: r_h v_h · v_i; the score is their sum over h."""
        terms = self._weights.between(history, items)
        return terms if weights is None else terms * weights

    @property
    def item_similarity(self) -> ItemSimilarity:
        """Uses the sparse similarity matrix, whose rows would be nearly all zeros if dense."""
        return self._weights.similarity

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, n_items) float32: the similarities of each item, made dense at each access.

        Raises:
            UnsupportedError: the dense matrix does not fit into memory.
        """
        return self._weights.dense

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `neighbours`, (n_items, k) int32, nearest first, and `similarities`, float32.

        Both have the same shape. An item with fewer than k neighbours has a similarity of 0 to the
        rest of them.
        """
        own = {"neighbours": self._neighbours, "similarities": self._similarities}
        return super().state() | own

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        super()._restore(state, device)
        self._set_neighbours(state["neighbours"], state["similarities"])

    def _set_neighbours(self, neighbours: torch.Tensor, similarities: torch.Tensor) -> None:
        self._neighbours, self._similarities = neighbours, similarities
        self._weights = SparseWeights(rows_of_neighbours(neighbours, similarities))


def _item_vectors(matrix: csr_matrix, config: ItemKNNConfig) -> csr_matrix:
    """Returns vectors (n_items, n_users) whose inner products are the similarities of the items.

    Args:
        matrix: (n_users, n_items) weights of the interactions.
        config: the kind of similarity.
    """
    n_items = matrix.shape[1]
    by_item = matrix.T.tocsr().astype(np.float64)
    user_counts = np.diff(matrix.indptr)
    user_weights = np.ones(len(user_counts))
    if config.similarity != "cosine":
        # A user who touched every item does not distinguish between them.
        user_weights = np.log(n_items / (1.0 + user_counts))
    if config.similarity == "bm25":
        _saturate(by_item, config)
        return csr_matrix(by_item @ diags_array(user_weights))
    norms = np.sqrt(by_item.power(2) @ user_weights**2)
    item_weights = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return csr_matrix(diags_array(item_weights) @ by_item @ diags_array(user_weights))


def _saturate(by_item: csr_matrix, config: ItemKNNConfig) -> None:
    """Replaces each term frequency f by that of BM25: f (k1 + 1) / (f + k1 (1 - b + b l / l̄)).

    l is the sum of the item's term frequencies, and l̄ the mean of these sums.
    """
    sums = by_item.sum(axis=1).A1
    lengths = 1 - config.b + config.b * sums / sums.mean()
    saturation = config.k1 * np.repeat(lengths, np.diff(by_item.indptr))
    by_item.data *= (config.k1 + 1) / (by_item.data + saturation)
