"""What the tests of the kernels share: networks, weighted data, plain steps, a resumed run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.models.factorization.vector_model import VectorModel, VectorNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.batches import Batch
from tastemaker.training.run import DeviceName

MODELS: dict[str, VectorModel] = {
    "the tutorial's NCF": tm.NCF(),
    "one layer": tm.NCF(hidden=[5], embedding_size=3),
    "odd widths": tm.NCF(hidden=[33, 17, 7], embedding_size=11),
    "four layers": tm.NCF(hidden=[32, 16, 16, 8]),
    "the paper's MLP": tm.MLP(),
    "GMF": tm.GMF(embedding_size=10),
    "NeuMF": tm.NeuMF(pretraining=False),
    "MF": tm.MF(loss="bce", embedding_size=9),
}


def weighted_world() -> tm.Dataset:
    data = two_tastes()
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"user_id": data.users, "item_id": data.items})
    return tm.read(frame.with_columns(weight=3 * random.random(len(data))), weight="weight")


def network_of(model: VectorModel, data: tm.Dataset, seed: int) -> VectorNetwork:
    torch.manual_seed(seed)
    network = model._new_network(data)
    with torch.no_grad():
        for parameter in network.parameters():  # biases that start at 0 would hide their gradients
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def plain_steps(
    network: VectorNetwork,
    optimizer: torch.optim.Adam,
    batches: Iterable[Batch],
    sizes: Iterable[float],
) -> float:
    """Takes them; the sum of the losses."""
    total = 0.0
    for batch, size in zip(batches, sizes, strict=True):
        optimizer.param_groups[0]["lr"] = size
        optimizer.zero_grad()
        loss = network.loss(batch)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


def state_of(network: VectorNetwork, optimizer: torch.optim.Adam) -> dict[str, Any]:
    """Every parameter and its moments."""
    state: dict[str, Any] = dict(network.state_dict())
    for name, parameter in network.named_parameters():
        state |= {f"{name}, {key}": value for key, value in optimizer.state[parameter].items()}
    return state


def assert_resumed_on_the_other_way(
    device: DeviceName, folder: Path, *, went_on_fused: bool
) -> None:
    split = tm.leave_one_out(two_tastes())
    whole = tm.NCF(epochs=4, batch_size=64).fit(split, tm.TrainingRun(device))
    first = tm.TrainingRun(device, folder, fused=not went_on_fused)
    tm.NCF(epochs=2, batch_size=64).fit(split, first)
    on = tm.TrainingRun(device, folder, resume=True, fused=went_on_fused)
    model = tm.NCF(epochs=4, batch_size=64).fit(split, on)
    assert len(model.log.records) == 4
    expected = [record["loss"] for record in whole.log.records]
    assert [record["loss"] for record in model.log.records] == pytest.approx(expected, rel=1e-4)
