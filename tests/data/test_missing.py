"""Missing values: reported for all columns at once, and left out only on request."""

import sqlite3
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError


def written(tmp_path: Path, text: str, name: str = "clicks.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def ids(data: tm.Dataset) -> tuple[list, list]:
    return data.user_vocabulary.ids.to_list(), data.item_vocabulary.ids.to_list()


def refusal(source: object, **how: object) -> str:
    with pytest.raises(DataError) as error:
        tm.read(source, **how)
    return str(error.value)


def test_texts_for_missing_values_are_not_ids(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item\n1,10\nNA,11\nNA,12\n2,10\n")
    message = refusal(path)
    assert f'{path}: column "user", lines 3, 4: the user id is missing (2 "NA")' in message
    assert "leave out 2 of 4 rows with drop_missing=True" in message
    data = tm.read(path, drop_missing=True)
    assert ids(data) == ([1, 2], [10])
    assert data.n_missing == 2
    note = 'missing values: 2 of 4 rows are left out, 2 without the user id (2 "NA")'
    assert note in data.notes


@pytest.mark.parametrize("text", ["NA", "NULL", "N/A", "nan", "NaN", "None", "null", ""])
def test_each_usual_spelling_of_a_missing_value_is_a_missing_item(
    tmp_path: Path, text: str
) -> None:
    rows = "".join(f"{user},{user + 10}\n" for user in range(1_500))
    path = written(tmp_path, f"user,item\n{rows}7,{text}\n")
    assert "the item id is missing" in refusal(path)
    data = tm.read(path, drop_missing=True)
    assert len(data) == 1_500
    assert not data.item_vocabulary.is_text
    frame = pl.DataFrame({"user": ["a", "b"], "item": ["x", text]})
    assert 'column "item", row 2: the item id is missing' in refusal(frame)
    assert ids(tm.read(frame, drop_missing=True)) == (["a"], ["x"])


def test_one_message_names_all_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "user;item;ts;w\n1;A;100;1\n;B;200;1\n2;;300;1\n2;A;;1\n3;C;400;\n")
    message = refusal(path, weight="w")
    for line, what in ((3, "user id"), (4, "item id"), (5, "time"), (6, "weight")):
        assert f"line {line}: the {what} is missing" in message
    assert "4 of 5 rows" in message
    data = tm.read(path, weight="w", drop_missing=True)
    assert ids(data) == ([1], ["A"])
    assert data.n_missing == 4


def test_many_missing_values_are_counted_and_the_first_are_named() -> None:
    frame = pl.DataFrame({"user": [None] * 2_000 + [1], "item": [5] * 2_001})
    assert 'column "user", rows 1, 2, 3, … (2,000 rows): the user id' in refusal(frame)
    only_nothing = frame.head(2_000)
    assert "so no row is left" in refusal(only_nothing, drop_missing=True)


def test_a_float_that_is_not_a_number_is_a_missing_id() -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [1.0, float("nan")]})
    assert 'column "item", row 2: the item id is missing' in refusal(frame)
    assert ids(tm.read(frame, drop_missing=True)) == ([1], [1])


def test_rows_of_a_query_may_lack_values_too(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE clicks (visitor TEXT, sku TEXT)")
        shop.executemany(
            "INSERT INTO clicks VALUES (?, ?)", [("a", "x"), ("b", None), ("NULL", "x")]
        )
    shop.close()
    query, url = "SELECT visitor, sku FROM clicks", f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(DataError, match=r"row 3: the user id is missing.*row 2: the item id is"):
        tm.read_sql(query, url)
    assert tm.read_sql(query, url, drop_missing=True).n_missing == 2


def test_the_texts_for_missing_values_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item\n1,10\n2,nan\n3,None\n")
    assert ids(tm.read(path, missing=[]))[1] == ["10", "None", "nan"]
    assert ids(tm.read(path, missing=["nan"], drop_missing=True))[1] == ["10", "None"]
    coded = written(tmp_path, "user,item\n1,10\n-1,10\n2,0\n", "coded.csv")
    assert tm.read(coded).n_users == 3
    assert ids(tm.read(coded, missing=["-1", "0"], drop_missing=True)) == ([1], [10])
    assert "the user id is missing" in refusal(coded, missing=["-1"])
    with pytest.raises(ConfigError, match="give a list of texts"):
        tm.read(path, missing="NA")


def test_a_missing_time_does_not_hide_the_unit_of_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,time\na,1,1.5e9\na,2,NA\nb,2,1500000060\n")
    data = tm.read(path, drop_missing=True)
    assert data.to_frame()["timestamp"].to_list() == [1_500_000_000, 1_500_000_060]


def test_a_rating_may_be_missing(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,rating\na,1,5\na,2,NA\n")
    data = tm.read(path)
    assert len(data) == 2
    assert len(tm.read(path, min_rating=4)) == 1


def test_the_parts_of_a_ready_made_split_may_lack_values_too(tmp_path: Path) -> None:
    train = written(tmp_path, "user,item\n1,10\n1,20\n2,10\n", "train.csv")
    test = written(tmp_path, "user,item\n1,30\nNA,30\n2,20\n", "test.csv")
    lists = written(tmp_path, "user,item\n1,10\n1,NULL\n2,30\n", "lists.csv")
    how = {"drop_missing": True}
    for read, path in ((tm.read_interactions, test), (tm.read_candidate_lists, lists)):
        with pytest.raises(DataError, match="id is missing"):
            read(path)
    split = tm.predefined_split(
        tm.read_interactions(train, **how),
        tm.read_interactions(test, **how),
        candidates=tm.read_candidate_lists(lists, **how),
    )
    assert split.train.item_vocabulary.ids.to_list() == [10, 20, 30]
    assert len(split.test.users) == 2
    assert [note for note in split.notes if "left out" in note] == [
        'test: missing values: 1 of 3 rows are left out, 1 without the user id (1 "NA")',
        'candidates: missing values: 1 of 3 rows are left out, 1 without the item id (1 "NULL")',
    ]


def test_lists_of_candidates_may_lack_some(tmp_path: Path) -> None:
    path = tmp_path / "lists.parquet"
    table = {"user_id": [1, 2, 3], "item_id": [[10, None], [20], []]}
    pl.DataFrame(table, schema_overrides={"item_id": pl.List(pl.Int32)}).write_parquet(path)
    with pytest.raises(DataError, match='column "item_id", row 1: the item id is missing'):
        tm.read_candidate_lists(path)
    lists = tm.read_candidate_lists(path, drop_missing=True)
    assert lists.frame.rows() == [(1, 10), (2, 20)]
    assert lists.n_missing == 1
