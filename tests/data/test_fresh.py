"""Fresh data: which interactions an earlier data set lacks, and the newest of them held out."""

import polars as pl
import pytest

import tastemaker as tm
from tastemaker.data.fresh import is_fresh, newest_held_out
from tastemaker.testing.worlds import dataset_of


@pytest.mark.parametrize("again", [(2, 4), (5, 3)])
def test_a_pair_is_as_new_as_its_first_event_and_held_out_with_all(again: tuple[int, int]) -> None:
    before = dataset_of({1: [3, 4], 2: [3], 5: [4]})
    events = [(2, 4, 1000), (2, 3, 1001), (5, 3, 1003), (*again, 1004)]
    since = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    split = newest_held_out(tm.read(pl.concat([before.to_frame(), since])), before, 0.2, 5_000)
    assert split.test is not None
    users, items = split.train.user_vocabulary.ids, split.train.item_vocabulary.ids
    assert [users[int(code)] for code in split.test.users] == [5]
    assert [items[int(code)] for code in split.test.items] == [3]
    trained = set(split.train.to_frame().select("user_id", "item_id").rows())
    assert trained == {(1, 3), (1, 4), (2, 3), (2, 4), (5, 4)}


def test_at_most_the_maximum_number_is_held_out() -> None:
    earlier = dataset_of({1: [3, 4], 2: [3]})
    data = dataset_of({1: [3, 4], 2: [3, 4], 5: [3, 4, 9]})
    assert is_fresh(data, earlier).sum() == 4
    split = newest_held_out(data, earlier, 1.0, 2)
    n_held = sum(len(each) for each in (split.test, split.not_evaluated) if each is not None)
    assert n_held == 2
    assert len(split.train) == len(data) - 2
