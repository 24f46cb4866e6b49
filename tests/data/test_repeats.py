"""Logs that repeat (user, item) pairs: the split comes first, then each part is folded."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.split import Targets
from tastemaker.errors import SplitError

LOGS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6), st.integers(1, 5)),
    min_size=2, max_size=60,
)  # fmt: skip

Log = list[tuple]


def read(log: Log, **how: object) -> tm.Dataset:
    schema = ["user", "item", "time", "rating"][: len(log[0])]
    return tm.read(pl.DataFrame(log, schema=schema, orient="row"), **how)


def pairs(part: tm.Dataset | Targets | None, data: tm.Dataset) -> set[tuple]:
    """The pairs as ids."""
    if part is None:
        return set()
    users, items = data.user_vocabulary.ids, data.item_vocabulary.ids
    return {(users[int(u)], items[int(i)]) for u, i in zip(part.users, part.items, strict=True)}


def in_time(log: Log) -> Log:
    return [row for _, row in sorted(enumerate(log), key=lambda each: (each[1][2], each[0]))]


def folded_pairs(log: Log, keep: str, min_rating: float | None) -> set[tuple]:
    """The pairs of a log after folding it by hand."""
    rated: dict[tuple, float] = {}
    for user, item, _, rating in log:
        if keep == "latest" or (user, item) not in rated:
            rated[user, item] = rating
    return {pair for pair, rating in rated.items() if min_rating is None or rating >= min_rating}


def repeating_log(n_users: int = 300, n_items: int = 60) -> Log:
    """Users of two tastes who return to items they had before: about 40 percent are repeats."""
    random = np.random.default_rng(5)
    log: Log = []
    for user in range(n_users):
        history: list[int] = []
        for time in range(14):
            is_repeat = history and random.random() < 0.45
            item = (
                random.choice(history)
                if is_repeat
                else 2 * random.integers(n_items // 2) + user % 2
            )
            history.append(int(item))
            log.append((user, int(item), time))
    return log


def test_a_pair_that_comes_again_after_the_cut_stays_in_training() -> None:
    data = read([("a", item, time) for time, item in enumerate([1, 2, 3, 1])])
    split = tm.leave_one_out(data, validation=False)
    assert pairs(split.train, data) == {("a", 1), ("a", 2)}
    assert pairs(split.test, data) == {("a", 3)}, "the latest item that is new to the user"
    assert any("1 interactions after the cut repeat" in note for note in split.notes)


def test_the_kept_row_of_a_repeated_pair_does_not_leak_the_test() -> None:
    """Folding before the split left a gap in training wherever a pair came again."""
    log = repeating_log()
    figures = []
    for duplicates in ("latest", "first"):
        data = read(log, repeats=duplicates)
        assert data.folded().n_duplicates > 0.3 * len(data)
        split = tm.leave_one_out(data)
        model = tm.EASE(regularization=10.0).fit(split)
        found = tm.evaluate(model, split, tm.FullRanking(), baseline=False)
        figures.append((pairs(split.train, data), pairs(split.test, data), found.metrics))
    assert figures[0] == figures[1]


@given(LOGS, st.sampled_from(["latest", "first"]), st.sampled_from([None, 3]), st.integers(1, 2))
def test_leave_one_out_trains_on_everything_before_the_cut(
    log: Log, keep: str, min_rating: float | None, k: int
) -> None:
    if not folded_pairs(in_time(log), keep, min_rating):
        return
    data = read(log, repeats=keep, min_rating=min_rating)
    try:
        split = tm.leave_k_out(data, k, by="time")
    except SplitError:
        return
    held = pairs(split.test, data) | pairs(split.validation, data)
    trained, everything = pairs(split.train, data), pairs(split.everything, data)
    for user in {user for user, *_ in log}:
        own = [row for row in in_time(log) if row[0] == user]
        known = [folded_pairs(own[:n], keep, min_rating) for n in range(len(own) + 1)]
        targets = {pair for pair in held if pair[0] == user}
        # A target came with the row since which it has been in every longer beginning of the log.
        first_rows = [min(n for n in range(1, len(known)) if all(t in k for k in known[n:]))
                for t in targets]  # fmt: skip
        cut = min(first_rows, default=len(known)) - 1
        assert {pair for pair in trained if pair[0] == user} == known[cut]
        assert known[cut] or not targets, "every user keeps an interaction to train on"
        assert {pair for pair in everything if pair[0] == user} >= known[-1]
    assert not trained & held


@given(LOGS)
def test_leave_one_out_tests_on_the_latest_new_item(log: Log) -> None:
    data = read([row[:3] for row in log])
    try:
        split = tm.leave_one_out(data, validation=False)
    except SplitError:
        assert all(len({row[1] for row in log if row[0] == user}) < 2 for user, *_ in log)
        return
    for user in {user for user, *_ in log}:
        own = [row[1] for row in in_time(log) if row[0] == user]
        new_items = list(dict.fromkeys(own))
        tested = {item for u, item in pairs(split.test, data) if u == user}
        trained = {item for u, item in pairs(split.train, data) if u == user}
        assert tested == (set(new_items[-1:]) if len(new_items) > 1 else set())
        cut = own.index(new_items[-1]) if len(new_items) > 1 else len(own)
        assert trained == set(own[:cut])


@given(LOGS, st.booleans())
def test_a_temporal_split_tests_only_on_pairs_that_are_new(log: Log, validation: bool) -> None:
    data = read([row[:3] for row in log])
    try:
        split = tm.temporal(data, test_fraction=0.3, validation=validation)
    except SplitError:
        return
    assert split.test is not None
    assert split.train.timestamps is not None
    moment = min(split.test.timestamps)
    trained = pairs(split.train, data)
    earlier = {row[:2] for row in log if row[2] <= split.train.timestamps.max()}
    assert trained == earlier, "no pair is missing because it comes again"
    held = [pairs(part, data) for part in (split.validation, split.test, split.not_evaluated)]
    assert sum(map(len, [trained, *held])) == len(set.union(trained, *held)), "no pair twice"
    assert set.union(trained, *held) == {row[:2] for row in log}
    assert max(split.train.timestamps) < moment


def test_a_temporal_split_reports_repeats_after_the_cut() -> None:
    log = [("a", 1, 10), ("b", 2, 11), ("a", 2, 12), ("b", 1, 90), ("a", 1, 91), ("b", 1, 92)]
    data = read(log)
    split = tm.temporal(data, test_fraction=0.5, validation=False)
    assert pairs(split.test, data) == {("b", 1)}
    assert any("2 interactions after the cut repeat" in note for note in split.notes)
    assert split.test is not None
    assert split.test.timestamps.tolist() == [92], "the latest row of the part, as folding says"


def test_a_changed_rating_counts_in_its_own_part() -> None:
    log = [("a", 1, 1, 5.0), ("a", 2, 2, 5.0), ("a", 3, 3, 5.0), ("a", 1, 4, 1.0), ("b", 3, 1, 4.0)]
    data = read(log, min_rating=4)
    split = tm.leave_one_out(data, validation=False)
    assert pairs(split.test, data) == {("a", 3)}
    assert pairs(split.train, data) == {("a", 1), ("a", 2), ("b", 3)}, "what came later is unknown"
    assert pairs(tm.no_holdout(data).train, data) == {("a", 2), ("a", 3), ("b", 3)}


def test_a_random_draw_holds_a_pair_out_with_all_of_its_rows() -> None:
    data = read(repeating_log(n_users=30))
    split = tm.leave_k_out(data, 2, by="random", seed=3)
    assert not pairs(split.train, data) & pairs(split.test, data)
    assert pairs(split.everything, data) == pairs(data, data)


def test_parts_of_a_log_keep_its_repeats_until_it_is_split() -> None:
    data = read(repeating_log(n_users=100))
    some = tm.sample_users(data, 0.5, seed=1)
    assert some.folded().n_duplicates > 0
    core = tm.k_core(data, 5)
    assert core.folded().user_counts.min() >= 5
    assert core.folded().item_counts.min() >= 5
    assert core.folded().n_duplicates > 0
    twice = read([("a", 1, 1), ("a", 1, 2), ("a", 2, 3), ("b", 1, 1), ("b", 2, 2)])
    with pytest.raises(SplitError, match="the 3-core is empty"):
        tm.k_core(twice, 3)
    assert tm.describe(twice).n_interactions == 4
    assert tm.describe(twice).n_duplicates == 1
    assert tm.describe(twice).item_popularity["100%"] == 2


def test_repeats_in_a_predefined_test_are_left_out_unless_they_are_targets() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "a"]}))
    test = tm.read_interactions(pl.DataFrame({"user": [1, 1, 2], "item": ["a", "c", "b"]}))
    split = tm.predefined_split(train, test)
    assert pairs(split.test, split.train) == {(1, "c"), (2, "b")}
    assert any("1 of the 3 test interactions repeat" in note for note in split.notes)
    repeat = tm.read_interactions(pl.DataFrame({"user": [2], "item": ["b"]}))
    split = tm.predefined_split(train, test, validation=repeat)
    assert pairs(split.validation, split.train) == {(2, "b")}
    assert pairs(split.test, split.train) == {(1, "c")}
    with pytest.raises(SplitError, match="each of the 3 test interactions is with an item"):
        tm.predefined_split(test, test)
    split = tm.predefined_split(train, test, repeat_targets=True)
    assert pairs(split.test, split.train) == {(1, "a"), (1, "c"), (2, "b")}


def test_a_predefined_training_part_is_folded_as_requested() -> None:
    log = {"user": [1, 1, 1], "item": ["a", "b", "a"], "time": [1, 2, 3], "w": [10.0, 1.0, 1.0]}
    train = tm.read_interactions(pl.DataFrame(log), weight="w")
    test = tm.read_interactions(pl.DataFrame({"user": [1], "item": ["c"]}))
    split = tm.predefined_split(train, test, repeats="max")
    assert split.train.to_frame().rows() == [(1, "b", 2, 1.0), (1, "a", 3, 10.0)]
