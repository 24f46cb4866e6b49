"""SASRec, eSASRec and BSARec against their equations, one history and head at a time, in NumPy."""

import math

import numpy as np
import pytest
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.sequence.attention import causal
from tastemaker.models.sequence.bsarec import BSARecConfig, BSARecNetwork
from tastemaker.models.sequence.sasrec import ESASRecConfig, SASRecConfig, SASRecNetwork
from tastemaker.models.sequence.stack import StackNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.sequence_batches import histories_of

CPU = torch.device("cpu")
SIZE, LENGTH = 6, 5
HISTORIES = [[3, 1], [4, 15, 9, 26, 5], [35, 8, 9]]

State = dict[str, np.ndarray]


def network(config: SASRecConfig | BSARecConfig) -> StackNetwork:
    torch.manual_seed(0)
    network_class = BSARecNetwork if isinstance(config, BSARecConfig) else SASRecNetwork
    made = network_class(two_tastes(), config.for_data(two_tastes())).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn_like(parameter))
    return made


def linear(x: np.ndarray, state: State, name: str) -> np.ndarray:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def norm(x: np.ndarray, state: State, name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def attention(
    targets: np.ndarray, events: np.ndarray, state: State, name: str, heads: int
) -> np.ndarray:
    query = linear(targets, state, f"{name}.query")
    key, value = linear(events, state, f"{name}.key"), linear(events, state, f"{name}.value")
    out = np.zeros_like(events)
    for head in np.split(np.arange(SIZE), heads):
        for i in range(len(events)):
            scores = key[: i + 1, head] @ query[i, head] / math.sqrt(len(head))
            scores = scores + state[f"{name}.distances"][head[0] // len(head), i::-1]
            fractions = np.exp(scores - scores.max())
            out[i, head] = fractions / fractions.sum() @ value[: i + 1, head]
    return linear(out, state, f"{name}.output")


def sasrec_block(x: np.ndarray, state: State, name: str, heads: int) -> np.ndarray:
    queries = norm(x, state, f"{name}.attention_norm")
    seen = queries + attention(queries, x, state, f"{name}.attention", heads)
    normed = norm(seen, state, f"{name}.forward_norm")
    hidden = np.maximum(linear(normed, state, f"{name}.forward_layers.0"), 0)
    return normed + linear(hidden, state, f"{name}.forward_layers.3")


def ligr_block(x: np.ndarray, state: State, name: str, heads: int) -> np.ndarray:
    normed = norm(x, state, f"{name}.attention_norm")
    seen = attention(normed, normed, state, f"{name}.attention", heads)
    x = x + sigmoid(linear(x, state, f"{name}.attention_gate")) * seen
    normed = norm(x, state, f"{name}.forward_norm")
    gate = linear(normed, state, f"{name}.gate")
    hidden = gate * sigmoid(gate) * linear(normed, state, f"{name}.up")
    fed = linear(hidden, state, f"{name}.down")
    return x + sigmoid(linear(x, state, f"{name}.forward_gate")) * fed


def bsarec_block(x: np.ndarray, state: State, name: str, heads: int) -> np.ndarray:
    low = np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, None]
    filtered = low + state[f"{name}.filter.root_beta"] ** 2 * (x - low)
    filtered = norm(x + filtered, state, f"{name}.filter_norm")
    seen = attention(x, x, state, f"{name}.attention", heads)
    mixed = 0.7 * filtered + 0.3 * norm(x + seen, state, f"{name}.attention_norm")
    inside = linear(mixed, state, f"{name}.forward_layers.0")
    hidden = inside * np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)(inside)
    fed = linear(hidden, state, f"{name}.forward_layers.3")
    return norm(mixed + fed, state, f"{name}.forward_norm")


KINDS = {
    "sasrec": (SASRecConfig, sasrec_block),
    "esasrec": (ESASRecConfig, ligr_block),
    "bsarec": (BSARecConfig, bsarec_block),
}


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_queries_are_those_of_the_equations(kind: str, heads: int) -> None:
    config_class, block = KINDS[kind]
    made = network(config_class(embedding_size=SIZE, length=LENGTH, heads=heads, layers=2))
    state = {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}
    batch = histories_of(UserBatch.unseen_users(HISTORIES), LENGTH, CPU)
    queries = made.encode(batch).flatten(0, 1).double().numpy()
    for history, last in zip(HISTORIES, batch.last.tolist(), strict=True):
        x = state["items.weight"][history] * math.sqrt(SIZE)
        x = x + state["positions.weight"][: len(history)]
        if kind == "bsarec":
            x = norm(x, state, "input_norm")
        for layer in range(2):
            x = block(x, state, f"blocks.{layer}", heads)
        found = queries[last + 1 - len(history) : last + 1]
        np.testing.assert_allclose(found, norm(x, state, "norm"), rtol=1e-3, atol=1e-4)


def test_an_event_sees_itself_and_its_own_historys_past() -> None:
    visible = causal(torch.tensor([[0, 0, 1, -1]]))
    assert visible.shape == (1, 1, 4, 4)
    assert visible[0, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_a_gap_is_embedded_by_its_order_of_magnitude_and_an_unknown_one_by_zero() -> None:
    made = network(SASRecConfig(embedding_size=SIZE, length=LENGTH, time_gaps=True))
    assert made.gaps is not None
    with torch.no_grad():
        made.gaps.weight[0] = 0  # as it is kept in training, where it is the filling
    times = np.array([50, 50, 53, 1053, 2053])
    users = UserBatch(np.array([-1]), np.array(HISTORIES[1]), np.array([0, 5]), times)
    read = made.embed(histories_of(users, LENGTH, CPU))[0]
    plain = made.items.weight[HISTORIES[1]] * math.sqrt(SIZE)
    embedded_gaps = read - plain
    torch.testing.assert_close(embedded_gaps[0], torch.zeros(SIZE))
    torch.testing.assert_close(embedded_gaps[3], embedded_gaps[4])
    assert not torch.allclose(embedded_gaps[1], embedded_gaps[2])
    assert not torch.allclose(embedded_gaps[2], embedded_gaps[3])
