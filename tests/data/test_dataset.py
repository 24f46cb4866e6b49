"""The encoded data set: order, duplicates, thresholds, fingerprints."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.errors import DataError, UnknownIdError

LOGS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=40
)


def read(rows: list[tuple], **how: object) -> tm.Dataset:
    schema = ["user", "item", "time", "rating"][: len(rows[0])]
    return tm.read(pl.DataFrame(rows, schema=schema, orient="row"), **how)


@given(LOGS)
def test_rows_are_sorted_by_user_then_time_then_input(log: list[tuple[int, int, int]]) -> None:
    data = read(log)
    latest = {(u, i): (u, t, n, i) for n, (u, i, t) in sorted(
        enumerate(log), key=lambda row: (row[1][2], row[0])
    )}  # fmt: skip
    expected = [(u, i) for u, _, _, i in sorted(latest.values())]
    folded = data.folded()
    assert folded.to_frame().select("user_id", "item_id").rows() == expected
    assert folded.n_duplicates == len(log) - len(expected)
    whole = [(u, i) for _, (u, i, _) in sorted(enumerate(log), key=lambda row: row[1][::2])]
    assert data.to_frame().select("user_id", "item_id").rows() == whole


@pytest.mark.parametrize("latest", [50, 10**6, 9 * 10**10])
@pytest.mark.parametrize("order", ["user", "time", "any"])
def test_long_data_are_sorted_as_short_ones(order: str, latest: int) -> None:
    random, n = np.random.default_rng(7), 300_000
    users = random.integers(0, 5_000, n) * (random.random(n) < 0.5)  # one has half of the rows
    log = {
        "user": users,
        "item": random.integers(0, 9_000, n),
        "time": random.integers(1, latest, n),
    }
    frame = pl.DataFrame(log)
    frame = frame if order == "any" else frame.sort(order, maintain_order=True)
    by_hand = frame.sort("user", "time", maintain_order=True)
    for keep, duplicates in (("last", "latest"), ("first", "first")):
        data = tm.read(frame, repeats=duplicates)
        expected = by_hand.unique(["user", "item"], keep=keep, maintain_order=True)
        assert data.folded().to_frame().rows() == expected.rows()
    assert data.to_frame().rows() == by_hand.rows()


@given(LOGS)
def test_codes_and_fingerprint_do_not_depend_on_the_order_of_users(log: list[tuple]) -> None:
    by_user = sorted(log, key=lambda row: row[0])
    assert read(log).fingerprint == read(by_user).fingerprint


def test_any_change_changes_the_fingerprint() -> None:
    base = [("a", 1, 5), ("b", 2, 6)]
    changed = [[("a", 1, 5), ("c", 2, 6)], [("a", 1, 5), ("b", 3, 6)], [("a", 1, 5), ("b", 2, 7)]]
    assert len({read(rows).fingerprint for rows in [base, *changed]}) == 4


def test_the_latest_of_a_repeated_pair_is_kept_by_default() -> None:
    rows = [("a", 1, 300, 5.0), ("a", 1, 200, 1.0), ("a", 2, 100, 3.0)]
    assert tm.no_holdout(read(rows)).train.to_frame()["rating"].to_list() == [3.0, 5.0]
    first = tm.no_holdout(read(rows, repeats="first")).train
    assert first.to_frame()["rating"].to_list() == [3.0, 1.0]
    assert first.n_duplicates == 1
    assert any(
        "1 rows repeat a (user, item) pair; each part of a split" in note for note in first.notes
    )
    assert read(rows[1:]).notes == read(rows[1:]).folded().notes, "nothing to say of no repeats"


def test_the_weights_of_repeated_rows_are_merged_as_requested() -> None:
    log = pl.DataFrame(
        [("a", 1, 100, 10.0), ("a", 2, 150, 1.0), ("a", 1, 200, 1.0), ("b", 1, 100, 3.0)],
        schema=["user", "item", "time", "w"], orient="row",
    )  # fmt: skip

    def weights(**how: object) -> list[float]:
        split = tm.no_holdout(tm.read(log, weight="w", **how))
        return split.train.to_frame()["weight"].to_list()

    assert weights() == [1, 11, 3], "the sum by default"
    assert weights(repeats="latest") == [1, 1, 3]
    assert weights(repeats="first") == [10, 1, 3]
    assert weights(repeats="max") == [1, 10, 3]
    assert weights(repeats="count") == [1, 2, 1]
    notes = tm.read(log, weight="w", repeats="sum").notes
    assert any("with the sum of the weights" in note for note in notes)
    split = tm.no_holdout(tm.read(log, repeats="sum"))
    assert split.train.to_frame()["weight"].to_list() == [1, 2, 1], "1 each without weights"


def test_a_minimum_rating_looks_at_the_latest_rating() -> None:
    rows = [("a", 1, 100, 5.0), ("a", 1, 200, 1.0), ("b", 1, 100, 4.0), ("b", 2, 200, 3.5)]
    liked = read(rows, min_rating=4).folded()
    assert liked.to_frame().select("user_id", "item_id").rows() == [("b", 1)]
    assert liked.n_items == 1, "no user ever rated the other so high"
    first = read(rows, min_rating=4, repeats="first").folded()
    assert first.to_frame().select("user_id", "item_id").rows() == [("a", 1), ("b", 1)]
    with pytest.raises(DataError, match=r"no rating is 6 or above \(the highest is 4\)"):
        read(rows, min_rating=6)
    with pytest.raises(DataError, match="needs a rating column, but there is none"):
        read([("a", 1, 100)], min_rating=4)


def test_a_data_set_cannot_be_changed() -> None:
    data = read([("a", 1, 5)])
    with pytest.raises(ValueError, match="read-only"):
        data.items[0] = 3


def test_histories_of_many_users_are_those_of_each() -> None:
    data = read([("a", 1, 1), ("a", 2, 2), ("b", 3, 1), ("c", 1, 9), ("c", 3, 8)])
    items, indptr = data.histories(np.array([2, 0, 2]))
    assert [items[indptr[i] : indptr[i + 1]].tolist() for i in range(3)] == [[2, 0], [0, 1], [2, 0]]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, unique=True), st.booleans())
def test_a_vocabulary_finds_its_members_and_only_them(ids: list[int], text: bool) -> None:
    column = pl.Series(ids).cast(pl.String) if text else pl.Series(ids)
    members, others = column[: len(ids) // 2 + 1], column[len(ids) // 2 + 1 :]
    vocabulary = read([(u, 1, 1) for u in members]).user_vocabulary
    assert vocabulary.decode(vocabulary.encode(members)).to_list() == members.to_list()
    assert (vocabulary.find(others) == -1).all()


def test_unknown_ids_say_what_there_is() -> None:
    vocabulary = read([(1, 10, 1), (9, 20, 1)]).user_vocabulary
    with pytest.raises(
        UnknownIdError, match=r"user 5 is not in the data \(2 users, ids from 1 to 9"
    ):
        vocabulary.encode([1, 5])
    with pytest.raises(UnknownIdError, match="its user ids are whole numbers"):
        vocabulary.encode(["1"])
    with pytest.raises(UnknownIdError, match="user abc is not in the data"):
        vocabulary.parse(["1", "abc"])
    assert vocabulary.parse(["9"]) == [9]
    for text in ("²", "--5", "9" * 30):
        with pytest.raises(UnknownIdError, match="is not in the data"):
            vocabulary.encode(vocabulary.parse([text]))
    with pytest.raises(DataError, match="the same type"):
        vocabulary.encode(pl.Series(["1"]))


def test_ids_stored_unlike_are_refused() -> None:
    catalog = pl.DataFrame({"item_id": ["1", "2"], "title": ["A", "B"]})
    with pytest.raises(DataError, match="the same type"):
        tm.read(pl.DataFrame({"user": [1], "item": [1]}), items=catalog)


def test_the_data_card_counts_right() -> None:
    rows = [("a", item, 1_500_000_000 + item) for item in range(8)] + [("b", 0, 1_500_000_000)]
    card = tm.describe(read([*rows, ("b", 0, 1_500_000_009)]))
    assert (card.n_interactions, card.n_users, card.n_items, card.n_duplicates) == (9, 2, 8, 1)
    assert card.density == 9 / 16
    assert card.time_range == ("2017-07-14T02:40:00Z", "2017-07-14T02:40:09Z")
    assert card.user_activity["0%"] == 1
    assert card.user_activity["100%"] == 8
    assert card.activity_histogram == [(1, 1, 1), (2, 3, 0), (4, 7, 0), (8, 15, 1)]
    # The top fifth of 8 items is 2 of them: item 0 with 2 interactions and one with 1.
    assert card.long_tail_fraction == pytest.approx(6 / 9)


NEW = pl.DataFrame({"item_id": [9, 3, 1], "genre": ["rock", "jazz", "pop"]})
"""Items of which only 1 and 9 are ever touched below."""


def test_untouched_items_are_included_on_request() -> None:
    rows = [("a", 9, 100), ("a", 1, 200), ("b", 7, 300)]
    without, data = read(rows, items=NEW), read(rows, items=NEW, untouched_items=True)
    assert without.item_vocabulary.ids.to_list() == [1, 7, 9]
    assert data.item_vocabulary.ids.to_list() == [1, 3, 7, 9]
    assert data.item_counts.tolist() == [1, 0, 1, 1]
    assert data.to_frame().equals(without.to_frame())
    assert data.catalog.frame["categories"].to_list() == [["pop"], ["jazz"], None, ["rock"]]
    assert data.fingerprint != without.fingerprint


def test_an_item_that_a_threshold_leaves_untouched_is_one_of_them() -> None:
    rows = [("a", 9, 100, 5.0), ("a", 1, 200, 1.0)]
    liked = read(rows, items=NEW, min_rating=4, untouched_items=True)
    assert liked.item_vocabulary.ids.to_list() == [1, 3, 9]
    assert liked.item_counts.tolist() == [0, 0, 1]


def test_untouched_items_need_a_catalog_with_ids_of_the_same_kind() -> None:
    with pytest.raises(DataError, match="no catalog that lists them; give one"):
        read([("a", 9, 100)], untouched_items=True)
    with pytest.raises(DataError, match="whole numbers here and text in the interactions"):
        read([("a", "x", 100)], items=NEW, untouched_items=True)
