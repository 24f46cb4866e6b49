"""Kinds of files beside text and Parquet: Arrow, Excel, databases, and archives of one file."""

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

import tastemaker as tm
from tastemaker.data import databases, excel
from tastemaker.errors import ConfigError, DataError

ROWS = [("ann", "tea", 100), ("ann", "jam", 200), ("bob", "tea", 300)]
FRAME = pl.DataFrame(ROWS, schema=["visitor", "sku", "ts"], orient="row")
CSV = FRAME.write_csv().encode()


def triples(data: tm.Dataset) -> list[tuple]:
    return data.to_frame().select("user_id", "item_id", "timestamp").rows()


def refusal(source: object, **how: object) -> str:
    with pytest.raises(DataError) as error:
        tm.read(source, **how)
    return str(error.value)


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


class TestCompressed:
    @pytest.mark.parametrize(
        ("ending", "pack"),
        [
            ("gz", gzip.compress),
            ("zst", zstandard.compress),
            ("bz2", bz2.compress),
            ("xz", lzma.compress),
            ("zip", lambda content: zipped({"x/": b"", "x/log": content, "__MACOSX/log": b"?"})),
        ],
    )
    def test_any_kind_of_file_may_be_compressed(
        self, tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
    ) -> None:
        arrow = io.BytesIO()
        FRAME.write_ipc(arrow)
        contents = {
            "log.csv": CSV,
            "log.tsv": FRAME.write_csv(separator="\t").encode(),
            "log.json": FRAME.write_json().encode(),
            "log.jsonl": FRAME.write_ndjson().encode(),
            "log.arrow": arrow.getvalue(),
        }
        for name, content in contents.items():
            path = tmp_path / f"{name}.{ending}"
            path.write_bytes(pack(content))
            assert triples(tm.read(path)) == ROWS
        damaged = tmp_path / f"damaged.csv.{ending}"
        damaged.write_bytes(pack(CSV)[:-9])
        assert "is damaged" in refusal(damaged) or "is a damaged zip archive" in refusal(damaged)

    def test_the_file_in_a_zip_archive_tells_the_format(self, tmp_path: Path) -> None:
        path = tmp_path / "export.zip"
        path.write_bytes(zipped({"log.tsv": b"user,a\titem\n1\t2\n"}))
        assert len(tm.read(path, user="user,a")) == 1

    def test_an_archive_of_several_files_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "export.zip"
        path.write_bytes(zipped({"a.csv": CSV, "b.csv": CSV}))
        assert "is an archive of 2 files (a.csv, b.csv)" in refusal(path)


class TestArrow:
    @pytest.mark.parametrize("name", ["log.arrow", "log.feather", "log.ipc", "log"])
    def test_arrow_files_are_read(self, tmp_path: Path, name: str) -> None:
        FRAME.write_ipc(tmp_path / name, compression="zstd")
        assert triples(tm.read(tmp_path / name)) == ROWS

    def test_the_stream_format_is_read_too(self, tmp_path: Path) -> None:
        FRAME.write_ipc_stream(tmp_path / "log.arrow")
        assert triples(tm.read(tmp_path / "log.arrow")) == ROWS

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        for content in (b"ARROW1\0\0abc", b"user,item\n1,2\n"):
            (tmp_path / "log.feather").write_bytes(content)
            assert "is not a readable Arrow file" in refusal(tmp_path / "log.feather")


