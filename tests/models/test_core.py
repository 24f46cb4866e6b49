"""CORE against the paper's equations, one pair of events at a time, in NumPy."""

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.sequence.core import COREConfig, CORENetwork
from tastemaker.models.sequence.sasrec import SASRecNetwork
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.sequence_batches import Histories, histories_of

SIZE, LENGTH, TEMPERATURE = 6, 5, 0.1
HISTORIES = [[3, 1, 3], [4, 15, 9, 26, 5], [35]]


def network() -> CORENetwork:
    torch.manual_seed(0)
    config = COREConfig(embedding_size=SIZE, length=LENGTH, temperature=TEMPERATURE)
    made = CORENetwork(two_tastes(), config).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.copy_(torch.randn_like(parameter))
    return made


def histories(items: list[list[int]]) -> Histories:
    return histories_of(UserBatch.unseen_users(items), LENGTH, torch.device("cpu"))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_queries_are_those_of_the_equations() -> None:
    made = network()
    state = {name: tensor.double().numpy() for name, tensor in made.state_dict().items()}
    vectors = unit(state["items.weight"])
    batch = histories(HISTORIES)
    queries = made.encode(batch).flatten(0, 1).double().numpy()
    encoded = SASRecNetwork.encode(made, batch).flatten(0, 1).double().numpy()
    query, key = (
        encoded @ state[f"{name}.weight"].T + state[f"{name}.bias"] for name in ("query", "key")
    )
    for items, last in zip(HISTORIES, batch.last.tolist(), strict=True):
        first = last + 1 - len(items)
        for place in range(len(items)):
            until = slice(first, first + place + 1)
            weights = np.exp(key[until] @ query[first + place] / np.sqrt(SIZE))
            mean = weights @ vectors[items[: place + 1]] / weights.sum()
            expected = unit(mean) / TEMPERATURE
            np.testing.assert_allclose(queries[first + place], expected, rtol=1e-3, atol=1e-3)


def test_a_history_of_one_item_points_to_this_item() -> None:
    made = network()
    query = made.encode_last(histories([[7]]))
    torch.testing.assert_close(query[0] * TEMPERATURE, made.vectors(None)[7])


def test_vectors_have_the_length_1_in_training_too() -> None:
    made = network().train()
    torch.testing.assert_close(made.vectors(None).norm(dim=1), torch.ones(40))
