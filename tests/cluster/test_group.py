"""What processes that train together agree on before they start."""

from pathlib import Path

import pytest
import torch

from tastemaker.cluster.folder import shared_training_folder
from tastemaker.cluster.group import in_agreement, refuse_too_few_devices, require_same
from tastemaker.errors import ClusterError, ConfigError, DataError, TastemakerError
from tastemaker.process_group import process_rank
from tests.processes import in_group


def mistakes(folder: Path) -> dict[str, tuple[str, str]]:
    """The errors of this process, after different processes have made a mistake."""
    rank, errors = process_rank(), {}

    def failing(*ranks: int) -> None:
        with in_agreement():
            if rank in ranks:
                raise DataError(f"mistake of {rank} in café.csv")

    def without_a_file() -> None:
        with in_agreement():
            if rank == 2:
                (folder / "missing").read_text()

    def in_folders_of_their_own() -> None:
        with shared_training_folder(folder / str(rank), {}, resume=False, restart=False):
            raise AssertionError("the folder of process 0 is not visible in the others")

    for name, act in {
        "all": lambda: failing(0, 1, 2),
        "one": lambda: failing(1),
        "different": lambda: require_same({"seed": 7, "model": "sasrec" if rank < 2 else "hstu"}),
        "file": without_a_file,
        "folders": in_folders_of_their_own,
    }.items():
        with pytest.raises((TastemakerError, OSError)) as caught:
            act()
        errors[name] = (type(caught.value).__name__, str(caught.value))
    failing()
    require_same({"seed": 7, "model": None})
    with shared_training_folder(folder / "common", {}, resume=False, restart=False) as common:
        require_same({"is visible": common.is_dir()})  # before process 0 removes it
    return errors


def test_a_mistake_of_one_process_is_an_error_in_all(tmp_path: Path) -> None:
    (tmp_path / "meeting").mkdir()
    first, second, third = in_group(3, tmp_path / "meeting", mistakes, tmp_path)
    assert first["all"] == (DataError.__name__, "mistake of 0 in café.csv")
    of_one = "mistake of 1 in café.csv"
    assert second["one"] == (DataError.__name__, of_one)
    assert first["one"] == third["one"] == (ClusterError.__name__, f"process 1: {of_one}")
    assert first["different"] == second["different"] == third["different"]
    assert "process 2 has model = hstu, but process 0 has sasrec" in first["different"][1]
    assert third["file"][0] == "FileNotFoundError"
    assert first["file"] == (ClusterError.__name__, f"process 2: {third['file'][1]}")
    assert "not visible here" in first["folders"][1]
    assert not list(tmp_path.glob("*.partial"))


def test_a_process_alone_agrees_with_itself() -> None:
    require_same({"seed": 1})
    with pytest.raises(DataError, match="no rows"), in_agreement():
        raise DataError("no rows")


def test_devices_without_a_backend_are_refused() -> None:
    refuse_too_few_devices(100, torch.device("cpu"))
    with pytest.raises(ConfigError, match="cannot train on mps"):
        refuse_too_few_devices(2, torch.device("mps"))
    with pytest.raises(ConfigError, match="GPU of its own"):
        refuse_too_few_devices(1000, torch.device("cuda"))
