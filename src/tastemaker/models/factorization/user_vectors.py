"""Whose vector is the trained one, and whose must be found anew from the history of the moment."""

from collections.abc import Callable

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN

FromHistories = Callable[[UserBatch, UserBatch], torch.Tensor]
"""n users, and beside them what training knew of each, to (n, d) vectors."""


def user_vectors(
    users: UserBatch, table: torch.Tensor, train: Dataset, from_histories: FromHistories
) -> torch.Tensor:
    """The trained vector of each user who is as in training, another for the rest.

    The rest are unseen users and users whose history has grown since. Items without interactions in
    training are left out of histories, since nothing was learned about their vectors.

    Args:
        users: n of them; one known by code alone is as in training.
        table: (n_users, d) trained vectors by code.
        train: what they were trained on.
        from_histories: gives the others' vectors.

    Returns:
        (n, d) vectors.
    """
    now = _without_new_items(users, train.item_counts)
    before = histories_in(train, users.codes)
    is_known = before.lengths > 0
    others = ~is_known | (_differ(now, before) & (now.lengths > 0))
    vectors = _rows(table, users.codes)
    if others.any():
        found = from_histories(now.at(others), before.at(others))
        vectors[torch.from_numpy(others).to(table.device)] = found
    return vectors


def histories_in(data: Dataset, codes: np.ndarray) -> UserBatch:
    """The users with the histories that the data set holds of them: none of an unseen user's.

    Args:
        data: what is known.
        codes: (n,) int64 user codes; UNKNOWN for an unseen user.
    """
    known = codes != UNKNOWN
    items, indptr = data.histories(codes[known])
    lengths = np.zeros(len(codes), dtype=np.int64)
    lengths[known] = np.diff(indptr)
    return UserBatch(codes, items, np.concatenate([[0], np.cumsum(lengths)]))


def trained_or(others: torch.Tensor, table: torch.Tensor, before: UserBatch) -> torch.Tensor:
    """Rows of a table for those whom training knew, another vector for unseen users.

    Args:
        others: (d,) or (n, d), what unseen users get.
        table: (n_users, d) by code.
        before: n users with what training knew of each.

    Returns:
        (n, d).
    """
    known = torch.from_numpy(before.lengths > 0).to(table.device)[:, None]
    return torch.where(known, _rows(table, before.codes), others)


def _rows(table: torch.Tensor, codes: np.ndarray) -> torch.Tensor:
    """(n, d) rows by code; any for UNKNOWN."""
    return table[torch.from_numpy(codes.clip(min=0)).to(table.device)]


def _without_new_items(users: UserBatch, item_counts: np.ndarray) -> UserBatch:
    """The users with only those items in their histories that somebody touched in training."""
    kept = (item_counts > 0)[users.items]
    if kept.all():
        return users
    indptr = np.concatenate([[0], np.cumsum(kept)])[users.indptr]
    return UserBatch(users.codes, users.items[kept], indptr)


def _differ(some: UserBatch, others: UserBatch) -> np.ndarray:
    """(n,) bool: whose histories are not the same items in the same order."""
    differ = some.lengths != others.lengths
    alike = np.flatnonzero(~differ)
    if differ.any():
        some, others = some.at(alike), others.at(alike)
    places = np.flatnonzero(some.items != others.items)
    differ[alike[np.searchsorted(some.indptr, places, side="right") - 1]] = True
    return differ
