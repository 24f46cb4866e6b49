"""Learning from events: what is learned from, how it is judged, and what serves afterwards."""

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import tastemaker as tm
from tastemaker.bundle.store import Store
from tastemaker.errors import ConfigError, DataError
from tastemaker.progress import Progress
from tastemaker.serving.learning.background import Learning
from tastemaker.serving.learning.event_data import with_events
from tastemaker.serving.learning.learner import LOG, Learner
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.tables import NewEvent
from tastemaker.testing.worlds import dataset_of
from tastemaker.wire import Event

from .conftest import Databases, Serving
from .server import Server, parents, tastemaker, until


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with Database(database) as opened:
        opened.migrate()
        yield opened


def record_events(store: EventStore, user: object, items: list[int], since: int = 1000) -> None:
    store.append(
        [
            NewEvent(f"{user}-{item}", str(user), str(item), since + place, "interaction")
            for place, item in enumerate(items)
        ]
    )


def test_events_come_after_the_training_data(opened: Database) -> None:
    store = EventStore(opened)
    record_events(store, 1, [7, 3])
    record_events(store, 5, [3])
    joined = with_events(dataset_of({1: [3, 4], 2: [4]}), opened)
    rows = joined.folded().to_frame().select("user_id", "item_id").rows()
    assert rows == [(1, 4), (1, 7), (1, 3), (2, 4), (5, 3)]  # 3 was touched again, and later


def test_events_have_the_weight_1_beside_interactions_with_weights(opened: Database) -> None:
    record_events(EventStore(opened), 1, [7])
    base = dataset_of({1: [3, 4]})
    weighted = replace(base, weights=np.array([5, 10], dtype=np.float32))
    joined = with_events(weighted, opened)
    assert joined.to_frame()["weight"].to_list() == [5, 10, 1]


def log_of_kinds(rows: list[tuple]) -> tm.Dataset:
    frame = pl.DataFrame(rows, schema=["user", "item", "event", "time", "plays"], orient="row")
    return tm.read(
        frame, event="event", event_weights={"view": 1, "buy": 10}, targets=["buy"],
        negative=["return"], weight="plays", weight_transform="sqrt", repeats="sum",
    )  # fmt: skip


def test_events_have_the_kinds_and_values_of_the_rules(opened: Database) -> None:
    base = log_of_kinds(
        [(1, 3, "view", 10, 4.0), (1, 4, "buy", 11, None), (1, 5, "return", 12, None),
         (2, 3, "buy", 10, None)]
    )  # fmt: skip
    everything = tm.no_holdout(base).everything
    store = EventStore(opened)
    store.append(
        [
            NewEvent("a", "1", "3", 20, "buy"),
            NewEvent("b", "2", "4", 20, "view", 9.0),
            NewEvent("c", "2", "3", 21, "return"),
            NewEvent("d", "1", "4", 11, "buy"),
            NewEvent("e", "2", "4", 22, "glance"),
        ]
    )
    joined = with_events(everything, opened).folded()
    columns = ["user_id", "item_id", "timestamp", "weight", "event"]
    assert joined.to_frame().select(columns).rows() == [
        (1, 4, 11, 10.0, "buy"), (1, 3, 20, 12.0, "buy"), (2, 4, 20, 3.0, "view")
    ]  # fmt: skip
    ids = [(int(joined.user_vocabulary.ids[int(u)]), int(joined.item_vocabulary.ids[int(i)]))
           for u, i in zip(joined.rejected.users, joined.rejected.items, strict=True)]  # fmt: skip
    assert ids == [(1, 5), (2, 3)]
    assert any("1 events of unknown kinds are left out: glance" in note for note in joined.notes)
    again = with_events(joined, opened).folded()
    assert again.fingerprint == joined.fingerprint, "events do not count twice"


