"""Top 10 of a catalog for everybody, seen items left out: ours, plain PyTorch and implicit.

python benchmarks/ranking/topk.py [--users 41547] [--items 24000] [--rounds 5]

The size is that of the tutorial's data, 30% of the users of MovieLens 20M. All ways take turns, so
that what else the machine does falls on all of them; the ratio is of the medians.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from implicit.cpu.topk import topk as implicit_topk
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits
from worlds import vectors

from tastemaker.data.users import UserBatch
from tastemaker.ranking.comparison import recall
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.index import SCORES_AT_ONCE, BFloat16Index, ExactIndex
from tastemaker.ranking.topk import TopItems

K = 10
MEAN_HISTORY = 144


def histories(n_users: int, n_items: int, seed: int = 1) -> UserBatch:
    """From 20 items on, 144 in the mean, the popular ones more often; none twice."""
    random = np.random.default_rng(seed)
    lengths = 20 + random.lognormal(np.log(MEAN_HISTORY - 20) - 0.5, 1.0, n_users).astype(int)
    rows = np.repeat(np.arange(n_users), lengths)
    items = (n_items * random.random(len(rows)) ** 2.5).astype(np.int64)
    pairs = np.unique(rows * n_items + items)
    counts = np.bincount(pairs // n_items, minlength=n_users)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return UserBatch(np.arange(n_users), pairs % n_items, indptr)


def plain(keys: torch.Tensor, queries: torch.Tensor, users: UserBatch) -> TopItems:
    """As anyone would write it: a block of scores, a mask, torch.topk."""
    step = SCORES_AT_ONCE // len(keys)
    blocks = []
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ keys.T
        part = users.part(start, start + step)
        scores[torch.from_numpy(part.rows), torch.from_numpy(part.items)] = -torch.inf
        blocks.append(scores.topk(K, dim=1))
    scores = torch.cat([block.values for block in blocks])
    items = torch.cat([block.indices for block in blocks])
    return TopItems(items, scores, torch.full((len(queries),), K))


def ways(
    keys: torch.Tensor, queries: torch.Tensor, users: UserBatch
) -> dict[str, Callable[[], TopItems]]:
    """Each way as a call that answers for everybody."""
    ones = np.ones(len(users.items), dtype=np.float32)
    seen = csr_matrix((ones, users.items, users.indptr), shape=(len(queries), len(keys)))
    as_arrays = keys.numpy(), queries.numpy()
    short, exact, exclusion = BFloat16Index(keys), ExactIndex(keys), Exclusion(users)

    def implicit() -> TopItems:
        # As its documentation asks: threads of its own, none inside the product.
        with threadpool_limits(1, "blas"):
            items, scores = implicit_topk(*as_arrays, K, filter_query_items=seen)
        lengths = torch.full((len(queries),), K)
        return TopItems(torch.from_numpy(items).long(), torch.from_numpy(scores), lengths)

    return {
        "implicit 0.7.3": implicit,
        "plain torch": lambda: plain(keys, queries, users),
        "ours, float32": lambda: exact.search(queries, K, exclusion),
        "ours, bfloat16": lambda: short.search(queries, K, exclusion),
    }


def main() -> None:
    """Prints users a second, the ratio to implicit and the recall of each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=41_547)
    parser.add_argument("--items", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    keys, queries = vectors(asked.items, asked.users)
    calls = ways(keys, queries, histories(asked.users, asked.items))
    answers = {name: call() for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(asked.rounds):
        for name, call in calls.items():
            started_at = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started_at)
    slowest = np.median(times["implicit 0.7.3"])
    for name, seconds in times.items():
        median, best = np.median(seconds), min(seconds)
        found = recall(answers[name], answers["ours, float32"])
        print(
            f"{name:16} {asked.users / median:8,.0f} users/s (best {asked.users / best:,.0f}), "
            f"{slowest / median:.2f} times implicit, recall@{K} {found:.5f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
