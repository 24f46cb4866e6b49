"""Processes that exchange rows and sums: every process ends with the same result."""

from pathlib import Path

import pytest
import torch

import tastemaker as tm
from tastemaker.errors import UnsupportedError
from tastemaker.process_group import gathered, n_processes, own_part, process_rank, summed
from tastemaker.testing.worlds import two_tastes
from tests.processes import in_group

LENGTHS = (0, 1, 2, 7)


def rows_of(n: int) -> torch.Tensor:
    return torch.arange(n * 2, dtype=torch.float64).reshape(n, 2)


def exchange() -> list[dict[str, torch.Tensor | int]]:
    """Sums and gathers the own rows."""
    own = [rows_of(n)[own_part(n)] for n in LENGTHS]
    return [{"rows": gathered(part), "sum": summed(part.sum(0)), "n": len(part)} for part in own]


@pytest.mark.parametrize("n", [2, 3])
def test_all_processes_get_the_rows_and_sums_of_all(tmp_path: Path, n: int) -> None:
    """Includes parts of different lengths, and empty parts."""
    results = in_group(n, tmp_path, exchange)
    for n_rows, *of_processes in zip(LENGTHS, *results, strict=True):
        assert sum(result["n"] for result in of_processes) == n_rows
        for result in of_processes:
            assert torch.equal(result["rows"], rows_of(n_rows))
            assert torch.equal(result["sum"], rows_of(n_rows).sum(0))


def fit_bpr() -> str:
    with pytest.raises(UnsupportedError) as caught:
        tm.BPR().fit(tm.no_holdout(two_tastes()))
    return str(caught.value)


def test_a_model_that_several_processes_cannot_train_names_those_that_they_can(
    tmp_path: Path,
) -> None:
    for message in in_group(2, tmp_path, fit_bpr):
        assert message.startswith(
            "bpr cannot be trained by several processes; train it with one process, or choose one "
            "of popularity, random, repeat"
        )


def test_a_process_alone_has_all_rows() -> None:
    rows = torch.arange(6).reshape(3, 2)
    assert (process_rank(), n_processes()) == (0, 1)
    assert own_part(3) == slice(0, 3)
    assert gathered(rows) is rows
    assert summed(rows) is rows