def test_ids_become_text_once_an_event_has_a_text_id(opened: Database) -> None:
    store = EventStore(opened)
    record_events(store, "visitor", [3])
    joined = with_events(dataset_of({1: [3, 4]}), opened)
    assert joined.user_vocabulary.ids.to_list() == ["1", "visitor"]
    assert joined.item_vocabulary.ids.to_list() == [3, 4]


def test_retracted_events_and_forgotten_users_are_not_learned(opened: Database) -> None:
    store = EventStore(opened)
    record_events(store, 1, [7])
    store.append(
        [
            NewEvent("a", "1", "7", 2000, "retract"),
            NewEvent("b", "1", "3", 2000, "retract"),
        ]
    )
    store.forget("2")
    joined = with_events(dataset_of({1: [3, 4], 2: [4, 3]}), opened)
    assert joined.to_frame().select("user_id", "item_id").rows() == [(1, 4)]


def test_training_uses_the_current_catalog(opened: Database) -> None:
    store, items = EventStore(opened), ItemStore(opened)
    record_events(store, 1, [9])
    items.put([ItemRecord("9", "Nine", ("new",))])
    items.put([ItemRecord("3", "Three, corrected", ("old",))])
    joined = with_events(dataset_of({1: [3, 4]}), opened)
    assert joined.catalog.frame["title"].to_list() == ["Three, corrected", "Item 4", "Nine"]


def test_training_uses_the_features_that_were_sent_and_those_of_the_run(opened: Database) -> None:
    items = pl.DataFrame(
        {"item": [3, 4], "price": [1.0, 2.0], "labels": [["a"], ["b", "c"]], "brand": ["x", "y"]}
    )
    items = items.with_columns(look=pl.Series([[0.0, 1.0], [1.0, 0.0]]))
    log = pl.DataFrame({"user": [1, 1], "item": [3, 4]})
    users = pl.DataFrame({"user": [1], "labels": [["v"]]})
    base = tm.read(log, items=items, users=users, features={"brand": "category"})
    store = ItemStore(opened)
    record_events(EventStore(opened), 2, [9])
    store.put([ItemRecord("9", "Nine", features={"price": 5, "look": [1, 1], "labels": ["c"]})])
    store.put([ItemRecord("3", "Three", features={"price": 7, "brand": 3.5, "labels": 4})])
    joined = with_events(base, opened)
    assert joined.catalog.features == {"categories": "categories"} | base.catalog.features
    frame = joined.catalog.frame.select("item_id", "price", "labels", "brand", "look")
    assert frame.rows() == [
        (3, 7.0, ["a"], "3.5", [0, 1]),
        (4, 2.0, ["b", "c"], "y", [1, 0]),
        (9, 5.0, ["c"], None, [1, 1]),
    ]
    assert joined.user_table.frame.rows() == [(1, ["v"]), (2, None)]


def test_an_id_that_looks_like_a_missing_value_is_one_that_the_service_took(
    opened: Database,
) -> None:
    store, items = EventStore(opened), ItemStore(opened)
    record_events(store, "nan", [9, 8])
    items.put([ItemRecord("brand new", "Untouched")])
    joined = with_events(None, opened)
    assert joined.user_vocabulary.ids.to_list() == ["nan"]
    assert joined.item_vocabulary.ids.to_list() == [8, 9]


def test_without_training_data_the_events_alone_are_used(opened: Database) -> None:
    store = EventStore(opened)
    with pytest.raises(DataError, match="no events yet"):
        with_events(None, opened)
    record_events(store, 1, [9, 8])
    assert with_events(None, opened).n_items == 2


