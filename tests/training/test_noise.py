"""A training draws its own random numbers, whatever else draws from PyTorch's generators."""

import threading
import time

import pytest
import torch

import tastemaker as tm
from tastemaker.testing.contract import assert_same_state
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.noise import Noise

SPLIT = tm.no_holdout(two_tastes())

SETTINGS = {"epochs": 2, "batch_size": 16}


@pytest.mark.parametrize("kind", [tm.SASRec, tm.MultVAE, tm.GRU4Rec])
def test_other_random_draws_between_steps_do_not_change_a_training(
    kind: type[tm.Recommender],
) -> None:
    alone = kind(**SETTINGS).fit(SPLIT)

    def disturb(_: object) -> None:
        torch.rand(3)
        kind.from_state(alone.config, SPLIT, alone.state())

    disturbed = kind(**SETTINGS).fit(SPLIT, tm.TrainingRun(on_progress=disturb))
    assert_same_state(alone, disturbed)


def test_a_training_does_not_change_the_draws_of_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Noise(7, torch.device("cpu")).as_global_state():
        expected = torch.rand(4)
    drawn, started = [], threading.Event()

    def draw() -> None:
        with Noise(7, torch.device("cpu")).as_global_state():
            drawn.append(torch.rand(2))
            started.set()
            time.sleep(0.3)  # in which the training goes on
            drawn.append(torch.rand(2))

    other = threading.Thread(target=draw)

    def before_lightning_restores_the_random_state(_: object) -> None:
        other.start()
        started.wait(0.3)

    monkeypatch.setattr(
        "lightning.pytorch.Trainer._run_sanity_check",
        before_lightning_restores_the_random_state,
    )
    tm.SASRec(**SETTINGS).fit(SPLIT)
    other.join()
    assert torch.equal(torch.cat(drawn), expected)


def test_a_random_stream_continues_and_does_not_change_the_global_one() -> None:
    torch.manual_seed(7)
    expected, others = torch.rand(4), torch.rand(2)
    noise = Noise(7, torch.device("cpu"))
    torch.manual_seed(7)
    torch.rand(4)
    with noise.as_global_state():
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), others)
    with noise.as_global_state():
        second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), expected)
