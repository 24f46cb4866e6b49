"""Steps of conjugate gradients for the vectors of alternating least squares.

The users' vectors are improved with those of the items fixed, or the other way round. Each vector x
solves the system A x = b, where A is the Gram matrix of the fixed vectors v, the penalty on the
diagonal, and the sum of (c - 1) v vᵀ over the row's entries with their confidences c; and b is the
sum of c v. These steps cost far less than an exact solution. From the last value of the vector, a
few of them are enough, since the fixed vectors change in the next epoch.
"""

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from tastemaker.native import als
from tastemaker.native.library import is_compiled

NUMBERS_AT_ONCE = 1 << 22
"""Largest number of numbers in gathered vectors at a time (32 MiB)."""


def gram_matrix(vectors: np.ndarray) -> np.ndarray:
    """Returns the Gram matrix, (d, d) float32, of vectors (n, d) float32, summed in float64."""
    return als.gram(vectors) if is_compiled() else _gram_matrix(vectors)


def improve(
    extra: csr_matrix,
    penalties: np.ndarray,
    fixed: np.ndarray,
    gram: np.ndarray,
    vectors: np.ndarray,
    n_steps: int,
) -> np.ndarray:
    """Takes some steps of conjugate gradients for each of n vectors.

    Args:
        extra: (n, m) float32 confidences of the entries above 1; that of every other pair is 1.
        penalties: (n,) float32 penalties on the squared lengths of the vectors.
        fixed: (m, d) float32 vectors of the columns; d is a multiple of `native.als.WIDTH`.
        gram: (d, d) float32 Gram matrix of `fixed`.
        vectors: (n, d) float32, changed in place.
        n_steps: number of steps.

    Returns:
        (n,) float64 parts of the rows in the objective: the squared errors of the row's pairs, each
        times its confidence, and the penalty.
    """
    solve = als.improve if is_compiled() else _improve
    return solve(extra, penalties, fixed, gram, vectors, n_steps)


def _gram_matrix(vectors: np.ndarray) -> np.ndarray:
    d = vectors.shape[1]
    total, rows_at_once = np.zeros((d, d)), max(1, NUMBERS_AT_ONCE // d)
    for start in range(0, len(vectors), rows_at_once):
        part = vectors[start : start + rows_at_once].astype(np.float64)
        total += part.T @ part
    return total.astype(np.float32)


@np.errstate(over="ignore", invalid="ignore")  # the vectors are NaN then, which `fit` reports
def _improve(
    extra: csr_matrix,
    penalties: np.ndarray,
    fixed: np.ndarray,
    gram: np.ndarray,
    vectors: np.ndarray,
    n_steps: int,
) -> np.ndarray:
    """The plain form of `tastemaker.native.als.improve`, in float64."""
    losses = np.empty(len(vectors))
    entries_at_once = max(1, NUMBERS_AT_ONCE // fixed.shape[1])
    limits = np.arange(entries_at_once, extra.nnz, entries_at_once)
    ends = np.unique([0, *np.searchsorted(extra.indptr, limits), len(vectors)])
    for start, end in pairwise(ends):
        part = slice(start, end)
        vectors[part], losses[part] = _improved(
            extra[part], penalties[part], fixed, gram, vectors[part].astype(np.float64), n_steps
        )
    return losses


def _improved(
    extra: csr_matrix,
    penalties: np.ndarray,
    fixed: np.ndarray,
    gram: np.ndarray,
    vectors: np.ndarray,
    n_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the improved vectors, (n, d), and the rows' parts in the objective, (n,)."""
    owners = np.repeat(np.arange(len(vectors)), np.diff(extra.indptr))

    def sums_of_fixed(weights: np.ndarray) -> np.ndarray:
        """Returns the sums of each row's fixed vectors, (n, d), by the entries' weights (e,)."""
        return csr_matrix((weights, extra.indices, extra.indptr), extra.shape) @ fixed

    def images(x: np.ndarray) -> np.ndarray:
        """Returns the products of the systems' matrices with x, (n, d)."""
        products = np.einsum("ed,ed->e", x[owners], fixed[extra.indices])
        return x @ gram + penalties[:, None] * x + sums_of_fixed(extra.data * products)

    confidences = 1.0 + extra.data
    targets = sums_of_fixed(confidences)
    residuals = targets - images(vectors)
    directions, lengths = residuals, _dots(residuals, residuals)
    for _ in range(n_steps):
        of_directions = images(directions)
        sizes = _ratios(lengths, _dots(directions, of_directions))
        vectors = vectors + sizes * directions
        residuals = residuals - sizes * of_directions
        new_lengths = _dots(residuals, residuals)
        directions = residuals + _ratios(new_lengths, lengths) * directions
        lengths = new_lengths
    touched = np.bincount(owners, confidences, minlength=len(vectors))
    return vectors, touched - _dots(vectors, targets + residuals)[:, 0]


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the inner products of the rows, (n, 1)."""
    return np.einsum("nd,nd->n", a, b)[:, None]


def _ratios(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Returns the quotients, (n, 1); 0 where the denominator is 0, of a system that is solved."""
    zeros = np.zeros_like(numerators)
    return np.divide(numerators, denominators, out=zeros, where=denominators != 0)
