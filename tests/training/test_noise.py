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
def test_what_others_draw_between_steps_does_not_change_a_training(
    kind: type[tm.Recommender],
) -> None:
    alone = kind(**SETTINGS).fit(SPLIT)

    def disturb(_: object) -> None:
        torch.rand(3)
        kind.from_state(alone.config, SPLIT, alone.state())

    disturbed = kind(**SETTINGS).fit(SPLIT, tm.TrainingRun(on_progress=disturb))
    assert_same_state(alone, disturbed)


def test_a_training_that_begins_leaves_what_another_thread_draws_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Noise(7, torch.device("cpu")).lent():
        expected = torch.rand(4)
    drawn, begun = [], threading.Event()

    def draw() -> None:
        with Noise(7, torch.device("cpu")).lent():
            drawn.append(torch.rand(2))
            begun.set()
            time.sleep(0.3)  # in which the training goes on
            drawn.append(torch.rand(2))

    other = threading.Thread(target=draw)

    def where_lightning_is_about_to_put_the_random_state_back(_: object) -> None:
        other.start()
        begun.wait(0.3)

    monkeypatch.setattr(
        "lightning.pytorch.Trainer._run_sanity_check",
        where_lightning_is_about_to_put_the_random_state_back,
    )
    tm.SASRec(**SETTINGS).fit(SPLIT)
    other.join()
    assert torch.equal(torch.cat(drawn), expected)


def test_a_stream_goes_on_where_it_was_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(7)
    expected, others = torch.rand(4), torch.rand(2)
    noise = Noise(7, torch.device("cpu"))
    torch.manual_seed(7)
    torch.rand(4)
    with noise.lent():
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), others)
    with noise.lent():
        second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), expected)
