"""The report: one file, everything in it, nothing broken by odd input."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.catalog import Catalog
from tastemaker.errors import ConfigError
from tastemaker.evaluation.cold_start_results import ColdStartResult, ColdStartResults, LengthResult
from tastemaker.evaluation.leaderboard import Comparison, Entry, Leaderboard
from tastemaker.evaluation.results import Evaluation
from tastemaker.figures.labels import shortened
from tastemaker.reports.examples import Example, examples
from tastemaker.reports.formats import percent, seconds
from tastemaker.reports.groups import groups
from tastemaker.reports.placement import Box, place_labels, stack_labels
from tastemaker.reports.report import write_report
from tastemaker.testing.worlds import checkerboard, dataset_of, two_tastes
from tastemaker.training.run import TrainingLog

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Checked(HTMLParser):
    """Tags balanced, ids unique, and what is referred to is there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.references: set[str] = set()
        self.feed(html)
        assert not self.open
        assert len(self.ids) == len(set(self.ids))
        assert self.references <= set(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            value = value or ""
            assert name not in ("src", "srcset", "onerror", "onload")
            if name == "id":
                self.ids.append(value)
            if name == "href" and not value.startswith("#"):
                assert tag == "a"
                self.links.append(value)
            if name == "aria-labelledby":
                self.references |= set(value.split())
            if name in ("href", "clip-path") and "#" in value:
                self.references.add(value.removeprefix("url(").strip("#)"))


def evaluated(
    split: tm.Split, models: dict[str, tm.Recommender], lists: bool = True, **options: object
) -> list[Entry]:
    options = {"protocol": tm.FullRanking(), "k": [5, 10]} | options
    return [
        Entry(name, tm.evaluate(m, split, baseline=False, lists=lists, **options), fit_s=2.5 * i)
        for i, (name, m) in enumerate(models.items(), 1)
    ]


def written(
    folder: Path,
    board: Leaderboard,
    logs: dict[str, TrainingLog] | None = None,
    shown: list[Example] | None = None,
    cold_starts: ColdStartResults | None = None,
) -> str:
    path = folder / "report.html"
    write_report(path, board, logs or {}, shown or [], cold_starts)
    assert [p.name for p in folder.iterdir()] == ["report.html"]
    html = path.read_text(encoding="utf-8")
    Checked(html)
    assert not re.search(r"\bnan\b|\bNone\b|inf\b", html)
    return html


@pytest.fixture(scope="module")
def split() -> tm.Split:
    return tm.leave_one_out(checkerboard(20))


@pytest.fixture(scope="module")
def models(split: tm.Split) -> dict[str, tm.Recommender]:
    return {"popularity": tm.Popularity().fit(split), "ease": tm.EASE().fit(split)}


@pytest.fixture(scope="module")
def entries(split: tm.Split, models: dict[str, tm.Recommender]) -> list[Entry]:
    return evaluated(split, models)


LOG = TrainingLog(
    [
        {"epoch": 1, "loss": 0.6, "ndcg@10": 0.21, "elapsed_s": 1.0},
        {"epoch": 2, "loss": 0.5, "ndcg@10": 0.35, "elapsed_s": 2.0},
        {"epoch": 3, "loss": 0.4, "ndcg@10": 0.3, "elapsed_s": 3.0},
    ],
    best_epoch=2,
)


def test_it_is_one_file_that_refers_to_papers_alone(
    tmp_path: Path, split: tm.Split, models: dict[str, tm.Recommender], entries: list[Entry]
) -> None:
    html = written(tmp_path, Leaderboard(entries), {"ease": LOG}, examples(models, split))
    links = Checked(html).links
    assert links
    assert all(link.startswith("https://doi.org/") for link in links)
    assert len(re.findall(r"https?://", html)) == len(links)
    assert "<script" not in html
    assert "@import" not in html


def test_it_holds_the_figures_of_every_model(
    tmp_path: Path, split: tm.Split, models: dict[str, tm.Recommender], entries: list[Entry]
) -> None:
    html = written(tmp_path, Leaderboard(entries), {"ease": LOG}, examples(models, split))
    for entry in entries:
        assert entry.name in html
        for name, value in entry.evaluation.metrics.items():
            if name.startswith(("ndcg", "hit_rate", "mrr", "map", "recall", "precision")):
                assert f"{value:.4f}" in html
        low, high = entry.evaluation.intervals["ndcg@10"]
        assert f"{low:.4f} to {high:.4f}" in html
    assert "2.5 s" in html
    assert "kept epoch 2 of 3" in html
    assert html.count('role="img"') == 4  # time, coverage, one curve, the long tail


def test_colours_are_left_to_the_theme(tmp_path: Path, entries: list[Entry]) -> None:
    html = written(tmp_path, Leaderboard(entries), {"ease": LOG})
    figures = re.findall(r"<svg .*?</svg>", html, re.DOTALL)
    assert figures
    assert not any(re.search(r"#[0-9a-f]{6}\b(?!\w)", figure) for figure in figures)
    assert "prefers-color-scheme: dark" in html


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, split: tm.Split, models: dict[str, tm.Recommender], entries: list[Entry]
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    first = written(one, Leaderboard(entries), {"ease": LOG}, examples(models, split))
    again = written(other, Leaderboard(entries), {"ease": LOG}, examples(models, split))
    assert first == again


def test_hostile_names_are_shown_as_text(tmp_path: Path) -> None:
    markup = "<script>alert('$1^2$')</script>"
    data = two_tastes(12, 12, 5)
    frame = data.catalog.frame.with_columns(title=pl.lit(markup))
    split = tm.leave_one_out(replace(data, name=markup).with_catalog(Catalog(frame)))
    models = {markup: tm.Popularity().fit(split), "日本語": tm.EASE().fit(split)}
    board = Leaderboard([*evaluated(split, models), Entry("failed", error=markup)])
    html = written(tmp_path, board, {markup: LOG}, examples(models, split))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "日本語" in html


def test_sampled_metrics_come_with_a_warning(
    tmp_path: Path, split: tm.Split, models: dict[str, tm.Recommender], entries: list[Entry]
) -> None:
    warning = "Sampled metrics can order models wrongly"
    assert warning not in written(tmp_path, Leaderboard(entries))
    sampled = evaluated(split, models, protocol=tm.SampledRanking(5))
    assert warning in written(tmp_path, Leaderboard(sampled))


def test_a_difference_that_could_be_chance_is_marked(tmp_path: Path, entries: list[Entry]) -> None:
    best = next(entry for entry in entries if entry.name == "ease")
    twin = replace(best, name="twin")
    html = written(tmp_path, Leaderboard([best, twin]))
    assert "ease leads with NDCG@10" in html
    assert "the difference to twin (2nd) is not significant" in html
    html = written(tmp_path, Leaderboard(entries))
    assert "significantly better than popularity" in html


def test_one_model_alone(tmp_path: Path, entries: list[Entry]) -> None:
    html = written(tmp_path, Leaderboard(entries[:1]))
    assert "popularity reaches NDCG@10" in html
    assert "All pairs" not in html


def test_thirteen_models_with_long_labels(tmp_path: Path, entries: list[Entry]) -> None:
    many = [
        replace(
            entries[i % 2], name=f"model(embedding_size={i}, learning_rate=0.001, dropout=0.{i})"
        )
        for i in range(13)
    ]
    html = written(tmp_path, Leaderboard(many), {entry.name: LOG for entry in many})
    assert all(entry.name in html for entry in many)


def test_all_failed(tmp_path: Path) -> None:
    html = written(tmp_path, Leaderboard([Entry("ncf", error="out of memory")]))
    assert "No model finished" in html
    assert "out of memory" in html


def test_a_failed_model_is_a_row_with_its_reason(tmp_path: Path, entries: list[Entry]) -> None:
    html = written(tmp_path, Leaderboard([*entries, Entry("ncf", error="out of memory")]))
    assert "2 models compared on checkerboard, 1 failed" in html
    assert "failed: out of memory" in html


def test_without_lists_times_curves_and_titles(tmp_path: Path) -> None:
    data = checkerboard(12)
    plain = Catalog(data.catalog.frame.select("item_id"))
    split = tm.leave_one_out(data.with_catalog(plain))
    models = {"popularity": tm.Popularity().fit(split)}
    untimed = [replace(entry, fit_s=None) for entry in evaluated(split, models, lists=False)]
    html = written(
        tmp_path, Leaderboard(untimed), {"popularity": TrainingLog()}, examples(models, split)
    )
    assert 'role="img"' not in html
    assert "Miscalibration" not in html
    assert "Item 3" not in html


def test_lists_of_5_and_20(
    tmp_path: Path, split: tm.Split, models: dict[str, tm.Recommender]
) -> None:
    html = written(tmp_path, Leaderboard(evaluated(split, models, k=[5, 20]), metric="ndcg@5"))
    assert "NDCG@20" in html
    assert "Coverage@5" in html
    assert "@10" not in html


def test_values_that_are_missing(tmp_path: Path, entries: list[Entry]) -> None:
    def emptied(evaluation: Evaluation | None) -> Evaluation:
        missing = {n: np.full(len(v), np.nan) for n, v in evaluation.per_user.items()}
        overall = dict.fromkeys(evaluation.overall, float("nan"))
        return replace(evaluation, per_user=missing, overall=overall)

    log = TrainingLog([{"epoch": 1, "loss": float("nan"), "elapsed_s": 1.0}], best_epoch=1)
    board = Leaderboard([replace(entry, evaluation=emptied(entry.evaluation)) for entry in entries])
    assert "–" in written(tmp_path, board, {"ease": log})


def met(*values: float) -> ColdStartResult:
    """A result with these values of NDCG after 1, 2, 5 and so on, each a hundredth wide."""
    lengths = tuple(
        LengthResult(
            length,
            60 - length,
            {"ndcg@10": value, "hit_rate@10": 2 * value},
            {"ndcg@10": (value - 0.01, value + 0.01), "hit_rate@10": (value, 3 * value)},
        )
        for length, value in zip((1, 2, 5, 10, 20), values, strict=False)
    )
    return ColdStartResult("10% of the users …", 0.1, 7, 60, lengths)


def test_unseen_users_have_a_line_a_model_and_every_number(
    tmp_path: Path, entries: list[Entry]
) -> None:
    starts = ColdStartResults(
        {"ease": met(0.11, 0.12, 0.33), "popularity": met(0.21, 0.22, 0.23)}, {"ncf": "no memory"}
    )
    html = written(tmp_path, Leaderboard(entries), cold_starts=starts)
    assert (
        "<h2>Unseen users: popularity is best after 1 interaction, ease after 5 interactions"
        in html
    )
    assert "60 users, 10% of those with two interactions or more, drawn with seed 7, were" in html
    assert "Given only the first 1, 2 and 5 interactions of" in html
    for name, result in starts.results.items():
        values = [f"{at.metrics['ndcg@10']:.4f} after {at.length}" for at in result.lengths]
        assert f"{name}: {', '.join(values)}" in html
        for at in result.lengths:
            assert f"<small>{at.n_users} users</small>" in html
            assert f"{at.metrics['hit_rate@10']:.4f}" in html
            assert "{:.4f} to {:.4f}".format(*at.intervals["ndcg@10"]) in html
    assert "intervals extend about 0.010 to each side" in html
    assert "<strong>ncf</strong> failed: no memory" in html
    (figure,) = re.findall(r'<svg[^>]*aria-labelledby="new-users.*?</svg>', html, re.DOTALL)
    assert not re.search(r"#[0-9a-f]{6}\b", figure), "colours are left to the theme"
    assert "Unseen users" not in written(tmp_path, Leaderboard(entries))


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ({"a": met(0.2, 0.2), "b": met(0.1, 0.1)},
         "a is best for every number of known interactions"),
        ({"a": met(0.2, 0.1, 0.2), "b": met(0.1, 0.2, 0.1)},
         "a is best after 1 and after 5 interactions"),
        ({"a": met(0.2), "b": met(0.1)}, "a is best for every number of known interactions"),
        ({"a": met(0.2, 0.3)}, "NDCG@10 by number of known interactions"),
        ({"a": met(0.0, 0.0), "b": met(0.0, 0.0)}, "NDCG@10 by number of known interactions"),
        ({}, "no model finished"),
    ],
)  # fmt: skip
def test_unseen_users_of_all_kinds(
    tmp_path: Path, entries: list[Entry], results: dict[str, ColdStartResult], text: str
) -> None:
    starts = ColdStartResults(results, {} if results else {"a": "<b>"})
    html = written(tmp_path, Leaderboard(entries), cold_starts=starts)
    assert f"<h2>Unseen users: {text}</h2>" in html


