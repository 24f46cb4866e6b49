"""Interactions as sparse matrices of 0 and 1, with a row per user and a column per item."""

import numpy as np
from scipy.sparse import csr_matrix

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch


def interaction_matrix(data: Dataset) -> csr_matrix:
    """Returns the interactions, (n_users, n_items) float32; the copy may be sorted in place."""
    ones = np.ones(len(data), dtype=np.float32)
    shape = data.n_users, data.n_items
    return csr_matrix((ones, data.items, data.indptr), shape=shape, copy=True)


def history_matrix(users: UserBatch, n_items: int) -> csr_matrix:
    """Returns the histories of a batch, (n, n_items) float32; a repeated item counts once."""
    ones = np.ones(len(users.items), dtype=np.float32)
    matrix = csr_matrix((ones, users.items, users.indptr), shape=(len(users), n_items), copy=True)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
