"""Batches of whole histories."""

import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.user_batches import UserBatches

CPU = torch.device("cpu")


def batches_of(data: tm.Dataset, **changes: int) -> UserBatches:
    return UserBatches(data, device=CPU, **({"batch_size": 16, "epochs": 4, "seed": 0} | changes))


def whole(batches: UserBatches, number: int) -> torch.Tensor:
    return torch.cat([batch.histories for batch in batches.epoch(number)])


def test_an_epoch_holds_every_history_once() -> None:
    data = two_tastes()
    batches = batches_of(data)
    assert [len(batch.histories) for batch in batches.epoch(0)] == [16, 16, 16, 12]
    assert len(batches.epoch(0)) == 4
    users = torch.cat([batch.users for batch in batches.epoch(0)]).tolist()
    assert sorted(users) == list(range(60)) != users
    for user, row in zip(users, whole(batches, 0), strict=True):
        assert row.nonzero()[:, 0].tolist() == sorted(data.history(user).tolist())
    assert set(whole(batches, 0).unique().tolist()) == {0.0, 1.0}


def test_epochs_differ_and_repeat_with_the_same_seed() -> None:
    data = two_tastes()
    assert torch.equal(whole(batches_of(data), 3), whole(batches_of(data), 3))
    assert not torch.equal(whole(batches_of(data), 3), whole(batches_of(data), 2))
    assert not torch.equal(whole(batches_of(data), 3), whole(batches_of(data, seed=1), 3))


def test_progress_rises_evenly_over_all_epochs() -> None:
    batches = batches_of(two_tastes())
    progress = [batch.progress for number in range(4) for batch in batches.epoch(number)]
    assert progress == pytest.approx([step / 16 for step in range(16)])


def test_an_interaction_counts_its_weight_relative_to_the_mean() -> None:
    frame = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 3], "w": [0.5, 2.0, 3.5]})
    histories = whole(batches_of(tm.read(frame, weight="w")), 0)
    assert sorted(histories.tolist()) == [[0.0, 0.0, 1.75], [0.25, 1.0, 0.0]]


def test_a_user_whose_history_is_held_out_is_not_trained_on() -> None:
    data = dataset_of({0: [0, 1], 1: [2], 2: [1, 2]})
    histories = whole(batches_of(data.rows(data.users != 1)), 0)
    assert sorted(histories.tolist()) == [[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]
