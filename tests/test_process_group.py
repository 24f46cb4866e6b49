"""Processes that exchange rows and sums: every process ends with the same result."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tastemaker.process_group import gathered, n_processes, own_part, process_rank, summed


def exchange(rank: int, n: int, folder: Path) -> None:
    """Takes part in a group, sums and gathers the own rows, and stores the results."""
    store = dist.FileStore(str(folder / "store"), n)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=n)
    for n_rows in (0, 1, 2, 7):
        rows = torch.arange(n_rows * 2, dtype=torch.float64).reshape(n_rows, 2)
        own = rows[own_part(n_rows)]
        results = {"rows": gathered(own), "sum": summed(own.sum(0)), "n": len(own)}
        torch.save(results, folder / f"{rank}-{n_rows}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("n", [2, 3])
def test_all_processes_get_the_rows_and_sums_of_all(tmp_path: Path, n: int) -> None:
    """Includes parts of different lengths, and empty parts."""
    mp.spawn(exchange, (n, tmp_path), nprocs=n)
    for n_rows in (0, 1, 2, 7):
        rows = torch.arange(n_rows * 2, dtype=torch.float64).reshape(n_rows, 2)
        results = [torch.load(tmp_path / f"{rank}-{n_rows}.pt") for rank in range(n)]
        assert sum(result["n"] for result in results) == n_rows
        for result in results:
            assert torch.equal(result["rows"], rows)
            assert torch.equal(result["sum"], rows.sum(0))


def test_a_process_alone_has_all_rows() -> None:
    rows = torch.arange(6).reshape(3, 2)
    assert (process_rank(), n_processes()) == (0, 1)
    assert own_part(3) == slice(0, 3)
    assert gathered(rows) is rows
    assert summed(rows) is rows
