"""What a thread computes with is not changed by what another one does at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.ranking.parallel import even_step, on_all_cores
from tastemaker.sampling import UnseenItems
from tastemaker.testing.worlds import two_tastes


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def of_a_new_thread() -> int:
    """PyTorch's number of threads there."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_a_thread_that_is_new_during_a_training_has_as_many_threads_as_any(monkeypatch) -> None:
    draw, seen = UnseenItems.sample, set()

    def sample(*arguments: object) -> torch.Tensor:
        seen.add(of_a_new_thread())
        return draw(*arguments)

    monkeypatch.setattr(UnseenItems, "sample", sample)
    tm.NCF(epochs=2).fit(tm.no_holdout(two_tastes()), tm.TrainingRun("cpu"))
    assert seen == {3}


def test_a_thread_that_is_new_during_an_evaluation_has_as_many_threads_as_any() -> None:
    def look(_: int) -> tuple[int, int]:
        return torch.get_num_threads(), of_a_new_thread()

    assert set(on_all_cores(look, range(20), torch.device("cpu"))) == {(1, 3)}
    assert torch.get_num_threads() == 3


@given(st.integers(1, 50_000), st.integers(1, 5_000))
def test_blocks_are_small_and_every_core_has_nearly_as_many_rows(n: int, most: int) -> None:
    step = even_step(n, most)
    assert 1 <= step <= most
    n_blocks = -(-n // step)
    busiest = -(-n_blocks // torch.get_num_threads()) * step
    n_rounds = -(-n // (most * torch.get_num_threads()))
    assert busiest <= n / torch.get_num_threads() + n_rounds
