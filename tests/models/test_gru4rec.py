"""GRU4Rec against torch's own GRU, one history at a time."""

from itertools import pairwise

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.sequence.gru4rec import GRU4RecConfig, GRU4RecNetwork, time_major_order
from tastemaker.testing.worlds import two_tastes
from tastemaker.training.sequence_batches import histories_of

CPU = torch.device("cpu")
HISTORIES = [[3], [1, 4, 15, 9], [26, 5], [35, 8, 9, 7]]


def network(**changes: int) -> GRU4RecNetwork:
    torch.manual_seed(0)
    config = GRU4RecConfig(embedding_size=5, hidden=7, length=4, **changes)
    return GRU4RecNetwork(two_tastes(), config.for_data(two_tastes())).eval().requires_grad_(False)


def test_a_query_is_the_projected_state_after_the_event() -> None:
    made = network(layers=2)
    plain = torch.nn.GRU(5, 7, 2, batch_first=True)
    plain.load_state_dict(made.gru.state_dict())
    batch = histories_of(UserBatch.unseen_users(HISTORIES), 4, CPU)
    queries = made.encode(batch).flatten(0, 1)
    for history, last in zip(HISTORIES, batch.last.tolist(), strict=True):
        x = made.items.weight[history] * 5**0.5
        states = plain(x[None])[0][0]
        expected = states @ made.output.weight.T + made.output.bias
        torch.testing.assert_close(queries[last + 1 - len(history) : last + 1], expected)


def test_side_by_side_are_first_events_then_second_ones() -> None:
    batch = histories_of(UserBatch.unseen_users(HISTORIES), 4, CPU)
    places, counts = time_major_order(batch)
    assert counts.tolist() == [4, 3, 2, 2]
    steps = torch.split(batch.items.flatten()[places], counts.tolist())
    assert [sorted(step.tolist()) for step in steps] == [[1, 3, 26, 35], [4, 5, 8], [9, 15], [7, 9]]
    owners = [
        step.tolist() for step in torch.split(batch.owners.flatten()[places], counts.tolist())
    ]
    # torch's PackedSequence takes the first so many of those of the step before.
    assert all(later == earlier[: len(later)] for earlier, later in pairwise(owners))


def test_padding_is_no_event() -> None:
    batch = histories_of(UserBatch.unseen_users([[1, 2, 3], [4, 5]]), 4, CPU)
    assert batch.items.shape == (2, 4)
    assert len(time_major_order(batch)[0]) == 5
    assert np.isfinite(network().encode(batch).numpy()).all()
