"""BFGS for many small problems in parallel, which PyTorch's and SciPy's optimisers do not offer.

Jorge Nocedal and Stephen Wright, 2006: Numerical Optimization, second edition (Springer), algorithm
6.1, with the first curvature of equation 6.20. Only gradients are evaluated: a step is accepted
unless the slope at its end exceeds a fraction of the descent at its start. The curvature measured
along a rejected step shortens the next one, which replaces a line search.
"""

from collections.abc import Callable

import torch

MOST_EVALUATIONS = 16
"""Largest number of evaluations of the gradient."""

TOLERANCE = 0.1
"""A problem is solved when the next step is predicted to lower its objective by at most half of
this, and by at most this fraction of what was predicted for the first step."""

FIRST_STEP, LONGEST_STEP = 1.0, 4.0
"""Largest Euclidean lengths of the first step, before any curvature is known, and of later ones."""

OVERSHOOT = 0.5
"""A step is rejected if the slope at its end exceeds this fraction of the descent at its start."""

SMALLEST_CURVATURE = 1e-8
"""A step along which the curvature is at most this does not update the inverse Hessian."""


def minimise(gradient: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> torch.Tensor:
    """Minimises n independent objectives of d variables each.

    Args:
        gradient: maps (n, d) points to the (n, d) gradients of the objectives.
        start: (n, d) points, at which the curvatures of an objective should be about 1 or more.

    Returns:
        (n, d) points, each near the minimum of its objective.
    """
    points, gradients = start, gradient(start)
    inverse = torch.eye(start.shape[1], device=start.device).expand(len(start), -1, -1)
    for evaluation in range(1, MOST_EVALUATIONS):
        step = -_times(inverse, gradients)
        predicted_decrease = -_dot(gradients, step)
        if evaluation == 1:
            threshold = TOLERANCE * predicted_decrease.clamp(max=1)
        unsolved = predicted_decrease > threshold
        if not unsolved.any():
            break
        longest = FIRST_STEP if evaluation == 1 else LONGEST_STEP
        step = step * (longest / step.norm(dim=1, keepdim=True).clamp(min=longest))
        new_gradients = gradient(points + step)
        gradient_change, initial_slope = new_gradients - gradients, _dot(gradients, step)
        curvature = _dot(step, gradient_change)
        is_curved = unsolved & (curvature > SMALLEST_CURVATURE * _dot(step, step))
        if evaluation == 1:
            scale = torch.where(is_curved, curvature / _dot(gradient_change, gradient_change), 1.0)
            inverse = inverse * scale[:, None, None]
        inverse = _updated(
            inverse, step, gradient_change, torch.where(is_curved, 1 / curvature, 0.0)
        )
        is_accepted = (unsolved & (_dot(new_gradients, step) <= -OVERSHOOT * initial_slope))[
            :, None
        ]
        points = torch.where(is_accepted, points + step, points)
        gradients = torch.where(is_accepted, new_gradients, gradients)
    return points


def _updated(
    inverse: torch.Tensor, step: torch.Tensor, gradient_change: torch.Tensor, rho: torch.Tensor
) -> torch.Tensor:
    """Returns inverse Hessians (n, d, d) that map the change of the gradient to the step.

    This is (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ, multiplied out; ρ (n,) is 1 / sᵀy, or 0 to leave
    H unchanged.
    """
    mapped = _times(inverse, gradient_change)
    half = 0.5 * (1 + rho * _dot(gradient_change, mapped))[:, None] * step - mapped
    outer = rho[:, None, None] * step[:, :, None] * half[:, None]
    return inverse + outer + outer.transpose(1, 2)


def _times(matrices: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Multiplies matrices (n, d, d) by vectors (n, d): (n, d)."""
    return (matrices @ vectors[:, :, None]).squeeze(2)


def _dot(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Returns the (n,) inner products of the rows."""
    return (left * right).sum(dim=1)
