"""The options that say how text files are to be read."""

from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Terminal

HOW = ("--encoding", "latin-1", "--comment", "%", "--separator", "~", "--quoting", "none")


def odd(path: Path, frame: pl.DataFrame, separator: str = "~") -> Path:
    """The table in latin-1, with a comment and a stray quote."""
    frame = frame.with_columns(place=pl.lit('"Café'), other=pl.lit("x"))
    text = "% exported\n" + frame.write_csv(separator=separator, quote_style="never")
    path.write_bytes(text.encode("latin-1"))
    return path


@pytest.fixture(scope="module")
def log(clicks: Path) -> pl.DataFrame:
    return pl.read_csv(clicks)


def test_they_hold_for_a_log_and_its_items(
    tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame
) -> None:
    path = odd(tmp_path / "log.txt", log)
    items = odd(tmp_path / "items.csv", log.select(pl.col("item_id").unique()), separator=",")
    card = tastemaker.json("inspect", path, *HOW, "--items", items)
    assert card["n_interactions"] == log.height


def test_they_hold_for_each_part_of_a_ready_made_split(
    tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame
) -> None:
    last = pl.int_range(pl.len()).over("user_id") == pl.len().over("user_id") - 1
    train = odd(tmp_path / "train.txt", log.filter(~last))
    test = odd(tmp_path / "test.txt", log.filter(last))
    code, _, err = tastemaker(
        "train",
        "--train",
        train,
        "--test",
        test,
        "--model",
        "popularity",
        "--out",
        tmp_path / "run",
        *HOW,
    )
    assert code == 0, err


def test_they_hold_for_events(tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame) -> None:
    path = odd(tmp_path / "log.txt", log)
    database = f"sqlite:///{tmp_path}/events.db"
    answer = tastemaker.json("events", "import", path, "--database", database, *HOW)
    assert answer["accepted"] == log.height


def test_they_are_refused_where_nothing_is_text(tastemaker: Terminal) -> None:
    for option in (("--no-header",), ("--comment", "#"), ("--quoting", "csv")):
        code, _, err = tastemaker("inspect", "sqlite:///x.db", "--query", "SELECT 1", *option)
        assert code == 2
        assert f"{option[0]} applies to text files" in err
        code, _, err = tastemaker("inspect", "synthetic", *option)
        assert code == 2
        assert f"leave out {option[0]}" in err
