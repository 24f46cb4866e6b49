"""HSTU against the paper's equations, one pair of events at a time, in NumPy."""

import math

import numpy as np
import pytest
import torch

from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.models.sequence.hstu import HSTU, TIME_BUCKETS, HSTUConfig, HSTUNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.sequence_batches import histories_of

CPU = torch.device("cpu")
SIZE, LENGTH = 6, 5
HISTORIES = [[3, 1], [4, 15, 9, 26, 5], [35, 8, 9]]
TIMES = [[0, 5], [10, 11, 3000, 3000, 10**9], [7, 8, 7_000_000]]


def network(**changes: object) -> HSTUNetwork:
    torch.manual_seed(0)
    config = HSTUConfig(embedding_size=SIZE, length=LENGTH, **changes)
    made = HSTUNetwork(two_tastes(), config.for_data(two_tastes())).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn_like(parameter))
    return made


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def norm(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean()
    scaled = centred / math.sqrt((centred**2).mean() + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    return state[f"{name}.weight"] @ x + state[f"{name}.bias"]


def plain_unit(
    x: np.ndarray, times: list[int] | None, state: dict[str, np.ndarray], name: str, heads: int
) -> np.ndarray:
    u, v, q, k = np.split(
        np.stack([silu(linear(norm(e, state, f"{name}.norm"), state, f"{name}.up")) for e in x]),
        4, axis=1,
    )  # fmt: skip
    out = []
    for i in range(len(x)):
        seen = np.zeros(SIZE)
        for head in np.split(np.arange(SIZE), heads):
            for j in range(i + 1):
                score = q[i, head] @ k[j, head] + state[f"{name}.bias.distances.weight"][i - j, 0]
                if times is not None:
                    bucket = int(2 * math.log2(max(1, times[i] - times[j])))
                    assert bucket < TIME_BUCKETS
                    score += state[f"{name}.bias.times.weight"][bucket, 0]
                seen[head] += silu(score) / (i + 1) * v[j, head]
        gated = norm(seen, state, f"{name}.seen_norm") * u[i]
        out.append(x[i] + linear(gated, state, f"{name}.output"))
    return np.stack(out)


def plain_encode(
    made: HSTUNetwork, history: list[int], times: list[int] | None, heads: int
) -> np.ndarray:
    state = {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}
    x = state["items.weight"][history] * math.sqrt(SIZE)
    for unit in range(len(made.units)):
        x = plain_unit(x, times, state, f"units.{unit}", heads)
    return np.stack([norm(event, state, "norm") for event in x])


@pytest.mark.parametrize(("heads", "with_times"), [(1, False), (2, True)])
def test_queries_are_those_of_the_equations(heads: int, with_times: bool) -> None:
    made = network(heads=heads, time_gaps=with_times)
    users = UserBatch.unseen_users(HISTORIES)
    if with_times:
        made.gaps = None  # the gap before an event is the base class's
        users = UserBatch(users.codes, users.items, users.indptr, np.concatenate(TIMES))
    batch = histories_of(users, LENGTH, CPU)
    queries = made.encode(batch).flatten(0, 1).double().numpy()
    for history, times, last in zip(HISTORIES, TIMES, batch.last.tolist(), strict=True):
        expected = plain_encode(made, history, times if with_times else None, heads)
        found = queries[last + 1 - len(history) : last + 1]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_heads_that_cannot_share_the_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="heads is 3, but it must divide embedding_size, which"):
        HSTU(heads=3, embedding_size=64)
