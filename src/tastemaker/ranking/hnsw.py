"""A navigable graph of vectors (HNSW), built and searched by Faiss and stored as plain arrays.

Yury Malkov and Dmitry Yashunin, 2018: Efficient and Robust Approximate Nearest Neighbor Search
Using Hierarchical Navigable Small World Graphs (TPAMI).
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from tastemaker.deferred import DeferredModule
from tastemaker.errors import ArtifactError, UnsupportedError
from tastemaker.progress import Meter, OnProgress
from tastemaker.representation import short_repr

# Imported when a graph is first made, since the import is slow and most programs make none.
faiss = DeferredModule("faiss")

LINKS = 32
"""Number of links of a node to others (M of HNSW); twice as many on the lowest layer."""

BUILD_BREADTH = 200
"""Number of candidates considered when the links of a node are chosen (efConstruction)."""

VECTORS_AT_ONCE = 1 << 12
"""Vectors added in one call of Faiss, which Ctrl-C cannot interrupt: about a second of work."""

BREADTH = 256
"""Minimum number of candidates considered in a search (efSearch); more are slower but miss less."""

NO_ITEM = -1
"""Marks a link that is not used, and a search result that was not found."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Vectors, and links between vectors with large inner products.

    The search uses the inner product directly. The usual reduction to nearest neighbours, one extra
    dimension that makes all vectors equally long, loses more than a third of the correct results
    where lengths vary as much as those of popular and unpopular items (docs/retrieval.md has the
    figures).
    """

    _index: Any

    __repr__ = short_repr

    @classmethod
    def build(cls, vectors: np.ndarray, on_progress: OnProgress | None = None) -> "Graph":
        """Builds the graph of (n, d) float32 vectors, on all cores.

        `on_progress` receives the number of vectors that are in the graph so far.

        Several cores add nodes concurrently, in an order that varies, so two builds of the same
        vectors differ slightly. A stored graph does not change.

        Raises:
            UnsupportedError: Faiss is not installed.
        """
        index = _empty_index(vectors)
        index.hnsw.efConstruction = BUILD_BREADTH
        meter = Meter(on_progress, "building the index", len(vectors))
        for start in range(0, len(vectors), VECTORS_AT_ONCE):
            part = vectors[start : start + VECTORS_AT_ONCE]
            index.add(part)
            meter.advance(len(part))
        return cls(index)

    def nearest(self, queries: np.ndarray, n: int) -> np.ndarray:
        """Returns (n_queries, n) int64 positions of the vectors nearest to each query, best first.

        Where fewer are found, the remaining entries are NO_ITEM.
        """
        breadth = faiss.SearchParametersHNSW(efSearch=max(BREADTH, 2 * n))
        return self._index.search(queries, n, params=breadth)[1]

    def state(self) -> dict[str, np.ndarray]:
        """Returns the graph as arrays, without the vectors.

        `layers` is (n,) int32, the number of layers that each node is on; `links` is int32, the
        links of one node after another; `entry` is (1,) int32, the node where a search starts.
        """
        hnsw = self._index.hnsw
        return {
            "layers": faiss.vector_to_array(hnsw.levels),
            "links": faiss.vector_to_array(hnsw.neighbors),
            "entry": np.array([hnsw.entry_point], dtype=np.int32),
        }

    @classmethod
    def from_state(cls, vectors: np.ndarray, state: dict[str, np.ndarray]) -> "Graph":
        """Restores a graph from the result of `state` and the vectors that it was built from.

        Raises:
            ArtifactError: the arrays are inconsistent, for example a link to a missing node.
            UnsupportedError: Faiss is not installed.
        """
        index = _empty_index(vectors)
        hnsw = index.hnsw
        layers, links, entry = state["layers"], state["links"], int(state["entry"][0])
        slots = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)
        _refuse_damaged(layers, links, entry, slots, len(vectors))
        index.storage.add(vectors)
        index.ntotal = len(vectors)
        faiss.copy_array_to_vector(layers, hnsw.levels)
        faiss.copy_array_to_vector(_offsets(layers, slots).astype(np.uint64), hnsw.offsets)
        faiss.copy_array_to_vector(links, hnsw.neighbors)
        hnsw.entry_point, hnsw.max_level = entry, int(layers.max()) - 1
        return cls(index)


def _empty_index(vectors: np.ndarray) -> Any:
    if find_spec("faiss") is None:
        raise UnsupportedError(
            "an approximate index needs the package Faiss: pip install 'tastemaker[index]'"
        )
    return faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)


def _offsets(layers: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Returns (n + 1,): where each node's links begin; slots[i] is the number for i layers."""
    return np.concatenate([[0], np.cumsum(slots[layers])])


def _refuse_damaged(
    layers: np.ndarray, links: np.ndarray, entry: int, slots: np.ndarray, n: int
) -> None:
    """Raises an ArtifactError if a link leads out of the graph, since Faiss does not check them."""
    is_valid = (
        layers.shape == (n,)
        and layers.dtype == links.dtype == np.int32
        and layers.min() >= 1
        and layers.max() < len(slots)
        and 0 <= entry < n
        and layers[entry] == layers.max()
        and links.shape == (int(slots[layers].sum()),)
        and links.min() >= NO_ITEM
        and links.max() < n
    )
    if is_valid:
        offsets = _offsets(layers, slots)
        for layer in range(1, layers.max()):
            nodes = np.flatnonzero(layers > layer)
            link_positions = offsets[nodes, None] + np.arange(slots[layer], slots[layer + 1])
            linked_nodes = links[link_positions]
            is_valid &= bool((layers[linked_nodes[linked_nodes != NO_ITEM]] > layer).all())
    if not is_valid:
        raise ArtifactError("the index is damaged: a link leads outside the graph; build it again")
