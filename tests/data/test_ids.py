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


@pytest.mark.parametrize("odd", ["+7", "-07", "7E0", "07", "-0"])
def test_forms_of_numbers_that_programs_do_not_write_are_text(clicks: Path, odd: str) -> None:
    usual = ["0", *map(str, range(1, 1200)), "-7"]
    clicks.write_text("user,item\n" + "".join(f"1,{item}\n" for item in [*usual, odd]))
    assert items(tm.read(clicks)) == sorted([*usual, odd])
    prepared = tm.prepare(clicks, clicks.parent / "prepared", memory="512MiB")
    assert items(prepared) == sorted([*usual, odd])


def test_whole_floats_of_any_size_are_exact_in_a_file(clicks: Path) -> None:
    clicks.write_text("user,item\n1,9007199254740993.0\n2,9007199254740992\n")
    assert items(tm.read(clicks)) == [9007199254740992, 9007199254740993]


@pytest.mark.parametrize(
    ("dtype", "limit"), [(pl.Float64, 2**53), (pl.Float32, 2**24), (pl.Float16, 2**11)]
)
def test_floats_too_large_to_be_exact_are_not_ids(dtype: type[pl.DataType], limit: int) -> None:
    ids = pl.Series("item", [limit - 1, limit + 1]).cast(dtype)
    frame = pl.DataFrame({"user": [1, 2]}).with_columns(ids)
    with pytest.raises(DataError, match=f"row 2: the item id {limit} may have been rounded.*text"):
        tm.read(frame)
    assert items(tm.read(frame.head(1))) == [limit - 1]


def test_two_spellings_do_not_become_one_whole_number(clicks: Path) -> None:
    clicks.write_text("user,item\n1,7.0\n2,8.0\n3,7\n")
    assert items(tm.read(clicks, ids="integer")) == [7, 8], "as without ids="
    clicks.write_text("user,item\n1,7\n2,8\n3,007\n")
    with pytest.raises(
        DataError, match='line 4: the item ids "007" and "7" would become one.*ids="text"'
    ):
        tm.read(clicks, ids="integer")
    with pytest.raises(DataError, match="would become one"):
        tm.prepare(clicks, clicks.parent / "prepared", ids="integer", memory="512MiB")
