"""Finds out of the training data alone how fast interactions should fade.

The latest interaction of some users is held out and ranked by the similarity of items, whose
interactions fade with each half-life in turn. The best one depends on the data: where the next item
follows from the latest ones, a short one can double the hit rate; where it depends on taste alone,
it can halve it.
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags_array

from tastemaker.data.dataset import Dataset
from tastemaker.models.matrices import interaction_matrix
from tastemaker.models.recency import recency
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.parallel import on_all_cores

HALF_LIVES = (3.0, 5.0, 10.0, 30.0, 100.0)
"""The half-lives that are compared with each other and with none, shortest first."""

MAX_INTERACTIONS = 1_000_000
"""Number of interactions, those of randomly drawn users, from which similarities are computed. With
much fewer than there are, longer half-lives look better than they are."""

MAX_HELD_OUT = 2_000
"""Number of users whose latest interaction is held out."""

MIN_HELD_OUT = 100
"""With fewer users, differences are chance, and interactions do not fade."""

SURE = 3.0
"""Number of standard errors by which a half-life must be better than none. Chance alone reaches it
with one of five half-lives in less than 1% of all data sets."""

SCORES_AT_ONCE = 1 << 22
"""Number of scores in memory at a time on each core (16 MiB)."""


def best_half_life(train: Dataset, on_progress: OnProgress | None = None) -> float | None:
    """Returns the half-life with which the latest interactions of users are ranked best.

    The quality of a ranking is the mean of 1 / √rank, which differs less from one sample of users
    to another than metrics of the first ten ranks do. None is returned unless a half-life is better
    than none by SURE standard errors of the difference. Otherwise, of the half-lives that are as
    good as the best up to one standard error, the shortest is returned, since models that shrink
    their weights, as EASE and iALS do, are best with shorter ones than plain similarities.

    Args:
        train: interactions with times, one for each pair of user and item.
        on_progress: receives the number of half-lives tried.
    """
    if train not in _found:
        _found[train] = _search(train, on_progress)
    return _found[train]


_found: WeakKeyDictionary[Dataset, float | None] = WeakKeyDictionary()
"""The half-lives of the data that were searched, since several models read the same data."""


def _search(train: Dataset, on_progress: OnProgress | None) -> float | None:
    random = np.random.default_rng(0)
    sample = _of_some_users(train, random)
    held_out = _held_out(sample, random)
    if len(held_out) < MIN_HELD_OUT:
        return None
    users = sample.users[held_out]
    ends = sample.indptr[1:].copy()
    ends[users] = held_out
    known = sample.rows(np.arange(len(sample)) < ends[sample.users])
    tried = (*HALF_LIVES, None)
    meter = Meter(on_progress, "choosing the half-life", len(tried))
    qualities = np.empty((len(tried), len(users)))
    for n, half_life in enumerate(tried):
        qualities[n] = _ranks(known, users, sample.items[held_out], half_life) ** -0.5
        meter.advance()
    fading = qualities[:-1]
    if (_standard_errors(fading - qualities[-1]) < SURE).all():
        return None
    best = fading[fading.mean(axis=1).argmax()]
    return HALF_LIVES[int((_standard_errors(best - fading) <= 1).argmax())]


def _standard_errors(differences: np.ndarray) -> np.ndarray:
    """Returns the means of the rows, (n,), divided by the standard errors of these means."""
    means = differences.mean(axis=1)
    errors = differences.std(axis=1) / np.sqrt(differences.shape[1])
    return np.divide(means, errors, out=np.zeros_like(means), where=errors > 0)


def _of_some_users(train: Dataset, random: np.random.Generator) -> Dataset:
    """Returns all interactions of so many users that they have about MAX_INTERACTIONS together."""
    order = random.permutation(train.n_users)
    chosen = np.zeros(train.n_users, dtype=bool)
    counts = train.user_counts[order]
    chosen[order] = counts.cumsum() - counts < MAX_INTERACTIONS
    return train if chosen.all() else train.rows(chosen[train.users])


def _held_out(sample: Dataset, random: np.random.Generator) -> np.ndarray:
    """Returns (n,) positions: some users' latest interaction that is a target, if others precede.

    They are in the order of the users.
    """
    latest = np.full(sample.n_users, -1)
    targets = np.flatnonzero(sample.target_rows())
    latest[sample.users[targets]] = targets  # the last of repeated assignments counts
    latest = latest[latest > sample.indptr[:-1]]
    return np.sort(random.permutation(latest)[:MAX_HELD_OUT])


def _ranks(
    known: Dataset, users: np.ndarray, items: np.ndarray, half_life: float | None
) -> np.ndarray:
    """Ranks an item of each user among those of which the user has no known interaction.

    An item is scored by the sum of its cosines with the items of the history, each times its faded
    weight.

    Args:
        known: the interactions from which similarities are computed, and the histories.
        users: (n,) codes.
        items: (n,) code of the item to rank of each.
        half_life: that of the interactions.

    Returns:
        (n,) ranks from 1; of equal scores, that of the item to rank is the last.
    """
    matrix = interaction_matrix(known)
    if half_life is not None:
        matrix.data *= recency(known.indptr, half_life)
    norms = np.sqrt(np.bincount(known.items, matrix.data.astype(np.float64) ** 2, known.n_items))
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0).astype(np.float32)
    by_user = csr_matrix(matrix[known.user_counts > 0] @ diags_array(scale))
    by_item = by_user.T.tocsr()

    def ranks_of(block: slice) -> np.ndarray:
        histories = matrix[users[block]]
        common = by_user @ histories.T.toarray()
        scores = (by_item @ common).T  # (n, n_items)
        wanted = np.take_along_axis(scores, items[block, None], axis=1)
        is_ahead = scores >= wanted
        is_ahead[histories.nonzero()] = False
        return is_ahead.sum(axis=1)

    step = max(1, SCORES_AT_ONCE // max(matrix.shape))
    blocks = [slice(start, start + step) for start in range(0, len(users), step)]
    return np.concatenate(on_all_cores(ranks_of, blocks, torch.device("cpu")))
