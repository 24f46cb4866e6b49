"""Top 10 of a catalog for all users, seen items left out: ours, plain PyTorch and implicit.

The size is that of the tutorial's data, 30% of the users of MovieLens 20M.
"""

from collections.abc import Callable

import numpy as np
import torch
from implicit.cpu.topk import topk as implicit_topk
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits
from worlds import vectors

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed_for_a_turn
from tastemaker.ranking.comparison import recall
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.index import SCORES_AT_ONCE
from tastemaker.ranking.topk import TopItems

N_USERS, N_ITEMS = 41_547, 24_000
K = 10
MEAN_HISTORY = 144

Search = Callable[[], TopItems]


def all_users(order: Order) -> Repetition:
    """Lists for all users by the method that the order names."""
    torch.set_num_threads(order.threads)
    n_users = order.options.get("users", N_USERS)
    keys, queries = vectors(N_ITEMS, n_users)
    users = histories(n_users, N_ITEMS)
    search = WAYS[order.options["way"]](keys, queries, users)
    exact = ours(keys, queries, users)()
    found = recall(search(), exact)

    def once() -> Answer:
        seconds, _ = timed_for_a_turn(search)
        return {"seconds": seconds, "work": n_users, "recall": found}

    return once


def histories(n_users: int, n_items: int, seed: int = 1) -> tm.UserBatch:
    """From 20 items on, 144 in the mean, the popular ones more often; none twice."""
    random = np.random.default_rng(seed)
    lengths = 20 + random.lognormal(np.log(MEAN_HISTORY - 20) - 0.5, 1.0, n_users).astype(int)
    rows = np.repeat(np.arange(n_users), lengths)
    items = (n_items * random.random(len(rows)) ** 2.5).astype(np.int64)
    pairs = np.unique(rows * n_items + items)
    counts = np.bincount(pairs // n_items, minlength=n_users)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return tm.UserBatch(np.arange(n_users), pairs % n_items, indptr)


def ours(keys: torch.Tensor, queries: torch.Tensor, users: tm.UserBatch) -> Search:
    """Exactly, in float32."""
    index, exclusion = tm.ExactIndex(keys), Exclusion(users)
    return lambda: index.search(queries, K, exclusion)


def ours_in_bfloat16(keys: torch.Tensor, queries: torch.Tensor, users: tm.UserBatch) -> Search:
    """With shorter numbers first."""
    index, exclusion = tm.BFloat16Index(keys), Exclusion(users)
    return lambda: index.search(queries, K, exclusion)


def plain(keys: torch.Tensor, queries: torch.Tensor, users: tm.UserBatch) -> Search:
    """The way anyone would write it: a block of scores, a mask, torch.topk."""
    step = SCORES_AT_ONCE // len(keys)

    def search() -> TopItems:
        blocks = []
        for start in range(0, len(queries), step):
            scores = queries[start : start + step] @ keys.T
            part = users.part(start, start + step)
            scores[torch.from_numpy(part.rows), torch.from_numpy(part.items)] = -torch.inf
            blocks.append(scores.topk(K, dim=1))
        scores = torch.cat([block.values for block in blocks])
        items = torch.cat([block.indices for block in blocks])
        return TopItems(items, scores, torch.full((len(queries),), K))

    return search


def implicit(keys: torch.Tensor, queries: torch.Tensor, users: tm.UserBatch) -> Search:
    """The way its documentation asks: threads of its own, none inside the product."""
    ones = np.ones(len(users.items), dtype=np.float32)
    seen = csr_matrix((ones, users.items, users.indptr), shape=(len(queries), len(keys)))
    as_arrays = keys.numpy(), queries.numpy()

    def search() -> TopItems:
        with threadpool_limits(1, "blas"):
            items, scores = implicit_topk(*as_arrays, K, filter_query_items=seen)
        lengths = torch.full((len(queries),), K)
        return TopItems(torch.from_numpy(items).long(), torch.from_numpy(scores), lengths)

    return search


WAYS = {"ours": ours, "bfloat16": ours_in_bfloat16, "plain": plain, "implicit": implicit}

if __name__ == "__main__":
    serve(all_users=all_users)
