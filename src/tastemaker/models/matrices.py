"""Interactions as sparse matrices of weights, with a row per user and a column per item."""

import numpy as np
from scipy.sparse import csr_matrix

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch


def interaction_matrix(data: Dataset) -> csr_matrix:
    """Returns the weights of the interactions, (n_users, n_items) float32; 1 without weights.

    The matrix is a copy, which may be sorted in place.
    """
    weights = np.ones(len(data), dtype=np.float32) if data.weights is None else data.weights
    shape = data.n_users, data.n_items
    return csr_matrix((weights, data.items, data.indptr), shape=shape, copy=True)


def history_matrix(users: UserBatch, n_items: int, mean_weight: float = 1.0) -> csr_matrix:
    """Returns the histories of a batch, (n, n_items) float32, with the weights of the items.

    The weights of a repeated item are added up. In a batch without weights, every item of a history
    counts 1, whether it is repeated or not.

    Args:
        users: the n users.
        n_items: number of items.
        mean_weight: the weights are divided by it, so that 1 is the weight of an average
            interaction of the training data (`Dataset.mean_weight`), whatever their unit.
    """
    weights = (
        np.ones(len(users.items), dtype=np.float32) if users.weights is None else users.weights
    )
    shape = len(users), n_items
    matrix = csr_matrix((weights, users.items, users.indptr), shape=shape, copy=True)
    matrix.sum_duplicates()
    if users.weights is None:
        matrix.data[:] = 1
    elif mean_weight != 1:
        matrix.data /= np.float32(mean_weight)
    return matrix
