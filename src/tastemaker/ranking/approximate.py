"""Approximate retrieval through a graph, exact wherever the graph leaves a list short."""

from dataclasses import dataclass

import numpy as np
import torch

from tastemaker.progress import OnProgress
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.hnsw import Graph
from tastemaker.ranking.index import ExactIndex, best_of
from tastemaker.ranking.topk import TopItems, merged
from tastemaker.shown import short_repr

WORTHWHILE = 50_000
"""Items up to which the exact search takes a millisecond or two for one user, and for many together
less than the approximate one."""

MOST_FETCHED = 512
"""Past so many items for one user, the exact product is as fast."""


@dataclass(frozen=True, eq=False)
class ApproximateIndex:
    """The nearest items by a graph (HNSW), scored exactly.

    What a user may not get is known only after the search, so that more is fetched than asked for:
    k and the length of the history, over the fraction of the items that are eligible. Users for
    whom that is much, and those whose lists come out short all the same, are answered exactly.
    """

    keys: torch.Tensor
    """(n_items, d) float32, on the CPU."""
    graph: Graph

    __repr__ = short_repr

    @classmethod
    def build(cls, keys: torch.Tensor, on_progress: OnProgress | None = None) -> "ApproximateIndex":
        """An index of (n_items, d) float32 keys on the CPU; a second for some thousands of them.

        Args:
            keys: of all items.
            on_progress: receives how many items are in the index.

        Raises:
            UnsupportedError: the package that it needs is not installed.
        """
        return cls(keys, Graph.build(keys.numpy(), on_progress))

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search` approximately; the lists are as long as the exact ones."""
        queries = queries.cpu()
        wanted = self._wanted(len(queries), k, exclusion)
        enough = wanted <= min(MOST_FETCHED, len(self.keys))
        if enough.any():
            n, asked = int(wanted[enough].max()), enough.copy()
            nearest = self._nearest(queries[asked], k, n, exclusion.at(asked))
            enough[asked] = (nearest.lengths == k).numpy()
            if enough.all():
                return nearest
        exact = ExactIndex(self.keys).search(queries[~enough], k, exclusion.at(~enough))
        return merged(nearest.at(enough[asked]), exact, enough) if enough.any() else exact

    def _wanted(self, n_users: int, k: int, exclusion: Exclusion) -> np.ndarray:
        """(n_users,) how many items to fetch so that k should be left."""
        wanted = np.full(n_users, float(k))
        if exclusion.seen is not None:
            wanted += exclusion.seen.lengths
        if exclusion.eligible is not None:
            wanted /= max(float(exclusion.eligible.float().mean()), 1 / len(self.keys))
        return np.ceil(wanted)

    def _nearest(self, queries: torch.Tensor, k: int, n: int, exclusion: Exclusion) -> TopItems:
        items = torch.from_numpy(self.graph.nearest(queries.numpy(), n))
        found = items >= 0
        items = items.clamp(min=0)
        return best_of(items, found & exclusion.allows(items), self.keys, queries, k)
