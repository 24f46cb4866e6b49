"""Which approximate index: Faiss and USearch, by recall, time and size, on vectors of our kind.

pip install faiss-cpu usearch
python benchmarks/ranking/indexes.py [--items 300000] [--only "ours, exact"]

Times are of the processor on one thread, so that what else the machine does changes little.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from worlds import vectors

from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.index import ExactIndex

K = 10
N_QUERIES = 1000
N_SINGLE_QUERIES = 200
BREADTHS = (64, 128, 256, 512)
PROBES = (16, 64, 128)

Search = Callable[[np.ndarray], np.ndarray]
"""(n, d) queries to (n, K) positions."""

Built = tuple[dict[str, Search], float]
"""Searches by their setting, and MiB on disk."""


def faiss_hnsw(keys: np.ndarray, metric: int) -> Built:
    """Faiss' graph, with the links and the breadth of building that ranking/hnsw.py has."""
    index = faiss.IndexHNSWFlat(keys.shape[1], 32, metric)
    index.hnsw.efConstruction = 200
    index.add(keys)

    def search(breadth: int) -> Search:
        parameters = faiss.SearchParametersHNSW(efSearch=breadth)  # type: ignore[attr-defined]
        return lambda queries: index.search(queries, K, params=parameters)[1]

    size = _size(lambda path: faiss.write_index(index, path))
    return {f"breadth {breadth}": search(breadth) for breadth in BREADTHS}, size


def faiss_ivf(keys: np.ndarray) -> Built:
    """Faiss' inverted lists, four times the root of the items of them."""
    d, n_lists = keys.shape[1], int(4 * len(keys) ** 0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.train(keys[np.random.default_rng(0).permutation(len(keys))[: 64 * n_lists]])
    index.add(keys)

    def search(probes: int) -> Search:
        parameters = faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg]
        return lambda queries: index.search(queries, K, params=parameters)[1]

    size = _size(lambda path: faiss.write_index(index, path))
    return {f"{probes} of {n_lists} lists": search(probes) for probes in PROBES}, size


def usearch_hnsw(keys: np.ndarray) -> Built:
    """USearch's graph with the same settings as Faiss'."""
    from usearch.index import Index

    index = Index(ndim=keys.shape[1], metric="ip", dtype="f32", connectivity=32, expansion_add=200)
    index.add(np.arange(len(keys)), keys, threads=1)

    def search(breadth: int) -> Search:
        def with_breadth(queries: np.ndarray) -> np.ndarray:
            index.expansion_search = breadth
            return index.search(queries, K, threads=1).keys.reshape(-1, K)

        return with_breadth

    size = _size(index.save)
    return {f"breadth {breadth}": search(breadth) for breadth in BREADTHS}, size


def exact(keys: np.ndarray) -> Built:
    """Ours."""
    index = ExactIndex(torch.from_numpy(keys))

    def search(queries: np.ndarray) -> np.ndarray:
        return index.search(torch.from_numpy(queries), K, Exclusion()).items.numpy()

    return {"": search}, keys.nbytes / 2**20


def equal_norms(keys: np.ndarray) -> np.ndarray:
    """Items with one more dimension, by which all have the norm of the longest."""
    squares = (keys**2).sum(axis=1)
    return np.column_stack([keys, np.sqrt(squares.max() - squares)]).astype(np.float32)


BUILDERS: dict[str, Callable[[np.ndarray], Built]] = {
    "ours, exact": exact,
    "faiss hnsw, inner product": lambda keys: faiss_hnsw(keys, faiss.METRIC_INNER_PRODUCT),
    "faiss hnsw, lengthened": lambda keys: faiss_hnsw(equal_norms(keys), faiss.METRIC_L2),
    "faiss ivf, inner product": faiss_ivf,
    "usearch hnsw, inner product": usearch_hnsw,
}


def _one_by_one(search: Search, queries: np.ndarray) -> list[np.ndarray]:
    """The results of the first queries, each searched for alone."""
    return [search(queries[i : i + 1]) for i in range(N_SINGLE_QUERIES)]


def measurements(name: str, keys: np.ndarray, queries: np.ndarray) -> Iterator[tuple[str, ...]]:
    """One row a setting."""
    # A query has nothing in the dimension that lengthens the items.
    padded = np.pad(queries, ((0, 0), (0, 1))) if name.endswith("lengthened") else queries
    expected = exact(keys)[0][""](queries)
    (searches, size), build_s = _timed(lambda: BUILDERS[name](keys))
    for setting, search in searches.items():
        found, batch_s = _timed(partial(search, padded))
        _, single_s = _timed(partial(_one_by_one, search, padded))
        hits = [len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]
        yield (
            name,
            setting,
            f"{sum(hits) / expected.size:.4f}",
            f"{single_s / N_SINGLE_QUERIES * 1000:.3f}",
            f"{batch_s / len(queries) * 1000:.3f}",
            f"{build_s:.0f}",
            f"{size:.0f}",
        )


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started_at = time.process_time()
    result = call()
    return result, time.process_time() - started_at


def _size(write: Callable[[str], object]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write(str(path))
        return path.stat().st_size / 2**20


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=300_000)
    parser.add_argument("--only", action="append", choices=list(BUILDERS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    keys, queries = (tensor.numpy() for tensor in vectors(options.items, N_QUERIES))
    columns = ["index", "setting", "recall@10", "ms alone", "ms of many", "build s", "MiB"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for name in options.only or BUILDERS:
        for row in measurements(name, keys, queries):
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
