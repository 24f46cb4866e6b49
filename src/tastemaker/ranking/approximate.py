"""Approximate retrieval through a graph, with exact search where a list comes out too short."""

from dataclasses import dataclass

import numpy as np
import torch

from tastemaker.progress import OnProgress
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.hnsw import Graph
from tastemaker.ranking.index import ExactIndex, best_of
from tastemaker.ranking.topk import TopItems, merged
from tastemaker.representation import short_repr

MIN_INDEX_ITEMS = 50_000
"""Number of items up to which the exact search takes only a millisecond or two for one user and,
for many users together, less time than the approximate search."""

MAX_FETCHED = 512
"""Maximum number of items to fetch for one user; beyond it, the exact product is as fast."""


@dataclass(frozen=True, eq=False)
class ApproximateIndex:
    """Finds the nearest items through a graph (HNSW) and scores them exactly.

    Excluded items are removed only after the search, so more than k items are fetched for each
    user: k plus the length of the history, divided by the fraction of items that are eligible.
    Users for whom this number is large, and users whose list is still too short after the search,
    get the exact search instead.
    """

    keys: torch.Tensor
    """(n_items, d) float32, on the CPU."""
    graph: Graph

    __repr__ = short_repr

    @classmethod
    def build(cls, keys: torch.Tensor, on_progress: OnProgress | None = None) -> "ApproximateIndex":
        """Builds an index of (n_items, d) float32 keys on the CPU, some thousands of them a second.

        Args:
            keys: the keys of all items.
            on_progress: receives the number of items that are in the index so far.

        Raises:
            UnsupportedError: Faiss, which the index needs, is not installed.
        """
        return cls(keys, Graph.build(keys.numpy(), on_progress))

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search` approximately; the lists are as long as the exact ones."""
        queries = queries.cpu()
        n_to_fetch = self._n_to_fetch(len(queries), k, exclusion)
        sufficient = n_to_fetch <= min(MAX_FETCHED, len(self.keys))
        if sufficient.any():
            n, searched = int(n_to_fetch[sufficient].max()), sufficient.copy()
            nearest = self._nearest(queries[searched], k, n, exclusion.at(searched))
            sufficient[searched] = (nearest.lengths == k).numpy()
            if sufficient.all():
                return nearest
        exact = ExactIndex(self.keys).search(queries[~sufficient], k, exclusion.at(~sufficient))
        return (
            merged(nearest.at(sufficient[searched]), exact, sufficient)
            if sufficient.any()
            else exact
        )

    def _n_to_fetch(self, n_users: int, k: int, exclusion: Exclusion) -> np.ndarray:
        """Returns (n_users,): items to fetch so that about k are left after the exclusion."""
        n_to_fetch = np.full(n_users, float(k))
        if exclusion.seen is not None:
            n_to_fetch += exclusion.seen.lengths
        if exclusion.eligible is not None:
            n_to_fetch /= max(float(exclusion.eligible.float().mean()), 1 / len(self.keys))
        return np.ceil(n_to_fetch)

    def _nearest(self, queries: torch.Tensor, k: int, n: int, exclusion: Exclusion) -> TopItems:
        items = torch.from_numpy(self.graph.nearest(queries.numpy(), n))
        found = items >= 0
        items = items.clamp(min=0)
        return best_of(items, found & exclusion.allows(items), self.keys, queries, k)