def old_taste(user: int) -> list[int]:
    return [10 * (user % 2) + (user + n) % 10 for n in range(6)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A model that knows two tastes: items 0 to 9 go together, and 10 to 19."""
    data = dataset_of(
        {user: [10 * (user % 2) + (user + n) % 10 for n in range(6)] for user in range(20)}
    )
    tm.save_run(tmp_path / "run", tm.EASE(regularization=1.0).fit(tm.no_holdout(data)))
    return tmp_path / "run"


def record_new_taste(store: EventStore, users: range) -> None:
    """Every user touches 0, then 19, then 5: across the old tastes."""
    for user in users:
        record_events(store, f"new{user}", [0, 19, 5], since=10_000 + 10 * user)


def test_a_model_that_fits_the_newest_events_better_is_deployed(
    opened: Database, run: Path
) -> None:
    record_new_taste(EventStore(opened), range(110))
    log = Store(run).folder / LOG
    log.parent.mkdir()
    # The machine went down twice: once before a line was whole, once before its blocks were.
    log.write_bytes(b'[1]\n\x00\xff\n{"outcome": "not better", "at": 1, "ev\xc3')
    result = Learner(run, opened).learn()
    assert Learner(run, opened).past_runs() == [result]
    assert (result.outcome, result.fresh) == ("deployed", 330)
    assert result.figures is not None
    assert result.figures["metrics"]["ndcg@10"] > result.figures["before"]["ndcg@10"]
    low, high = result.figures["difference"]["interval"]
    assert 0 < low <= result.figures["difference"]["mean"] <= high
    served = DeploymentLog(opened).latest()
    assert served is not None
    assert (served.reason, served.version) == ("learned", result.version)
    assert tm.open_run(served.run).split.train.user_vocabulary.code_of("new3") >= 0


def test_the_new_version_has_an_index_if_the_current_one_has(
    opened: Database, tmp_path: Path
) -> None:
    data = dataset_of({user: old_taste(user) for user in range(20)})
    tm.save_run(tmp_path / "run", tm.IALS(embedding_size=8).fit(tm.no_holdout(data)))
    tm.open_run(tmp_path / "run").make_index()
    record_new_taste(EventStore(opened), range(110))
    assert Learner(tmp_path / "run", opened).learn().outcome == "deployed"
    served = DeploymentLog(opened).latest()
    assert served is not None
    assert tm.open_run(served.run).index.keys.shape[1] == 8


def test_a_model_that_fits_the_newest_events_worse_is_not_deployed(
    opened: Database, run: Path
) -> None:
    # Most of the events say that 1 goes with 17 to 19; the newest, what the old model knew.
    store = EventStore(opened)
    for user in range(30):
        record_events(store, f"odd{user}", [1, 19, 18, 17], since=10_000 + 10 * user)
    for user in range(40):
        record_events(store, f"late{user}", [1], since=5_000)
        record_events(store, f"late{user}", [2], since=90_000)
    learner = Learner(run, opened)
    result = learner.learn()
    assert result.outcome == "not better"
    assert DeploymentLog(opened).latest() is None
    assert learner.past_runs() == [result]
    assert learner.fresh()[1] == 0, "it would try the same again"


def test_too_few_events_start_no_training(opened: Database, run: Path) -> None:
    record_new_taste(EventStore(opened), range(3))
    learner = Learner(run, opened)
    assert learner.learn(least=100).outcome == "too few events"
    assert learner.fresh()[1] == 9


def test_one_event_is_too_few_to_judge_by(opened: Database, run: Path) -> None:
    record_events(EventStore(opened), "visitor", [3])
    learner = Learner(run, opened)
    assert learner.learn().outcome == "too few events"
    assert DeploymentLog(opened).latest() is None
    assert learner.fresh()[1] == 1, "it waits for more"


def test_a_blend_is_trained_again_with_its_weights_and_the_best_epochs_of_its_parts(
    opened: Database, tmp_path: Path
) -> None:
    data = dataset_of({user: old_taste(user) for user in range(20)})
    parts = {"ease": {"regularization": 1.0}, "mf": {"epochs": 3, "patience": 1}}
    blend = tm.Blend(parts=tuple(parts), **parts).fit(tm.leave_one_out(data))
    blend._weights = torch.tensor([0.85, 0.15])
    tm.save_run(tmp_path / "run", blend)
    record_new_taste(EventStore(opened), range(110))
    assert Learner(tmp_path / "run", opened).learn().outcome == "deployed"
    served = DeploymentLog(opened).latest()
    assert served is not None
    again = tm.open_run(served.run).model
    assert isinstance(again, tm.Blend)
    assert again.part_weights == blend.part_weights
    config = again.parts["mf"].config
    best = blend.log.parts["mf"].best_epoch
    assert (config.epochs, config.patience) == (best, None)  # type: ignore[attr-defined]


def test_a_tie_does_not_deploy(opened: Database, tmp_path: Path) -> None:
    data = dataset_of({user: old_taste(user) for user in range(20)})
    # Popularity ranks what all these users touch alike before and after.
    tm.save_run(tmp_path / "run", tm.Popularity().fit(tm.no_holdout(data)))
    store = EventStore(opened)
    for user in range(120):
        record_events(store, f"new{user}", [user % 20], since=10_000 + 10 * user)
    result = Learner(tmp_path / "run", opened).learn()
    assert result.outcome == "not better"
    assert result.figures is not None
    low, high = result.figures["difference"]["interval"]
    assert low <= 0 <= high
    assert DeploymentLog(opened).latest() is None


def test_a_line_of_the_log_that_was_cut_off_is_left_out(opened: Database, run: Path) -> None:
    record_new_taste(EventStore(opened), range(110))
    learner = Learner(run, opened)
    result = learner.learn()
    with (learner.store.folder / "learning.jsonl").open("a") as log:
        log.write('{"outcome": "not be')
    assert learner.past_runs() == [result]


def test_a_network_continues_from_its_trained_weights(tmp_path: Path) -> None:
    before = dataset_of({user: old_taste(user) for user in range(20)})
    after = dataset_of({str(user): [str(item) for item in old_taste(user)] for user in range(30)})
    known = tm.MF(epochs=20, seed=1).fit(tm.no_holdout(before))
    from_scratch = tm.MF(epochs=1, seed=1).fit(tm.no_holdout(after))
    warm_started = tm.MF(epochs=1, seed=1).fit(tm.no_holdout(after), start_from=known)

    def relative_distance(model: tm.MF) -> float:
        vectors = model.item_vectors
        code = model.dataset.item_vocabulary.code_of
        old = known.item_vectors[known.dataset.item_vocabulary.code_of(7)]
        return float((vectors[code("7")] - old).norm() / old.norm())

    assert relative_distance(warm_started) < 0.5 * relative_distance(from_scratch)


@pytest.mark.slow
def test_a_service_retrains_automatically_while_it_responds(
    run: Path, new_database: Databases, serving: Serving
) -> None:
    learns = ("--learn", "--learn-every-s", 0.5, "--learn-from", 60)
    with serving(run, new_database("sqlite"), *learns) as server:
        before = server.client.ready().version
        events = [
            Event(user_id=f"new{user}", item_id=item, timestamp=10_000 + 10 * user + place)
            for user in range(110)
            for place, item in enumerate([0, 19, 5])
        ]
        server.client.record(events)

        def swapped() -> bool:
            assert server.client.recommend("new1").items
            return server.client.ready().version != before

        until(swapped, 60, server.output)
        newest, first = server.client.deployments().deployments
        assert (newest.reason, newest.current, first.reason) == ("learned", True, "start")
        assert newest.figures is not None
        assert newest.figures["metrics"]["ndcg@10"] > newest.figures["before"]["ndcg@10"]
        assert server.client.rollback().version == before
        until(lambda: server.client.ready().version == before, 10)


def test_the_database_url_is_not_publicly_visible(on_sqlite: Server) -> None:
    def lines() -> list[bytes]:
        children = [pid for pid, parent in parents().items() if parent == on_sqlite.process.pid]
        found = [Path(f"/proc/{pid}/cmdline") for pid in children]
        return [line for line in (file.read_bytes() for file in found if file.exists()) if line]

    assert on_sqlite.client.learn().status == "started"
    (line,) = until(lambda: [each for each in lines() if b"--least" in each], 30, on_sqlite.output)
    assert on_sqlite.database.encode() not in line
    until(lambda: "too few events" in on_sqlite.output(), 60, on_sqlite.output)


@pytest.mark.slow
def test_the_log_becomes_training_data(run: Path, new_database: Databases, tmp_path: Path) -> None:
    database = new_database("sqlite")
    log = tmp_path / "log.csv"
    rows = [
        f"new{user},{item},{1000 + place}"
        for user in range(9)
        for place, item in enumerate([0, 19, 5])
    ]
    log.write_text("\n".join(["visitor,sku,time", *rows]))
    options = ("--database", database, "--user", "visitor", "--item", "sku", "--json")
    first = tastemaker("events", "import", log, *options)
    assert json.loads(first.stdout) == {"accepted": 27, "duplicates": 0, "left_out": 0}
    assert json.loads(tastemaker("events", "import", log, *options).stdout)["duplicates"] == 27
    trained = tastemaker(
        "train", "--from-events", database, "--model", "itemknn", "--out", tmp_path / "next"
    )
    assert trained.returncode == 0, trained.stderr
    assert tm.open_run(tmp_path / "next").split.train.n_users == 9


def test_only_one_process_trains_at_a_time(opened: Database, run: Path) -> None:
    from filelock import FileLock

    learner = Learner(run, opened)
    learner.store.folder.mkdir(parents=True)
    with FileLock(learner.store.folder / "learning.lock"):
        with pytest.raises(ConfigError, match="another process is already training"):
            learner.learn()


def test_an_interrupted_training_deploys_nothing(opened: Database, tmp_path: Path) -> None:
    data = dataset_of({user: old_taste(user) for user in range(20)})
    tm.save_run(tmp_path / "run", tm.MF(epochs=5).fit(tm.no_holdout(data)))
    record_new_taste(EventStore(opened), range(110))
    learner = Learner(tmp_path / "run", opened)

    def press_ctrl_c(progress: Progress) -> None:
        if progress.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        learner.learn(on_progress=press_ctrl_c)
    assert DeploymentLog(opened).latest() is None
    assert learner.past_runs() == []
    assert learner.fresh()[1] == 330, "the events wait for the next training"


def test_of_two_requests_to_train_one_is_told_that_a_training_runs(tmp_path: Path) -> None:
    async def both() -> list[bool]:
        learning = Learning(ServiceSettings(run=tmp_path / "run"))
        started = await asyncio.gather(learning.start(1), learning.start(1))
        await learning.end()
        return started

    assert sorted(asyncio.run(both())) == [False, True]


def test_of_several_workers_one_trains_at_a_time(tmp_path: Path) -> None:
    async def started() -> list[bool]:
        settings = ServiceSettings(run=tmp_path / "run")
        worker, other = Learning(settings), Learning(settings)
        found = [await worker.start(1), await other.start(1), await worker.start(1)]
        await worker.end()
        found.append(await other.start(1))
        await other.end()
        return found

    assert asyncio.run(started()) == [True, False, False, True]


def test_a_training_of_another_program_is_noticed(tmp_path: Path) -> None:
    settings = ServiceSettings(run=tmp_path / "run")
    store = Store(settings.run)
    store.folder.mkdir(parents=True)
    with store.training_lock():
        assert not asyncio.run(Learning(settings).start(1))


def test_after_a_move_to_another_database_its_events_are_fresh(opened: Database, run: Path) -> None:
    record_new_taste(EventStore(opened), range(110))
    learner = Learner(run, opened)
    learner.learn()
    assert learner.fresh()[1] == 0
    log = learner.store.folder / LOG
    of_the_other = json.loads(log.read_text()) | {"events_until": 90_000}
    log.write_text(json.dumps(of_the_other) + "\n")
    assert learner.fresh()[1] == 330
