"""Events at the same time: how many there are, and a warning where their order follows the ids."""

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.card import describe
from tastemaker.data.ties import count_ties

DAY = 86_400


def _log(rows: list[tuple[int, int, int]]) -> tm.Dataset:
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return tm.read(table.with_columns(pl.col("timestamp") * DAY + 1_600_000_000))


def _days_of_clicks() -> pl.DataFrame:
    """Fifty users with three clicks a day on six days, in order of the item, as in many exports."""
    return pl.DataFrame(
        [
            (user, (7 * user + 11 * day + 3 * click) % 40, 1_600_000_000 + DAY * day)
            for user in range(50)
            for day in range(6)
            for click in range(3)
        ],
        schema=["user_id", "item_id", "timestamp"],
        orient="row",
    ).sort("user_id", "timestamp", "item_id")


def _warnings(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if "order of the file" in note]


def test_a_log_sorted_by_item_within_a_day_gives_a_warning() -> None:
    data = tm.read(_days_of_clicks())
    card = describe(data)
    assert card.ties is not None
    assert card.ties.fraction == pytest.approx(12 / 17)  # two of three clicks of each day
    (warning,) = _warnings(card.notes)
    assert "600 of 850 pairs" in warning
    assert "item ids ascend" in warning
    assert _warnings(tm.leave_one_out(data).notes) == [warning]


def test_a_log_sorted_the_other_way_round_does_too() -> None:
    data = tm.read(_days_of_clicks().reverse())
    (warning,) = _warnings(describe(data).notes)
    assert "item ids descend" in warning


def test_shuffled_rows_give_no_warning() -> None:
    data = tm.read(_days_of_clicks().sample(fraction=1, shuffle=True, seed=0))
    card = describe(data)
    assert card.ties is not None
    assert card.ties.fraction == pytest.approx(12 / 17)
    assert not _warnings(card.notes)
    assert not _warnings(tm.leave_one_out(data).notes)


def test_a_random_split_needs_no_order_and_gives_no_warning() -> None:
    assert not _warnings(tm.leave_one_out(tm.read(_days_of_clicks()), by="random").notes)


def test_without_clock_times_there_are_no_ties_to_count() -> None:
    assert count_ties(tm.read(pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2]}))) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=60
    )
)
def test_counts_agree_with_a_loop_over_the_sorted_rows(rows: list[tuple[int, int, int]]) -> None:
    ties = count_ties(_log(rows))
    assert ties is not None
    by_user: dict[int, list[tuple[int, int]]] = {}
    for user, item, day in sorted(rows, key=lambda row: (row[0], row[2])):
        by_user.setdefault(user, []).append((item, day))
    pairs = [pair for own in by_user.values() for pair in pairwise(own)]
    tied = [(first[0], second[0]) for first, second in pairs if first[1] == second[1]]
    assert ties.n_pairs == len(pairs)
    assert ties.n_tied == len(tied)
    assert ties.n_ascending == sum(second > first for first, second in tied)
    assert ties.n_descending == sum(second < first for first, second in tied)


def test_movielens_files_are_sorted_by_film_within_a_second(data_folder: Path) -> None:
    ties = count_ties(tm.load(str(data_folder / "ml-latest-small.zip")))
    assert ties is not None
    assert ties.n_tied == ties.n_ascending == 15_790
    assert ties.direction == "ascend"
