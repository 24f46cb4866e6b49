"""The options that say how text files are to be read."""

from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Terminal

OPTIONS = ("--encoding", "latin-1", "--comment", "%", "--separator", "~", "--quoting", "none")


def write_unusual(path: Path, frame: pl.DataFrame, separator: str = "~") -> Path:
    """The table in latin-1, with a comment and a stray quote."""
    frame = frame.with_columns(place=pl.lit('"Café'), other=pl.lit("x"))
    text = "% exported\n" + frame.write_csv(separator=separator, quote_style="never")
    path.write_bytes(text.encode("latin-1"))
    return path


@pytest.fixture(scope="module")
def log(clicks: Path) -> pl.DataFrame:
    return pl.read_csv(clicks)


def test_text_options_apply_to_a_log_and_its_items(
    tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame
) -> None:
    path = write_unusual(tmp_path / "log.txt", log)
    items = write_unusual(
        tmp_path / "items.csv", log.select(pl.col("item_id").unique()), separator=","
    )
    card = tastemaker.json("inspect", path, *OPTIONS, "--items", items)
    assert card["n_interactions"] == log.height


def test_text_options_apply_to_each_part_of_a_predefined_split(
    tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame
) -> None:
    last = pl.int_range(pl.len()).over("user_id") == pl.len().over("user_id") - 1
    train = write_unusual(tmp_path / "train.txt", log.filter(~last))
    test = write_unusual(tmp_path / "test.txt", log.filter(last))
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
        *OPTIONS,
    )
    assert code == 0, err


def test_text_options_apply_to_events(
    tastemaker: Terminal, tmp_path: Path, log: pl.DataFrame
) -> None:
    path = write_unusual(tmp_path / "log.txt", log)
    database = f"sqlite:///{tmp_path}/events.db"
    answer = tastemaker.json("events", "import", path, "--database", database, *OPTIONS)
    assert answer["accepted"] == log.height


def test_text_options_are_refused_where_no_input_is_a_text_file(tastemaker: Terminal) -> None:
    for option in (("--no-header",), ("--comment", "#"), ("--quoting", "csv")):
        code, _, err = tastemaker("inspect", "sqlite:///x.db", "--query", "SELECT 1", *option)
        assert code == 2
        assert f"{option[0]} applies to text files" in err
        code, _, err = tastemaker("inspect", "synthetic", *option)
        assert code == 2
        assert f"leave out {option[0]}" in err
