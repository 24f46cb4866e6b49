"""A table of the items: which of its columns is the id, and what of it is used."""

from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError

LOG = pl.DataFrame({"visitor": [1, 2, 3], "item_sku": ["a", "b", "c"]})


def described(items: pl.DataFrame, **how: object) -> list:
    data = tm.read(LOG, item="item_sku", items=items, **how)
    return data.catalog.frame["title"].to_list()


def test_the_column_of_the_ids_has_the_name_that_it_has_in_the_log() -> None:
    table = {"id": ["b", "c", "a"], "item_sku": ["a", "b", "c"], "title": ["A", "B", "C"]}
    assert described(pl.DataFrame(table)) == ["A", "B", "C"]
    assert described(pl.DataFrame(table).rename({"item_sku": "Item SKU"})) == ["A", "B", "C"]


@pytest.mark.parametrize(
    "name", ["article_id", "ISBN", "Business-ID", "book_id", "trackId", "parent_asin", "id", "Item"]
)
def test_usual_names_of_ids_are_found_without_regard_to_case(name: str) -> None:
    table = pl.DataFrame({"title": ["A", "B", "C"], name: ["a", "b", "c"]})
    assert described(table) == ["A", "B", "C"]


def test_a_column_of_ids_comes_before_one_that_may_be_a_title() -> None:
    table = pl.DataFrame(
        {"movie": ["x", "y", "z"], "id": ["a", "b", "c"], "title": ["A", "B", "C"]}
    )
    assert described(table) == ["A", "B", "C"]


def test_the_column_of_the_ids_can_be_named() -> None:
    table = pl.DataFrame({"item_id": ["x", "y", "z"], "ref": ["a", "b", "c"], "name": list("ABC")})
    assert described(table, item_id="ref") == ["A", "B", "C"]
    with pytest.raises(DataError, match='no column "rf" with the item\'s id; did you mean "ref"'):
        described(table, item_id="rf")
    with pytest.raises(ConfigError, match=r"give the table with items=…"):
        tm.read(LOG, item="item_sku", item_id="ref")


@pytest.mark.parametrize("untouched_items", [False, True])
def test_a_catalog_that_describes_no_item_is_refused(untouched_items: bool) -> None:
    table = pl.DataFrame({"sku": ["SKU-a", "SKU-b"], "title": ["A", "B"]})
    with pytest.raises(DataError, match=r"describes 0 of 3 items: .*SKU-a.*item_id=…"):
        described(table, untouched_items=untouched_items)


def test_the_used_columns_and_rows_of_a_catalog_are_reported() -> None:
    table = pl.DataFrame(
        {"sku": ["a", "a", "c", "x"], "Title": list("ABCX"), "price": [1, 2, 3, 4], "brand": "b"}
    )
    notes = tm.read(LOG, item="item_sku", items=table).notes
    assert notes[-5:] == (
        "catalog: item_id = sku, title = Title",
        "catalog: price: number",
        "catalog: brand: not used (the same in each row)",
        "catalog: 1 rows that repeat an item are left out; the first row of each item is kept",
        "catalog describes 2 of 3 items, and 1 more without interactions",
    )


def test_ids_of_a_text_file_become_what_those_of_the_log_are(tmp_path: Path) -> None:
    log, items = tmp_path / "log.csv", tmp_path / "items.csv"
    log.write_text("user,item\n1,100\n2,101\n3,7\n")
    items.write_text("item_id,title\n100,A\n101,B\n007,Bond\nB7,D\n")
    data = tm.read(log, items=items)
    assert data.catalog.frame["title"].to_list() == [None, "A", "B"]
    assert data.notes[-1] == (
        f"{items} describes 2 of 3 items; its ids were read as whole numbers, like those of the "
        "interactions; 2 of its ids, such as 007, are no whole numbers as those of the "
        "interactions are, and are left out"
    )
    with pytest.raises(DataError, match='the item id "007" is text.*ids="text"'):
        tm.read(log, items=items, untouched_items=True)
    whole = tm.read(log, items=items, untouched_items=True, ids="text")
    assert whole.item_vocabulary.ids.to_list() == ["007", "100", "101", "7", "B7"]
    log.write_text("user,item\n1,100\n2,B7\n")
    items.write_text("item_id,title\n100,A\n101,B\n")
    assert tm.read(log, items=items).catalog.frame["title"].to_list() == ["A", None]


def test_typed_ids_of_two_kinds_are_refused_with_the_remedy() -> None:
    log = pl.DataFrame({"user": [1, 2], "item": [1, 2]})
    table = pl.DataFrame({"item_id": ["1", "2"], "title": ["A", "B"]})
    with pytest.raises(DataError, match='the same type, or read all of them with ids="text"'):
        tm.read(log, items=table)
    assert tm.read(log, items=table, ids="text").catalog.frame["title"].to_list() == ["A", "B"]
    assert tm.read(log, items=table, ids="integer").item_vocabulary.ids.to_list() == [1, 2]


def test_rows_of_a_catalog_without_an_id(tmp_path: Path) -> None:
    table = pl.DataFrame({"sku": ["a", None, "NA"], "title": ["A", "B", "None"]})
    with pytest.raises(DataError, match='column "sku", rows 2, 3: the item id is missing'):
        described(table)
    assert described(table, drop_missing=True) == ["A", None, None]
    titled = pl.DataFrame({"sku": ["a", "b", "c"], "title": ["A", "None", "NA"]})
    assert described(titled) == ["A", "None", "NA"]
