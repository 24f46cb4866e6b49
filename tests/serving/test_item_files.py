"""The catalog as a file: out and in again, by the rules of the service, while it runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker import wire
from tastemaker.data.dataset import Dataset
from tastemaker.data.missing import Values
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import ConfigError, DataError
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.item_files import export_items, import_items
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.testing.worlds import checkerboard, two_tastes

from .conftest import Databases
from .server import Server, tastemaker

ITEMS = [
    ItemRecord("7", "Seven, the", ("low", "two words"), "/7.jpg"),
    ItemRecord("x/é", None, None, None, hidden=True),
    ItemRecord("9", '"Nine"', ("high",), "https://img.example/9?a=b", available=False),
    ItemRecord("10", features={"price": 3.5, "brand": "a, b", "labels": ["x", 1], "new": True}),
]


@pytest.fixture
def store(new_database: Databases) -> Iterator[ItemStore]:
    with Database(new_database("sqlite")) as opened:
        opened.migrate()
        yield ItemStore(opened)


def kept(store: ItemStore) -> list[tuple[object, ...]]:
    return [
        (
            item.item_id,
            item.title,
            item.categories,
            item.image_url,
            item.hidden,
            item.available,
            item.features,
        )
        for item in store.changed()
        if not item.deleted
    ]


def test_features_that_are_no_object_are_refused_with_their_line(
    store: ItemStore, tmp_path: Path
) -> None:
    path = tmp_path / "items.csv"
    path.write_text('item_id,features\n1,"{""price"": 3}"\n2,price 3\n')
    with pytest.raises(DataError, match='column "features", line 3: "price 3" is not a JSON'):
        import_items(store, path)
    lines = tmp_path / "items.jsonl"
    lines.write_text('{"item_id": 1, "features": {"price": 3}}\n{"item_id": 2, "features": null}\n')
    import_items(store, lines)
    assert [item.features for item in store.changed()] == [{"price": 3}, None]


@pytest.fixture
def second(new_database: Databases) -> Iterator[ItemStore]:
    with Database(new_database("sqlite")) as opened:
        opened.migrate()
        yield ItemStore(opened)


@pytest.mark.parametrize("name", ["items.parquet", "items.csv", "items.jsonl"])
def test_exported_items_can_be_imported(
    store: ItemStore, second: ItemStore, tmp_path: Path, name: str
) -> None:
    store.put([*ITEMS, ItemRecord("gone", "Gone")])
    store.delete("gone")
    assert export_items(store, tmp_path / name) == 4
    assert import_items(second, tmp_path / name).n == 4
    assert kept(second) == kept(store)


@pytest.mark.parametrize("name", ["items.parquet", "items.csv", "items.jsonl"])
def test_a_catalog_without_changes_is_a_file_without_rows(
    store: ItemStore, tmp_path: Path, name: str
) -> None:
    assert export_items(store, tmp_path / name) == 0
    assert (tmp_path / name).exists()


def test_columns_are_found_by_usual_names_and_the_others_are_features(
    store: ItemStore, tmp_path: Path
) -> None:
    (tmp_path / "movies.csv").write_text(
        "movieId,Name,Genres,poster,stock,Available\n"
        "1,1984,Drama|Sci-Fi,https://img.example/1,3,no\n"
        "2,Heat,(no genres listed),,1,\n"
        "1,Twice,,,,\n"
    )
    done = import_items(store, tmp_path / "movies.csv")
    assert done.n == 2
    assert kept(store) == [
        ("1", "1984", ("Drama", "Sci-Fi"), "https://img.example/1", False, False, {"stock": 3}),
        ("2", "Heat", (), None, False, True, {"stock": 1}),
    ]
    message = "\n".join(done.notes)
    assert "item_id = movieId, title = Name, categories = Genres, image_url = poster" in message
    assert "movies.csv: stock: number" in message
    assert "1 rows that repeat an item are left out" in message


PRODUCTS = pl.DataFrame(
    {
        "item_id": [1, 2, 3],
        "price": [1.5, 2.5, None],
        "brand": ["x", "y", "x"],
        "labels": [["new"], ["new", "warm"], []],
        "launched": ["2024-05-01", "2024-05-02", "2024-05-03"],
        "picture": [[0.5, 1.0], [0.25, 0.0], None],
        "ean": ["a1", "a2", "a3"],
    }
)


def products() -> Dataset:
    """Data of a run whose items have all of these features."""
    log = pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 3]})
    return tm.read(log, items=PRODUCTS, features={"ean": "category"})


def test_other_columns_are_features_of_the_kinds_that_training_would_guess(
    store: ItemStore, tmp_path: Path
) -> None:
    objects = PRODUCTS.with_columns(features=pl.lit('{"price": 9}'))
    objects.write_parquet(tmp_path / "items.parquet")
    notes = "\n".join(import_items(store, tmp_path / "items.parquet").notes)
    assert "price: number" in notes
    assert "picture: vector (2 numbers)" in notes
    assert "ean: not used (unique to each row)" in notes
    assert [record.features for record in store.changed()] == [
        {"price": 9, "brand": "x", "labels": ["new"], "launched": 1714521600, "picture": [0.5, 1]},
        {"price": 9, "brand": "y", "labels": ["new", "warm"], "launched": 1714608000,
         "picture": [0.25, 0]},
        {"price": 9, "brand": "x", "labels": [], "launched": 1714694400},
    ]  # fmt: skip


def test_with_a_run_columns_are_its_features_and_of_its_kinds(
    store: ItemStore, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text("item_id;price;ean;stock\n7;3,5;c9;1\n8;NA;c8;2\n")
    how = TextFormat(decimal=",")
    done = import_items(store, tmp_path / "items.csv", data=products(), how=how)
    assert [record.features for record in store.changed()] == [
        {"price": 3.5, "ean": "c9"},
        {"ean": "c8"},
    ]
    assert any("not features of the run: stock" in note for note in done.notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"price": ["3", "much"]}, 'column "price", row 2: "much" is not a number'),
        ({"brand": ["x", "y" * 2_001]}, 'column "brand", row 2: .*at most 2000 characters'),
        ({"picture": [[1.0], [2.0]]}, 'column "picture" has vectors of 1 numbers.* run have 2'),
        (
            {"features": ['{"price": 3}', '{"colour": "red"}']},
            'column "features", row 2: the items have no feature "colour"',
        ),
    ],
)
def test_features_that_the_service_refuses_are_refused_with_their_place(
    store: ItemStore, tmp_path: Path, rows: dict[str, list[object]], message: str
) -> None:
    pl.DataFrame({"item_id": [7, 8], **rows}).write_parquet(tmp_path / "items.parquet")
    with pytest.raises(DataError, match=message):
        import_items(store, tmp_path / "items.parquet", data=products())
    assert store.changed() == []


WRONG = [
    ("sku,title\na\x07b,x\n", 'column "sku", line 2: .*control character'),
    ("sku,title\na,x\n" + "a" * 300 + ",y\n", 'column "sku", line 3: .*at most 256 characters'),
    ("sku,name\na," + "t" * 1001 + "\n", 'column "name", line 2: .*at most 1000 characters'),
    ("sku,genre\na,low|" + "c" * 300 + "\n", 'column "genre", line 2: .*at most 256 characters'),
    ("sku,poster\na,none.jpg\n", "column \"poster\", line 2: 'none.jpg': string should match"),
    ("sku,hidden\na,perhaps\n", 'column "hidden", line 2: .*should be a valid boolean'),
    ("sku,title\n,x\n", 'column "sku", line 2: the item id is missing'),
    ("sku,title\n", "there are no rows"),
    ("what,title\na,x\n", "needs a column with the item's id .*item_id=…"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_file_at_fault_is_refused_whole(
    store: ItemStore, tmp_path: Path, text: str, message: str
) -> None:
    lines = text.splitlines()
    good = "\n".join([*lines, *(f"good{i}" + "," * lines[0].count(",") for i in range(3))][:99])
    (tmp_path / "items.csv").write_text(good if len(lines) > 1 else text)
    with pytest.raises(DataError, match=message):
        import_items(store, tmp_path / "items.csv")
    assert store.changed() == []


def test_ids_are_held_against_those_of_the_run(store: ItemStore, tmp_path: Path) -> None:
    numbers, texts = two_tastes(), checkerboard(text_ids=True)
    (tmp_path / "items.csv").write_text("sku,title\n1,One\nmatrix,Two\n")
    with pytest.raises(DataError, match='column "sku", line 3: item matrix is unknown'):
        import_items(store, tmp_path / "items.csv", data=numbers)
    assert store.changed() == []
    (tmp_path / "items.csv").write_text("sku,title\n1.0,One\n2.0,Two\n")
    import_items(store, tmp_path / "items.csv", data=texts)
    assert [item.item_id for item in store.changed()] == ["1.0", "2.0"]


def test_rows_without_an_id_are_left_out_on_request(store: ItemStore, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("sku,title\na,x\nNA,y\n")
    done = import_items(store, tmp_path / "items.csv", values=Values(drop_missing=True))
    assert done.n == 1
    assert any("1 of 2 rows are left out" in note for note in done.notes)


def test_csv_cannot_hold_every_category(store: ItemStore, tmp_path: Path) -> None:
    store.put([ItemRecord("7", None, ("a|b",))])
    with pytest.raises(ConfigError, match=r'"a\|b" of item 7 .*use .parquet or .jsonl'):
        export_items(store, tmp_path / "items.csv")
    assert list(tmp_path.iterdir()) == []
    assert export_items(store, tmp_path / "items.jsonl") == 1
    with pytest.raises(ConfigError, match='".xlsx" is not supported'):
        export_items(store, tmp_path / "items.xlsx")


def test_a_running_service_has_the_items_in_its_next_answer(
    service: Server, tmp_path: Path
) -> None:
    rows = {"code": range(50_000, 62_000), "title": [f"Row {i}" for i in range(12_000)]}
    pl.DataFrame(rows).write_parquet(tmp_path / "items.parquet")
    options = ("--database", service.database, "--run", service.run)
    done = tastemaker("items", "import", tmp_path / "items.parquet", *options, "--item-id", "code")
    assert (done.returncode, done.stderr.count("12,000 items imported")) == (0, 1), done.stderr
    assert service.client.item(61_999).title == "Row 11999"
    assert [item.item_id for item in service.client.items("row 11998").items] == [61_998]
    service.client.patch_item(61_999, title="Changed")
    out = tastemaker("items", "export", tmp_path / "out.jsonl", *options[:2], "--json")
    assert json.loads(out.stdout)["items"] >= 12_000
    written = pl.read_ndjson(tmp_path / "out.jsonl")
    assert written.filter(item_id="61999")["title"].to_list() == ["Changed"]


@pytest.mark.parametrize(
    "given",
    [
        {"item_id": "matrix"},
        {"item_id": "a\x07b"},
        {"item_id": "x" * 257},
        {"item_id": 1, "title": "x" * 1001},
        {"item_id": 1, "title": "a\x07b"},
        {"item_id": 1, "image_url": "javascript:1"},
        {"item_id": 1, "categories": ["x" * 257]},
        {"item_id": 1, "categories": ["c"] * 101},
        {"item_id": 1, "hidden": "perhaps"},
    ],
)
def test_values_that_the_service_refuses_are_refused_in_a_file(
    on_sqlite: Server, tmp_path: Path, given: dict[str, object]
) -> None:
    refused = on_sqlite.http.post(
        "/v1/items",
        content=json.dumps(given),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert refused.status_code == 422
    (tmp_path / "items.jsonl").write_text(json.dumps(given) + "\n")
    options = ("--database", on_sqlite.database, "--run", on_sqlite.run)
    done = tastemaker("items", "import", tmp_path / "items.jsonl", *options)
    assert done.returncode == 2
    assert "items.jsonl: column" in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_name_command_line_options(new_database: Databases, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("what,title\na,x\n")
    options = ("--database", new_database("sqlite"))
    done = tastemaker("items", "import", tmp_path / "items.csv", *options)
    assert done.returncode == 2
    assert "name it with --item-id" in done.stderr
    assert tastemaker("items", "import", tmp_path / "items.csv").returncode == 2
    assert tastemaker("items", "import", tmp_path / "none.csv", *options).returncode == 2
    put = tastemaker(
        "items", "import", tmp_path / "items.csv", *options, "--item-id", "what", "--json"
    )
    assert json.loads(put.stdout) == {"items": 1}


def test_an_item_from_a_file_is_as_one_that_was_put(on_sqlite: Server, tmp_path: Path) -> None:
    body = wire.ItemBody(title="Put", categories=["low"], image_url="/put.jpg", available=False)
    put = on_sqlite.client.put_item(40_000, body)
    line = {"item_id": 40_001, **body.model_dump()}
    (tmp_path / "items.jsonl").write_text(json.dumps(line) + "\n")
    tastemaker("items", "import", tmp_path / "items.jsonl", "--database", on_sqlite.database)
    loaded = on_sqlite.client.item(40_001)
    assert loaded.model_copy(update={"item_id": 40_000}) == put
