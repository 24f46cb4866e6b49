"""Popularity: counts, and counts that fade."""

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.columns import Columns
from tastemaker.errors import ConfigError

DAY = 86_400
NOW = 1_700_000_000
COLUMNS = Columns(user="user", item="item", time="time")
TIMELESS = Columns(user="user", item="item")


def popularity(rows: list[tuple[int, str, int]], columns: Columns = COLUMNS, **settings):
    """A data set from rows (user, item, days ago)."""
    frame = pl.DataFrame(rows, schema=["user", "item", "days_ago"], orient="row")
    frame = frame.with_columns(time=NOW - DAY * pl.col("days_ago")).drop("days_ago")
    interactions = tm.Interactions.from_frame(frame, columns, "shop")
    split = tm.no_holdout(tm.Dataset.from_interactions(interactions))
    return tm.Popularity(**settings).fit(split)


def test_without_a_half_life_an_old_touch_counts_as_much_as_a_new_one() -> None:
    model = popularity([(1, "a", 900), (2, "a", 800), (3, "b", 0)])
    assert model.state()["counts"].tolist() == [2, 1]


def test_a_touch_counts_half_after_each_half_life() -> None:
    model = popularity([(1, "a", 0), (1, "b", 10), (2, "b", 20), (3, "c", 30)], half_life_days=10)
    assert model.state()["counts"].tolist() == [1, 0.5 + 0.25, 0.125]


def test_age_is_counted_from_the_newest_interaction_not_from_today() -> None:
    recent = popularity([(1, "a", 0), (2, "b", 7)], half_life_days=7)
    long_ago = popularity([(1, "a", 3000), (2, "b", 3007)], half_life_days=7)
    assert recent.state()["counts"].tolist() == long_ago.state()["counts"].tolist() == [1, 0.5]


def test_what_is_popular_now_overtakes_what_was_popular_once() -> None:
    rows = [(user, "old hit", 400) for user in range(5)] + [(user, "new", 1) for user in (7, 8)]
    assert popularity(rows).recommend(7, k=1, exclude_seen=False).frame["item_id"][0] == "old hit"
    recent = popularity(rows, half_life_days=30)
    assert recent.recommend(7, k=1, exclude_seen=False).frame["item_id"][0] == "new"


def test_a_user_without_a_history_gets_the_same_list_as_all_others() -> None:
    rows = [(user, "old hit", 400) for user in range(5)] + [(user, "new", 1) for user in (7, 8)]
    model = popularity(rows, half_life_days=30)
    cold, known = model.score(model.unseen_users([[], ["new"]]))
    assert cold.tolist() == known.tolist() == model.state()["counts"].tolist()


def test_a_half_life_without_times_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match="shop has no times, .* time=…"):
        popularity([(1, "a", 0), (2, "b", 1)], TIMELESS, half_life_days=7)


def test_the_floor_is_the_same_with_and_without_weights() -> None:
    frame = pl.DataFrame(
        [(1, "a", 500.0), (1, "b", 1.0), (2, "b", 1.0), (2, "c", 1.0), (3, "b", 1.0), (3, "d", 1)],
        schema=["user", "artist", "plays"], orient="row",
    )  # fmt: skip
    figures = []
    for weight, how in ((None, {}), ("plays", {"weight_transform": "none"})):
        data = tm.read(frame, user="user", item="artist", weight=weight, **how)
        split = tm.leave_one_out(data, by="random")
        model = tm.MF(epochs=1).fit(split)
        floor = tm.evaluate(model, split, tm.FullRanking()).baselines["popularity"]
        figures.append(floor.metrics)
    assert figures[0] == figures[1]
    weighted = tm.Popularity(weighted=True).fit(tm.no_holdout(data)).state()["counts"]
    assert weighted.tolist() == [500, 3, 1, 1]
