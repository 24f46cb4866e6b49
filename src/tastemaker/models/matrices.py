"""Interactions as sparse matrices of 0 and 1, the form in which linear models take them."""

import numpy as np
from scipy.sparse import csr_matrix

from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch


def interaction_matrix(data: Dataset) -> csr_matrix:
    """Who touched what: (n_users, n_items) float32; a copy, which may be sorted in place."""
    ones = np.ones(len(data), dtype=np.float32)
    shape = data.n_users, data.n_items
    return csr_matrix((ones, data.items, data.indptr), shape=shape, copy=True)


def history_matrix(users: UserBatch, n_items: int) -> csr_matrix:
    """Who touched what in a batch: (n, n_items) float32; an item touched twice counts once."""
    ones = np.ones(len(users.items), dtype=np.float32)
    matrix = csr_matrix((ones, users.items, users.indptr), shape=(len(users), n_items), copy=True)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
