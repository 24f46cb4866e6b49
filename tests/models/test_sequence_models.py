"""What every network that reads a history in its order must do, whatever is inside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.models.networks import warm_started
from tastemaker.models.sequence.sequence_model import SequenceModel, SequenceNetwork
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.sequence_batches import Histories, histories_of

CPU = torch.device("cpu")
LENGTH = 8

MODELS = {
    "sasrec": tm.SASRec(embedding_size=8, length=LENGTH, heads=2),
    "sasrec with time": tm.SASRec(embedding_size=8, length=LENGTH, time_gaps=True),
    "bsarec": tm.BSARec(embedding_size=8, length=LENGTH, features=True),
    "esasrec": tm.ESASRec(embedding_size=8, length=LENGTH, features=True),
    "gru4rec": tm.GRU4Rec(embedding_size=8, length=LENGTH, hidden=6, layers=2),
    "core": tm.CORE(embedding_size=8, length=LENGTH, heads=2),
    "hstu": tm.HSTU(embedding_size=8, length=LENGTH, heads=2),
    "hstu with time": tm.HSTU(embedding_size=8, length=LENGTH, time_gaps=True),
    "two_tower": tm.TwoTower(embedding_size=8, length=LENGTH, hidden=6),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request: pytest.FixtureRequest) -> SequenceModel:
    return request.param


def untrained_network_of(model: SequenceModel) -> SequenceNetwork:
    data = two_tastes()
    return model.network_class(data, model.config.for_data(data))


def network_of(model: SequenceModel) -> SequenceNetwork:
    """With random parameters far from what they begin with, where little differs from nothing."""
    torch.manual_seed(0)
    network = untrained_network_of(model).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(torch.randn_like(parameter))
    return network


def batch_of(histories: list[list[int]]) -> tm.UserBatch:
    """Unseen users whose events come at irregular times."""
    plain = tm.UserBatch.unseen_users(histories)
    times = np.random.default_rng(1).integers(1, 10**6, len(plain.items)).cumsum()
    return tm.UserBatch(plain.codes, plain.items, plain.indptr, times)


def packed(histories: list[list[int]]) -> Histories:
    return histories_of(batch_of(histories), LENGTH, CPU)


def untimed(histories: list[list[int]]) -> Histories:
    return histories_of(tm.UserBatch.unseen_users(histories), LENGTH, CPU)


def answers(network: SequenceNetwork, histories: Histories) -> torch.Tensor:
    return network.encode(histories).flatten(0, 1)[histories.last]


def random_histories(n: int) -> list[list[int]]:
    random = np.random.default_rng(0)
    return [random.permutation(40)[: random.integers(1, 12)].tolist() for _ in range(n)]


def test_a_packed_batch_encodes_each_history_as_alone(model: SequenceModel) -> None:
    network, users = network_of(model), batch_of(random_histories(30))
    together = histories_of(users, LENGTH, CPU)
    assert together.items.shape[0] < 30, "nothing was packed, so that nothing is tested"
    alone = [
        answers(network, histories_of(users.part(row, row + 1), LENGTH, CPU)) for row in range(30)
    ]
    torch.testing.assert_close(answers(network, together), torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_the_last_events_alone_give_the_same_queries(model: SequenceModel) -> None:
    network = network_of(model)
    for histories in (packed([[3]]), packed(random_histories(30))):
        torch.testing.assert_close(network.encode_last(histories), answers(network, histories))


def test_later_events_do_not_change_earlier_states(model: SequenceModel) -> None:
    network = network_of(model)
    whole = network.encode(packed([[3, 1, 4, 15, 9, 26]]))
    other_end = network.encode(packed([[3, 1, 4, 30, 31, 32]]))
    torch.testing.assert_close(whole[:, :3], other_end[:, :3])
    assert not torch.allclose(whole[:, 3], other_end[:, 3])


def test_a_different_order_gives_different_scores(model: SequenceModel) -> None:
    forward, backward = answers(network_of(model), packed([[3, 1, 4, 15], [15, 4, 1, 3]]))
    assert not torch.allclose(forward, backward, atol=1e-3)


def test_only_the_latest_events_are_read(model: SequenceModel) -> None:
    latest = list(range(LENGTH))
    long, other, short = answers(
        network_of(model), untimed([[*range(20, 25), *latest], [30, *latest], latest])
    )
    torch.testing.assert_close(long, short)
    torch.testing.assert_close(other, short)


def test_vectors_of_items_are_the_rows_of_the_whole_catalogs(model: SequenceModel) -> None:
    network = network_of(model)
    items = torch.tensor([[3, 39], [3, 0]])
    torch.testing.assert_close(network.vectors(items), network.vectors(None)[items])


def test_one_step_of_learning_reaches_every_parameter(model: SequenceModel) -> None:
    fitted = type(model)(model.config.model_copy(update={"epochs": 1, "batch_size": 16}))
    fitted.fit(tm.no_holdout(two_tastes()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.config.seed)
        before = untrained_network_of(model).state_dict()
    # Keys add the same to all scores of an event, which the softmax of SASRec does not see.
    unchanged = [
        name
        for name, tensor in fitted.state().items()
        if torch.equal(before[name], tensor) and not name.endswith("key.bias")
    ]
    assert unchanged == []


def test_times_matter_where_they_are_read() -> None:
    network, users = network_of(MODELS["hstu with time"]), batch_of([[3, 1, 4]])
    slow, fast, unknown = (
        answers(network, histories_of(replace(users, timestamps=times), LENGTH, CPU))
        for times in (np.array([0, 10**6, 10**7]), np.array([0, 1, 2]), None)
    )
    assert not torch.allclose(slow, fast)
    assert not torch.allclose(slow, unknown)


def test_a_reopened_model_can_be_trained_again_without_a_held_out_part(tmp_path: Path) -> None:
    data = two_tastes()
    settings = {"embedding_size": 8, "length": LENGTH, "epochs": 1}
    tm.save_run(tmp_path / "run", tm.SASRec(**settings).fit(tm.leave_one_out(data)))
    reopened = tm.open_run(tmp_path / "run").model
    assert "patience" in reopened.config.model_fields_set, "nothing is tested"
    tm.SASRec(reopened.config).fit(tm.no_holdout(data))
    with pytest.raises(ConfigError, match="patience is 3, but the split has no validation part"):
        tm.SASRec(**settings, patience=3).fit(tm.no_holdout(data))


NAMES = ("sasrec", "esasrec", "bsarec", "gru4rec", "hstu")


def log_of_kinds(n_users: int = 120) -> tm.Dataset:
    """A purchase of item i is followed by item i + 10, a view of it by item i + 20."""
    random, rows = np.random.default_rng(0), []
    for user in range(n_users):
        for step in range(4):
            item, is_bought = int(random.integers(10)), random.random() < 0.5
            following = item + (10 if is_bought else 20)
            rows.append((user, item, "buy" if is_bought else "view", 10 * step))
            rows.append((user, following, "view", 10 * step + 1))
    frame = pl.DataFrame(rows, schema=["user", "item", "event", "time"], orient="row")
    return tm.read(frame, event="event", repeats="keep")


def mean_rank_of_what_follows(model: SequenceModel) -> float:
    """The mean rank, from 1, of the item that follows a purchase or a view of items 0 to 9."""
    names = model.dataset.rules.kinds.names
    histories = [[item] for item in range(10)] * 2
    kinds = np.repeat([names.index("buy"), names.index("view")], 10).astype(np.int8)
    scores = model.score(replace(model.unseen_users(histories), kinds=kinds))
    following = torch.arange(10, 30)
    ranks = scores.argsort(dim=1, descending=True).argsort(dim=1)
    return 1 + float(ranks[torch.arange(20), following].float().mean())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_reads_the_kinds_of_events_tells_a_purchase_from_a_view(name: str) -> None:
    settings = {"epochs": 40, "batch_size": 40, "embedding_size": 16, "learning_rate": 0.02}
    split = tm.no_holdout(log_of_kinds())
    reading, blind = (
        type(MODELS[name])(**settings, dropout=0.1, event_input=event_input).fit(split)
        for event_input in (True, False)
    )
    assert mean_rank_of_what_follows(reading) < 1.25
    assert mean_rank_of_what_follows(blind) > 1.4
    unknown = reading.score(reading.unseen_users([[3]]))
    assert unknown.isfinite().all(), "a history without kinds is read as well"


def test_kinds_that_are_not_in_the_data_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match="but the data have none; name the column with event=…"):
        tm.SASRec(event_input=True).fit(tm.no_holdout(two_tastes()))


def test_settings_without_effect_are_named() -> None:
    data = two_tastes()
    timeless = tm.no_holdout(replace(data, timestamps=None))
    model = tm.SASRec(
        epochs=1, embedding_size=8, loss="bce", calibration=0.5, precision="bfloat16",
        time_gaps=True,
    ).fit(timeless)  # fmt: skip
    assert [note for note in model.log.notes if "no effect" in note] == [
        "sasrec: time_gaps has no effect, since the data have no times",
        "sasrec: precision has no effect with loss=bce",
        "sasrec: calibration has no effect with loss=bce",
    ]


@pytest.mark.parametrize("name", ["sasrec", "gru4rec"])
def test_a_warm_start_copies_positions_as_they_are_and_items_by_their_ids(name: str) -> None:
    """As many positions as items: a position is no item, whose row would move with its id."""
    histories = {user: [(user + step) % 20 for step in range(8)] for user in range(20)}
    earlier_data = dataset_of(histories)
    later_data = dataset_of(
        {user: [item + 5 for item in history] for user, history in histories.items()}
    )
    kind, settings = type(MODELS[name]), {"embedding_size": 8, "length": 20, "epochs": 1}
    earlier = kind(**settings).fit(tm.no_holdout(earlier_data))
    network = warm_started(
        kind(**settings).fit(tm.no_holdout(later_data))._network,
        later_data, earlier.state(), earlier_data,
    )  # fmt: skip
    state, earlier_state = network.state_dict(), earlier.state()
    torch.testing.assert_close(state["items.weight"][:15], earlier_state["items.weight"][5:])
    for weights in (each for each in state if each.startswith("positions")):
        assert torch.equal(state[weights], earlier_state[weights])
