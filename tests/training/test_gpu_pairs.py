"""Training on a GPU in recorded steps and in Triton's kernels does what plain steps do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.models.vector_model import VectorModel, VectorNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.batches import Batch, PairBatches
from tastemaker.training.kernels import tiled_pairs
from tastemaker.training.kernels.graphed import GraphedSteps
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.kernels.pairs import Penalty
from tastemaker.training.kernels.tiled_pairs import TiledPairs
from tastemaker.training.optimizer import adam

BATCH_SIZE = 29

MODELS: dict[str, VectorModel] = {
    "the tutorial's NCF": tm.NCF(),
    "one layer": tm.NCF(hidden=[5], embedding_size=3),
    "widths that are no powers of two": tm.NCF(hidden=[33, 17, 7], embedding_size=11),
    "four layers": tm.NCF(hidden=[32, 16, 16, 8]),
    "the paper's MLP": tm.MLP(),
    "GMF": tm.GMF(embedding_size=10),
    "NeuMF": tm.NeuMF(pretraining=False),
    "MF": tm.MF(loss="bce", embedding_size=9),
}

WAYS = ["recorded", "tiled"]


@pytest.fixture(autouse=True)
def _gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU here")


def weighted_world() -> tm.Dataset:
    data = two_tastes()
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"user_id": data.users, "item_id": data.items})
    return tm.read(frame.with_columns(weight=3 * random.random(len(data))), weight="weight")


def chunks_of(data: tm.Dataset, negatives: int = 4) -> list[Batch]:
    """Two of them: whole batches, then whole batches and one that is smaller."""
    settings = {"batch_size": BATCH_SIZE, "negatives": negatives, "seed": 0}
    batches = PairBatches(data, device=torch.device("cuda"), **settings)
    (chunk,) = batches.chunks().epoch(0)
    first, second, *_ = chunk.split(10 * BATCH_SIZE)
    return [first, next(second.split(5 * BATCH_SIZE - 4))]


def network_of(model: VectorModel, data: tm.Dataset) -> VectorNetwork:
    torch.manual_seed(2)
    network = model._new_network(data)
    with torch.no_grad():
        for parameter in network.parameters():  # biases that start at 0 would hide their gradients
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.cuda()


def kernel_of(way: str, model: VectorModel, network: VectorNetwork) -> Kernel:
    config, parts = model.config, network.parts()
    if way == "recorded":
        return GraphedSteps(network.loss, BATCH_SIZE)
    assert parts is not None
    if not tiled_pairs.has_triton():
        pytest.skip("no Triton that is new enough came with this PyTorch")
    assert tiled_pairs.serves(parts)
    penalty = Penalty(config.regularization, network.user_shares, network.item_shares)
    return TiledPairs(parts, config.loss, penalty, BATCH_SIZE, lazy=config.lazy)


def trained(
    model: VectorModel, data: tm.Dataset, way: str, negatives: int = 4
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The sums of the chunks' losses, then every parameter and its moments."""
    network, losses = network_of(model, data), []
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
        losses.append(0.0)
        for batch, size in zip(batches, sizes, strict=True):
            optimizer.param_groups[0]["lr"] = size
            optimizer.zero_grad()
            loss = network.loss(batch)
            loss.backward()
            optimizer.step()
            losses[-1] += loss.item()
    assert all(parameter.grad is None or way == "plain" for parameter in network.parameters())
    state: dict[str, Any] = dict(network.state_dict())
    for name, parameter in network.named_parameters():
        state |= {f"{name}, {key}": value for key, value in optimizer.state[parameter].items()}
    return losses, state


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
    split = tm.leave_one_out(two_tastes())
    whole = tm.NCF(epochs=4, batch_size=64).fit(split, tm.TrainingRun("cuda"))
    folder = tmp_path / "run"
    first = tm.TrainingRun("cuda", folder, fused=not went_on_fused)
    tm.NCF(epochs=2, batch_size=64).fit(split, first)
    on = tm.TrainingRun("cuda", folder, resume=True, fused=went_on_fused)
    model = tm.NCF(epochs=4, batch_size=64).fit(split, on)
    assert len(model.log.records) == 4
    expected = [record["loss"] for record in whole.log.records]
    assert [record["loss"] for record in model.log.records] == pytest.approx(expected, rel=1e-4)


def test_a_loss_that_is_no_number_is_said() -> None:
    split = tm.no_holdout(two_tastes())
    with pytest.raises(tm.TastemakerError, match="training diverged"):
        tm.NCF(epochs=2, learning_rate=1e30).fit(split, tm.TrainingRun("cuda"))
