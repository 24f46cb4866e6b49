"""Item-to-item weights of EASE in which each item is predicted by its nearest items alone.

Xia Ning and George Karypis, 2011: SLIM: Sparse Linear Methods for Top-N Recommender Systems (ICDM)
choose the items before the regression in this way (fsSLIM). Martin Spišák et al., 2023: Scalable
Approximate NonSymmetric Autoencoder for Collaborative Filtering (RecSys), SANSA, is another sparse
approximation of EASE, by an incomplete Cholesky factorization.
"""

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack

from tastemaker.process_group import gathered, own_part
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.parallel import on_all_cores

ITEMS_AT_ONCE = 2048
"""Largest number of items, with their nearest ones, whose weights a thread computes at a time; the
larger, the fewer rows of the Gram matrix are read twice, but the larger the dense part of it."""

ROWS_AT_ONCE = 512
"""Number of items whose products with all others are computed at a time."""

BYTES_PER_PRODUCT = 24
"""Peak memory, in bytes per entry of the sparse Gram matrix: a code and a number of double
precision, twice, since its blocks are joined."""


class GramMatrix:
    """G = XᵀX + FᵀF + λI, as a sparse matrix.

    FᵀF is computed where it is read and never stored, since it is dense: a value of a feature that
    a tenth of all items have fills a hundredth of the matrix, however long the histories are.
    """

    def __init__(
        self,
        matrix: csr_matrix,
        features: csr_matrix,
        regularization: float,
        on_progress: OnProgress | None,
    ) -> None:
        """Computes XᵀX.

        Args:
            matrix: X, (n_users, n_items).
            features: F, (n_values, n_items); without rows if features are not read.
            regularization: λ.
            on_progress: receives how many blocks of items are done.
        """
        self._features = features.T.tocsr()
        self._products = _products(matrix, on_progress)
        squares = self._features.power(2).sum(axis=1).A1
        self.diagonal = self._products.diagonal().astype(np.float64) + squares + regularization
        """(n_items,) float64."""

    def rows(self, items: np.ndarray) -> csr_matrix:
        """Returns the rows of (m,) items, without λ: (m, n_items)."""
        return self._products[items] + self._features[items] @ self._features.T

    def among(self, items: np.ndarray) -> np.ndarray:
        """Returns the rows and columns of (m,) different items: (m, m)."""
        features = self._features[items]
        dense = (self._products[items][:, items] + features @ features.T).toarray()
        np.fill_diagonal(dense, self.diagonal[items])
        return dense


def nearest_weights(
    gram: GramMatrix, k: int, on_progress: OnProgress | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes the weights by which the k nearest items of each item predict it.

    With N the nearest items of an item j and j itself, they are those of EASE for these items
    alone: P_ij / -P_jj, where P is the inverse of the rows and columns N of G. The nearest items
    are those with the largest |G_ij| / √G_ii, and of equals the lowest code.

    Args:
        gram: G.
        k: number of items; fewer if fewer have G_ij ≠ 0.
        on_progress: receives the number of items that are done.

    Returns:
        The codes (n_items, k) int32, nearest first, and the weights (n_items, k) float32. Where
        there are fewer than k items, an item's own code with the weight 0 fills the row.

    Raises:
        torch.linalg.LinAlgError: a system of equations is singular.
    """
    n_items = len(gram.diagonal)
    k = min(k, n_items - 1)
    own = own_part(n_items)
    step = max(1, ITEMS_AT_ONCE // (k + 1))
    # A process without items solves an empty block, whose results have the right shape and type.
    starts = range(own.start, max(own.stop, own.start + 1), step)
    blocks = [np.arange(start, min(start + step, own.stop)) for start in starts]
    meter = Meter(on_progress, "predicting items by others", own.stop - own.start)

    def weights_of(items: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        nearest = _nearest(gram, items, k)
        return torch.from_numpy(nearest).int(), _weights(gram, items, nearest)

    results = on_all_cores(
        weights_of, blocks, torch.device("cpu"), lambda result: meter.advance(len(result[0]))
    )
    neighbours, weights = zip(*results, strict=True)
    return gathered(torch.cat(neighbours)), gathered(torch.cat(weights))


def _products(matrix: csr_matrix, on_progress: OnProgress | None) -> csr_matrix:
    """Returns XᵀX; without weights, the numbers of users that two items share."""
    by_item = matrix.T.tocsr()
    starts = range(0, matrix.shape[1], ROWS_AT_ONCE)
    meter = Meter(on_progress, "counting co-occurrences of items", len(starts))
    blocks = on_all_cores(
        lambda start: by_item[start : start + ROWS_AT_ONCE] @ matrix,
        starts,
        torch.device("cpu"),
        lambda block: meter.advance(),
    )
    return vstack(blocks, format="csr")


def _nearest(gram: GramMatrix, items: np.ndarray, k: int) -> np.ndarray:
    """Returns the k nearest items of (n,) items, or their own codes: (n, k) int64."""
    rows = gram.rows(items)
    lengths = np.sqrt(gram.diagonal)
    nearest = np.repeat(items[:, None], k, axis=1)
    for row, item in enumerate(items):
        entries = slice(*rows.indptr[row : row + 2])
        codes = rows.indices[entries]
        nearness = np.abs(rows.data[entries]) / lengths[codes]
        nearness[codes == item] = 0
        best = codes[np.lexsort((codes, -nearness))[:k]]
        nearest[row, : len(best)] = best
    return nearest


def _weights(gram: GramMatrix, items: np.ndarray, nearest: np.ndarray) -> torch.Tensor:
    """Returns the weights by which the nearest items (n, k) of (n,) items predict them: (n, k)."""
    neighbourhoods = np.hstack([items[:, None], nearest])
    codes, places = np.unique(neighbourhoods, return_inverse=True)
    rows = torch.from_numpy(places.reshape(neighbourhoods.shape))
    systems = torch.from_numpy(gram.among(codes))[rows[:, :, None], rows[:, None, :]].double()
    missing = torch.from_numpy(neighbourhoods == items[:, None])
    missing[:, 0] = False
    systems.masked_fill_(missing[:, :, None] | missing[:, None, :], 0)
    systems.diagonal(dim1=1, dim2=2).masked_fill_(missing, 1)
    unit = torch.zeros(*rows.shape, 1, dtype=torch.float64)
    unit[:, 0] = 1
    inverse = torch.cholesky_solve(unit, torch.linalg.cholesky(systems))[:, :, 0]
    return (inverse[:, 1:] / -inverse[:, :1]).float()