def test_unseen_users_of_many_models_with_long_labels(tmp_path: Path, entries: list[Entry]) -> None:
    many = {
        f"model(embedding_size={i}, dropout=0.{i})": met(0.2, 0.1 + 0.001 * i) for i in range(30)
    }
    html = written(tmp_path, Leaderboard(entries), cold_starts=ColdStartResults(many, {}))
    assert all(name in html for name in many)


def test_a_report_needs_a_folder_and_a_file_name(tmp_path: Path, entries: list[Entry]) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        write_report(tmp_path, Leaderboard(entries), {}, [])
    with pytest.raises(ConfigError, match="does not exist"):
        write_report(tmp_path / "none" / "report.html", Leaderboard(entries), {}, [])


def test_examples_mark_the_held_out_item(split: tm.Split) -> None:
    shown = examples({"ease": tm.EASE().fit(split)}, split, k=2)
    assert len(shown) == 3
    for example in shown:
        (held_out,) = example.held_out
        (one,) = example.lists
        # Of the own parity two items are left: the one left out of the world and the held-out one.
        assert [item == held_out for item in one.items] == list(one.hits)
        assert sum(one.hits) == 1
        assert one.items[one.ranks[0] - 1] == held_out


def test_examples_are_of_the_light_the_regular_and_the_heavy() -> None:
    data = dataset_of({user: list(range(user + 3)) for user in range(9)})
    split = tm.leave_one_out(data)
    models = {"popularity": tm.Popularity().fit(split)}
    shown = examples(models, split)
    assert [example.user_id for example in shown] == ["1", "4", "7"]
    assert [example.activity for example in shown] == ["light", "regular", "heavy"]
    assert [example.n_known for example in shown] == [3, 6, 9]
    assert [item.name for item in shown[0].history] == ["Item 2", "Item 1", "Item 0"]
    assert shown == examples(models, split)
    assert len(examples(models, split, n=50)) == 9


