"""A log in several files is one log: a list, a folder, a pattern, folders that name columns."""

import gzip
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError

JANUARY = "user,item,timestamp\nann,tea,100\nbob,tea,300\n"
FEBRUARY = "user,item,timestamp\nann,jam,400\n"
ROWS = [("ann", "tea", 100), ("ann", "jam", 400), ("bob", "tea", 300)]


def triples(data: tm.Dataset) -> list[tuple]:
    return data.to_frame().select("user_id", "item_id", "timestamp").rows()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "2026-02.csv").write_text(FEBRUARY)
    (folder / "2026-01.csv").write_text(JANUARY)
    return folder


def refusal(source: object, **how: object) -> str:
    with pytest.raises(DataError) as error:
        tm.read(source, **how)
    return str(error.value)


def test_a_list_a_folder_and_a_pattern_are_one_table(logs: Path) -> None:
    files = [logs / "2026-01.csv", logs / "2026-02.csv"]
    for source in (files, list(map(str, files)), logs, str(logs), f"{logs}/2026-*.csv"):
        data = tm.read(source)
        assert triples(data) == ROWS
        assert "2 files are read as one table" in data.notes
    assert tm.read(logs).name == "logs"
    assert tm.read(f"{logs}/2026-*.csv").name == "2026"
    assert tm.read(f"{logs}/*.csv").name == "logs"
    assert tm.read(files).name == "2026-01 and 1 more"


def test_files_are_read_in_the_order_of_their_names_and_a_list_in_its_own(tmp_path: Path) -> None:
    for name, item in (("b", "second"), ("a", "first"), ("c", "third")):
        (tmp_path / f"{name}.csv").write_text(f"user,item\nann,{item}\n")
    in_order = ["first", "second", "third"]
    for source in (tmp_path, tmp_path / "*.csv"):
        assert tm.read_interactions(source).frame["item_id"].to_list() == in_order
    backwards = [tmp_path / f"{name}.csv" for name in "cba"]
    assert tm.read_interactions(backwards).frame["item_id"].to_list() == in_order[::-1]


def test_a_pattern_may_go_through_folders(logs: Path) -> None:
    (logs / "more").mkdir()
    (logs / "more" / "2026-03.csv").write_text("user,item,timestamp\nbob,jam,900\n")
    assert len(tm.read(f"{logs}/**/*.csv")) == 4
    assert len(tm.read(logs)) == 4


def test_files_of_one_table_may_be_compressed_and_empty_ones_are_left_out(logs: Path) -> None:
    (logs / "2026-02.csv").unlink()
    (logs / "2026-02.csv.gz").write_bytes(gzip.compress(FEBRUARY.encode()))
    (logs / "2026-03.csv").write_text("")
    (logs / "2026-04.csv").write_text("user,item,timestamp\n")
    for source in (logs, logs / "2026-*"):
        data = tm.read(source)
        assert triples(data) == ROWS
        assert f"empty files are not read: {logs / '2026-03.csv'}" in data.notes


def test_files_of_a_folder_that_are_no_tables_are_named(logs: Path) -> None:
    (logs / "README.md").write_text("about these logs")
    (logs / "_SUCCESS").write_text("written by Spark")
    (logs / ".hidden.csv").write_text("user,item\n")
    data = tm.read(logs)
    assert triples(data) == ROWS
    assert f"files that are not tables are not read: {logs / 'README.md'}" in data.notes


def test_files_without_endings_are_tables_if_all_are(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "item": [1]}).write_parquet(tmp_path / "part-00000")
    pl.DataFrame({"user": ["b"], "item": [2]}).write_parquet(tmp_path / "part-00001")
    assert len(tm.read(tmp_path)) == 2


def test_files_with_other_columns_are_refused(logs: Path) -> None:
    (logs / "2026-02.csv").write_text("user,item,price\nann,jam,4\n")
    assert refusal(logs) == (
        f"{logs / '2026-02.csv'} does not have the columns of {logs / '2026-01.csv'}: it lacks "
        "timestamp and also has price; give only files of one table"
    )


def test_columns_may_be_in_another_order(logs: Path) -> None:
    (logs / "2026-02.csv").write_text("timestamp,item,user\n400,jam,ann\n")
    assert triples(tm.read(logs)) == ROWS


def test_an_error_names_the_file_and_its_line(logs: Path) -> None:
    february = logs / "2026-02.csv"
    february.write_text("user,item,timestamp\nann,jam,yesterday\n")
    assert f'{february}: column "timestamp", line 2: "yesterday" is not a time' in refusal(logs)
    february.write_text("user,item,timestamp\n,jam,400\nNA,jam,500\n")
    (logs / "2026-03.csv").write_text("user,item,timestamp\n,tea,400\n")
    assert (
        f'{logs}: column "user", lines 2, 3 of {february}, line 2 of {logs / "2026-03.csv"}: the '
        "user id is missing"
    ) in refusal(logs)
    assert len(tm.read(logs, drop_missing=True)) == 2
    february.write_text("user,item,timestamp\nann,jam,400,9\n")
    assert f"{february}: line 2 has 4 value(s)" in refusal(logs)


def test_ids_are_text_in_all_files_if_they_are_in_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\n1,10\n2,11\n")
    (tmp_path / "b.csv").write_text("user,item\n1,B7\n007,10\n")
    data = tm.read(tmp_path)
    assert data.item_vocabulary.ids.to_list() == ["10", "11", "B7"]
    assert data.user_vocabulary.ids.to_list() == ["007", "1", "2"]


