"""Holding out: what goes where, and what is refused."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.split import Targets
from tastemaker.errors import ConfigError, SplitError

LOGS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 4)),
    min_size=1, max_size=60, unique_by=lambda row: row[:2],
).filter(lambda log: len(log) > len({user for user, _, _ in log}))  # fmt: skip


def read(log: list[tuple]) -> tm.Dataset:
    schema = ["user", "item", "time"][: len(log[0])]
    return tm.read(pl.DataFrame(log, schema=schema, orient="row"))


def pairs(part: tm.Dataset | Targets | None) -> set[tuple[int, int]]:
    if part is None:
        return set()
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


@given(LOGS, st.booleans(), st.sampled_from(["time", "random"]), st.integers(1, 3))
def test_the_parts_of_a_split_are_the_whole_and_do_not_overlap(
    log: list[tuple], validation: bool, by: str, k: int
) -> None:
    data = read(log)
    if not (data.user_counts > k).any():
        with pytest.raises(SplitError, match="nothing can be held out"):
            tm.leave_k_out(data, k, validation=validation, by=by)
        return
    split = tm.leave_k_out(data, k, validation=validation, by=by)
    parts = [pairs(split.train), pairs(split.validation), pairs(split.test)]
    assert set.union(*parts) == pairs(data)
    assert sum(map(len, parts)) == len(data)
    assert (split.train.user_counts > 0).all(), "every user keeps an interaction to train on"
    assert pairs(split.known_before("test")) == parts[0] | parts[1]
    assert pairs(split.everything) == pairs(data)


@given(LOGS)
def test_the_latest_is_the_test_and_the_one_before_it_validation(log: list[tuple]) -> None:
    data = read(log)
    split = tm.leave_one_out(data)
    for user in range(data.n_users):
        history = data.history(user).tolist()
        tested = {item for u, item in pairs(split.test) if u == user}
        validated = {item for u, item in pairs(split.validation) if u == user}
        assert tested == (set(history[-1:]) if len(history) > 1 else set())
        assert validated == (set(history[-2:-1]) if len(history) > 2 else set())


def test_histories_continue_with_what_was_held_out() -> None:
    data = read([("a", item, item) for item in range(5)] + [("b", 3, 1), ("b", 1, 2)])
    split = tm.leave_one_out(data)
    assert split.everything.history(0).tolist() == [0, 1, 2, 3, 4]
    assert split.known_before("test").history(0).tolist() == [0, 1, 2, 3]
    assert split.known_before("validation").history(0).tolist() == [0, 1, 2]
    assert split.everything.history(1).tolist() == [3, 1]


def test_without_validation_the_last_but_one_trains() -> None:
    data = read([("a", item, item) for item in range(5)])
    split = tm.leave_one_out(data, validation=False)
    assert split.validation is None
    assert len(split.train) == 4


def test_ties_in_time_are_split_by_input_order() -> None:
    log = [("a", item, 100) for item in (3, 1, 2)]
    split = tm.leave_one_out(read(log))
    ids = split.train.item_vocabulary.ids
    assert split.test is not None
    assert ids[int(split.test.items[0])] == 2


def test_data_without_times_train_but_do_not_split_by_time() -> None:
    data = read([("a", 1), ("a", 2), ("b", 1)])
    with pytest.raises(SplitError, match="no time column, so nothing can be held out by time"):
        tm.leave_one_out(data)
    with pytest.raises(SplitError, match="no time column"):
        tm.temporal(data)
    assert len(tm.leave_one_out(data, by="input").train) == 2
    assert tm.leave_one_out(data, by="random", seed=1).test is not None
    assert len(tm.no_holdout(data).train) == 3
    with pytest.raises(SplitError, match="have times and are sorted by them"):
        tm.leave_one_out(read([("a", 1, 1), ("a", 2, 2)]), by="input")


def test_a_temporal_split_trains_on_no_interaction_after_the_cut() -> None:
    data = synthetic_world()
    split = tm.temporal(data, test_fraction=0.1)
    assert split.test is not None
    assert split.validation is not None
    assert split.train.timestamps.max() < split.validation.timestamps.min()
    assert split.validation.timestamps.max() < split.test.timestamps.min()
    assert (split.train.user_counts[split.test.users] > 0).all()
    assert len(split.everything) == len(data), "what was not evaluated is still known"
    with pytest.raises(ConfigError, match="test_fraction is 0.7"):
        tm.temporal(data, test_fraction=0.7)


def synthetic_world() -> tm.Dataset:
    random = np.random.default_rng(0)
    log = {(int(u), int(i)): int(t) for u, i, t in random.integers([30, 50, 9999], size=(900, 3))}
    return read([(u, i, 1_500_000_000 + t) for (u, i), t in log.items()])


def test_sampling_users_keeps_whole_histories_and_is_seeded() -> None:
    data = synthetic_world()
    sample = tm.sample_users(data, 0.3, seed=4)
    assert sample.n_users == 9
    assert sample.fingerprint == tm.sample_users(data, 0.3, seed=4).fingerprint
    assert sample.fingerprint != tm.sample_users(data, 0.3, seed=5).fingerprint
    counts = dict(zip(data.user_vocabulary.ids, data.user_counts, strict=True))
    for user_id, count in zip(sample.user_vocabulary.ids, sample.user_counts, strict=True):
        assert counts[user_id] == count
    assert (sample.item_counts > 0).all()
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        tm.sample_users(data, 30)


def test_a_k_core_is_the_largest_part_with_k_of_everything() -> None:
    core = tm.k_core(synthetic_world(), 11)
    assert core.user_counts.min() >= 11
    assert core.item_counts.min() >= 11
    chain = [("a", 1, 1), ("a", 2, 2), ("b", 2, 1), ("b", 3, 2)]
    with pytest.raises(SplitError, match="the 2-core is empty"):
        tm.k_core(read(chain), 2)


def test_a_split_that_leaks_is_refused() -> None:
    data = read([("a", 1, 1), ("a", 2, 2), ("b", 1, 1)])
    leaking = Targets(np.array([0]), np.array([1]))
    with pytest.raises(SplitError, match=r"1 of the 1 test interactions .*user a, item 2"):
        tm.Split(data, test=leaking)
    other = Targets(np.array([1]), np.array([1]))
    with pytest.raises(SplitError, match="evaluated on interactions that it knows already"):
        tm.Split(data, test=other, validation=other)


def test_predefined_parts_are_used_as_they_are() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1, 1, 2], "item": [10, 20, 10]}))
    test = tm.read_interactions(pl.DataFrame({"user": [2, 1], "item": [40, 30]}))
    lists = pl.DataFrame({"user_id": [1, 2], "item_id": [[50, 10], [20]]})
    split = tm.predefined_split(train, test, candidates=lists)
    ids = split.train.item_vocabulary.ids.to_list()
    assert ids == [10, 20, 30, 40, 50]
    assert split.test is not None
    assert [ids[item] for item in split.test.items] == [30, 40]
    assert split.candidates is not None
    assert [ids[item] for item in split.candidates.items] == [50, 10, 20]
    assert split.candidates.indptr.tolist() == [0, 2, 3]


def test_items_only_in_the_catalog_join_predefined_parts_on_request() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1, 1, 2], "item": [10, 30, 10]}))
    test = tm.read_interactions(pl.DataFrame({"user": [2], "item": [30]}))
    catalog = tm.read_catalog(pl.DataFrame({"item_id": [20, 30, 5]}))
    split = tm.predefined_split(train, test, catalog=catalog, untouched_items=True)
    ids = split.train.item_vocabulary.ids.to_list()
    assert ids == [5, 10, 20, 30]
    assert split.test is not None
    assert [ids[item] for item in split.test.items] == [30]
    assert tm.predefined_split(train, test, catalog=catalog).train.n_items == 2


def test_a_repeated_row_of_a_predefined_part_counts_once() -> None:
    train = tm.read_interactions(pl.DataFrame({"user": [1, 2], "item": [10, 20]}))
    test = tm.read_interactions(pl.DataFrame({"user": [1, 1, 1], "item": [20, 20, 30]}))
    split = tm.predefined_split(train, test)
    assert split.test is not None
    assert len(split.test) == 2
    assert split.everything.user_counts.tolist() == [3, 1]


def test_mismatched_parts_are_refused() -> None:
    def part(*rows: tuple) -> tm.Interactions:
        return tm.read_interactions(pl.DataFrame(rows, schema=["user", "item"], orient="row"))

    train = part((1, 10), (2, 20))
    with pytest.raises(SplitError, match="nothing is left to evaluate"):
        tm.predefined_split(train, part((1, 10)))
    with pytest.raises(SplitError, match=r"without training interactions \(first: user 3\)"):
        tm.predefined_split(train, part((3, 10)))
    lists = pl.DataFrame({"user_id": [1], "item_id": [[10]]})
    with pytest.raises(SplitError, match=r"have no list of candidates \(first: user 2\)"):
        tm.predefined_split(train, part((1, 20), (2, 10)), candidates=lists)


LOG = [(user, item, 100 * user + item) for user in range(6) for item in range(5)]


def _read(rows: list[tuple], **options: object) -> tm.Dataset:
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return tm.read(table, **options)  # type: ignore[arg-type]


def test_more_than_half_can_be_the_test_of_a_temporal_split_without_validation() -> None:
    split = tm.temporal(_read(LOG), test_fraction=0.6, validation=False)
    assert split.test is not None
    assert split.validation is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 1.5}, "k is 1.5"),
        ({"k": 1, "by": "Time"}, 'by="Time" is no order'),
        ({"k": 1, "by": "random", "seed": -1}, "seed is -1"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tm.leave_k_out(_read(LOG), **options)


def test_a_random_draw_of_events_needs_repeats_as_targets() -> None:
    rows = [(user, item % 2, 10 * user + item) for user in range(4) for item in range(6)]
    kept = _read(rows, repeats="keep", repeat_targets=False)
    with pytest.raises(ConfigError, match="repeat_targets=True"):
        tm.leave_one_out(kept, by="random")
    split = tm.leave_one_out(_read(rows, repeats="keep", repeat_targets=True), by="random")
    assert split.test is not None


def test_a_missing_validation_part_is_said() -> None:
    split = tm.leave_one_out(_read([(user, item, item) for user in range(4) for item in range(2)]))
    assert split.validation is None
    assert any("nothing is left for a validation part" in n for n in split.notes)
    whole = tm.leave_one_out(_read(LOG))
    assert not any("validation part" in note for note in whole.notes)


def test_with_repeats_kept_the_first_liked_event_introduces_a_pair() -> None:
    rows = [(user, 9, 10 + user, 5.0) for user in range(3)]
    rows += [(0, 7, 20, 5.0), (0, 7, 21, 2.0), (0, 7, 22, 5.0)]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    data = tm.read(table, repeats="keep", repeat_targets=False, min_rating=4)
    split = tm.leave_one_out(data, validation=False)
    assert split.test is not None
    assert split.test.timestamps is not None
    assert split.test.timestamps.tolist() == [20]


def test_weights_of_targets_that_are_not_evaluated_are_kept() -> None:
    rows = [(user, item, (3 * user + 5 * item) % 8) for user in range(8) for item in range(8)]
    new_users = [(8, 3, 6), (9, 3, 7), (9, 3, 7)]
    split = tm.temporal(_read(rows + new_users, repeats="count"), test_fraction=0.2)
    cold = split.not_evaluated
    assert cold is not None
    assert cold.weights is not None
    users = split.train.user_vocabulary.ids.gather(cold.users).to_list()
    assert dict(zip(users, cold.weights.tolist(), strict=True)) == {8: 1.0, 9: 2.0}