def test_lists_of_repeats_are_chosen_from_the_whole_catalog() -> None:
    items = {user: [0, 1, 0, 1, 2, user % 4] for user in range(9)}
    log = pl.DataFrame(
        [(user, item, time) for user in items for time, item in enumerate(items[user])],
        schema=["user", "item", "time"], orient="row",
    )  # fmt: skip
    new = tm.leave_one_out(tm.read(log), validation=False)
    (light, *_) = examples({"popularity": tm.Popularity().fit(new)}, new)
    assert light.n_ranked == new.train.n_items - light.n_known
    kept = tm.leave_one_out(tm.read(log, repeats="keep"), validation=False)
    (light, *_) = examples({"popularity": tm.Popularity().fit(kept)}, kept)
    assert light.n_known == 5
    assert light.n_ranked == kept.train.n_items == 4


def test_the_report_marks_hits_in_words(
    tmp_path: Path, split: tm.Split, entries: list[Entry]
) -> None:
    shown = examples({"ease": tm.EASE().fit(split)}, split, k=2)
    html = written(tmp_path, Leaderboard(entries), shown=shown)
    assert html.count("✓ held out") == 3
    assert "3 example users: 3 of 3 lists contain a held-out item" in html


def test_groups_are_those_no_two_of_which_differ(entries: list[Entry]) -> None:
    board = Leaderboard([replace(entries[0], name=name) for name in "pqrs"])
    far = {("p", "r"), ("p", "s"), ("q", "s")}
    board.comparisons = [
        Comparison(c.better, c.worse, 0.1, 0.01 if (c.better, c.worse) in far else 0.5)
        for c in board.comparisons
    ]
    assert groups(board) == [("p", "q"), ("q", "r"), ("r", "s")]


