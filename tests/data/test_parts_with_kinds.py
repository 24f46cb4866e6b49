"""Ready-made splits with kinds of events: a kind means the same in each part, whichever occur."""

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.errors import DataError


def part(*rows: tuple[str, str, str, int], **how: object) -> tm.Interactions:
    frame = pl.DataFrame(rows, schema=["user", "item", "event", "time"], orient="row")
    return tm.read_interactions(frame, event="event", **how)


def kinds_of(rows: tm.Dataset) -> set[tuple[str, str, str]]:
    return set(rows.to_frame().select("user_id", "item_id", "event").rows())


def test_kinds_that_only_the_test_has_keep_their_names() -> None:
    weights = {"view": 1, "buy": 10, "*": 1}
    train = part(("a", "pen", "view", 0), ("b", "ink", "view", 0), event_weights=weights)
    test = part(("a", "ink", "addtocart", 1), ("b", "pen", "buy", 1), event_weights=weights)
    split = tm.predefined_split(train, test)
    assert split.train.rules.kinds.names == ("view", "buy", "addtocart")
    assert kinds_of(split.everything) == {
        ("a", "pen", "view"), ("b", "ink", "view"), ("a", "ink", "addtocart"), ("b", "pen", "buy"),
    }  # fmt: skip
    assert split.test.weights.tolist() == [1, 10]
    assert tm.EASE().fit(split).recommend(["a"], k=1).frame.height == 0, "both items are seen"


def test_a_dislike_in_a_history_stays_a_dislike() -> None:
    train = part(
        ("a", "pen", "buy", 0), ("a", "ink", "cart", 1), ("a", "cup", "view", 2),
        ("b", "pen", "dislike", 0), ("b", "cup", "view", 1), negative=["dislike"],
    )  # fmt: skip
    history = part(
        ("new", "pen", "view", 0), ("new", "pen", "dislike", 1), ("new", "ink", "view", 2),
        negative=["dislike"],
    )  # fmt: skip
    test = part(("new", "cup", "view", 5), negative=["dislike"])
    split = tm.predefined_split(train, test, histories=history)
    known = split.known_before("test")
    new = int(known.user_vocabulary.encode(["new"])[0])
    assert known.item_vocabulary.decode(known.history(new)).to_list() == ["ink"]
    rejected = known.rejected.items[known.rejected.users == new]
    assert known.item_vocabulary.decode(rejected).to_list() == ["pen"]


def test_parts_that_give_a_kind_different_meanings_are_refused() -> None:
    train = part(("a", "pen", "view", 0), ("a", "cup", "buy", 0))
    heavy = part(("a", "ink", "view", 1), event_weights={"view": 3})
    with pytest.raises(
        DataError,
        match=r'"view" is a target of the weight 1 in train, but a target of the weight 3 in test; '
        r"read both with the same event_weights=…",
    ):
        tm.predefined_split(train, heavy)
    with pytest.raises(
        DataError, match='"view" is a target of the weight 1 .* but negative in val'
    ):
        validation = part(("a", "ink", "view", 1), ("a", "tea", "buy", 1), negative=["view"])
        tm.predefined_split(train, part(("a", "ink", "buy", 1)), validation=validation)
    with pytest.raises(DataError, match='"view" is a target .* but no target of the weight 1'):
        test = part(("a", "ink", "view", 1), ("a", "tea", "buy", 1), targets=["buy"])
        tm.predefined_split(train, test)
