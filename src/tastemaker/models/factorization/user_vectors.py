"""Splits the users into those with a trained vector and those whose vector must be computed."""

from collections.abc import Callable

import numpy as np
import torch

from tastemaker.data.dataset import Dataset, take_runs
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN

FromHistories = Callable[[UserBatch, UserBatch], torch.Tensor]
"""Maps n users, and the same users with the histories known in training, to (n, d) vectors."""


def user_vectors(
    users: UserBatch, vectors: torch.Tensor, train: Dataset, from_histories: FromHistories
) -> torch.Tensor:
    """Keeps the vectors of trained users with an unchanged history, and computes all others.

    The others are those of unseen users and of users whose history has changed since training: its
    items, their order or, if the batch has weights, their weights.

    Args:
        users: n users, whose histories have only items with interactions in training; one given by
            code, without a history, counts as unchanged.
        vectors: (n, d) vectors of the users for the histories known in training; those of unseen
            users are replaced.
        train: the data that they were trained on.
        from_histories: computes the others' vectors.

    Returns:
        (n, d) vectors.
    """
    in_training = histories_in(train, users.codes, weighted=users.weights is not None)
    is_known = in_training.lengths > 0
    is_changed = ~is_known | (_is_changed(users, in_training) & (users.lengths > 0))
    if not is_changed.any():
        return vectors
    computed = from_histories(users.at(is_changed), in_training.at(is_changed))
    vectors = vectors.clone()
    vectors[torch.from_numpy(is_changed).to(vectors.device)] = computed
    return vectors


def histories_in(data: Dataset, codes: np.ndarray, *, weighted: bool) -> UserBatch:
    """Returns users with their histories in a data set; that of an unseen user is empty.

    Args:
        data: the data set.
        codes: (n,) int64 user codes; UNKNOWN for an unseen user.
        weighted: whether the histories have the weights of the data. To compare them with histories
            without weights, every interaction counts the same.
    """
    known = codes != UNKNOWN
    rows, indptr = take_runs(data.indptr, codes[known])
    lengths = np.zeros(len(codes), dtype=np.int64)
    lengths[known] = np.diff(indptr)
    return UserBatch(
        codes,
        data.items[rows].astype(np.int64),
        np.concatenate([[0], np.cumsum(lengths)]),
        weights=data.weights[rows] if weighted and data.weights is not None else None,
    )


def trained_or_default(
    default: torch.Tensor, table: torch.Tensor, in_training: UserBatch
) -> torch.Tensor:
    """Returns the table's rows for users with a history in training, default vectors for others.

    Args:
        default: (d,) or (n, d) vectors for all other users.
        table: (n_users, d) vectors by code.
        in_training: n users with the histories known in training.

    Returns:
        (n, d).
    """
    is_trained = torch.from_numpy(in_training.lengths > 0).to(table.device)[:, None]
    return torch.where(is_trained, rows_of(table, in_training.codes), default)


def rows_of(table: torch.Tensor, codes: np.ndarray) -> torch.Tensor:
    """Returns the rows (n, d) of a table by code; an arbitrary one for UNKNOWN."""
    return table[torch.from_numpy(codes.clip(min=0)).to(table.device)]


def _is_changed(first: UserBatch, second: UserBatch) -> np.ndarray:
    """Returns (n,) bool: whether the two histories of a user differ in items, order or weights."""
    differ = first.lengths != second.lengths
    unchanged = np.flatnonzero(~differ)
    if differ.any():
        first, second = first.at(unchanged), second.at(unchanged)
    other = first.items != second.items
    if first.weights is not None:
        other |= first.weights != (1 if second.weights is None else second.weights)
    positions = np.flatnonzero(other)
    differ[unchanged[np.searchsorted(first.indptr, positions, side="right") - 1]] = True
    return differ
