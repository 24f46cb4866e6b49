"""The largest singular values and vectors of a sparse matrix, by randomised subspace iteration.

Nathan Halko, Per-Gunnar Martinsson and Joel A. Tropp, 2011: Finding Structure with Randomness:
Probabilistic Algorithms for Constructing Approximate Matrix Decompositions (SIAM Review),
algorithms 4.4 and 5.1.
"""

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tastemaker.progress import Meter, OnProgress

ROUNDS = 5
"""Number of products with the matrix and its transpose; each reduces the error of a vector by the
squared ratio of the first singular value that is left out to the vector's own."""

EXTRA_VECTORS = 64
"""Number of vectors beyond those asked for, which make the last of these more accurate."""


def largest_singular(
    matrix: csr_matrix, n: int, on_progress: OnProgress | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the n largest singular values of a matrix and their right singular vectors.

    The random start is always the same, so that one matrix has one result.

    Args:
        matrix: (n_rows, n_columns) float32.
        n: number of values, at least 1; if the rank of the matrix is lower, there are fewer.
        on_progress: receives the number of rounds done.

    Returns:
        (n,) float32, largest first, and (n_columns, n) float32, orthonormal columns.
    """
    transpose = matrix.T.tocsr()
    width = min(n + EXTRA_VECTORS, *matrix.shape)
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], width), dtype=np.float32)
    basis = torch.from_numpy(start)
    meter = Meter(on_progress, "finding the lowest frequencies", ROUNDS)
    for _ in range(ROUNDS):
        product = torch.from_numpy(transpose @ (matrix @ basis.numpy()))
        basis = torch.linalg.qr(product).Q
        meter.advance()
    product = torch.from_numpy(matrix @ basis.numpy())
    squares, rotation = torch.linalg.eigh((product.T @ product).double())
    # Below this, a value is 0 but for rounding, and its vector is arbitrary.
    is_zero = squares <= squares[-1] * width * torch.finfo(torch.float32).eps
    n = min(n, len(squares) - int(is_zero.sum()))
    return squares.flip(0)[:n].sqrt().float(), basis @ rotation.flip(1)[:, :n].float()
