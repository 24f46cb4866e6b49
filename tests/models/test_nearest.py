"""Nearest items in compiled code, in the plain form, and by brute force in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from tastemaker.models.linear import nearest
from tastemaker.models.linear.nearest import nearest_items, plain_nearest
from tastemaker.native import neighbours
from tastemaker.native.library import is_compiled, why_not_compiled
from tastemaker.progress import Progress

Found = tuple[torch.Tensor, torch.Tensor]


def vectors_of(n_items: int, n_users: int, density: float, seed: int) -> csr_matrix:
    """Small whole numbers, so that inner products are exact and there are many ties."""
    random = np.random.default_rng(seed)
    dense = random.integers(-2, 4, (n_items, n_users)) * (
        random.random((n_items, n_users)) < density
    )
    return csr_matrix(dense.astype(np.float64))


def by_brute_force(vectors: csr_matrix, items: range, k: int) -> list[list[tuple[int, float]]]:
    dense = vectors.toarray()
    products = dense @ dense.T
    return [
        sorted(
            ((j, products[i, j]) for j in range(len(dense)) if j != i and products[i, j] > 0),
            key=lambda pair: (-pair[1], pair[0]),
        )[:k]
        for i in items
    ]


def pairs(found: Found) -> list[list[tuple[int, float]]]:
    rows = zip(*(tensor.tolist() for tensor in found), strict=True)
    return [[pair for pair in zip(*row, strict=True) if pair[1] > 0] for row in rows]


@pytest.fixture(params=["compiled", "plain"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr("tastemaker.models.linear.nearest.is_compiled", lambda: False)
    elif not is_compiled():
        pytest.skip(why_not_compiled() or "")
    return request.param


@pytest.mark.parametrize("density", [0.0, 0.02, 0.2, 1.0])
@pytest.mark.parametrize("k", [1, 7, 500])
def test_neighbours_are_those_with_the_largest_inner_products(
    form: str, density: float, k: int
) -> None:
    vectors = vectors_of(130, 60, density, seed=3)
    found = nearest_items(vectors, slice(20, 117), k)
    assert found[0].shape == found[1].shape == (97, min(k, 130))
    assert pairs(found) == by_brute_force(vectors, range(20, 117), k)
    assert all(len(set(codes)) == len(codes) for codes in found[0].tolist())


@pytest.mark.skipif(not is_compiled(), reason="there is no compiled code for this processor")
@given(
    st.integers(1, 40), st.integers(1, 30), st.floats(0, 1), st.integers(1, 45), st.integers(0, 9)
)
def test_both_forms_agree(n_items: int, n_users: int, density: float, k: int, seed: int) -> None:
    vectors = vectors_of(n_items, n_users, density, seed)
    arguments = vectors, vectors.T.tocsr(), range(n_items), min(k, n_items)
    plain = plain_nearest(*arguments)
    compiled = neighbours.nearest(*arguments)
    assert pairs(plain) == pairs(compiled)


def test_blocks_of_items_give_what_all_at_once_give(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = vectors_of(130, 60, 0.3, seed=2)
    found = {}
    for at_once in (130, 7):
        monkeypatch.setattr(nearest, "BLOCKS", 130 // at_once)
        monkeypatch.setattr(nearest, "SIMILARITIES_AT_ONCE", 130 * at_once)
        found[at_once] = pairs(nearest_items(vectors, slice(0, 130), 9))
    assert found[130] == found[7]


def test_no_items_have_no_neighbours(form: str) -> None:
    codes, values = nearest_items(vectors_of(5, 4, 0.5, seed=0), slice(2, 2), 3)
    assert codes.shape == values.shape == (0, 3)
    assert (codes.dtype, values.dtype) == (torch.int32, torch.float32)


def test_progress_counts_all_items(form: str) -> None:
    told: list[Progress] = []
    nearest_items(vectors_of(130, 60, 0.1, seed=1), slice(0, 130), 5, told.append)
    assert (told[-1].done, told[-1].total) == (130, 130)
