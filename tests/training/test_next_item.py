"""Losses of the next item against their formulas, one target at a time, in NumPy."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.testing.worlds import two_tastes
from tastemaker.training import next_item
from tastemaker.training.next_item import (
    NextItemLoss,
    NextItemLossName,
    SampledSoftmax,
    Softmax,
    next_item_loss,
)
from tastemaker.training.sequence_batches import SequenceBatch, SequenceBatches

CPU = torch.device("cpu")
NEGATIVES, EXPONENT, CALIBRATION = 4, 0.7, 0.6
DATA = two_tastes(n_users=8, n_items=20, length=6)
NAMES = [name for name in get_args(NextItemLossName) if name != "auto"]


def world(name: NextItemLossName) -> tuple[NextItemLoss, SequenceBatch]:
    """A loss and a batch of a few weighted events with the negatives that it draws."""
    weights = np.linspace(0.2, 3, len(DATA), dtype=np.float32)
    loss = next_item_loss(name, DATA, NEGATIVES, EXPONENT, CALIBRATION, CPU)
    source = SequenceBatches(
        replace(DATA, weights=weights), loss.draw, length=5, batch_size=8, seed=0, device=CPU
    )
    (batch,) = source.epoch(0)
    return loss, batch


def vectors_of(batch: SequenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    m, size = len(batch.targets), 3
    return torch.randn(m, size, generator=random), torch.randn(DATA.n_items, size, generator=random)


def evaluated(
    loss: NextItemLoss, batch: SequenceBatch, queries: torch.Tensor, table: torch.Tensor
) -> float:
    return float(loss(queries, lambda items: table if items is None else table[items], batch))


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0, -x)


def log_softmax(positive: float, negatives: np.ndarray) -> float:
    return positive - np.logaddexp.reduce(np.append(negatives, positive))


def cost(name: str, batch: SequenceBatch, row: int, scores: np.ndarray) -> float:
    """What one target costs whose query scores all items so: (n_items,)."""
    target = int(batch.targets[row])
    if name == "softmax":
        return -log_softmax(scores[target], np.delete(scores, target))
    if name in ("sampled_softmax", "in_batch"):
        shared = batch.targets if name == "in_batch" else batch.negatives
        others = np.array([item for item in shared.tolist() if item != target], dtype=int)
        exponent = 1.0 if name == "in_batch" else EXPONENT
        chances = np.maximum(DATA.item_counts, 1) ** exponent
        corrected = scores - np.log(chances)
        return -log_softmax(corrected[target], corrected[others])
    rate = NEGATIVES / (DATA.n_items - 1)
    t = CALIBRATION if name == "gbce" else 0.0
    power = rate * (t * (1 - 1 / rate) + 1 / rate)
    negatives = scores[batch.negatives[row].numpy()]
    return -(power * log_sigmoid(scores[target]) + log_sigmoid(-negatives).sum()) / (NEGATIVES + 1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_the_mean_of_its_formula(name: NextItemLossName, weighted: bool) -> None:
    loss, batch = world(name)
    queries, table = vectors_of(batch)
    scores = (queries @ table.T).double().numpy()
    costs = np.array([cost(name, batch, row, scores[row]) for row in range(len(batch.targets))])
    weights = batch.weights.double().numpy() if weighted else np.ones(len(costs))
    batch = batch if weighted else batch._replace(weights=None)
    found = evaluated(loss, batch, queries, table)
    assert found == pytest.approx((costs * weights).mean(), rel=1e-5)


def test_a_catalog_too_large_for_the_whole_softmax_gets_the_sampled_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = []
    for largest in (DATA.n_items, DATA.n_items - 1):
        monkeypatch.setattr(next_item, "LARGEST_SOFTMAX", largest)
        chosen.append(world("auto")[0])
    assert [type(loss) for loss in chosen] == [Softmax, SampledSoftmax]


def test_without_calibration_gbce_is_bce() -> None:
    _, batch = world("gbce")
    queries, table = vectors_of(batch)
    plain, uncalibrated = (
        evaluated(next_item_loss(name, DATA, NEGATIVES, 0.0, 0.0, CPU), batch, queries, table)
        for name in ("bce", "gbce")
    )
    assert plain == uncalibrated


@pytest.mark.parametrize("name", ["gbce", "bce"])
def test_a_targets_negatives_are_not_in_its_users_history(name: NextItemLossName) -> None:
    _, batch = world(name)
    assert batch.negatives.shape == (len(batch.targets), NEGATIVES)
    for user, negatives in zip(batch.users.tolist(), batch.negatives.tolist(), strict=True):
        assert set(negatives).isdisjoint(DATA.history(user).tolist())


def test_shared_negatives_are_drawn_by_a_power_of_popularity() -> None:
    loss = next_item_loss("sampled_softmax", DATA, 200_000, EXPONENT, 0.0, CPU)
    nothing = torch.zeros(0, dtype=torch.int64)
    drawn = loss.draw(nothing, nothing, torch.Generator().manual_seed(0))
    chances = np.maximum(DATA.item_counts, 1) ** EXPONENT
    fractions = np.bincount(drawn.numpy(), minlength=DATA.n_items) / len(drawn)
    np.testing.assert_allclose(fractions, chances / chances.sum(), rtol=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_learns_two_tastes_with_each_loss(name: NextItemLossName) -> None:
    model = tm.SASRec(
        loss=name, negatives=8, epochs=12, batch_size=16, embedding_size=16, layers=1,
        learning_rate=1e-2,
    ).fit(tm.no_holdout(two_tastes()))  # fmt: skip
    low, high = model.unseen_users([[0, 1, 2, 3]]), model.unseen_users([[20, 21, 22, 23]])
    assert (model.recommend(low, 5).frame["item_id"] < 20).mean() >= 0.8
    assert (model.recommend(high, 5).frame["item_id"] >= 20).mean() >= 0.8
