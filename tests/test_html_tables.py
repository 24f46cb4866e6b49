"""Objects show themselves in a notebook as short, escaped tables."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.html_tables import MAX_SHOWN_ROWS, html_table

SCRIPT = "<script>alert('$1 and $2')</script>"


class Parsed(HTMLParser):
    """The text of each cell by row, the number of each tag, and whether the tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[list[str]] = []
        self.open: list[str] = []
        self.tags: dict[str, int] = {}
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag == "tr":
            self.cells.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("th", "td"):
            self.cells[-1].append(data)


@pytest.fixture(scope="module")
def hostile() -> tm.Split:
    """A split whose ids, titles and name are markup."""
    rows = [
        (f"{SCRIPT}{user}", f"{SCRIPT}{item}") for user in range(30) for item in range(user % 5)
    ]
    log = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").with_row_index("time")
    items = pl.DataFrame({"item_id": [f"{SCRIPT}{i}" for i in range(5)], "title": [SCRIPT] * 5})
    return tm.leave_one_out(tm.read(log, name=SCRIPT, items=items))


SHOWN: dict[str, Callable[[tm.Split, Path], object]] = {
    "Dataset": lambda split, folder: split.train,
    "Split": lambda split, folder: split,
    "Evaluation": lambda split, folder: tm.evaluate(tm.EASE().fit(split), lists=True),
    "Leaderboard": lambda split, folder: _compared(split, folder).leaderboard,
    "ComparisonResult": lambda split, folder: _compared(split, folder),
    "Recommendations": lambda split, folder: tm.EASE().fit(split).recommend(because=1),
}


def _compared(split: tm.Split, folder: Path) -> tm.ComparisonResult:
    models = {SCRIPT.replace("/", "|"): tm.EASE(), "popularity": tm.Popularity()}
    return tm.compare(models, split, folder / "comparison")


@pytest.mark.parametrize("name", SHOWN)
def test_markup_in_the_data_of_a_user_stays_text(
    name: str, hostile: tm.Split, tmp_path: Path
) -> None:
    html = SHOWN[name](hostile, tmp_path)._repr_html_()
    parsed = Parsed(html)
    assert "script" not in parsed.tags
    assert "&lt;script&gt;" in html
    assert parsed.tags["table"] == 1
    assert "tex2jax_ignore" in html  # $1 and $2 are prices, not a formula
    assert "color" not in html  # those of the notebook's theme are used
    assert len(parsed.cells) <= 1 + MAX_SHOWN_ROWS


def test_a_table_states_how_many_rows_and_notes_it_leaves_out() -> None:
    html = html_table("", ["n"], ([i] for i in range(1_021)), notes=[f"note {i}" for i in range(7)])
    assert len(Parsed(html).cells) == 1 + 20
    assert "<p>and 1,001 more rows</p>" in html
    assert "<li>note 4</li><li>and 2 more notes</li>" in html
    assert "more" not in html_table("", ["n"], [[1]])


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    html = html_table("", ["score", "title"], [[0.123456, "A"], [float("nan"), None]])
    assert Parsed(html).cells == [["score", "title"], ["0.1235", "A"], ["–", "–"]]
    assert '<td style="text-align: right">0.1235</td>' in html
    assert '<td style="text-align: left">A</td>' in html


def test_a_data_set_shows_its_first_interactions_and_how_it_was_read() -> None:
    times = [1_700_000_000, 1_700_086_400, 1_700_172_800]
    log = pl.DataFrame({"visitor": [7, 7, 7], "sku": ["a", "b", "c"], "time": times})
    html = tm.read(log, user="visitor", item="sku")._repr_html_()
    assert Parsed(html).cells[1:] == [
        ["7", "a", "2023-11-14T22:13:20Z"],
        ["7", "b", "2023-11-15T22:13:20Z"],
        ["7", "c", "2023-11-16T22:13:20Z"],
    ]
    assert "3 interactions, 1 users, 3 items" in html
    assert "user = visitor, item = sku" in html


def test_a_leaderboard_states_its_verdict_and_the_failures() -> None:
    split = tm.leave_one_out(tm.load("synthetic"))
    entries = [
        tm.Entry(model.name, tm.evaluate(model.fit(split), baseline=False))
        for model in (tm.Popularity(), tm.EASE())
    ]
    html = tm.Leaderboard([*entries, tm.Entry("broken", error="no times")])._repr_html_()
    header, first, second = Parsed(html).cells
    assert header[:5] == ["rank", "model", "ndcg@10", "95% interval", "worse"]
    assert first[:2] == ["1", "ease"]
    assert second[:2] == ["2", "popularity"]
    assert (first[4], second[4]) == ("-", "yes")
    assert "ease leads popularity by" in html
    assert "broken failed: no times" in html
    assert "no model has a result" in tm.Leaderboard([])._repr_html_()