def test_labels_cover_neither_each_other_nor_a_point() -> None:
    random = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in random.uniform(60, 340, (13, 2))]
    boxes = place_labels(points, [(70.0, 14.0)] * 13, Box(0, 0, 400, 400))
    for i, box in enumerate(boxes):
        assert all(box.overlap(other) == 0 for other in boxes[:i])
        assert all(box.overlap(Box(x - 4, y - 4, x + 4, y + 4)) == 0 for x, y in points)


def test_labels_in_a_column_keep_apart_and_near_their_lines() -> None:
    assert stack_labels([10.0, 50.0, 90.0], 10, 0, 100) == [10, 50, 90]
    assert stack_labels([50.0, 52.0, 48.0], 10, 0, 100) == [50, 60, 40], "around their middle"
    assert stack_labels([98.0, 99.0, 2.0, 1.0], 10, 0, 100) == [90, 100, 10, 0], "inside the column"
    assert stack_labels([5.0, 5.0, 5.0], 10, 0, 15) == [0, 10, 20], "upward where there is no room"


@pytest.mark.parametrize(
    ("elapsed_s", "text"),
    [(None, "–"), (0.001, "under 0.01 s"), (0.31, "0.31 s"), (3.2, "3.2 s"), (59.97, "1 min 0 s"),
     (125, "2 min 5 s"), (3_780, "1 h 3 min")],
)  # fmt: skip
def test_seconds_are_written_as_text(elapsed_s: float | None, text: str) -> None:
    assert seconds(elapsed_s) == text


def test_small_fractions_and_long_labels_stay_legible() -> None:
    assert [percent(0.0005), percent(0.0), percent(0.464)] == ["0.05%", "0.0%", "46.4%"]
    assert shortened("short") == "short"
    assert len(shortened("model(embedding_size=8, dropout=0.1)")) == 24
    assert shortened("model(embedding_size=8, dropout=0.1)").endswith("out=0.1)")
