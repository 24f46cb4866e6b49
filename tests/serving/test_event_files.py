"""The event log as a file: out and in again, whatever the file is called and however it is made."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tastemaker.data.missing import Values
from tastemaker.errors import ConfigError, DataError
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.event_files import export_events, import_events
from tastemaker.serving.store.events import EventStore
from tastemaker.serving.store.tables import NewEvent
from tastemaker.testing.worlds import checkerboard, two_tastes

from .conftest import Databases
from .server import Server, tastemaker

NOTHING: dict[str, str | None] = {"user": None, "item": None, "time": None}


@pytest.fixture
def store(new_database: Databases) -> Iterator[EventStore]:
    with Database(new_database("sqlite")) as opened:
        opened.migrate()
        yield EventStore(opened)


another = store


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
def test_exported_events_are_imported_exactly_once(
    store: EventStore, another: EventStore, tmp_path: Path, name: str
) -> None:
    store.append(
        [
            NewEvent("a", "42", "7", 1000, "view"),
            NewEvent("b", "visitor, the", "x/é", 1001, "retract"),
        ]
    )
    assert export_events(store, tmp_path / name) == 2
    assert import_events(store, tmp_path / name, NOTHING) == (0, 2, 0)
    assert import_events(another, tmp_path / name, NOTHING) == (2, 0, 0)
    assert pl.concat(another.rows()).equals(pl.concat(store.rows()))


def test_an_event_id_that_looks_like_a_missing_value_is_imported_again(
    store: EventStore, new_database: Databases, tmp_path: Path
) -> None:
    store.append([NewEvent("NA", "ann", "3", 1000, "view")])
    export_events(store, tmp_path / "log.csv")
    with Database(new_database("sqlite")) as opened:
        opened.migrate()
        assert import_events(EventStore(opened), tmp_path / "log.csv", NOTHING) == (1, 0, 0)


def test_events_without_ids_are_identified_by_their_content(
    store: EventStore, tmp_path: Path
) -> None:
    (tmp_path / "clicks.csv").write_text(
        "visitor,sku,when,type\nann,1,2024-05-01T10:00:00,view\nann,1,2024-05-01T10:00:00,buy\n"
    )
    columns = {"user": "visitor", "item": "sku", "time": "when"}
    assert import_events(store, tmp_path / "clicks.csv", columns) == (2, 0, 0)
    assert import_events(store, tmp_path / "clicks.csv", columns) == (0, 2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\na,b\n", "events need a time"),
        ("user,item,time\na,,3\n", "line 2: the item id is missing"),
        ("user,item,time\na,b,yesterday\n", '"yesterday" is not a time'),
        ("user,item,time\n", "no rows"),
        ("user,item,time\na,b,3\n" + "a" * 300 + ",b,3\n", '"user", line 3: .* at most 256 char'),
        ("user,item,time\na,x\x07,3\n", 'column "item", line 2: .* control character U.0007'),
        (
            "user,item,time\na,b,3\na,b,4000000000\n",
            '"time", line 3: 4000000000 is more than a day',
        ),
        ("user,item,time\na,b,1970-01-01\na,b,1969-12-31\n", '"time", line 3: -86400: .* than or'),
        ("user,item,time,type\na,b,3," + "t" * 65 + "\n", '"type", line 2: .* at most 64 char'),
        ("user,item,time,event_id\na,b,3," + "e" * 129 + "\n", '"event_id", line 2: .* most 128'),
    ],
)
def test_a_file_at_fault_is_refused_whole(
    store: EventStore, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        import_events(store, tmp_path / "log.csv", NOTHING)
    assert store.size() == 0


def test_items_of_another_kind_than_those_of_the_run_are_refused(
    store: EventStore, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\na,1,3\na,x,4\n")
    with pytest.raises(
        DataError, match='column "item", line 3: item x .* item ids of this service are whole'
    ):
        import_events(store, path, NOTHING, data=two_tastes())
    assert store.size() == 0
    texts = checkerboard(text_ids=True)
    assert import_events(store, path, NOTHING, data=texts) == (2, 0, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"timestamp": 4_000_000_000},
        {"timestamp": -5},
        {"item_id": "matrix"},
        {"item_id": "a\x07b"},
        {"user_id": "a\x7fb"},
        {"user_id": "u" * 257},
        {"type": "a\x07b"},
        {"event_id": "e" * 129},
    ],
)
def test_values_that_the_service_refuses_are_refused_in_a_file(
    on_sqlite: Server, tmp_path: Path, given: dict[str, object]
) -> None:
    event = {"user_id": "ann", "item_id": 3, "timestamp": 1000, "type": "view"} | given
    assert on_sqlite.http.post("/v1/events", json=event).status_code == 422
    (tmp_path / "log.jsonl").write_text(json.dumps(event) + "\n")
    options = ("--database", on_sqlite.database, "--run", on_sqlite.run)
    done = tastemaker("events", "import", tmp_path / "log.jsonl", *options)
    assert (done.returncode, "log.jsonl: column" in done.stderr) == (2, True), done.stderr


def test_an_unsupported_file_extension_is_refused_and_no_file_written(
    store: EventStore, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match='".xlsx" is not supported; use .parquet, .csv, .jsonl'):
        export_events(store, tmp_path / "log.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_rows_without_an_id_are_left_out_on_request(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\na,b,3\nNA,b,4\na,,5\n")
    with pytest.raises(DataError, match="line 3: the user id is missing"):
        import_events(store, tmp_path / "log.csv", NOTHING)
    done = import_events(store, tmp_path / "log.csv", NOTHING, values=Values(drop_missing=True))
    assert done == (1, 0, 2)
    values = Values(missing=[], drop_missing=True)
    assert import_events(store, tmp_path / "log.csv", NOTHING, values=values) == (1, 1, 1)


def test_a_published_log_is_read_by_its_layout(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "UserBehavior.csv").write_text(
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n"
    )
    log = tmp_path / "UserBehavior.csv"
    assert import_events(store, log, NOTHING, layout="taobao") == (2, 0, 0)
    events = pl.concat(store.rows()).select("user_id", "item_id", "timestamp", "type")
    assert events.rows() == [
        ("1", "2268318", 1511544070, "pv"),
        ("1", "2333346", 1511561733, "buy"),
    ]
    (tmp_path / "behaviors.tsv").write_text(
        "1\tU7\t11/11/2019 9:05:58 AM\tN1 N2\tN31-0 N18-1 N9-1\n"
    )
    assert import_events(store, tmp_path / "behaviors.tsv", NOTHING, layout="mind") == (2, 0, 0)
    with pytest.raises(ConfigError, match='no layout "taobo"; did you mean "taobao"'):
        import_events(store, tmp_path / "behaviors.tsv", NOTHING, layout="taobo")


def test_values_may_have_a_decimal_comma(new_database: Databases, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user;item;time;value\na;b;3;1,5\na;c;4;\n")
    options = ("--database", new_database("sqlite"))
    refused = tastemaker("events", "import", tmp_path / "log.csv", *options)
    assert "if the comma is a decimal point, give --decimal" in refused.stderr
    done = tastemaker("events", "import", tmp_path / "log.csv", *options, "--decimal", ",")
    assert "2 events imported" in done.stderr
    tastemaker("events", "export", tmp_path / "out.jsonl", *options)
    assert pl.read_ndjson(tmp_path / "out.jsonl")["value"].to_list() == [1.5, None]
