"""Features of users over HTTP: lists follow them at once, and the next training reads them."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.errors import ConfigError, DataError, ServiceError
from tastemaker.models.recommender import Recommender
from tastemaker.serving.learning.event_data import with_events
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.tables import NewEvent
from tastemaker.serving.store.user_files import export_users, import_users
from tastemaker.serving.store.users import StoredUser, UserRecord, UserStore
from tastemaker.testing.worlds import two_tastes

from .conftest import DATABASES, Databases, Serving
from .server import Server, tastemaker

LOW, HIGH = set(range(20)), set(range(20, 40))


def world() -> tm.Dataset:
    """Two tastes, which the users' plan and age tell; no item has a feature but its category."""
    users = pl.DataFrame(
        {
            "user_id": range(60),
            "plan": ["free" if user % 2 == 0 else "paid" for user in range(60)],
            "age": [20.5 + user % 3 + 30 * (user % 2) for user in range(60)],
        }
    )
    tastes = two_tastes()
    columns = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    return tm.read(tastes.to_frame(), items=tastes.catalog.frame, users=users, **columns)


def fitted(name: str) -> Recommender:
    small = {"epochs": 12, "batch_size": 16, "embedding_size": 16, "learning_rate": 1e-2, "seed": 3}
    model = {
        "two_tower": lambda: tm.TwoTower(**small, hidden=16),
        "mf": lambda: tm.MF(**small, features=True),
        "ease": lambda: tm.EASE(regularization=1.0),
    }[name]()
    return model.fit(tm.no_holdout(world()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "two_tower"
    tm.save_run(folder, fitted("two_tower"))
    return folder


@pytest.fixture(scope="module", params=DATABASES)
def featured(
    request: pytest.FixtureRequest, run: Path, new_database: Databases, serving: Serving
) -> Iterator[Server]:
    """Two towers that read features of users, on each kind of database."""
    with serving(run, new_database(request.param)) as server:
        yield server


def items_of(answer: wire.RecommendationList) -> set[wire.Id]:
    return {item.item_id for item in answer.items}


def test_a_new_user_gets_the_items_of_the_features_at_once(
    featured: Server, unseen_user: int
) -> None:
    client, other = featured.client, f"visitor {unseen_user}"
    assert client.recommend(unseen_user).source == "trending"
    low = client.put_user(unseen_user, {"plan": "free", "age": 21})
    assert low == client.user(unseen_user)
    assert (low.features, low.trained, low.features_used) == (
        {"plan": "free", "age": 21}, False, True
    )  # fmt: skip
    client.put_user(other, {"plan": "paid"})
    first, second = client.recommend(unseen_user), client.recommend(other)
    assert (first.source, second.source) == ("model", "model")
    assert items_of(first) <= LOW
    assert items_of(second) <= HIGH
    many = client.recommend_many([wire.AskedUser(user_id=user) for user in (other, unseen_user)])
    assert [items_of(each) for each in many] == [items_of(second), items_of(first)]
    explained = client.recommend(unseen_user, explain=True)
    assert all(item.because == [] for item in explained.items)


def test_a_history_in_a_request_does_not_replace_the_features(
    featured: Server, run: Path, unseen_user: int
) -> None:
    featured.client.put_user(unseen_user, {"plan": "free"})
    trained = int(tm.open_run(run).split.everything.user_vocabulary.ids[1])
    users = [wire.AskedUser(user_id=user, history=[]) for user in (unseen_user, trained)]
    sent, of_training = featured.client.recommend_many(users)
    assert (sent.source, of_training.source) == ("model", "model")
    assert items_of(sent) <= LOW
    assert featured.client.recommend_many([wire.AskedUser(history=[])])[0].source == "trending"


def test_a_changed_feature_changes_the_next_list(featured: Server, unseen_user: int) -> None:
    client = featured.client
    for plan, taste in (("free", LOW), ("paid", HIGH), ("free", LOW)):
        client.put_user(unseen_user, {"plan": plan})
        assert items_of(client.recommend(unseen_user)) <= taste
        assert items_of(client.recommend(unseen_user)) <= taste, "the cached list is the same"
    client.put_user(unseen_user, {})
    assert client.user(unseen_user).features == {}
    assert client.recommend(unseen_user).source == "trending"


def test_features_and_events_count_together(featured: Server, unseen_user: int) -> None:
    client = featured.client
    client.record([wire.Event(user_id=unseen_user, item_id=item) for item in (3, 4)])
    without = client.recommend(unseen_user, k=30)
    client.put_user(unseen_user, {"plan": "paid"})
    assert client.recommend(unseen_user, k=30) != without
    client.put_user(unseen_user, {"plan": None, "age": None})
    assert client.recommend(unseen_user, k=30) == without


def test_a_trained_user_keeps_the_features_that_are_not_sent(
    featured: Server, run: Path, known_user: int
) -> None:
    client, model = featured.client, tm.open_run(run).model
    plan = "paid" if known_user % 2 == 0 else "free"
    put = client.put_user(known_user, {"plan": plan})
    assert (put.trained, put.features, put.features_used) == (True, {"plan": plan}, True)
    of_table = world().user_table.frame.drop("user_id").row(known_user, named=True)
    history = world().history(known_user).tolist()
    twin = model.unseen_users([history], [of_table | {"plan": plan}])
    expected = model.recommend(twin, k=10).frame["item_id"].to_list()
    assert [item.item_id for item in client.recommend(known_user).items] == expected


def test_a_forgotten_user_has_no_features(featured: Server, unseen_user: int) -> None:
    client = featured.client
    for user in (unseen_user, 59):
        client.put_user(user, {"plan": "free"})
        client.forget(user)
        assert client.user(user) == wire.User(user_id=user, trained=False, features_used=False)
        assert client.recommend(user).source == "trending"
    client.put_user(59, {"plan": "free"})
    assert items_of(client.recommend(59)) <= LOW, "features that are sent afterwards count"


def test_an_unknown_category_is_stored_for_the_next_training(
    featured: Server, unseen_user: int
) -> None:
    put = featured.client.put_user(unseen_user, {"plan": "unheard of"})
    assert (put.features, put.features_used) == ({"plan": "unheard of"}, False)
    assert featured.client.recommend(unseen_user).source == "trending"


WRONG = [
    ({"pln": "free"}, 'body.features: the users have no feature "pln"; did you mean "plan"'),
    ({"age": "old"}, "body.features: feature \"age\": 'old' is not a number"),
    ({"plan": ["free"]}, "body.features: feature \"plan\": ['free'] is not a text or a number"),
    ({str(number): 1 for number in range(101)}, "at most 100 items"),
    ({"plan": "x" * 2_001}, "at most 2000 characters"),
]


@pytest.mark.parametrize(("features", "message"), WRONG)
def test_features_that_cannot_be_used_are_refused(
    featured: Server, unseen_user: int, features: dict, message: str
) -> None:
    refused = featured.http.put(f"/v1/users/{unseen_user}", json={"features": features})
    assert refused.status_code == 422
    assert message in refused.json()["detail"]
    assert "\n" not in refused.json()["detail"]
    assert featured.client.user(unseen_user).features == {}


def test_features_of_users_are_refused_without_a_table_of_users(
    on_sqlite: Server, unseen_user: int
) -> None:
    with pytest.raises(ServiceError, match='no feature "plan", since .* without a table of users'):
        on_sqlite.client.put_user(unseen_user, {"plan": "free"})
    with pytest.raises(ConfigError, match="features"):
        on_sqlite.client.put_user(unseen_user, {"plan": object()})
    answer = on_sqlite.http.put(f"/v1/users/{unseen_user}", json={})
    assert (answer.status_code, answer.json()["detail"]) == (422, "body.features: field required")


@pytest.fixture
def opened(database: str) -> Iterator[Database]:
    with Database(database) as opened:
        opened.migrate()
        yield opened


def test_a_user_is_read_with_events_and_features(opened: Database) -> None:
    store, events = UserStore(opened), EventStore(opened)
    events.append([NewEvent("a", "1", "7", 5, "view"), NewEvent("b", "2", "8", 6, "view")])
    store.put([UserRecord("2", {"old": 1}), UserRecord("3", {"plan": "é\"'", "tags": ["a", None]})])
    store.put([UserRecord("2", {"age": 2.5, "plan": None})])
    read = store.read(["1", "2", "3", "4"]).users
    assert read == dict(store.read_each(["1", "2", "3", "4"]))
    assert [[event.item_id for event in user.touched] for user in read.values()] == [
        ["7"], ["8"], [], []
    ]  # fmt: skip
    assert [user.features for user in read.values()] == [
        None, {"age": 2.5, "plan": None}, {"plan": "é\"'", "tags": ["a", None]}, None,
    ]  # fmt: skip
    assert events.forget("2") == 1
    assert store.read(["2"]).users == {"2": StoredUser([], None)}


def test_training_merges_the_features_that_were_sent_with_those_of_the_run(
    opened: Database,
) -> None:
    store, events = UserStore(opened), EventStore(opened)
    events.append([NewEvent(str(user), str(user), "7", 10**9, "view") for user in (0, 2, 99)])
    events.forget("2")
    events.append([NewEvent("again", "2", "7", 10**9, "view")])
    store.put(
        [
            UserRecord("0", {"plan": "new", "age": None, "gone": 1}),
            UserRecord("99", {"age": 7}),
            UserRecord("no events", {"age": 8}),
        ]
    )
    base = world()
    joined = with_events(base, opened)
    assert joined.user_table.features == base.user_table.features
    found = joined.user_table.frame.filter(pl.col("user_id").is_in([0, 1, 2, 99]))
    assert found.rows() == [
        (0, "new", 20.5), (1, "paid", 51.5), (2, None, None), (99, None, 7.0)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["users.parquet", "users.csv", "users.jsonl"])
def test_exported_users_can_be_imported(new_database: Databases, tmp_path: Path, name: str) -> None:
    records = [
        UserRecord("7", {"age": 3.5, "plan": "a, b", "tags": ["x", 1.0], "new": True}),
        UserRecord("x/é", {"age": 7.0}),
        UserRecord("y", {}),
    ]
    with Database(new_database("sqlite")) as first, Database(new_database("sqlite")) as second:
        for opened in (first, second):
            opened.migrate()
        assert export_users(UserStore(first), tmp_path / f"empty {name}") == 0
        UserStore(first).put(records)
        assert export_users(UserStore(first), tmp_path / name) == 2
        assert import_users(UserStore(second), tmp_path / name).n == 2
        assert list(UserStore(second).pages()) == [records[:2]]


def test_a_table_of_users_is_imported_by_the_features_of_the_run(
    featured: Server, tmp_path: Path, unseen_user: int
) -> None:
    path, other = tmp_path / "visitors.csv", unseen_user + 5_000
    path.write_text(
        f"visitor_id,plan,age,height\n{unseen_user},free,21,3\n{other},paid,NA,4\n{other},free,1,\n"
    )
    options = ("--database", featured.database, "--run", featured.run)
    done = tastemaker("users", "import", path, *options, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"users": 2}), done.stderr
    for note in ("user_id = visitor_id", "plan: category", "not features of the run: height"):
        assert note in done.stderr
    assert "1 rows that repeat a user are left out" in done.stderr
    client = featured.client
    assert client.user(unseen_user).features == {"plan": "free", "age": 21}
    assert client.user(other).features == {"plan": "paid"}
    assert items_of(client.recommend(unseen_user)) <= LOW
    assert items_of(client.recommend(other)) <= HIGH
    exported = tastemaker("users", "export", tmp_path / "out.jsonl", *options[:2])
    assert "users exported to" in exported.stderr
    written = pl.read_ndjson(tmp_path / "out.jsonl").filter(user_id=str(other))
    assert [json.loads(features) for features in written["features"]] == [{"plan": "paid"}]


WRONG_FILES = [
    ("id,plan,age\n1,free,3\n2,paid,old\n", 'column "age", line 3: "old" is not a number'),
    ('id,features\n1,"{""pln"": 1}"\n', 'column "features", line 2: .* no feature "pln"; did you'),
    ("id,features\n1,plan free\n", 'column "features", line 2: "plan free" is not a JSON object'),
    ("id,plna\n1,free\n", "no column has features of the run: plan, age; add columns"),
    ("plan,age\nfree,3\n", "needs a column with the user's id .*user_id=…"),
    ("id,plan\n" + "x" * 257 + ",free\n", 'column "id", line 2: .*at most 256 characters'),
]


@pytest.fixture
def store(new_database: Databases) -> Iterator[UserStore]:
    with Database(new_database("sqlite")) as opened:
        opened.migrate()
        yield UserStore(opened)


@pytest.mark.parametrize(("text", "message"), WRONG_FILES)
def test_a_file_of_users_with_an_error_is_refused_as_a_whole(
    store: UserStore, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "users.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        import_users(store, tmp_path / "users.csv", data=world())
    assert list(store.pages()) == []


def test_a_run_without_features_of_users_has_none_to_import(
    store: UserStore, tmp_path: Path
) -> None:
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "users.parquet")
    with pytest.raises(DataError, match="trained without features of users; train with .*users=…"):
        import_users(store, tmp_path / "users.parquet", data=two_tastes())
    with pytest.raises(DataError, match="no column has features; add"):
        import_users(store, tmp_path / "users.parquet")
