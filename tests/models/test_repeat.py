"""Repeat: what a user touched most and latest, then what is popular."""

import numpy as np
import polars as pl
import pytest

import tastemaker as tm

DAY = 86_400
NOW = 1_700_000_000


def fitted(rows: list[tuple[str, str, float, int]], **settings: object) -> tm.Repeat:
    """A model of rows (user, item, weight, days ago)."""
    frame = pl.DataFrame(rows, schema=["user", "item", "w", "days_ago"], orient="row")
    frame = frame.with_columns(time=NOW - DAY * pl.col("days_ago"))
    data = tm.read(frame, time="time", weight="w", repeats="keep", weight_transform="none")
    return tm.Repeat(**settings).fit(tm.no_holdout(data))


def test_scores_are_the_sums_of_weights_that_halve_with_every_half_life() -> None:
    rows = [("u", "a", 1.0, 40), ("u", "a", 2.0, 20), ("u", "b", 0.5, 10), ("v", "c", 1.0, 0)]
    model = fitted([*rows, ("w", "c", 1.0, 5)], half_life_days=10)
    # The latest event of user u is that with item b; item c is the most popular one.
    expected = [1 * 0.5**3 + 2 * 0.5, 0.5, 0]
    np.testing.assert_allclose(model.score(model.users(["u"]))[0], expected, rtol=1e-6)
    alike = fitted(rows, half_life_days=None)
    np.testing.assert_allclose(alike.score(alike.users(["u"]))[0], [3, 0.5, 0], rtol=1e-6)


def test_items_of_years_ago_keep_their_order_and_stay_before_what_is_popular() -> None:
    rows = [(f"x{user}", "hit", 1.0, user) for user in range(5)]
    rows += [("u", "now", 1.0, 0), ("u", "old", 1.0, 1000), ("u", "older", 1.0, 2500)]
    best = fitted(rows, half_life_days=30).recommend("u", k=4).frame["item_id"].to_list()
    assert best == ["now", "old", "older", "hit"]


def test_items_of_the_history_come_first_and_the_most_popular_others_follow() -> None:
    rows = [(f"x{user}", "hit", 1.0, user) for user in range(5)] + [("y", "flop", 1.0, 9000)]
    rows += [("x0", "niche", 1.0, 3), ("x1", "niche", 1.0, 3), ("y", "other", 1.0, 0)]
    best = fitted(rows).recommend("y", k=4).frame["item_id"].to_list()
    assert best == ["other", "flop", "hit", "niche"]


def shop_with_repeats() -> tm.Dataset:
    """Eighty users buy one of three favourites in seven of ten weeks, else any of sixty items."""
    random, rows = np.random.default_rng(0), []
    for user in range(80):
        favourites = random.choice(60, 3, replace=False)
        for week in range(20):
            item = random.choice(favourites) if random.random() < 0.7 else random.integers(60)
            rows.append((user, int(item), NOW + 7 * DAY * week))
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    return tm.read(frame, repeats="keep")


def test_where_repeats_are_targets_it_is_better_than_popularity_and_ease() -> None:
    split = tm.leave_one_out(shop_with_repeats())
    hit_rates = [
        tm.evaluate(model.fit(split), split, tm.FullRanking(), k=[3], baseline=False).metrics[
            "hit_rate@3"
        ]
        for model in (tm.Repeat(), tm.EASE(), tm.Popularity())
    ]
    assert hit_rates[0] > 0.5
    assert hit_rates[0] > max(hit_rates[1:]) + 0.15


@pytest.mark.parametrize("half_life_days", [30.0, None])
def test_a_history_without_times_counts_by_its_weights(half_life_days: float | None) -> None:
    model = fitted([("u", "a", 1.0, 3), ("v", "b", 1.0, 0)], half_life_days=half_life_days)
    assert model.score(model.unseen_users([["b", "b", "a"]]))[0].tolist() == [1, 2]
