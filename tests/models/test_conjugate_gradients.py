"""Steps of conjugate gradients, compiled and plain, against exact solutions of the systems."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array

from tastemaker.models.factorization import conjugate_gradients
from tastemaker.models.factorization.conjugate_gradients import gram_matrix, improve
from tastemaker.native import als
from tastemaker.native.library import is_compiled

WAYS = pytest.mark.parametrize("way", ["compiled", "plain"])
LONG = 1500
"""Entries of the longest row: more than compiled code adds up in one sum."""


@contextmanager
def solving(way: str) -> Iterator[None]:
    """Solves by compiled code, or without it."""
    if way == "compiled" and not is_compiled():
        pytest.skip("compiled on installing, where there is a compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conjugate_gradients, "is_compiled", lambda: way == "compiled")
        yield


def drawn(d: int, n: int = 21) -> tuple[csr_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """Confidences above 1, penalties, fixed vectors and vectors, with an empty and a long row."""
    generator = np.random.default_rng(0)
    extra = random_array((n, LONG), density=0.02, rng=generator, dtype=np.float32).tolil()
    extra[3, :] = 0
    extra[n - 1, :] = generator.uniform(1, 5, LONG)
    penalties = generator.uniform(1, 4, n).astype(np.float32)
    fixed, vectors = (generator.standard_normal((m, d), dtype=np.float32) / 4 for m in (LONG, n))
    return csr_matrix(extra), penalties, fixed, vectors


def objective(
    extra: csr_matrix, penalties: np.ndarray, fixed: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    touched, confidences = extra.toarray() > 0, 1 + extra.toarray().astype(np.float64)
    errors = confidences * (touched - vectors.astype(np.float64) @ fixed.T) ** 2
    return errors.sum(1) + penalties * (vectors.astype(np.float64) ** 2).sum(1)


def solution(extra: csr_matrix, penalties: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    touched, confidences = extra.toarray() > 0, 1 + extra.toarray().astype(np.float64)
    wide = fixed.astype(np.float64)
    return np.stack(
        [
            np.linalg.solve(
                wide.T @ (c[:, None] * wide) + p * np.eye(wide.shape[1]), wide.T @ (c * t)
            )
            for c, p, t in zip(confidences, penalties, touched, strict=True)
        ]
    )


@WAYS
@pytest.mark.parametrize("d", [16, 48])
def test_many_steps_reach_the_exact_solution(way: str, d: int) -> None:
    extra, penalties, fixed, vectors = drawn(d)
    with solving(way):
        improve(extra, penalties, fixed, gram_matrix(fixed), vectors, 3 * d)
    np.testing.assert_allclose(vectors, solution(extra, penalties, fixed), atol=1e-4)


@WAYS
@pytest.mark.parametrize("n_steps", [0, 1, 3])
def test_the_parts_of_the_objective_are_those_of_the_improved_vectors(
    way: str, n_steps: int
) -> None:
    extra, penalties, fixed, vectors = drawn(16)
    before = objective(extra, penalties, fixed, vectors)
    with solving(way):
        losses = improve(extra, penalties, fixed, gram_matrix(fixed), vectors, n_steps)
    after = objective(extra, penalties, fixed, vectors)
    np.testing.assert_allclose(losses, after, rtol=1e-4, atol=1e-4)
    assert (losses < before).all() == (n_steps > 0)


@pytest.mark.parametrize("d", [16, 112])
def test_compiled_steps_are_plain_steps(d: int, monkeypatch) -> None:
    monkeypatch.setattr(conjugate_gradients, "NUMBERS_AT_ONCE", 100 * d)  # several blocks of rows
    results = {}
    for way in ("compiled", "plain"):
        extra, penalties, fixed, vectors = drawn(d)
        with solving(way):
            gram = gram_matrix(fixed)
            results[way] = (gram, improve(extra, penalties, fixed, gram, vectors, 3), vectors)
    for compiled, plain in zip(results["compiled"], results["plain"], strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-4)


@WAYS
def test_a_vector_that_is_solved_stays(way: str) -> None:
    extra, penalties, fixed, vectors = drawn(16)
    vectors[3] = 0  # of the row without entries
    with solving(way):
        improve(extra, penalties, fixed, gram_matrix(fixed), vectors, 3)
    assert not vectors[3].any()


@WAYS
def test_the_number_of_threads_changes_nothing(way: str) -> None:
    results, before = [], torch.get_num_threads()
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            extra, penalties, fixed, vectors = drawn(48, n=200)
            with solving(way):
                gram = gram_matrix(fixed)
                losses = improve(extra, penalties, fixed, gram, vectors, 3)
            results.append(np.concatenate([gram.ravel(), vectors.ravel(), losses]))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@WAYS
def test_the_gram_matrix_of_very_many_vectors_is_exact(way: str) -> None:
    # A sum in single precision would lose the quarters of 30.25 above 2^23.
    vectors = np.full((1 << 19, 16), 5.5, dtype=np.float32)
    with solving(way):
        gram = gram_matrix(vectors)
    np.testing.assert_array_equal(gram, np.float32(30.25 * len(vectors)))


def test_compiled_code_refuses_a_width_that_it_would_read_beyond() -> None:
    extra, penalties, fixed, vectors = drawn(16)
    with pytest.raises(ValueError, match="not a multiple of 16"):
        als.improve(extra, penalties, fixed[:, :9], np.eye(9), vectors[:, :9].copy(), 3)
