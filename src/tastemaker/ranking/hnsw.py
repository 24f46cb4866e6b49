"""A navigable graph of vectors, by the package Faiss, kept as plain arrays.

Yury Malkov and Dmitry Yashunin, 2018: Efficient and Robust Approximate Nearest Neighbor Search
Using Hierarchical Navigable Small World Graphs (TPAMI).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import lazy_loader
import numpy as np

from tastemaker.errors import ArtifactError, UnsupportedError
from tastemaker.progress import Meter, OnProgress
from tastemaker.shown import short_repr

# Loaded when a graph is made, since a program that makes none should not pay for it.
faiss = lazy_loader.load("faiss")

LINKS = 32
"""M: links of a node to others; twice as many on the lowest layer."""

BREADTH_OF_BUILDING = 200
"""Candidates looked at while the links of a node are chosen."""

VECTORS_AT_ONCE = 1 << 12
"""Vectors linked in one call of Faiss, which answers no Ctrl-C: about a second of work."""

BREADTH = 256
"""Candidates looked at in a search; the more, the surer and the slower."""

NOBODY = -1
"""A link that leads nowhere."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Vectors and links between those with large inner products.

    The search is by the inner product itself. The usual detour, one more dimension in which all
    vectors become equally long, loses more than a third of the right answers where lengths vary as
    those of popular and unpopular items do (docs/retrieval.md has the figures).
    """

    _index: Any

    __repr__ = short_repr

    @classmethod
    def build(cls, vectors: np.ndarray, on_progress: OnProgress | None = None) -> "Graph":
        """The graph of (n, d) float32 vectors, on all cores.

        `on_progress` receives how many vectors are in the graph.

        Several cores link in the order in which they get there, so that two builds differ in
        details; a stored graph stays as it is.

        Raises:
            UnsupportedError: Faiss is not installed.
        """
        index = _empty(vectors)
        index.hnsw.efConstruction = BREADTH_OF_BUILDING
        meter = Meter(on_progress, "building the index", len(vectors))
        for start in range(0, len(vectors), VECTORS_AT_ONCE):
            part = vectors[start : start + VECTORS_AT_ONCE]
            index.add(part)
            meter.advance(len(part))
        return cls(index)

    def nearest(self, queries: np.ndarray, n: int) -> np.ndarray:
        """(n_queries, n) int64 positions of the vectors nearest to each, best first.

        Where fewer are found, the rest is NOBODY.
        """
        breadth = faiss.SearchParametersHNSW(efSearch=max(BREADTH, 2 * n))
        return self._index.search(queries, n, params=breadth)[1]

    def state(self) -> dict[str, np.ndarray]:
        """layers: (n,) int32, on how many each node is; links: int32, node after node."""
        hnsw = self._index.hnsw
        return {
            "layers": faiss.vector_to_array(hnsw.levels),
            "links": faiss.vector_to_array(hnsw.neighbors),
            "entry": np.array([hnsw.entry_point], dtype=np.int32),
        }

    @classmethod
    def from_state(cls, vectors: np.ndarray, state: dict[str, np.ndarray]) -> "Graph":
        """The graph of the vectors that `state` was taken from.

        Raises:
            ArtifactError: a link leads out of the graph.
            UnsupportedError: Faiss is not installed.
        """
        index = _empty(vectors)
        hnsw = index.hnsw
        layers, links, entry = state["layers"], state["links"], int(state["entry"][0])
        slots = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)
        _check(layers, links, entry, slots, len(vectors))
        index.storage.add(vectors)
        index.ntotal = len(vectors)
        faiss.copy_array_to_vector(layers, hnsw.levels)
        faiss.copy_array_to_vector(_offsets(layers, slots).astype(np.uint64), hnsw.offsets)
        faiss.copy_array_to_vector(links, hnsw.neighbors)
        hnsw.entry_point, hnsw.max_level = entry, int(layers.max()) - 1
        return cls(index)


def _empty(vectors: np.ndarray) -> Any:
    if find_spec("faiss") is None:
        raise UnsupportedError(
            "an approximate index needs the package Faiss: pip install 'tastemaker[index]'"
        )
    return faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)


def _offsets(layers: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(n + 1,) where the links of each node begin; slots[i] has those of i layers."""
    return np.concatenate([[0], np.cumsum(slots[layers])])


def _check(layers: np.ndarray, links: np.ndarray, entry: int, slots: np.ndarray, n: int) -> None:
    """Holds every link to the nodes that there are; Faiss follows them wherever they lead."""
    sound = (
        layers.shape == (n,)
        and layers.dtype == links.dtype == np.int32
        and layers.min() >= 1
        and layers.max() < len(slots)
        and 0 <= entry < n
        and layers[entry] == layers.max()
        and links.shape == (int(slots[layers].sum()),)
        and links.min() >= NOBODY
        and links.max() < n
    )
    if sound:
        offsets = _offsets(layers, slots)
        for layer in range(1, layers.max()):
            nodes = np.flatnonzero(layers > layer)
            places = offsets[nodes, None] + np.arange(slots[layer], slots[layer + 1])
            reached = links[places]
            sound &= bool((layers[reached[reached != NOBODY]] > layer).all())
    if not sound:
        raise ArtifactError("the index is damaged: its links lead out of it; make it anew")
