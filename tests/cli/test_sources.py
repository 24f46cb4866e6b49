"""DATA and --items of any kind, as typed on the command line."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal

ROWS = [("ann", "tea"), ("bob", "tea"), ("ann", "jam")]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE log (user TEXT, item TEXT)")
        database.execute("CREATE TABLE products (item TEXT, title TEXT)")
        database.executemany("INSERT INTO log VALUES (?, ?)", ROWS)
        database.execute("INSERT INTO products VALUES ('tea', 'Green tea')")
    database.close()
    return path


def test_a_folder_and_a_pattern_are_read(tastemaker: Terminal, tmp_path: Path) -> None:
    for day in (1, 2):
        folder = tmp_path / "log" / f"day=2026-01-0{day}"
        folder.mkdir(parents=True)
        (folder / "part.csv").write_text("user,item\nann,tea\nbob,tea\n")
    for source in (tmp_path / "log", f"{tmp_path}/log/*/*.csv"):
        card = tastemaker.json("inspect", source, "--time", "day")
        assert card["n_interactions"] == 2
        assert card["n_duplicates"] == 2
        assert "2 files are read as one table" in card["notes"]


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_log_and_its_items_are_in_one_database(
    tastemaker: Terminal, shop: Path, form: str
) -> None:
    source = form.format(shop)
    query = ("--query", "SELECT * FROM log")
    items = ("--items", source, "--items-query", "SELECT * FROM products")
    card = tastemaker.json("inspect", source, *query, *items)
    assert (card["n_interactions"], card["has_titles"]) == (3, True)
    code, _, err = tastemaker("inspect", source)
    assert code == 2
    assert 'has 2 tables (log, products); select the rows with --query "SELECT …"' in err


def test_the_password_of_a_database_is_not_shown(tastemaker: Terminal) -> None:
    code, out, err = tastemaker("inspect", "sqlite://ann:secret@/nowhere/x.db")
    assert code == 2
    assert "secret" not in out + err


def test_a_layout_and_a_decimal_comma_are_options(tastemaker: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "steam.csv"
    path.write_text('1,"Chess",play,"2,5",0\n2,"Go",purchase,"1,0",0\n')
    given = ("--layout", "steam-200k", "--decimal", ",", "--weight", "hours")
    card = tastemaker.json("inspect", path, *given)
    assert card["n_interactions"] == 2
    assert "event = behavior, weight = hours" in card["notes"][0]


def test_options_of_text_files_are_refused_in_words_of_the_command_line(
    tastemaker: Terminal, shop: Path
) -> None:
    code, _, err = tastemaker("inspect", shop, "--query", "SELECT * FROM log", "--no-header")
    assert code == 2
    assert f"--no-header applies to text files only, and {shop} is a database" in err


def test_the_parts_of_a_predefined_split_may_be_of_several_kinds(
    tastemaker: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("%\nuser,item\n1,10\n1,11\n2,10\n")
    (tmp_path / "test.csv").write_text("user,item\n2,11\n")
    (tmp_path / "lists.jsonl").write_text('{"user": 2, "item": [10, 11]}\n')
    (tmp_path / "items.jsonl").write_text('{"item": 10, "title": "Tea"}\n')
    parts = {"--train": "train.csv", "--test": "test.csv", "--candidates": "lists.jsonl"}
    options = [word for flag, name in parts.items() for word in (flag, tmp_path / name)]
    options += ["--items", tmp_path / "items.jsonl", "--comment", "%"]
    code, _, err = tastemaker("train", *options, "--model", "popularity", "--out", tmp_path / "run")
    assert code == 0, err


def test_a_folder_with_the_name_of_a_built_in_data_set_is_mentioned(
    tastemaker: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "built-in" not in tastemaker("inspect", "synthetic")[2]
    (tmp_path / "synthetic").mkdir()
    code, _, err = tastemaker("inspect", "synthetic")
    assert code == 0
    assert "synthetic is the built-in data set; write ./synthetic for the file or folder" in err
