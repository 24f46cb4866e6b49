"""Training on a GPU in recorded steps and in Triton's kernels does what plain steps do."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import tastemaker as tm
from tastemaker.models.factorization.vector_model import VectorModel, VectorNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.batches import Batch, PairBatches
from tastemaker.training.kernels import tiled_pairs
from tastemaker.training.kernels.graphed import GraphedSteps
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.kernels.pairs import Penalty
from tastemaker.training.kernels.tiled_pairs import TiledPairs
from tastemaker.training.optimizer import adam
from tests.training.pair_training import (
    MODELS,
    assert_resumed_on_the_other_way,
    network_of,
    plain_steps,
    state_of,
    weighted_world,
)

BATCH_SIZE = 29

WAYS = ["recorded", "tiled"]


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU here")


def chunks_of(data: tm.Dataset, negatives: int = 4) -> list[Batch]:
    """Two of them: whole batches, then whole batches and one that is smaller."""
    settings = {"batch_size": BATCH_SIZE, "negatives": negatives, "seed": 0}
    batches = PairBatches(data, device=torch.device("cuda"), **settings)
    (chunk,) = batches.chunks().epoch(0)
    first, second, *_ = chunk.split(10 * BATCH_SIZE)
    return [first, next(second.split(5 * BATCH_SIZE - 4))]


def kernel_of(way: str, model: VectorModel, network: VectorNetwork) -> Kernel:
    config, parts = model.config, network.parts()
    if way == "recorded":
        return GraphedSteps(network.loss, BATCH_SIZE)
    assert parts is not None
    if not tiled_pairs.has_triton():
        pytest.skip("no Triton that is new enough came with this PyTorch")
    assert tiled_pairs.supports(parts)
    penalty = Penalty(config.regularization, network.user_penalties, network.item_penalties)
    return TiledPairs(parts, config.loss, penalty, BATCH_SIZE, lazy=config.lazy)


def trained(
    model: VectorModel, data: tm.Dataset, way: str, negatives: int = 4
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The sums of the chunks' losses, then every parameter and its moments."""
    network, losses = network_of(model, data, seed=2).cuda(), []
    optimizer = adam(network, model.config)
    # Adam divides by the gradient's size: with the usual epsilon it makes much of rounding errors.
    optimizer.param_groups[0]["eps"] = 1e-3
    kernel = kernel_of(way, model, network) if way != "plain" else None
    for chunk in chunks_of(data, negatives):
        batches = list(chunk.split(BATCH_SIZE))
        sizes = [0.01 / (1 + step) for step in range(len(batches))]
        if kernel is not None:
            losses.append(float(kernel.train(chunk, optimizer, sizes)))
            continue
        losses.append(plain_steps(network, optimizer, batches, sizes))
    assert all(parameter.grad is None or way == "plain" for parameter in network.parameters())
    return losses, state_of(network, optimizer)


def assert_same(way: str, model: VectorModel, data: tm.Dataset, negatives: int = 4) -> None:
    plain, fast = (trained(model, data, each, negatives) for each in ("plain", way))
    assert fast[0] == pytest.approx(plain[0], rel=3e-5)
    torch.testing.assert_close(fast[1], plain[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("loss", ["bce", "bpr", "sampled_softmax"])
def test_fast_is_plain_for_every_network_and_loss(way: str, name: str, loss: str) -> None:
    model = MODELS[name]
    assert_same(way, type(model)(model.config.model_copy(update={"loss": loss})), two_tastes())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_fast_is_plain_with_weights_penalties_and_decay(way: str, name: str) -> None:
    model = MODELS[name]
    changes = {"regularization": 0.3, "regularization_exponent": 0.5, "weight_decay": 0.1}
    assert_same(way, type(model)(model.config.model_copy(update=changes)), weighted_world())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fast_is_plain_where_training_is_lazy(way: str, weight_decay: float) -> None:
    data = two_tastes(n_users=600, n_items=400)
    assert_same(way, tm.NCF(lazy=True, weight_decay=weight_decay), data)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("negatives", [1, 3, 200])
def test_fast_is_plain_for_any_number_of_negatives(way: str, negatives: int) -> None:
    assert_same(way, tm.NCF(), two_tastes(), negatives)
    assert_same(way, tm.NCF(loss="bpr"), two_tastes(), negatives)


@pytest.mark.parametrize("loss", ["bce", "bpr", "sampled_softmax"])
@pytest.mark.parametrize("name", MODELS)
def test_a_large_tile_is_plain_too(name: str, loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled_pairs, "SMALL_TILE", tiled_pairs.LARGE_TILE)
    model = MODELS[name]
    changes = {"loss": loss, "regularization": 0.1}
    assert_same("tiled", type(model)(model.config.model_copy(update=changes)), weighted_world())


@pytest.mark.parametrize("way", WAYS)
def test_one_seed_gives_one_result_to_the_last_bit(way: str) -> None:
    first, again = (trained(tm.NeuMF(pretraining=False), two_tastes(), way) for _ in range(2))
    assert first[0] == again[0]
    torch.testing.assert_close(first[1], again[1], rtol=0, atol=0)


def fitted(make: Callable[[], VectorModel], *, fused: bool) -> list[float]:
    split = tm.leave_one_out(two_tastes())
    model = make().fit(split, tm.TrainingRun("cuda", fused=fused))
    return [record["loss"] for record in model.log.records]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch_size", [64, 100_000])
def test_fit_comes_to_the_same_with_and_without(
    way: str, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "recorded":
        monkeypatch.setattr(tiled_pairs, "has_triton", lambda: False)
    plain, fast = (
        fitted(lambda: tm.NCF(epochs=6, batch_size=batch_size), fused=fused)
        for fused in (False, True)
    )
    assert fast == pytest.approx(plain, rel=1e-4)


def test_a_network_too_wide_for_a_tile_is_recorded() -> None:
    model = tm.NCF(hidden=[300, 200], batch_size=64, epochs=2)
    model.fit(tm.leave_one_out(two_tastes()), tm.TrainingRun("cuda"))
    assert isinstance(model._kernel(torch.device("cuda")), GraphedSteps)


@pytest.mark.parametrize("went_on_fused", [False, True])
def test_a_run_is_resumed_on_the_other_way(tmp_path: Path, went_on_fused: bool) -> None:
    assert_resumed_on_the_other_way("cuda", tmp_path / "run", went_on_fused=went_on_fused)


def test_a_loss_that_is_not_a_number_is_reported() -> None:
    split = tm.no_holdout(two_tastes())
    with pytest.raises(tm.TastemakerError, match="training diverged"):
        tm.NCF(epochs=2, learning_rate=1e30).fit(split, tm.TrainingRun("cuda"))