class TestExcel:
    @pytest.fixture
    def workbook(self, tmp_path: Path) -> Callable[..., Path]:
        pytest.importorskip("fastexcel")
        xlsxwriter = pytest.importorskip("xlsxwriter")

        def write(**sheets: list[list]) -> Path:
            path = tmp_path / "log.xlsx"
            with xlsxwriter.Workbook(path) as book:
                for name, rows in sheets.items():
                    sheet = book.add_worksheet(name)
                    for number, row in enumerate(rows):
                        sheet.write_row(number, 0, row)
            return path

        return write

    def test_the_first_sheet_is_read(self, workbook: Callable[..., Path]) -> None:
        path = workbook(log=[["visitor", "sku", "ts"], *map(list, ROWS)], notes=[["hello"]])
        data = tm.read(path)
        assert triples(data) == ROWS
        assert 'the sheet "log" is read; not used: notes' in data.notes

    def test_whole_numbers_stay_whole(self, workbook: Callable[..., Path]) -> None:
        data = tm.read(workbook(log=[["user", "item"], [1, 10], [2, 11]]))
        assert data.item_vocabulary.ids.to_list() == [10, 11]

    def test_rows_have_the_numbers_of_the_sheet(self, workbook: Callable[..., Path]) -> None:
        path = workbook(log=[[], [], ["user", "item"], ["a", "x"], [], ["b", None]])
        assert 'column "item", row 6: the item id is missing' in refusal(path)
        path = workbook(log=[[], ["a", "x"], [], ["b", None]])
        how = {"has_header": False, "user": "column_1", "item": "column_2"}
        assert 'column "column_2", row 4: the item id is missing' in refusal(path, **how)

    def test_an_empty_sheet_is_refused(self, workbook: Callable[..., Path]) -> None:
        path = workbook(cover=[], log=[["user", "item"], [1, 2]])
        assert 'the first sheet ("cover") has no rows' in refusal(path)

    def test_items_may_be_in_a_workbook(self, workbook: Callable[..., Path]) -> None:
        path = workbook(items=[["sku", "title"], ["tea", "Green tea"], ["jam", "Jam"]])
        assert tm.read(FRAME, items=path).catalog.frame["title"].to_list() == ["Jam", "Green tea"]

    def test_what_is_no_workbook_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("fastexcel")
        (tmp_path / "log.xlsx").write_bytes(b"PK\x03\x04\x14\0")
        assert "is not a readable Excel workbook" in refusal(tmp_path / "log.xlsx")

    def test_a_missing_package_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(excel, "find_spec", lambda name: None)
        (tmp_path / "log.xlsx").write_bytes(b"PK\x03\x04\x14\0")
        assert 'needs fastexcel: pip install "tastemaker[excel]"' in refusal(tmp_path / "log.xlsx")

    def test_a_workbook_without_its_ending_is_recognized(self, tmp_path: Path) -> None:
        (tmp_path / "log.dat").write_bytes(zipped({"xl/workbook.xml": b"", "x": b""}))
        assert "is an Excel workbook; give its name the ending .xlsx" in refusal(
            tmp_path / "log.dat"
        )


def sqlite_file(path: Path, *tables: str) -> Path:
    with sqlite3.connect(path) as database:
        for table in tables:
            database.execute(f'CREATE TABLE "{table}" (visitor TEXT, sku TEXT, ts INTEGER)')
            database.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?)', ROWS)
    database.close()
    return path


def duckdb_file(path: Path, *tables: str) -> Path:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(path)) as database:
        for table in tables:
            database.execute(f'CREATE TABLE "{table}" (visitor TEXT, sku TEXT, ts BIGINT)')
            database.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?)', ROWS)
    return path


@pytest.mark.parametrize(
    ("write", "ending", "url"),
    [(sqlite_file, "db", "sqlite:///"), (duckdb_file, "duckdb", "duckdb:///")],
)
class TestDatabases:
    def test_the_only_table_of_a_file_is_read(
        self, tmp_path: Path, write: Callable[..., Path], ending: str, url: str
    ) -> None:
        path = write(tmp_path / f"shop.{ending}", "the log")
        named_otherwise = path.with_name("shop")
        named_otherwise.write_bytes(path.read_bytes())
        for source in (path, f"{url}{path}", named_otherwise):
            assert triples(tm.read(source)) == ROWS

    def test_a_query_selects_the_rows(
        self, tmp_path: Path, write: Callable[..., Path], ending: str, url: str
    ) -> None:
        path = write(tmp_path / f"shop.{ending}", "log", "other")
        query = "SELECT * FROM log WHERE ts > 100"
        for source in (path, f"{url}{path}"):
            assert triples(tm.read(source, query=query)) == ROWS[1:]
            message = refusal(source)
            assert "has 2 tables (log, other); select the rows with query=" in message
            assert "no rows" in refusal(source, query="SELECT * FROM log WHERE ts < 0")
            for bad in ("DROP TABLE log", "SELECT * FROM nowhere", "WITH x AS (SELECT 1) DROP"):
                assert "query" in refusal(source, query=bad)
        assert len(tm.read(path, query=query, items=path, items_query="SELECT sku FROM log")) == 2

    def test_a_query_never_writes(
        self, tmp_path: Path, write: Callable[..., Path], ending: str, url: str
    ) -> None:
        path = write(tmp_path / f"shop.{ending}", "log")
        refusal(path, query="WITH x AS (SELECT 1) DELETE FROM log")
        assert len(tm.read(path)) == 3

    def test_what_is_no_database_is_refused(
        self, tmp_path: Path, write: Callable[..., Path], ending: str, url: str
    ) -> None:
        write(tmp_path / "other")
        path = tmp_path / f"shop.{ending}"
        path.write_text("user,item\n1,2\n")
        assert str(path) in refusal(path)
        assert "there is no such database file" in refusal(f"{url}{tmp_path}/nowhere.{ending}")
        assert not (tmp_path / f"nowhere.{ending}").exists()


