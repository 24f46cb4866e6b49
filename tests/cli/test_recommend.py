"""tastemaker recommend: which items, why, and how they are found."""

from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.catalog import Catalog
from tests.cli.conftest import Terminal


@pytest.fixture(scope="module")
def run(clicks: Path) -> Path:
    """A model of the two tastes, which are the categories of the items."""
    path = clicks.with_name("films")
    titles = pl.DataFrame({"item_id": range(40), "title": [f"Film {i}" for i in range(40)]})
    kinds = titles.with_columns(genres=pl.Series(["Comedy"] * 20 + ["Drama"] * 20))
    data = tm.read(clicks).with_catalog(Catalog.from_frame(kinds, "films"))
    tm.save_run(path, tm.ItemKNN().fit(tm.leave_one_out(data)))
    return path


def items(answer: dict) -> list[int]:
    return [row["item_id"] for row in answer["recommendations"]]


def test_only_items_of_the_categories_are_recommended(tastemaker: Terminal, run: Path) -> None:
    ask = ("recommend", run, "--history", "1,25", "-k", 5)
    assert all(i < 20 for i in items(tastemaker.json(*ask, "--category", "Comedy")))
    both = items(tastemaker.json(*ask, "--category", "Comedy", "--category", "Drama"))
    assert both == items(tastemaker.json(*ask))
    code, _, err = tastemaker(*ask, "--category", "Comdy")
    assert code == 2
    assert 'did you mean "Comedy"' in err


def test_lists_of_items_come_as_ids_or_as_a_file(
    tastemaker: Terminal, run: Path, tmp_path: Path
) -> None:
    ask = ("recommend", run, "--history", "1,25")
    assert sorted(items(tastemaker.json(*ask, "--only", "3, 30,31"))) == [3, 30, 31]
    stock = tmp_path / "stock.txt"
    stock.write_text("3\n30\n31\n")
    assert sorted(items(tastemaker.json(*ask, "--only", stock))) == [3, 30, 31]
    left = tastemaker.json(*ask, "--only", stock, "--never", "3", "--never", "31")
    assert items(left) == [30]
    code, _, err = tastemaker(*ask, "--only", "3,99")
    assert code == 2
    assert "item 99 is not in the data" in err
    stock.write_bytes(b"\xef\xbb\xbf3\n30\n31\n")
    assert sorted(items(tastemaker.json(*ask, "--only", stock))) == [3, 30, 31]
    assert items(tastemaker.json(*ask, "--only", ",".join(["3"] * 200))) == [3]
    code, _, err = tastemaker(*ask, "--never", "stok.txt")
    assert code == 2
    assert "stok.txt: there is no such file, and no such item" in err
    stock.write_text("\n")
    code, _, err = tastemaker(*ask, "--only", stock)
    assert code == 2
    assert "contains no item id" in err
    code, out, err = tastemaker(*ask, "--only", "1")
    assert (code, out) == (0, "")
    assert "there is nothing to recommend" in err


def test_the_reasons_are_shown_by_title_and_in_json_by_id(
    tastemaker: Terminal, run: Path, tmp_path: Path
) -> None:
    ask = ("recommend", run, "--history", "1,2,3,25", "-k", 2, "--because")
    code, out, _ = tastemaker(*ask)
    assert code == 0
    head, *rows = out.strip().splitlines()
    assert "because of" in head
    assert all("Film" in row.split("Film", 1)[1] for row in rows)
    first = tastemaker.json(*ask)["recommendations"][0]["because"]
    assert 1 <= len(first) <= 3
    assert first[0].keys() == {"item_id", "contribution", "title"}
    assert first[0]["item_id"] in {1, 2, 3, 25}
    tastemaker.json(*ask, "--out", tmp_path / "lists.parquet")
    assert pl.read_parquet(tmp_path / "lists.parquet")["because"].list.len().min() >= 1
    code, _, err = tastemaker(*ask, "--out", tmp_path / "lists.csv")
    assert code == 2
    assert "a CSV file cannot hold the reasons of --because" in err


def test_the_file_is_refused_before_the_run_is_opened(tastemaker: Terminal, tmp_path: Path) -> None:
    ask = ("recommend", tmp_path / "no run", "--all", "--because")
    for name, message in {
        "lists.csv": "cannot hold the reasons of --because",
        "lists.txt": "is not supported",
        "nowhere/lists.parquet": "does not exist",
    }.items():
        code, _, err = tastemaker(*ask, "--out", tmp_path / name)
        assert code == 2
        assert f"lists{Path(name).suffix}: " in err
        assert message in err


def test_a_model_without_explanations_is_refused_in_one_line(
    tastemaker: Terminal, clicks: Path
) -> None:
    path = clicks.with_name("popular")
    tm.save_run(path, tm.Popularity().fit(tm.leave_one_out(tm.read(clicks))))
    code, out, err = tastemaker("recommend", path, "--user", 3, "--because")
    assert (code, out) == (2, "")
    assert err.strip().startswith("error: popularity does not provide the similarity of items")
    assert len(err.strip().splitlines()) == 1


def test_diversity_changes_the_list_and_not_its_length(tastemaker: Terminal, run: Path) -> None:
    ask = ("recommend", run, "--history", "1,2,3,25,26", "-k", 6)
    plain, diverse = (items(tastemaker.json(*ask, *more)) for more in ((), ("--diversity", 0.9)))
    assert len(diverse) == 6
    assert plain[0] == diverse[0]
    assert plain != diverse
    code, _, err = tastemaker(*ask, "--diversity", 1.5)
    assert code == 2
    assert "less than or equal to 1" in err


def test_an_approximate_search_needs_an_index(tastemaker: Terminal, run: Path) -> None:
    code, _, err = tastemaker("recommend", run, "--user", 3, "--approximate")
    assert code == 2
    assert "tastemaker index" in err
