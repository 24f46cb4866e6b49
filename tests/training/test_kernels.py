"""The fused softmax is the plain one, in value and in both gradients."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from tastemaker.native import softmax as native
from tastemaker.training.kernels import softmax as kernel
from tastemaker.training.kernels.softmax import fused_softmax

ROWS = 4
"""Size of a block, where the constants of the kernel are shrunk."""


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "FEWEST_ROWS", ROWS)
    monkeypatch.setitem(kernel.SCORES_AT_ONCE, "cpu", 1)


def problem(
    m: int, n_items: int = 7, scale: float = 1.0, d: int = 3, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    """Queries, keys, targets, some of them the same, and weights."""
    random = torch.Generator().manual_seed(m)
    queries = scale * torch.randn(m, d, generator=random, dtype=dtype)
    keys = torch.randn(n_items, d, generator=random, dtype=dtype)
    targets = torch.randint(n_items, (m,), generator=random)
    weights = 3 * torch.rand(m, generator=random, dtype=dtype)
    return [queries.requires_grad_(), keys.requires_grad_(), targets, weights]


def plain_softmax(queries, keys, targets, weights=None) -> torch.Tensor:
    losses = cross_entropy(queries @ keys.T, targets, reduction="none")
    return losses.mean() if weights is None else (losses * weights).mean()


def value_and_gradients(loss, queries, keys, targets, weights) -> list[torch.Tensor]:
    # A factor behind the loss, as a sum of losses has it, must reach the gradients.
    value = 2.5 * loss(queries, keys, targets, weights)
    return [value.detach(), *torch.autograd.grad(value, [queries, keys])]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [1, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS, 5 * ROWS + 1])
def test_fused_is_plain_for_any_number_of_rows(m: int, weighted: bool) -> None:
    queries, keys, targets, weights = problem(m)
    given = (queries, keys, targets, weights if weighted else None)
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        torch.testing.assert_close(found, expected)


def test_fused_is_plain_in_blocks_of_the_usual_size() -> None:
    given = problem(100, n_items=20_000)
    assert kernel.SCORES_AT_ONCE["cpu"] // 20_000 < 100, "all rows are one block"
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("small_blocks")
def test_the_gradients_are_those_of_finite_differences() -> None:
    queries, keys, targets, weights = problem(ROWS + 2)
    assert torch.autograd.gradcheck(
        lambda q, k: fused_softmax(q, k, targets, weights), (queries, keys)
    )


@pytest.mark.usefixtures("small_blocks")
def test_scores_too_large_for_an_exponential_do_no_harm() -> None:
    given = problem(ROWS + 1, scale=1e4)
    plain, fused = (value_and_gradients(loss, *given) for loss in (plain_softmax, fused_softmax))
    for expected, found in zip(plain, fused, strict=True):
        assert found.isfinite().all()
        torch.testing.assert_close(found, expected)


def test_inputs_are_not_modified() -> None:
    given = problem(5)
    before = [tensor.detach().clone() for tensor in given]
    value_and_gradients(fused_softmax, *given)
    assert all(torch.equal(old, new) for old, new in zip(before, given, strict=True))


bfloat16_softmax = partial(fused_softmax, precision="bfloat16")


@pytest.fixture(params=["matrix", "vector", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each form of the softmax in bfloat16 that this machine has."""
    if request.param == "plain":
        monkeypatch.setattr(native, "units", tuple)
    elif request.param in native.units():
        monkeypatch.setattr(native, "units", lambda: (request.param,))
    else:
        pytest.skip(f"here is no compiled code for a {request.param} unit of bfloat16")


def relative_errors(found: list[torch.Tensor], expected: list[torch.Tensor]) -> list[float]:
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("m", "n_items", "d"), [
    (1, 7, 3), (128, 128, 32), (129, 257, 33), (300, 127, 100), (2100, 40, 64),
])  # fmt: skip
def test_bfloat16_is_plain_up_to_its_rounding(m: int, n_items: int, d: int, weighted: bool) -> None:
    queries, keys, targets, weights = problem(m, n_items, d**-0.25, d, torch.float32)
    given = queries, keys, targets, weights if weighted else None
    plain = value_and_gradients(plain_softmax, *given)
    found = value_and_gradients(bfloat16_softmax, *given)
    assert max(relative_errors(found, plain)) < 0.01
    # The exponentials alone are not rounded in the plain form.
    rounded = [x.detach().bfloat16().float().requires_grad_() for x in (queries, keys)]
    plain_of_rounded = value_and_gradients(plain_softmax, *rounded, *given[2:])
    assert max(relative_errors(found, plain_of_rounded)) < 0.005
    assert max(relative_errors(plain_of_rounded, plain)) > 1e-5, "nothing was rounded"


@pytest.mark.usefixtures("way")
def test_scores_too_large_for_an_exponential_do_no_harm_in_bfloat16() -> None:
    given = problem(5, scale=1e4, dtype=torch.float32)
    plain = value_and_gradients(plain_softmax, *given)
    assert max(relative_errors(value_and_gradients(bfloat16_softmax, *given), plain)) < 0.02


@pytest.mark.usefixtures("way")
def test_bfloat16_repeats_itself_and_differs_by_rounding_with_the_number_of_threads() -> None:
    given, n_threads = problem(200, 500, d=16, dtype=torch.float32), torch.get_num_threads()
    once, again = (value_and_gradients(bfloat16_softmax, *given) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    try:
        torch.set_num_threads(7)  # more than there are chunks of keys
        divided = value_and_gradients(bfloat16_softmax, *given)
    finally:
        torch.set_num_threads(n_threads)
    assert max(relative_errors(divided, once)) < 0.001


@pytest.mark.usefixtures("way")
def test_a_query_that_is_not_a_number_makes_the_loss_not_a_number() -> None:
    queries, keys, targets, weights = problem(40, 300, dtype=torch.float32)
    with torch.no_grad():
        queries[3, 1] = torch.nan
    assert bfloat16_softmax(queries, keys, targets, weights).isnan()
