"""Measures a network on the validation part, cheaply enough to do so after every epoch.

If several processes train together, each ranks its own part of the held-out items, and all of them
compute the metrics from the ranks of all.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.metrics.accuracy import hit_rate, ndcg
from tastemaker.process_group import gathered, own_part
from tastemaker.ranking.candidates import draw_candidates
from tastemaker.ranking.parallel import on_all_cores
from tastemaker.ranking.ranks import rank_among, rank_by_keys, rank_in_catalog
from tastemaker.training.validation import FULL, Validation, sampled

N_NEGATIVES = 99
SEED = 0
"""Seed of the sampled items and interactions, the same for every epoch and model, whatever the
model's own seed."""

ROWS_AT_ONCE = 4096

NO_RANKS = torch.zeros(0, dtype=torch.int64)
"""Put before all ranks, since a process may have none of its own."""

ScoreCodes = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps (n,) user codes and (n, c) item codes to (n, c) scores."""


def sampled_validation(split: Split, score: ScoreCodes, device: torch.device) -> Validation | None:
    """Returns a validation that ranks each held-out item among sampled items.

    It measures `hit_rate@10` and `ndcg@10`, and serves to choose the best epoch of one model; to
    compare models, rank all items instead. Returns None if the split has no validation part.
    """
    if split.validation is None:
        return None
    rows = draw_candidates(split, "validation", N_NEGATIVES, SEED)
    own = own_part(len(rows.users))
    users = torch.from_numpy(rows.users[own]).to(device)
    items = torch.from_numpy(rows.items[own]).to(device)
    counts = torch.from_numpy(rows.counts[own]).to(device)

    def validate() -> dict[str, float]:
        ranks = [NO_RANKS]
        for start in range(0, len(users), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            scores = score(users[part], items[part])
            ranks.append(rank_among(scores[:, 0], scores[:, 1:], counts[part]).cpu())
        return _metrics(torch.cat(ranks))

    return Validation(sampled(N_NEGATIVES), validate)


MOST_USERS = 20_000
"""Largest number of validation interactions ranked after each epoch; of more, a sample is used."""

SCORES_AT_ONCE = 1 << 22
"""Largest number of scores in memory at a time while whole catalogs are ranked (16 MiB)."""


class HeldOut(NamedTuple):
    """Held-out interactions, each to be ranked on its own."""

    users: UserBatch
    """The n users of the interactions, with what they touched before."""
    items: np.ndarray
    """(n,) int64 codes."""


def own_held_out(split: Split) -> HeldOut | None:
    """Returns this process's part of the validation interactions of users who have a history.

    If there are more than MOST_USERS, the processes share a sample. Returns None if the split has
    no validation part.
    """
    if split.validation is None:
        return None
    targets = split.targets("validation")  # one or more per user, each ranked on its own
    users = UserBatch.known(split.known_before("validation"), targets.users)
    rows = np.flatnonzero(users.lengths > 0)
    if len(rows) > MOST_USERS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MOST_USERS, replace=False))
    rows = rows[own_part(len(rows))]
    return HeldOut(users.at(rows), targets.items[rows])


def full_validation(
    split: Split,
    queries: Callable[[UserBatch], torch.Tensor],
    keys: Callable[[None], torch.Tensor],
) -> Validation | None:
    """Returns a validation that ranks each held-out item among all items new to its user.

    It measures `hit_rate@10` and `ndcg@10`, for networks whose scores are inner products, which
    makes the full ranking fast. Returns None if the split has no validation part.

    Args:
        split: holds the validation part.
        queries: returns the queries (n, d) of n users with a history.
        keys: returns the vectors (n_items, d) of all items when called with None.
    """
    held_out = own_held_out(split)
    if held_out is None:
        return None
    users, target_items = held_out
    seen = not split.train.rules.repeat_targets
    step = max(1, SCORES_AT_ONCE // split.train.n_items)

    def validate() -> dict[str, float]:
        vectors, items = queries(users), keys(None)
        starts = range(0, len(users), step)

        def block(start: int) -> torch.Tensor:
            part = slice(start, start + step)
            excluded = users.part(start, start + step).excluded(seen=seen)
            n = len(vectors[part])
            if on_cpu:
                return rank_by_keys(
                    items, vectors[part], excluded, np.arange(n), target_items[part]
                )[0]
            return rank_in_catalog(
                vectors[part] @ items.T, excluded, np.arange(n), target_items[part]
            ).cpu()

        on_cpu = items.device.type == "cpu"
        return _metrics(torch.cat([NO_RANKS, *on_all_cores(block, starts, items.device)]))

    return Validation(FULL, validate)


def _metrics(own_ranks: torch.Tensor) -> dict[str, float]:
    """Returns the metrics of the ranks of all processes, each as the only held-out item of a user.

    Args:
        own_ranks: (n,) int64 ranks that this process has computed.
    """
    ranks = gathered(own_ranks).numpy()
    indptr = np.arange(len(ranks) + 1)
    return {
        "hit_rate@10": float(hit_rate(ranks, indptr, 10).mean()),
        "ndcg@10": float(ndcg(ranks, indptr, 10).mean()),
    }
