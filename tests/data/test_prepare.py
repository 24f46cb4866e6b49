"""Preparing data beyond memory: the result is that of reading them in memory, or an error."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.log_format import LogFormat
from tastemaker.data.prepared import prepare as preparing
from tastemaker.data.prepared.source import open_in_pieces
from tastemaker.data.prepared.unpacking import unpacked
from tastemaker.data.prepared.workplace import Workplace
from tastemaker.errors import DataError

COLUMNS = ("users", "items", "timestamps", "ratings", "weights", "kinds")
N = 300


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pieces so small that every file of these tests is read in many."""
    monkeypatch.setattr(preparing, "MAX_PIECE_ROWS", 50)
    monkeypatch.setattr(preparing, "MAX_PIECE_BYTES", 1_000)


def log(seed: int = 0, n: int = N) -> pl.DataFrame:
    """Events of few users and items, so that pairs repeat and times tie."""
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": draw.integers(0, 40, n) * 3 + 1,
            "item": draw.integers(0, 30, n),
            "timestamp": 1_600_000_000 + draw.integers(0, 50, n),
            "rating": draw.integers(1, 11, n) / 2,
            "plays": draw.integers(0, 4, n),
            "what": draw.choice(["view", "buy", "dislike"], n),
        }
    )


def assert_same(found: tm.Dataset, expected: tm.Dataset) -> None:
    for name in COLUMNS:
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None), name
        if one is not None and other is not None:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other, err_msg=name)
    for name in ("user_vocabulary", "item_vocabulary"):
        one, other = getattr(found, name).ids, getattr(expected, name).ids
        assert one.dtype == other.dtype
        assert one.to_list() == other.to_list()
    for name in ("rules", "is_log", "name", "time_unit", "n_missing", "notes", "fingerprint"):
        assert getattr(found, name) == getattr(expected, name), name


def assert_prepared_as_read(source: Any, out: Path, **how: Any) -> tm.Dataset:
    found = tm.prepare(source, out, memory="512MiB", **how)
    assert_same(found, tm.read(source, **how))
    return found


