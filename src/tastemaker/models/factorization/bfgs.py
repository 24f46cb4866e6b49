"""BFGS for many small problems side by side, which PyTorch's and SciPy's optimisers do not offer.

Jorge Nocedal and Stephen Wright, 2006: Numerical Optimization, second edition (Springer), algorithm
6.1, with the first curvature of equation 6.20. Only gradients are asked for: a step is taken unless
the slope behind it rises nearly as steeply as the slope before it fell. What was learned about the
curvature shortens the next attempt, which takes the place of a line search.
"""

from collections.abc import Callable

import torch

MOST_EVALUATIONS = 16
"""Largest number of evaluations of the gradient."""

TOLERANCE = 0.1
"""A problem is solved when the next step promises to lower its objective by no more than half of
this, and by no more than this fraction of what the first step promised."""

FIRST_STEP, LONGEST_STEP = 1.0, 4.0
"""Largest Euclidean lengths of the first step, when no curvature is known yet, and of others."""

OVERSHOOT = 0.5
"""A step is refused if the slope at its end exceeds this fraction of the fall at its start."""

SMALLEST_CURVATURE = 1e-8
"""A change of the gradient that shows less curvature than this, along the step, teaches nothing."""


def minimise(gradient: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Minimises n objectives of d numbers each, none of which depends on the others' numbers.

    Args:
        gradient: (n, d) points to the (n, d) gradients of their objectives.
        start: (n, d) points; an objective should have curvatures of about 1 and above here.

    Returns:
        (n, d) points, each near the least of its objective.
    """
    at, slope = start, gradient(start)
    inverse = torch.eye(start.shape[1], device=start.device).expand(len(start), -1, -1)
    for evaluation in range(1, MOST_EVALUATIONS):
        step = -_times(inverse, slope)
        promised = -_dot(slope, step)
        if evaluation == 1:
            least = TOLERANCE * promised.clamp(max=1)
        unsolved = promised > least
        if not unsolved.any():
            break
        longest = FIRST_STEP if evaluation == 1 else LONGEST_STEP
        step = step * (longest / step.norm(dim=1, keepdim=True).clamp(min=longest))
        there = gradient(at + step)
        change, falling = there - slope, _dot(slope, step)
        curvature = _dot(step, change)
        teaches = unsolved & (curvature > SMALLEST_CURVATURE * _dot(step, step))
        if evaluation == 1:
            scale = torch.where(teaches, curvature / _dot(change, change), 1.0)
            inverse = inverse * scale[:, None, None]
        inverse = _updated(inverse, step, change, torch.where(teaches, 1 / curvature, 0.0))
        taken = (unsolved & (_dot(there, step) <= -OVERSHOOT * falling))[:, None]
        at = torch.where(taken, at + step, at)
        slope = torch.where(taken, there, slope)
    return at


def _updated(
    inverse: torch.Tensor, step: torch.Tensor, change: torch.Tensor, rho: torch.Tensor
) -> torch.Tensor:
    """Inverse Hessians (n, d, d) that map a change of the gradient to its step.

    (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ, multiplied out; ρ (n,) is 1 / sᵀy, or 0 to change nothing.
    """
    mapped = _times(inverse, change)
    half = 0.5 * (1 + rho * _dot(change, mapped))[:, None] * step - mapped
    outer = rho[:, None, None] * step[:, :, None] * half[:, None]
    return inverse + outer + outer.transpose(1, 2)


def _times(matrices: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """(n, d, d) times (n, d): (n, d)."""
    return (matrices @ vectors[:, :, None]).squeeze(2)


def _dot(some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(n,) inner products of the rows."""
    return (some * others).sum(dim=1)
