"""Many small problems minimised side by side, held against SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from tastemaker.models.factorization.bfgs import MOST_EVALUATIONS, TOLERANCE, minimise


class Logistic:
    """n logistic regressions of m rows and d numbers, each with a penalty of half the square."""

    def __init__(self, seed: int, n: int = 5, m: int = 30, d: int = 4, scale: float = 1.0) -> None:
        random = torch.Generator().manual_seed(seed)
        self.rows = scale * torch.randn(n, m, d, generator=random)
        self.labels = (torch.rand(n, m, generator=random) < 0.5).float()
        self.n_calls = 0

    def gradient(self, at: torch.Tensor) -> torch.Tensor:
        self.n_calls += 1
        errors = torch.einsum("nmd,nd->nm", self.rows, at).sigmoid() - self.labels
        return torch.einsum("nmd,nm->nd", self.rows, errors) + at

    def objective(self, problem: int, at: np.ndarray) -> float:
        rows, labels = self.rows[problem].double().numpy(), self.labels[problem].numpy()
        scores = rows @ at
        return np.logaddexp(0, scores).sum() - labels @ scores + 0.5 * at @ at


@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 3.0]))
def test_each_problem_ends_near_the_minimum_that_scipy_finds(seed: int, scale: float) -> None:
    problems = Logistic(seed, scale=scale)
    found = minimise(problems.gradient, torch.zeros(5, 4)).double().numpy()
    assert problems.n_calls <= MOST_EVALUATIONS
    for problem, at in enumerate(found):
        least = minimize(lambda x, problem=problem: problems.objective(problem, x), np.zeros(4)).fun
        assert problems.objective(problem, at) < least + TOLERANCE


def test_a_problem_is_solved_as_it_is_alone() -> None:
    problems, alone = Logistic(0), Logistic(0)
    alone.rows, alone.labels = alone.rows[2:3], alone.labels[2:3]
    together = minimise(problems.gradient, torch.zeros(5, 4))
    torch.testing.assert_close(minimise(alone.gradient, torch.zeros(1, 4))[0], together[2])


def test_a_zero_gradient_leaves_the_start_unchanged() -> None:
    start = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(minimise(torch.zeros_like, start), start)


@pytest.mark.parametrize("steepness", [1e-3, 1.0, 1e4])
def test_a_steep_problem_is_not_overshot(steepness: float) -> None:
    found = minimise(lambda at: steepness * (at - 1) + at, torch.zeros(1, 3))
    away = found - steepness / (1 + steepness)
    assert 0.5 * (1 + steepness) * float(away.square().sum()) < TOLERANCE
