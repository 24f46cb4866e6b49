"""Networks that several processes train together, compared with the same network of one process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.models.recommender import Recommender
from tastemaker.models.registry import model_class
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.epochs import noise_seed
from tastemaker.training.run import TrainingRun
from tests.processes import in_group

pytestmark = pytest.mark.usefixtures("without_gpu")

SEQUENCES = {"epochs": 2, "dropout": 0.0, "embedding_size": 8, "learning_rate": 1e-2}

TASTES = two_tastes()
WORLDS = {
    "tastes": TASTES,
    "weighted": replace(TASTES, weights=np.linspace(0.1, 3, len(TASTES), dtype=np.float32)),
    "two users": dataset_of({0: [0, 1, 2, 3], 1: [5, 2, 4, 1, 6]}),
}
"""The last has fewer users than there are processes, in training as well as in validation."""

# Batches of 59 of the 60 users leave a last batch of one user, of which most processes have none.
CASES = {
    "sasrec": ("weighted", "sasrec", {**SEQUENCES, "batch_size": 59, "layers": 1}),
    "gru4rec, separate negatives": ("tastes", "gru4rec", {**SEQUENCES, "loss": "gbce"}),
    "two towers, in-batch negatives": (
        "tastes", "two_tower", {**SEQUENCES, "id_dropout": 0.0, "batch_size": 59},
    ),
    "pairs": ("weighted", "ncf", {"epochs": 2}),
    "a softmax of whole histories": ("weighted", "mf", {"epochs": 2, "batch_size": 59}),
    "two users": ("two users", "sasrec", {**SEQUENCES, "layers": 1}),
}  # fmt: skip


def fitted(case: str, folder: Path) -> Recommender:
    world, name, settings = CASES[case]
    run = TrainingRun("cpu", folder / case, fused=False)
    return model_class(name)(**settings).fit(tm.leave_one_out(WORLDS[world]), run)


def results_of(case: str, folder: Path) -> tuple[list[dict[str, float]], torch.Tensor]:
    model = fitted(case, folder)
    scores = model.score(model.users(WORLDS[CASES[case][0]].user_vocabulary.ids.to_list()))
    # In a softmax, a user's bias has no gradient but rounding errors, which Adam amplifies.
    return model.log.records, scores - scores.mean(dim=1, keepdim=True)


def results(folder: Path) -> dict[str, tuple[list[dict[str, float]], torch.Tensor]]:
    return {case: results_of(case, folder) for case in CASES}


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, tuple[list[dict[str, float]], torch.Tensor]]:
    return results(tmp_path_factory.mktemp("alone"))


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3])
def test_several_processes_give_the_losses_metrics_and_scores_of_one(
    n: int, tmp_path: Path, alone: dict
) -> None:
    (tmp_path / "meeting").mkdir()
    for of_process in in_group(n, tmp_path / "meeting", results, tmp_path / "run"):
        for case, (records, scores) in of_process.items():
            expected_records, expected_scores = alone[case]
            assert len(records) == len(expected_records)
            for record, expected in zip(records, expected_records, strict=True):
                assert record.keys() == expected.keys()
                del record["elapsed_s"]
                for name, value in record.items():
                    assert value == pytest.approx(expected[name], rel=1e-5), (case, name)
            torch.testing.assert_close(scores, expected_scores, rtol=1e-3, atol=1e-4, msg=case)


def message_without_a_folder() -> str:
    with pytest.raises(ConfigError) as caught:
        tm.SASRec().fit(tm.no_holdout(two_tastes()))
    return str(caught.value)


def test_processes_without_a_common_folder_are_refused(tmp_path: Path) -> None:
    for message in in_group(2, tmp_path, message_without_a_folder):
        assert "give one, as in TrainingRun(folder=…)" in message


def test_the_noise_differs_between_ranks_and_epochs_in_the_bits_that_pytorch_uses() -> None:
    seeds = {
        noise_seed(seed, epoch, rank) % 2**32
        for seed in (0, 1)
        for epoch in range(100)
        for rank in range(64)
    }
    assert len(seeds) == 2 * 100 * 64