def test_types_of_typed_files_must_agree(tmp_path: Path) -> None:
    pl.DataFrame({"user": [1], "item": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"user": [2], "item": ["x"]}).write_parquet(tmp_path / "b.parquet")
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert refusal(tmp_path) == (
        f'{second}: column "item" is text, but numbers in {first}; '
        "give all values of a column the same type"
    )
    pl.DataFrame({"user": [2], "item": [3]}, schema_overrides={"item": pl.UInt8}).write_parquet(
        tmp_path / "b.parquet"
    )
    assert len(tm.read(tmp_path)) == 2


def test_folders_name_columns(tmp_path: Path) -> None:
    for day, hour, user in (("2026-01-01", 7, "ann"), ("2026-01-02", 12, "bob")):
        folder = tmp_path / "events" / f"day={day}" / f"hour={hour}"
        folder.mkdir(parents=True)
        frame = pl.DataFrame({"user": [user], "item": ["tea"]})
        frame.write_parquet(folder / "part-0.parquet")
    events = tmp_path / "events"
    for source in (events, f"{events}/*/*/*.parquet", [*sorted(events.rglob("*.parquet"))]):
        data = tm.read(source, time="day")
        assert triples(data) == [("ann", "tea", 1_767_225_600), ("bob", "tea", 1_767_312_000)]
        assert data.notes[0] == (
            "columns: user = user (guessed), item = item (guessed), time = day; not used: hour"
        )
    assert tm.read(events, item="hour").item_vocabulary.ids.to_list() == [7, 12]


def test_a_value_of_a_folder_may_be_escaped_or_missing(tmp_path: Path) -> None:
    for folder in ("shop=a%2Fb", "shop=__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.csv").write_text("user,item\n1,2\n")
    data = tm.read(tmp_path, item="shop", drop_missing=True)
    assert data.item_vocabulary.ids.to_list() == ["a/b"]
    assert data.n_missing == 1


def test_a_column_in_the_file_is_not_replaced_by_that_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "item=9").mkdir()
    (tmp_path / "item=9" / "part.csv").write_text("user,item\n1,2\n")
    assert tm.read(tmp_path).item_vocabulary.ids.to_list() == [2]


def test_items_may_be_in_several_files(logs: Path, tmp_path: Path) -> None:
    for kind, item in (("drink", "tea"), ("food", "jam")):
        (tmp_path / "items" / f"category={kind}").mkdir(parents=True)
        (tmp_path / "items" / f"category={kind}" / "0.csv").write_text(f"item,title\n{item},T\n")
    frame = tm.read(logs, items=tmp_path / "items").catalog.frame
    assert frame.select("item_id", "categories").rows() == [("jam", ["food"]), ("tea", ["drink"])]


def test_what_is_no_set_of_files_is_refused(logs: Path, tmp_path: Path) -> None:
    assert "no file matches it as a pattern" in refusal(logs / "2027-*.csv")
    assert "listed twice" in refusal([logs / "2026-01.csv", logs / "2026-01.csv"])
    detour = logs / ".." / logs.name / "2026-01.csv"
    assert f"{detour} is listed twice" in refusal([logs / "2026-01.csv", detour])
    assert "must hold the paths of files" in refusal([])
    assert "must hold the paths of files" in refusal([pl.DataFrame()])
    assert "there is no such file" in refusal([logs / "2026-01.csv", logs / "nowhere.csv"])
    (tmp_path / "empty").mkdir()
    assert "is a folder without tables" in refusal(tmp_path / "empty")
    with pytest.raises(ConfigError, match="query=… selects rows of a database"):
        tm.read(logs, query="SELECT 1")


def test_a_movielens_folder_is_not_a_folder_of_tables(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n2,Heat,Action\n")
    assert len(tm.load(tmp_path)) == 1
    assert "load it with tastemaker.load" in refusal(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "ratings.csv").write_text("user,item\n1,2\n")
    assert len(tm.read(own)) == 1


ROW = st.tuples(st.sampled_from(["1", "2", "B7", "007"]), st.integers(0, 9), st.integers(0, 99))


@given(rows=st.lists(ROW, min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11), max_size=3))
@settings(max_examples=50, deadline=None)
def test_a_table_in_parts_is_read_as_the_whole_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], cuts: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    table = pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row")
    table.write_csv(folder / "whole.csv")
    ends = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for number, (start, end) in enumerate(pairwise(ends)):
        table[start:end].write_csv(folder / f"part-{number}.csv")
    whole = tm.read_interactions(folder / "whole.csv").frame
    assert tm.read_interactions(f"{folder}/part-*.csv").frame.equals(whole)


def test_lines_of_json_with_other_columns_are_refused_in_pieces_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"user": 1, "item": 2}\n{"user": 2, "item": 2, "page": 3}\n')
    (tmp_path / "b.jsonl").write_text('{"user": 1, "item": 3, "extra": 4, "page": 1}\n')
    for read in (tm.read, lambda files: tm.prepare(files, tmp_path / "out")):
        with pytest.raises(
            DataError, match="b.jsonl does not have the columns of .*a.jsonl: it also has extra"
        ):
            read(tmp_path / "*.jsonl")
    (tmp_path / "b.jsonl").write_text('{"user": 1, "item": 3, "page": 1}\n')
    assert len(tm.prepare(tmp_path / "*.jsonl", tmp_path / "out")) == 3
