"""Standardises the scores of the parts of a blend, and finds the weights of their sum."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations
from math import comb

import numpy as np
import torch

from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.metrics.accuracy import ndcg
from tastemaker.models.validation import SCORES_AT_ONCE, HeldOut
from tastemaker.process_group import summed
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.ranks import rank_in_catalog

K = 10
"""Length of the lists by whose NDCG the weights are chosen."""

MOST_STEPS = 20
"""Largest number of equal steps between the weights 0 and 1."""

MOST_WEIGHTINGS = 100
"""Largest number of weightings that are compared, which limits the steps if there are more than
two parts."""


PartScores = Callable[[UserBatch], torch.Tensor]
"""Maps n users to the standardised scores of each part: (n_parts, n, n_items) float32."""


def standardised(scores: torch.Tensor) -> torch.Tensor:
    """Returns the z-scores of each user's scores: their mean becomes 0, their deviation 1.

    The scores of a user for whom all items have the same score become 0.

    Args:
        scores: (n, n_items) float32; not modified.
    """
    return (scores - scores.mean(dim=1, keepdim=True)).div_(deviations(scores))


def deviations(scores: torch.Tensor) -> torch.Tensor:
    """Returns the standard deviation of each user's scores, infinite if all are the same.

    Args:
        scores: (n, n_items) float32.

    Returns:
        (n, 1) float32.
    """
    deviation, mean = torch.std_mean(scores, dim=1, correction=0, keepdim=True)
    # The deviation of equal scores may be a rounding error of their mean instead of 0.
    is_constant = deviation <= mean.abs() * torch.finfo(scores.dtype).eps
    return deviation.masked_fill(is_constant, torch.inf)


def best_weights(
    score: PartScores,
    n_parts: int,
    split: Split,
    held_out: HeldOut,
    on_progress: OnProgress | None = None,
) -> tuple[torch.Tensor, float]:
    """Finds the weights of the parts with the highest NDCG@10 on held-out interactions.

    Each interaction is ranked on its own, among the items that may be recommended to its user. All
    weightings of `weightings` are compared, and then, if their steps are large, those of `moves`
    with half the step, until it is small. The first of several that are equally good is returned.

    Args:
        score: computes the standardised scores of the fitted parts.
        n_parts: number of parts.
        split: what they were fitted on.
        held_out: the interactions of this process.
        on_progress: receives the number of interactions that are ranked.

    Returns:
        (n_parts,) float32 weights with the sum 1, and their NDCG@10.
    """
    best_of = partial(_best_of, score, split, held_out, on_progress)
    weights, value = best_of(weightings(n_parts))
    step = 1 / _n_steps(n_parts)
    while step > 1 / MOST_STEPS:
        step /= 2
        weights, value = best_of(moves(weights, step))
    return weights, value


def _best_of(
    score: PartScores,
    split: Split,
    held_out: HeldOut,
    on_progress: OnProgress | None,
    candidates: torch.Tensor,
) -> tuple[torch.Tensor, float]:
    """Returns the best of (n, n_parts) weightings and its NDCG@10; see `best_weights`."""
    gains = torch.zeros(len(candidates) + 1, dtype=torch.float64)
    gains[-1] = len(held_out.items)
    step = max(1, SCORES_AT_ONCE // (candidates.shape[1] * split.train.n_items))
    meter = Meter(on_progress, "weighing the parts", len(held_out.items))
    for start in range(0, len(held_out.items), step):
        users = held_out.users.part(start, start + step)
        targets = held_out.items[start : start + step]
        scores = score(users)
        excluded = users.excluded(seen=not split.train.rules.repeat_targets)
        for row, candidate in enumerate(candidates):
            blended = torch.tensordot(candidate.to(scores.device), scores, dims=1)
            ranks = rank_in_catalog(blended, excluded, np.arange(len(targets)), targets)
            gains[row] += ndcg(ranks.cpu().numpy(), np.arange(len(ranks) + 1), K).sum()
        meter.advance(len(targets))
    *sums, n = summed(gains).tolist()
    best = int(np.argmax(sums))
    return candidates[best], sums[best] / max(n, 1)


def weightings(n_parts: int) -> torch.Tensor:
    """Returns equal weights, and all weights from 0 to 1 in equal steps with the sum 1.

    There are MOST_STEPS steps for two parts, and for more parts so few that at most MOST_WEIGHTINGS
    weightings result, but at least one step.

    Returns:
        (n, n_parts) float32; the more equal the weights, the earlier.
    """
    steps = _n_steps(n_parts)
    grid = torch.tensor(list(_counts(steps, n_parts)), dtype=torch.float32) / steps
    if steps % n_parts:
        grid = torch.cat([torch.full((1, n_parts), 1 / n_parts), grid])
    return grid[grid.square().sum(dim=1).argsort(stable=True)]


def moves(weights: torch.Tensor, step: float) -> torch.Tensor:
    """Returns weights, and all that result when a step of one part is given to another part.

    Args:
        weights: (n_parts,) float32 with the sum 1.
        step: what is moved; of a part with less, all it has.

    Returns:
        (n, n_parts) float32; `weights` first, then n_parts - 1 for each part with a weight.
    """
    found = [weights]
    for giver, taker in permutations(range(len(weights)), 2):
        if weights[giver] == 0:
            continue
        moved = weights.clone()
        moved[giver] -= weights[giver].clamp(max=step)
        moved[taker] += weights[giver].clamp(max=step)
        found.append(moved)
    return torch.stack(found)


def _n_steps(n_parts: int) -> int:
    """Returns the number of steps of `weightings` between the weights 0 and 1."""
    steps = MOST_STEPS
    while steps > 1 and comb(steps + n_parts - 1, steps) > MOST_WEIGHTINGS:
        steps -= 1
    return steps


def _counts(total: int, n_parts: int) -> Iterator[list[int]]:
    """Yields all lists of n_parts whole numbers from 0 with the given sum."""
    if n_parts == 1:
        yield [total]
        return
    for first in range(total + 1):
        for others in _counts(total - first, n_parts - 1):
            yield [first, *others]
