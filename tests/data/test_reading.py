"""Reading one's own data, whatever file or frame they come in."""

import gzip
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError

ROWS = [("ann", "tea", 100), ("bob", "tea", 300), ("ann", "jam", 200)]
IN_ORDER = [("ann", "tea", 100), ("ann", "jam", 200), ("bob", "tea", 300)]


def frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=["visitor", "sku", "ts"], orient="row")


def triples(data: tm.Dataset) -> list[tuple]:
    return data.to_frame().select("user_id", "item_id", "timestamp").rows()


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "csv.gz", "parquet", "jsonl", "ndjson"])
def test_one_log_in_any_kind_of_file_is_one_data_set(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"clicks.{ending}"
    if ending == "parquet":
        frame().write_parquet(path)
    elif ending in ("jsonl", "ndjson"):
        frame().write_ndjson(path)
    elif ending == "csv.gz":
        path.write_bytes(gzip.compress(frame().write_csv().encode()))
    else:
        frame().write_csv(path, separator={"csv": ",", "tsv": "\t", "txt": "|"}[ending])
    assert triples(tm.read(path)) == IN_ORDER


@pytest.mark.parametrize("convert", [pl.DataFrame, pd.DataFrame, pa.table, pl.LazyFrame])
def test_any_dataframe_with_the_arrow_interface_will_do(convert: type) -> None:
    source = convert(frame().to_dict(as_series=False))
    assert triples(tm.read(source)) == IN_ORDER


def test_a_sql_query_is_read_through_sqlalchemy(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE clicks (visitor TEXT, sku TEXT, ts INTEGER)")
        shop.executemany("INSERT INTO clicks VALUES (?, ?, ?)", ROWS)
    shop.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    assert triples(tm.read_sql("SELECT visitor, sku, ts FROM clicks", url)) == IN_ORDER
    for harm in (
        "DROP TABLE clicks",
        "DELETE FROM clicks",
        "",
        "WITH x AS (SELECT 1) DELETE FROM clicks",
    ):
        with pytest.raises(DataError):
            tm.read_sql(harm, url)
    assert len(tm.read_sql("SELECT visitor, sku FROM clicks", url)) == 3
    with pytest.raises(DataError, match="no such table: klicks"):
        tm.read_sql("SELECT * FROM klicks", url)
    with pytest.raises(DataError, match="no such database file"):
        tm.read_sql("SELECT 1", f"sqlite:///{tmp_path}/shpo.db")
    assert not (tmp_path / "shpo.db").exists()
    with pytest.raises(DataError, match="URL cannot be used"):
        tm.read_sql("SELECT 1", "no-such-database://host/shop")


def test_the_callers_frame_is_never_changed() -> None:
    original = frame()
    before = original.clone()
    tm.leave_one_out(tm.read(original))
    assert original.equals(before)


def test_columns_are_guessed_from_usual_names_and_the_guess_is_reported() -> None:
    data = tm.read(frame())
    assert "user = visitor (guessed), item = sku (guessed), time = ts (guessed)" in data.notes[0]


def test_columns_are_taken_as_named() -> None:
    renamed = frame().rename({"visitor": "a", "sku": "b", "ts": "c"})
    assert triples(tm.read(renamed, user="a", item="b", time="c")) == IN_ORDER
    with pytest.raises(DataError, match='no column "vistor" for the user; did you mean "visitor"'):
        tm.read(frame(), user="vistor")
    with pytest.raises(DataError, match="no column looks like the user or the item"):
        tm.read(renamed)
    with pytest.raises(DataError, match="no column looks like the user; name it with user=…"):
        tm.read(renamed, item="b")
    with pytest.raises(DataError, match='"sku" is named as both user and item'):
        tm.read(frame(), user="sku", item="sku")


def test_a_file_without_a_header_is_read_by_position(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text("1\t50\t5\t100\n2\t50\t3\t200\n")
    with pytest.raises(
        DataError, match="looks like data, not like column names; if so, give has_header=False"
    ):
        tm.read(path)
    data = tm.read(
        path, has_header=False, user="column_1", item="column_2", rating="column_3", time="column_4"
    )
    assert triples(data) == [(1, 50, 100), (2, 50, 200)]


def test_ids_keep_their_type() -> None:
    whole = tm.read(
        pl.DataFrame({"user": [7, 8], "item": [1, 2]}, schema_overrides={"user": pl.UInt8})
    )
    assert whole.user_vocabulary.ids.to_list() == [7, 8]
    text = tm.read(pl.DataFrame({"user": ["7", "8"], "item": [1, 2]}))
    assert text.user_vocabulary.ids.to_list() == ["7", "8"]
    with_nan_made_floats = tm.read(pd.DataFrame({"user": [7.0, 8.0], "item": [1, 2]}))
    assert with_nan_made_floats.user_vocabulary.ids.to_list() == [7, 8]


def test_leading_zeros_make_an_id_text_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\n007,1\n7,2\n")
    assert tm.read(path).user_vocabulary.ids.to_list() == ["007", "7"]
    path.write_text("user,item\n" + "".join(f"{u},1\n" for u in range(1500)) + "007,1\n")
    data = tm.read(path)
    assert data.n_users == 1501
    assert data.item_vocabulary.ids.to_list() == [1]


def test_blank_lines_and_spaces_around_values_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user, item, timestamp\n1, tea , 300\n\n1, jam, 200\n\n\n")
    assert triples(tm.read(path)) == [(1, "jam", 200), (1, "tea", 300)]


def test_times_of_two_units_are_refused() -> None:
    mixed = pl.DataFrame({"user": [1, 1], "item": [1, 2], "ts": [1_600_000_000_000, 1_600_000_001]})
    with pytest.raises(DataError, match=r"row 2: 1600000001 is in a different unit from the other"):
        tm.read(mixed)


def test_a_path_with_brackets_is_that_file_and_no_pattern(tmp_path: Path) -> None:
    for ending, write in (("csv", frame().write_csv), ("parquet", frame().write_parquet)):
        write(tmp_path / f"a[1].{ending}")
        (tmp_path / f"a1.{ending}").write_text("something else")
        assert triples(tm.read(tmp_path / f"a[1].{ending}")) == IN_ORDER


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        ([1_500_000_000, 1_500_000_060], "seconds"),
        ([1_500_000_000_250, 1_500_000_060_250], "milliseconds"),
        ([1_500_000_000_250_000, 1_500_000_060_000_000], "microseconds"),
        ([1_500_000_000.25, 1_500_000_060.5], "seconds"),
        (["2017-07-14T02:40:00Z", "2017-07-14 02:41:00"], "ISO 8601"),
        (["2017-07-14T04:40:00+02:00", "2017-07-14T02:41"], "ISO 8601"),
        ([datetime(2017, 7, 14, 2, 40), datetime(2017, 7, 14, 2, 41)], "datetime"),
        (
            [datetime(2017, 7, 14, 2, 40, tzinfo=UTC), datetime(2017, 7, 14, 2, 41, tzinfo=UTC)],
            "datetime",
        ),
    ],
)
def test_times_of_any_usual_kind_become_seconds(times: list, unit: str) -> None:
    data = tm.read(pl.DataFrame({"user": ["a", "b"], "item": [1, 1], "time": times}))
    assert data.to_frame()["timestamp"].to_list() == [1_500_000_000, 1_500_000_060]
    assert f"time: {unit}" in data.notes


def test_days_and_other_formats_are_times_too() -> None:
    days = pl.DataFrame({"user": ["a", "b"], "item": [1, 1], "time": ["2017-07-14", "2017-07-15"]})
    assert tm.read(days).to_frame()["timestamp"].to_list() == [1_499_990_400, 1_500_076_800]
    german = days.with_columns(time=pl.Series(["14.07.2017", "15.07.2017"]))
    read = tm.read(german, time_format="%d.%m.%Y").to_frame()
    assert read["timestamp"].to_list() == [1_499_990_400, 1_500_076_800]
    with pytest.raises(DataError, match=r'row 1: "14.07.2017" is not a time; use seconds'):
        tm.read(german)
    with pytest.raises(
        DataError, match=r'"14.07.2017" is not a time in the format time_format="%m.%d.%Y"'
    ):
        tm.read(german, time_format="%m.%d.%Y")


def test_small_whole_numbers_are_an_order_rather_than_times() -> None:
    ranks = pl.DataFrame({"user": ["a", "a"], "item": [1, 2], "timestamp": [2, 1]})
    data = tm.read(ranks)
    assert data.time_unit == "order"
    assert data.to_frame()["item_id"].to_list() == [2, 1]


@pytest.mark.parametrize("times", [[1.5e9, 1.5e9 + 1.9, 1.5e9 + 1.1], [1.0, 2.9, 2.1]])
def test_order_within_one_second_survives_of_times_with_fractions(times: list[float]) -> None:
    data = tm.read(pl.DataFrame({"user": ["a"] * 3, "item": [10, 20, 30], "time": times}))
    assert data.to_frame()["item_id"].to_list() == [10, 30, 20]


def test_a_format_makes_times_of_whole_numbers(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("user,item,day\na,1,31122019\na,2,15012020\na,3,01022020\n")
    data = tm.read(path, time="day", time_format="%d%m%Y")
    assert data.to_frame()["item_id"].to_list() == [1, 2, 3]
    assert data.time_unit == "%d%m%Y"


@pytest.mark.parametrize(
    "time",
    [
        "2020-01-01 12:00:00+00", "2020-01-01T12:00Z", "2020-01-01T14:00+02:00", "20200101T120000Z",
        "2020-01-01 12:00:00 UTC", "2020-01-01 12:00:00.5+00", "20200101T1400+0200",
        "2020-01-01 14:00:00 +0200", "2020-01-01T12:00",
    ],
)  # fmt: skip
def test_times_as_databases_and_other_programs_write_them(time: str) -> None:
    log = pl.DataFrame({"user": ["a", "b"], "item": [1, 1], "time": [time, "2020-01-01T12:00:01Z"]})
    assert tm.read(log).to_frame()["timestamp"].to_list() == [1_577_880_000, 1_577_880_001]


def test_a_format_applies_to_numbers_with_a_point(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    path.write_text("user,item,day\na,1,20191231.0\na,2,20200101.0\n")
    expected = [1_577_750_400, 1_577_836_800]
    days = {"time": "day", "time_format": "%Y%m%d"}
    assert tm.read(path, **days).timestamps.tolist() == expected
    assert tm.prepare(path, tmp_path / "out", **days).timestamps.tolist() == expected
    assert tm.read(pl.read_csv(path), **days).timestamps.tolist() == expected
    with pytest.raises(DataError, match='row 1: "20191231.5" is not a time in the format'):
        tm.read(pl.read_csv(path).with_columns(pl.col("day") + 0.5), **days)
    path.write_text("user,item,day\na,1,20200101.0900\na,2,20200101.1000\n")
    hours = tm.read(path, time="day", time_format="%Y%m%d.%H%M")
    assert hours.timestamps.tolist() == [1_577_869_200, 1_577_872_800]


def test_a_format_of_text_is_refused_for_datetimes() -> None:
    log = pl.DataFrame({"user": ["a"], "item": [1], "time": [datetime(2020, 1, 1)]})
    with pytest.raises(ConfigError, match='"%Y" is about times as text, but column "time" holds D'):
        tm.read(log, time_format="%Y")


def test_order_within_one_second_survives_whole_seconds() -> None:
    times = [1_500_000_000_900, 1_500_000_000_100]
    data = tm.read(pl.DataFrame({"user": ["a", "a"], "item": ["later", "earlier"], "time": times}))
    assert data.to_frame()["item_id"].to_list() == ["earlier", "later"]


def test_a_bad_value_far_down_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    rows = "".join(f"{i},{i % 7},1500000000\n" for i in range(3_000))
    path.write_text("userId,movieId,timestamp\n" + rows + "5,6,yesterday\n")
    with pytest.raises(DataError) as error:
        tm.read(path)
    assert str(error.value) == (
        f'{path}: column "timestamp", line 3002: "yesterday" is not a time; '
        "use seconds, milliseconds or ISO 8601, or give the format with time_format=…"
    )


def test_missing_ids_times_and_weights_are_named_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user,item,time,strength\na,1,100,1\n,2,200,1\n")
    with pytest.raises(
        DataError, match=r'clicks.csv: column "user", line 3: the user id is missing'
    ):
        tm.read(path)
    path.write_text("user,item,time,strength\na,1,,1\nb,2,200,-2\n")
    with pytest.raises(DataError, match=r'column "time", line 2: the time is missing'):
        tm.read(path)
    path.write_text("user,item,time,strength\na,1,100,1\nb,2,200,-2\n")
    assert len(tm.read(path)) == 2
    with pytest.raises(DataError, match=r'column "strength", line 3: -2.* cannot be a weight'):
        tm.read(path, weight="strength")


def test_a_comma_within_a_number_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user;item;stars\na;1;4,5\nb;2;3\n")
    with pytest.raises(DataError) as error:
        tm.read(path)
    assert str(error.value) == (
        f'{path}: column "stars", line 2: "4,5" is not a number, so it cannot be a rating; '
        'if the comma is a decimal point, give decimal=","'
    )
    with pytest.raises(DataError, match="if the comma is a decimal point, write 4.5"):
        tm.read(pl.DataFrame({"user": ["a"], "item": [1], "stars": ["4,5"]}))


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    def refusal(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as error:
            tm.read(tmp_path / name)
        assert name in str(error.value)
        return str(error.value)

    assert "the file is empty" in refusal("empty.csv", b"")
    assert "there are no rows" in refusal("header.csv", b"user,item\n")
    assert "only one column" in refusal("one.csv", b"user\n1\n2\n")
    assert "line 3 has 3 value(s), but the first line has 2" in refusal(
        "ragged.csv", b"user,item\n1,2\n1,2,3\n"
    )
    assert "not UTF-8" in refusal("latin.csv", b"user,item\nJos\xe9,1\n")
    assert "not a readable Parquet file" in refusal("fake.parquet", b"user,item\n1,2\n")
    assert "which cannot be read as a table" in refusal("clicks.docx", b"PK\x03\x04\x14\0")
    lines = json.dumps({"user": 1, "item": 2}) + '\n{"user": 1,\n'
    assert "line 2 is not JSON" in refusal("cut.jsonl", lines.encode())
    assert "line 2 is not JSON: Unterminated string starting at character 12" in refusal(
        "open.jsonl", b'{"user": 1, "item": 2}\n{"user": 1,"it'
    )
    rated = '{"user": 1, "item": 2, "rating": 5}', '{"user": 1, "item": 3, "rating": NaN}'
    assert "line 2 is not JSON: NaN is not a value of JSON; write null" in refusal(
        "nan.jsonl", "\n".join(rated).encode()
    )
    assert "line 2 is not JSON: NaN is not a value of JSON" in refusal(
        "nan.json", f"[{rated[0]},\n{rated[1]}]".encode()
    )
    for name, content in (("no.jsonl", b""), ("blank.jsonl", b"\n\n"), ("no.json", b" ")):
        assert "the file is empty" in refusal(name, content)
    assert "the file is empty" in refusal("no.jsonl.gz", gzip.compress(b""))
    with pytest.raises(DataError, match="there is no such file"):
        tm.read(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="neither a path nor a dataframe"):
        tm.read(42)


def test_a_catalog_of_items_brings_titles_and_categories(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,genres\ntea,Green Tea,Drink|Hot\nrum,Rum,Drink\n")
    catalog = tm.read(frame(), items=path).catalog.frame
    assert catalog.rows() == [("jam", None, None), ("tea", "Green Tea", ["Drink", "Hot"])]
    with pytest.raises(DataError, match="a table of items needs a column with the item's id"):
        tm.read(frame(), items=pl.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"seperator": ","}, 'seperator=… is not an argument; did you mean "separator"'),
        ({"min_ratng": 3}, 'min_ratng=… is not an argument; did you mean "min_rating"'),
        ({"weigth": "w"}, 'weigth=… is not an argument; did you mean "weight"'),
        ({"min_rating": "3"}, "min_rating=… is '3'; it must be a number"),
        ({"min_rating": float("nan")}, "min_rating=… is nan; it must be a number"),
        ({"encoding": "hex"}, 'encoding="hex" is unknown; common ones are "utf-8"'),
        ({"encoding": "rot13"}, 'encoding="rot13" is unknown'),
        ({"encoding": "utf\0008"}, "is unknown; common ones"),
    ],
)
def test_a_mistake_in_an_argument_is_explained(how: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n1,2,3\n")
    with pytest.raises(ConfigError, match=message):
        tm.read(path, **how)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "the path of the data is empty"),
        ("x" * 300, "xxx'… cannot be the path of a file: File name too long"),
        ("clicks\0.csv", "'clicks.x00.csv'… cannot be the path of a file: embedded null"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(path: str, message: str, tmp_path: Path) -> None:
    for read in (tm.read, tm.read_interactions, tm.load, tm.read_catalog):
        with pytest.raises(DataError, match=message):
            read(path)
    with pytest.raises(DataError, match=message):
        tm.prepare(path, tmp_path / "out")
    with pytest.raises(DataError, match=message):
        tm.read(pl.DataFrame({"user": [1], "item": [2]}), items=path)


def test_a_header_is_asked_for_only_where_it_can_be_missing(tmp_path: Path) -> None:
    for name, content in (("log.csv", "a,b\n1,2\n"), ("log.jsonl", '{"a": 1, "b": 2}\n')):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match="the columns are a, b; name them with user=") as error:
            tm.read(tmp_path / name)
        assert ("has_header=False" in str(error.value)) == (name == "log.csv")
    with pytest.raises(DataError, match="the columns are column_1, column_2; name") as error:
        tm.read(tmp_path / "log.csv", has_header=False)
    assert "has_header" not in str(error.value)
