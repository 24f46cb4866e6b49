"""Ids: whole numbers or text, as the source has them or as asked for."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError


def items(data: tm.Dataset) -> list:
    return data.item_vocabulary.ids.to_list()


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\n1,100\n2,101\n")
    return path


def test_ids_can_be_read_as_text(clicks: Path) -> None:
    assert items(tm.read(clicks, ids="text")) == ["100", "101"]
    frame = pl.DataFrame({"user": [1, 2], "item": [100.0, 101.0]})
    assert items(tm.read(frame, ids="text")) == ["100", "101"]


def test_text_of_a_file_stays_as_it_is_written(clicks: Path) -> None:
    clicks.write_text("user,item\n1,1.10\n2,1.9\n3,+7\n")
    assert items(tm.read(clicks, ids="text")) == ["+7", "1.10", "1.9"]


def test_ids_can_be_read_as_whole_numbers(clicks: Path) -> None:
    frame = pl.DataFrame({"user": ["1", "2"], "item": ["007", "8"]})
    assert items(tm.read(frame, ids="integer")) == [7, 8]
    clicks.write_text("user,item\n1,007\n2,B7\n")
    with pytest.raises(
        DataError, match='line 3: the item id "B7" is not a 64-bit whole number.*ids="text"'
    ):
        tm.read(clicks, ids="integer")
    with pytest.raises(ConfigError, match='use ids="text" or ids="integer"'):
        tm.read(clicks, ids="int")


def test_numbers_beyond_64_bits_are_text_in_a_file(clicks: Path) -> None:
    clicks.write_text("user,item\n1,12345678901234567890\n2,12345678901234567891\n3,5\n")
    assert items(tm.read(clicks)) == ["12345678901234567890", "12345678901234567891", "5"]


def test_fractions_are_not_ids(clicks: Path) -> None:
    clicks.write_text("user,item\n1,2.0\n2,3.0\n")
    assert items(tm.read(clicks)) == [2, 3]
    clicks.write_text("user,item\n1,2.0\n2,3.5\n")
    with pytest.raises(DataError, match="line 3: 3.5 is not a whole number, but item ids"):
        tm.read(clicks)


def test_days_are_not_ids() -> None:
    frame = pl.DataFrame({"user": [1], "item": [date(2024, 1, 1)]})
    with pytest.raises(DataError, match='"item" holds Date, but item ids must be whole numbers'):
        tm.read(frame)


def test_longer_names_of_items_are_known_in_the_log_too() -> None:
    for name in ("Book-ID", "ISBN", "business_id", "parent_asin", "track_id", "news_id"):
        data = tm.read(pl.DataFrame({"user_id": [1, 2], name: [3, 4]}))
        assert f"item = {name} (guessed)" in data.notes[0]


def test_columns_of_the_log_that_are_not_used_are_named(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1], "item": [2], "price": [9], "channel": ["web"]})
    path = tmp_path / "log.csv"
    frame.write_csv(path)
    for source in (frame, path):
        assert tm.read(source).notes[0].endswith("; not used: price, channel")
    assert not any("not used" in note for note in tm.read(frame.drop("price", "channel")).notes)


def test_parts_of_a_split_can_all_be_read_as_text(tmp_path: Path) -> None:
    for name, last in (("train", "100"), ("test", "B7")):
        (tmp_path / f"{name}.csv").write_text(f"user,item\n1,{last}\n")
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    with pytest.raises(DataError, match='whole numbers in one table and text .*ids="text"'):
        tm.predefined_split(tm.read_interactions(train), tm.read_interactions(test))
    split = tm.predefined_split(
        tm.read_interactions(train, ids="text"), tm.read_interactions(test, ids="text")
    )
    assert split.train.item_vocabulary.ids.to_list() == ["100", "B7"]