def test_a_database_without_a_table_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert "has no table; select the rows with query=" in refusal(tmp_path / "shop.db")


def test_duckdb_is_named_if_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda name: None)
    (tmp_path / "shop.duckdb").write_bytes(b"\0" * 8 + b"DUCK")
    assert 'needs DuckDB: pip install "tastemaker[duckdb]"' in refusal(tmp_path / "shop.duckdb")


class TestOptionsThatDoNotApply:
    @pytest.fixture
    def sources(self, tmp_path: Path) -> dict[str, object]:
        FRAME.write_parquet(tmp_path / "log.parquet")
        FRAME.write_parquet(tmp_path / "part-0")
        FRAME.write_ipc(tmp_path / "log.arrow")
        FRAME.write_ndjson(tmp_path / "log.jsonl")
        return {
            "Parquet": tmp_path / "log.parquet",
            "is Parquet": tmp_path / "part-0",
            "Arrow": tmp_path / "log.arrow",
            "JSON": tmp_path / "log.jsonl",
            "a database": sqlite_file(tmp_path / "log.db", "log"),
            "a dataframe": FRAME,
        }

    @pytest.mark.parametrize(
        ("option", "mention"),
        [
            ({"has_header": False}, "has_header=False"),
            ({"separator": ";"}, "separator=…"),
            ({"quoting": "none"}, "quoting=…"),
            ({"comment": "#"}, "comment=…"),
            ({"decimal": ","}, "decimal=…"),
            ({"layout": "gowalla"}, "layout=…"),
        ],
    )
    def test_options_of_text_files_are_refused_for_other_sources(
        self, sources: dict[str, object], option: dict, mention: str
    ) -> None:
        for kind, source in sources.items():
            with pytest.raises(ConfigError) as error:
                tm.read(source, **option)
            assert f"{mention} applies to text files only" in str(error.value)
            assert kind in str(error.value)
        with pytest.raises(ConfigError, match="applies to text files only"):
            tm.read_catalog(sources["Parquet"], item_id="sku", comment="#")

    def test_json_may_have_an_encoding(self, tmp_path: Path) -> None:
        (tmp_path / "log.jsonl").write_bytes('{"user": "é", "item": 1}\n'.encode("latin-1"))
        data = tm.read(tmp_path / "log.jsonl", encoding="latin-1")
        assert data.user_vocabulary.ids.to_list() == ["é"]

    def test_an_option_may_apply_to_the_items_alone(
        self, sources: dict[str, object], tmp_path: Path
    ) -> None:
        items = tmp_path / "items.csv"
        items.write_bytes("#\nsku,title\ntea,Thé\njam,Jam\n".encode("latin-1"))
        data = tm.read(sources["Parquet"], items=items, encoding="latin-1", comment="#")
        assert data.catalog.frame["title"].to_list() == ["Jam", "Thé"]
        with pytest.raises(ConfigError, match="encoding=… applies to text files only"):
            tm.read(sources["Parquet"], items=sources["Arrow"], encoding="latin-1")

    def test_an_option_may_apply_to_the_log_alone(
        self, sources: dict[str, object], tmp_path: Path
    ) -> None:
        (tmp_path / "log.csv").write_bytes(b"#\n" + CSV)
        (tmp_path / "items").mkdir()
        FRAME.write_parquet(tmp_path / "items" / "0.parquet")
        for items in (sources["Parquet"], sources["is Parquet"], tmp_path / "items"):
            assert len(tm.read(tmp_path / "log.csv", items=items, comment="#")) == 3

    def test_a_query_is_refused_for_what_is_no_database(self, sources: dict[str, object]) -> None:
        for source in (sources["Parquet"], FRAME):
            with pytest.raises(ConfigError, match="query=… selects rows of a database"):
                tm.read(source, query="SELECT 1")
        with pytest.raises(ConfigError, match="items_query=… is about the table of items"):
            tm.read(FRAME, items_query="SELECT 1")
