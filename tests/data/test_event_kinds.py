"""Kinds of events: weights, targets, kinds that say no, and values."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.errors import ConfigError, DataError, SplitError

KINDS = ("view", "buy", "return")
WEIGHTS = {"view": 1.0, "buy": 10.0}
LOGS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.sampled_from(KINDS), st.integers(0, 9)),
    min_size=2, max_size=60,
)  # fmt: skip

Log = list[tuple]


def frame(log: Log) -> pl.DataFrame:
    return pl.DataFrame(log, schema=["user", "item", "event", "time"], orient="row")


def read(log: Log, **how: object) -> tm.Dataset:
    kinds = {
        "event_weights": WEIGHTS, "targets": ["buy"], "negative": ["return"], "repeats": "sum",
    }  # fmt: skip
    return tm.read(frame(log), event="event", **(kinds | how))


def named(part: object, data: tm.Dataset) -> set[tuple]:
    """The pairs as ids."""
    if part is None:
        return set()
    users, items = data.user_vocabulary.ids, data.item_vocabulary.ids
    return {(users[int(u)], items[int(i)]) for u, i in zip(part.users, part.items, strict=True)}


def weights_by_hand(log: Log) -> dict[tuple, float]:
    """The weight of each pair: the sum of its events after the last one that says no."""
    weights: dict[tuple, float] = {}
    for user, item, kind, _ in log:
        if kind == "return":
            weights.pop((user, item), None)
        else:
            weights[user, item] = weights.get((user, item), 0) + WEIGHTS[kind]
    return weights


def in_time(log: Log) -> Log:
    return [row for _, row in sorted(enumerate(log), key=lambda each: (each[1][3], each[0]))]


@given(LOGS)
def test_a_pair_has_the_sum_of_the_weights_of_its_events(log: Log) -> None:
    if not any(kind == "buy" for _, _, kind, _ in log):
        return
    data = read(log)
    trained = tm.no_holdout(data).train
    rows = trained.to_frame().select("user_id", "item_id", "weight").rows()
    assert {(user, item): weight for user, item, weight in rows} == weights_by_hand(in_time(log))
    rejected = {row[:2] for row in log} - weights_by_hand(in_time(log)).keys()
    said_no = {row[:2] for row in log if row[2] == "return"}
    assert named(trained.rejected, data) == rejected & said_no


@given(LOGS, st.integers(1, 2))
def test_only_first_purchases_are_held_out_and_training_ends_before_them(log: Log, k: int) -> None:
    try:
        data = read(log)
        split = tm.leave_k_out(data, k, validation=False)
    except (DataError, SplitError):
        return
    trained, tested = named(split.train, data), named(split.test, data)
    for user in {user for user, *_ in log}:
        own = [row for row in in_time(log) if row[0] == user]
        standing = [
            n for n, row in enumerate(own)
            if row[2] == "buy" and (*row[:2], "return") not in [r[:3] for r in own[n:]]
        ]  # fmt: skip
        firsts = {own[n][:2]: n for n in reversed(standing)}
        held = sorted(firsts, key=lambda pair: firsts[pair])[-k:]
        first = min((firsts[pair] for pair in held), default=0)
        keeps = len(firsts) > k or any(
            (*row[:2], "return") not in [r[:3] for r in own[n:]] and row[2] != "return"
            for n, row in enumerate(own[:first])
        )
        if len(held) < k or not keeps:
            assert {pair for pair in tested if pair[0] == user} == set()
            first = len(own)
        else:
            assert {pair for pair in tested if pair[0] == user} == set(held)
        before = weights_by_hand(own[:first])
        assert {pair for pair in trained if pair[0] == user} == before.keys()
    rows = split.everything.to_frame().select("user_id", "item_id", "weight").rows()
    assert {(user, item): weight for user, item, weight in rows} == weights_by_hand(in_time(log))


@given(LOGS)
def test_a_temporal_split_loses_no_event(log: Log) -> None:
    try:
        data = read(log)
        split = tm.temporal(data, test_fraction=0.3)
    except (DataError, SplitError):
        return
    rows = split.everything.to_frame().select("user_id", "item_id").rows()
    assert set(rows) == weights_by_hand(in_time(log)).keys()
    bought = {row[:2] for row in log if row[2] == "buy"}
    assert named(split.test, data) <= bought


def test_a_viewed_item_may_be_recommended_and_a_rejected_one_may_not(tmp_path: Path) -> None:
    log = [("a", item, "view", item) for item in range(5)]
    log += [("a", 0, "buy", 10), ("a", 1, "return", 11), ("b", 0, "buy", 1), ("b", 3, "buy", 2)]
    model = tm.Popularity().fit(tm.no_holdout(read(log)))
    for exclude_seen, expected in ((None, {2, 3, 4}), (False, {0, 2, 3, 4})):
        lists = model.recommend(["a"], k=5, exclude_seen=exclude_seen)
        assert set(lists.frame["item_id"]) == expected
    tm.save_run(tmp_path / "run", model)
    again = tm.open_run(tmp_path / "run")
    assert set(again.recommend(["a"], k=5).frame["item_id"]) == {2, 3, 4}
    assert again.split.train.rules == model.dataset.rules
    assert again.split.train.fingerprint == model.dataset.fingerprint


def test_a_split_with_kinds_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    log = [(int(u), int(i), KINDS[k], t) for t, (u, i, k) in enumerate(
        zip(random.integers(0, 20, 500), random.integers(0, 30, 500),
            random.choice(3, 500, p=[0.6, 0.35, 0.05]), strict=True))]  # fmt: skip
    split = tm.leave_one_out(read(log))
    tm.save_run(tmp_path / "run", tm.Popularity().fit(split))
    opened = tm.open_run(tmp_path / "run").split
    for part in ("test", "validation"):
        assert opened.known_before(part).fingerprint == split.known_before(part).fingerprint
    assert opened.everything.fingerprint == split.everything.fingerprint


def test_views_between_validation_and_test_are_known_before_the_test() -> None:
    log = [("a", 0, "buy", 0), ("a", 1, "buy", 1), ("a", 2, "view", 2), ("a", 3, "buy", 3),
           ("a", 4, "view", 4)]  # fmt: skip
    data = read(log)
    split = tm.leave_one_out(data)
    assert named(split.train, data) == {("a", 0)}
    assert named(split.known_before("test"), data) == {("a", 0), ("a", 1), ("a", 2)}
    assert named(split.everything, data) == {("a", item) for item in range(5)}


def test_kinds_without_a_weight_are_listed_with_their_numbers() -> None:
    log = [("a", 0, "view", 0), ("a", 1, "buy", 1), ("a", 2, "cart", 2), ("b", 2, "cart", 2)]
    with pytest.raises(DataError, match=r"no weight is given for cart \(2\), buy \(1\).*event_wei"):
        tm.read(frame(log), event="event", event_weights={"view": 1})
    data = tm.read(frame(log), event="event", event_weights={"view": 3, "*": 1})
    assert sorted(data.to_frame()["weight"]) == [1, 1, 1, 3]
    data = tm.read(frame(log), event="event", event_weights={"view": 0, "*": 1})
    assert data.weights is None or set(data.weights) == {1}
    assert len(data) == 3
    assert any("1 rows of weight 0 are left out" in note for note in data.notes)
    assert tm.read(frame(log), event="event").weights is None, "1 each by default"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"targets": ["purchase"]}, 'no event is of the kind "purchase".*buy'),
        ({"event_weights": {"view": -1}}, "must be 0 or more"),
        ({"event_weights": {"view": float("nan")}}, "must be 0 or more"),
        ({"negative": ["buy"], "event_weights": {"buy": 2, "*": 1}}, "cannot say no and also"),
        ({"targets": ["buy"], "event_weights": {"view": 1}}, 'the kind "buy" has no weight'),
        ({"event": None, "targets": ["buy"]}, "name their column with event="),
        ({"event": "nope"}, 'there is no column "nope" for the event'),
        ({"event": "item"}, "each needs its own column"),
    ],
)
def test_mistakes_about_kinds_are_explained(how: dict, message: str) -> None:
    log = frame([("a", 0, "view", 0), ("a", 1, "buy", 1)])
    with pytest.raises((ConfigError, DataError), match=message):
        tm.read(log, **({"event": "event", "item": "item"} | how))


def test_a_column_of_ids_is_no_column_of_kinds() -> None:
    log = pl.DataFrame({"user": [1] * 200, "item": range(200), "session": range(200)})
    with pytest.raises(DataError, match="200 different values.*do not look like kinds"):
        tm.read(log, event="session")


def test_values_multiply_the_weights_of_kinds() -> None:
    log = pl.DataFrame(
        {"user": [1, 1, 1], "item": [1, 2, 3], "event": ["view", "view", "buy"],
         "seconds": [4.0, None, None]}
    )  # fmt: skip
    data = tm.read(log, event="event", event_weights={"view": 2, "buy": 10}, weight="seconds")
    assert data.to_frame()["weight"].to_list() == [8, 2, 10]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("none", [1, 9, 100]), ("sqrt", [1, 3, 10]), ("log1p", np.log1p([1, 9, 100])),
     ("threshold:9", [1, 1])],
)  # fmt: skip
def test_values_are_transformed(transform: str, expected: list[float]) -> None:
    log = pl.DataFrame({"user": [1, 1, 1], "item": [1, 2, 3], "plays": [1, 9, 100]})
    data = tm.read(log, weight="plays", weight_transform=transform)
    np.testing.assert_allclose(data.weights, expected, rtol=1e-6)
    if transform != "threshold:9":
        assert data.rules.weight_transform == transform


def test_a_heavy_tail_is_transformed_by_a_logarithm_and_this_is_said() -> None:
    plays = [*range(1, 99), 5_000, 100_000]
    log = pl.DataFrame({"user": [1] * 100, "item": range(100), "plays": plays})
    data = tm.read(log, weight="plays")
    np.testing.assert_allclose(data.weights, np.log1p(plays), rtol=1e-6)
    assert any("log1p because of a heavy tail" in note for note in data.notes)
    light = tm.read(log.head(98), weight="plays")
    np.testing.assert_allclose(light.weights, plays[:98])
    with pytest.raises(ConfigError, match='weight_transform is "log"; use'):
        tm.read(log, weight="plays", weight_transform="log")
    with pytest.raises(ConfigError, match="needs a column of values"):
        tm.read(log, weight_transform="sqrt")


def test_sequences_keep_every_event_and_pairs_count_them() -> None:
    log = [("a", 1, 0), ("a", 2, 1), ("a", 1, 2), ("a", 1, 3), ("b", 2, 0), ("b", 1, 1)]
    rows = pl.DataFrame(log, schema=["user", "item", "time"], orient="row")
    data = tm.read(rows, repeats="keep")
    split = tm.leave_one_out(data, validation=False)
    assert split.train.to_frame()["item_id"].to_list() == [1, 2, 1, 2]
    assert named(split.test, data) == {("a", 1), ("b", 1)}, "an item that came before, too"
    assert any("1 of the 2 held-out interactions repeat" in note for note in split.notes)
    pairs = split.in_pairs.train
    assert pairs.to_frame().select("user_id", "item_id", "weight").rows() == [
        ("a", 2, 1.0), ("a", 1, 2.0), ("b", 2, 1.0)
    ]  # fmt: skip
    assert split.everything.to_frame()["item_id"].to_list() == [1, 2, 1, 1, 2, 1]


@pytest.mark.parametrize("model", [tm.Popularity(), tm.SASRec(epochs=1, embedding_size=8)])
def test_repeats_are_evaluated_and_recommended_where_they_are_kept(model: tm.Recommender) -> None:
    random = np.random.default_rng(2)
    rows = pl.DataFrame(
        {"user": np.repeat(np.arange(30), 12), "item": random.integers(0, 15, 360),
         "time": np.tile(np.arange(12), 30)}
    )  # fmt: skip
    split = tm.leave_one_out(tm.read(rows, repeats="keep"))
    model.fit(split)
    assert len(model.recommend([3], k=15)) == 15, "items of the history included"
    touched = split.everything.histories(np.array([3]))[0]
    assert len(model.recommend([3], k=15, exclude_seen=True)) == 15 - len(set(touched))
    found = tm.evaluate(model, split, tm.FullRanking(), baseline=False)
    assert found.protocol == "full ranking: the whole catalog"
    scores = model.score(tm.UserBatch.known(split.known_before("test"), found.users)).numpy()
    own = scores[np.arange(30), split.test.items]
    np.testing.assert_array_equal(found.ranks, (scores >= own[:, None]).sum(axis=1))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"negative": ["retrun"]}, 'kind "retrun" of negative=…; did you mean "return"\\?'),
        (
            {"event_weights": {"veiw": 2, "*": 1}},
            'kind "veiw" of event_weights=…; did you mean "view"\\? If both exist, give "view"',
        ),
        ({"negative": "return"}, 'negative="return" is a single text; .*negative=\\["return"\\]'),
        ({"targets": "buy"}, 'targets="buy" is a single text; .*targets=\\["buy"\\]'),
        ({"event_weights": {"view": "2"}}, "weight of \"view\" is '2'; .* given as a number"),
    ],
)
def test_a_misspelt_kind_is_not_taken_for_one_without_events(how: dict, message: str) -> None:
    log = frame([("a", 0, "view", 0), ("a", 1, "buy", 1), ("a", 2, "return", 2)])
    with pytest.raises((ConfigError, DataError), match=message):
        tm.read(log, event="event", **how)


def test_a_kind_that_this_part_of_a_log_lacks_is_noted() -> None:
    log = frame([("a", 0, "follow", 0), ("a", 1, "like", 1)])
    data = tm.read(log, event="event", negative=["unfollow", "dislike"])
    assert "no event is of the kind unfollow, dislike" in data.notes
    both = tm.read(log, event="event", event_weights={"like": 1, "*": 1}, negative=["likes"])
    assert "no event is of the kind likes" in both.notes, "like is named, so likes is another kind"
