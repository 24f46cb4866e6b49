"""Inverts a large symmetric matrix in place, block by block.

One call of LAPACK would do the same, but it needs the whole square in memory, reports no progress,
and delays Ctrl-C until it ends. Here each block takes a fraction of a second.
"""

from itertools import pairwise

import torch

from tastemaker.progress import Meter, OnProgress

WIDTH = 512
"""Columns of a panel: enough for the matrix products to run at the full speed of the cores."""


def panel_edges(n: int) -> list[tuple[int, int]]:
    """Returns the first column of each panel of an (n, n) matrix, and the one after its last."""
    return list(pairwise([*range(0, n, WIDTH), n]))


def invert(panels: list[torch.Tensor], on_progress: OnProgress | None = None) -> None:
    """Inverts a symmetric, positive definite matrix in place.

    Each block of the diagonal is swept in turn: with D the block, C the columns of the matrix
    through it and A the rest, A becomes A - C D⁻¹ Cᵀ, C becomes C D⁻¹ and D becomes -D⁻¹. After all
    sweeps, the memory holds the negative of the inverse. That takes n³ floating-point operations,
    as many as the Cholesky factorization and the inversion of its factor together.

    Args:
        panels: the lower triangle as float64 tensors. The panel from column s to column e, as
            returned by `panel_edges`, has the shape (n - s, e - s). Afterwards the panels hold the
            inverse.
        on_progress: receives how many blocks are done.

    Raises:
        FloatingPointError: the matrix is not positive definite to the precision of float64.
    """
    edges = panel_edges(len(panels[0]))
    meter = Meter(on_progress, "inverting the matrix", len(edges) ** 2)
    for start, end in edges:
        columns = _columns(panels, edges, start, end)
        inverse = _inverse_of_block(columns[start:end])
        swept = columns @ inverse
        for panel, (first, last) in zip(panels, edges, strict=True):
            if first == start:
                panel.copy_(swept[start:])
                panel[: end - start] = -inverse
            else:
                panel.addmm_(swept[first:], columns[first:last].T, alpha=-1)
                if first < start:
                    panel[start - first : end - first] = swept[first:last].T
            meter.advance()
    for panel in panels:
        panel.neg_()


def _columns(
    panels: list[torch.Tensor], edges: list[tuple[int, int]], start: int, end: int
) -> torch.Tensor:
    """Returns the columns from start to end of the whole matrix: (n, end - start)."""
    parts = [
        panel if first == start else panel[start - first : end - first].T
        for panel, (first, _) in zip(panels, edges, strict=True)
        if first <= start
    ]
    return torch.cat(parts)


def _inverse_of_block(block: torch.Tensor) -> torch.Tensor:
    factor, failed = torch.linalg.cholesky_ex(block)
    if failed:
        raise FloatingPointError("the matrix to invert is singular to the precision of float64")
    return torch.cholesky_inverse(factor)