def csv(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(path)
    return path


TEXT_IDS = pl.col("user").map_elements(lambda user: f"ü{user}", pl.String)
ISO = pl.from_epoch("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("timestamp")
KINDS = {"event": "what", "negative": ["dislike"]}

CSV_LOGS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], dict[str, Any]]] = {
    "whole numbers": (lambda f: f, {}),
    "no times": (lambda f: f.drop("timestamp"), {}),
    "text ids": (lambda f: f.with_columns(TEXT_IDS), {}),
    "one id late in the file is text": (
        lambda f: f.with_columns(
            pl.when(pl.int_range(N) == 250).then(pl.lit("x")).otherwise("user").alias("user")
        ),
        {},
    ),
    "padded numbers": (
        lambda f: f.with_columns(pl.col("item").cast(pl.String).str.zfill(4)), {},
    ),
    "decimal whole ids": (lambda f: f.with_columns(pl.col("user").cast(pl.Float64)), {}),
    "ids as text": (lambda f: f, {"ids": "text"}),
    "milliseconds": (
        lambda f: f.with_columns(pl.col("timestamp") * 1000 + pl.int_range(N) % 7), {},
    ),
    "fractional seconds": (lambda f: f.with_columns(pl.col("timestamp") + 0.25), {}),
    "ranks": (lambda f: f.with_columns(timestamp=pl.int_range(N) % 13), {}),
    "ISO 8601": (lambda f: f.with_columns(ISO), {}),
    "time format": (
        lambda f: f.with_columns(
            timestamp=pl.from_epoch("timestamp").dt.strftime("%d.%m.%Y %H:%M")
        ),
        {"time_format": "%d.%m.%Y %H:%M"},
    ),
    "missing values": (
        lambda f: f.with_columns(
            pl.when(pl.int_range(N) % 17 == 3).then(pl.lit("NA")).otherwise("user").alias("user"),
            pl.when(pl.int_range(N) % 19 == 4).then(None).otherwise("timestamp").alias("timestamp"),
            pl.when(pl.int_range(N) % 23 == 5).then(None).otherwise("rating").alias("rating"),
        ),
        {"drop_missing": True},
    ),
    "a bad id in an incomplete row": (
        lambda f: f.with_columns(
            pl.when(pl.int_range(N) == 99).then(pl.lit("NA")).otherwise("user").alias("user"),
            pl.when(pl.int_range(N) == 99).then(pl.lit("x")).otherwise("item").alias("item"),
        ),
        {"drop_missing": True},
    ),
    "weights": (lambda f: f, {"weight": "plays"}),
    "heavy tail": (
        lambda f: f.with_columns(plays=pl.when(pl.int_range(N) % 20 == 0).then(1000).otherwise(2)),
        {"weight": "plays"},
    ),
    "rating as weight": (lambda f: f, {"weight": "rating", "weight_transform": "sqrt"}),
    "kinds": (lambda f: f, KINDS),
    "weighted kinds": (
        lambda f: f, KINDS | {"event_weights": {"view": 0, "buy": 5}, "targets": ["buy"]},
    ),
    "kinds with values": (lambda f: f, KINDS | {"weight": "plays"}),
    "every row kept": (lambda f: f, {"repeats": "keep"}),
    "first rows": (lambda f: f, {"repeats": "first", "repeat_targets": True}),
    "quoted values with line breaks": (
        lambda f: f.with_columns(what=pl.lit('a "quoted"\n, line')), {"quoting": "csv"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CSV_LOGS)
def test_a_text_file_is_prepared_as_it_is_read(tmp_path: Path, case: str) -> None:
    changed, how = CSV_LOGS[case]
    path = csv(tmp_path / "log.csv", changed(log()))
    assert_prepared_as_read(path, tmp_path / "out", **how)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda f: f, {}),
        (lambda f: f.with_columns(TEXT_IDS.cast(pl.Categorical)), KINDS),
        (lambda f: f.with_columns(pl.col("user").cast(pl.Float64)), {"weight": "plays"}),
        (lambda f: f.with_columns(pl.from_epoch("timestamp")), {}),
        (lambda f: f.with_columns(pl.col("user", "item").cast(pl.Int16)), {"ids": "text"}),
        (
            lambda f: f.with_columns(
                pl.when(pl.int_range(N) % 9 == 0).then(None).otherwise("item").alias("item")
            ),
            {"drop_missing": True},
        ),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_typed_file_is_prepared_as_it_is_read(
    tmp_path: Path, ending: str, change: Callable[[pl.DataFrame], pl.DataFrame], how: dict[str, Any]
) -> None:
    path, frame = tmp_path / f"log.{ending}", change(log())
    frame.write_parquet(path) if ending == "parquet" else frame.write_ndjson(path)
    assert_prepared_as_read(path, tmp_path / "out", **how)


def test_numbers_that_only_some_json_objects_write_with_a_fraction_are_one_type(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.jsonl"
    rows = [
        {
            "user": n % 7,
            "item": float(n % 5) if n > 200 else n % 5,
            "rating": None if n < 100 else 3,
        }
        for n in range(N)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert_prepared_as_read(path, tmp_path / "out")


def test_blank_lines_between_and_after_json_objects_are_left_out(tmp_path: Path) -> None:
    rows = [json.dumps({"user": n % 7, "item": n % 5}) for n in range(60)]
    blank = "\n" * 2_500
    (tmp_path / "log.jsonl").write_text(
        blank.join(["\n".join(rows[:30]), "\n".join(rows[30:])]) + blank
    )
    assert_prepared_as_read(tmp_path / "log.jsonl", tmp_path / "out")


class TestSeveralFiles:
    def test_files_of_a_folder_with_columns_in_their_names(self, tmp_path: Path) -> None:
        for day in ("2026-01-02", "2026-01-01", "__HIVE_DEFAULT_PARTITION__"):
            for shop in (3, 12):
                folder = tmp_path / "logs" / f"day={day}" / f"shop={shop}"
                folder.mkdir(parents=True)
                log(shop).drop("timestamp").write_parquet(folder / "part.parquet")
        source = tmp_path / "logs"
        assert_prepared_as_read(source, tmp_path / "a", time="day", drop_missing=True)
        assert_prepared_as_read(source, tmp_path / "b", item="shop")

    def test_text_and_numbers_in_two_text_files_are_text(self, tmp_path: Path) -> None:
        numbers = csv(tmp_path / "a.csv", log())
        texts = csv(tmp_path / "b.csv", log(1).with_columns(TEXT_IDS))
        assert_prepared_as_read([texts, numbers], tmp_path / "out")

    def test_text_and_parquet_are_one_table(self, tmp_path: Path) -> None:
        numbers = csv(tmp_path / "a.csv", log())
        log(2).write_parquet(tmp_path / "b.parquet")
        assert_prepared_as_read([numbers, tmp_path / "b.parquet"], tmp_path / "out")

    def test_a_pattern_of_compressed_files(self, tmp_path: Path) -> None:
        text = csv(tmp_path / "log.csv", log()).read_bytes()
        (tmp_path / "1.csv.gz").write_bytes(gzip.compress(text))
        (tmp_path / "2.csv.zst").write_bytes(zstandard.compress(text))
        assert_prepared_as_read(tmp_path / "[12].csv.*", tmp_path / "out")

    def test_files_of_two_tables_are_refused(self, tmp_path: Path) -> None:
        paths = [csv(tmp_path / "a.csv", log()), csv(tmp_path / "b.csv", log().drop("rating"))]
        with pytest.raises(DataError, match=r"b.csv does not have the columns of .*lacks rating"):
            tm.prepare(paths, tmp_path / "out")

    def test_a_copy_of_a_file_is_named_by_its_source(self, tmp_path: Path) -> None:
        paths = [csv(tmp_path / "a.csv", log()), csv(tmp_path / "b.csv", log().drop("rating"))]
        work = Workplace(tmp_path, tmp_path / "result")
        pieced = open_in_pieces(
            paths, LogFormat.of(), None, work, n_rows=50, n_bytes=10**6, on_progress=None
        )
        pieced.pieces = [replace(piece, source_name=f"shop/{piece.path.name}")
                         for piece in pieced.pieces]  # fmt: skip
        with pytest.raises(DataError, match=r"^shop/b.csv does not have the columns of shop/a.csv"):
            pieced.read(1)
        (tmp_path / "empty").touch()
        with pytest.raises(DataError, match=r"^shop/c.csv: the file is empty"):
            unpacked(tmp_path / "empty", "shop/c.csv", work.new("unpacked"), None)

    def test_numbers_and_text_in_two_typed_files_are_refused(self, tmp_path: Path) -> None:
        log().write_parquet(tmp_path / "a.parquet")
        log().with_columns(TEXT_IDS).write_parquet(tmp_path / "b.parquet")
        with pytest.raises(DataError, match=r'b.parquet: column "user" is text, but numbers'):
            tm.prepare(tmp_path / "*.parquet", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "separator", "how"),
    [
        ("# a\n\nuser;item;time\n# b\n{rows}\n\n", ";", {"comment": "#"}),
        ("{rows}", ",", {"has_header": False, "user": "column_1", "item": "column_2"}),
        ("user::item::time\n{rows}", "::", {}),
        ("user\titem\ttime\r\n{rows}", "\t", {}),
        ("user  item   time\n{rows}\n", "  ", {}),
    ],
)
def test_formats_of_text_are_those_of_reading(
    tmp_path: Path, text: str, separator: str, how: dict[str, Any]
) -> None:
    line = "\r\n" if "\r" in text else "\n"
    rows = line.join(separator.join(map(str, (n % 9, n % 8, n % 50))) for n in range(N))
    (tmp_path / "log.txt").write_bytes(text.format(rows=rows).encode())
    assert_prepared_as_read(tmp_path / "log.txt", tmp_path / "out", **how)


def test_other_encodings_are_converted(tmp_path: Path) -> None:
    frame = log().with_columns(TEXT_IDS)
    text = csv(tmp_path / "log.csv", frame).read_text("utf-8")
    for encoding, how in (("latin-1", {"encoding": "latin-1"}), ("utf-16", {}), ("utf-8-sig", {})):
        (tmp_path / "log.csv").write_text(text, encoding=encoding)
        assert_prepared_as_read(tmp_path / "log.csv", tmp_path / "out", **how)


IDS = st.one_of(
    st.integers(-3, 12).map(str),
    st.sampled_from(
        ["a", "B", "é", "10", "2.0", "1.5", "NA", "", "9999999999999999999", "-0", "7"]
    ),
)
ROWS = st.lists(
    st.tuples(
        IDS, IDS, st.sampled_from(["1", "5", "17e8", "1600000000", "2020-01-01", "NA", "1.5"]),
        st.sampled_from(["1", "0.1", "4.5", "", "16777217"]),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_whatever_is_in_a_text_file_is_prepared_or_refused_as_it_is_read(
    rows: list[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    path = folder / "log.csv"
    path.write_text("\n".join(map(",".join, [("user", "item", "time", "rating"), *rows])))
    found, expected = (
        result_of(lambda: tm.prepare(path, folder / "out", drop_missing=True)),
        result_of(lambda: tm.read(path, drop_missing=True)),
    )
    if isinstance(found, tm.Dataset) and isinstance(expected, tm.Dataset):
        assert_same(found, expected)
    else:
        assert found == expected


def result_of(read: Callable[[], tm.Dataset]) -> tm.Dataset | str:
    """Returns the data, or the place and the kind of the mistake in them."""
    try:
        return read()
    except DataError as error:
        return str(error).partition(";")[0]
