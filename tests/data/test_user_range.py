"""Ranges of users: their histories are those of all users, without the others."""

import gc
import tracemalloc
import weakref

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data import user_range
from tastemaker.data.user_range import UserRange
from tastemaker.errors import TastemakerError
from tastemaker.testing.worlds import two_tastes

LOGS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 6), st.sampled_from(["view", "buy", "return"]),
        st.integers(0, 9),
    ),
    min_size=5, max_size=60,
)  # fmt: skip


def split_of(log: list[tuple], how: str) -> tm.Split:
    frame = pl.DataFrame(log, schema=["user", "item", "event", "time"], orient="row")
    if how == "kept repeats":
        return tm.leave_one_out(tm.read(frame.drop("event"), repeats="keep"))
    data = tm.read(frame, event="event", targets=["buy"], negative=["return"])
    return {"latest": tm.leave_one_out, "all": tm.no_holdout, "time": tm.temporal}[how](data)


def rows_of(users: tm.UserBatch) -> list[list | None]:
    """All that is known of the users, whose excluded items may be stored in several ways."""
    excluded = {seen: users.excluded(seen=seen) for seen in (True, False)}
    columns = (users.codes, users.items, users.indptr, users.timestamps, users.weights, users.kinds)
    lists = [*columns, *(part.items for part in excluded.values())]
    return [None if column is None else column.tolist() for column in lists]


@given(LOGS, st.sampled_from(["latest", "all", "time", "kept repeats"]), st.data())
def test_a_range_of_users_has_the_histories_of_these_users(
    log: list[tuple], how: str, draw: st.DataObject
) -> None:
    try:
        split = split_of(log, how)
    except TastemakerError:
        return  # nothing can be held out, or nothing is left
    start = draw.draw(st.integers(0, split.train.n_users))
    stop = draw.draw(st.integers(start, split.train.n_users))
    (batch,) = UserRange(split, range(start, stop)).batches()
    whole = tm.UserBatch.known(split.everything, np.arange(start, stop))
    assert rows_of(batch) == rows_of(whole)


def test_all_users_are_read_in_batches_that_do_not_keep_a_copy_of_all_interactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = tm.leave_one_out(two_tastes())
    model = tm.ItemKNN().fit(split)
    expected = model.recommend(list(range(60)), k=5).frame
    fresh = tm.ItemKNN.from_state(model.config, tm.leave_one_out(two_tastes()), model.state())
    monkeypatch.setattr(user_range, "USERS_AT_ONCE", 16)
    sizes = [len(batch) for batch in UserRange.whole(fresh.split).batches()]
    assert sizes == [16, 16, 16, 12]
    assert fresh.recommend(k=5).frame.equals(expected)
    assert "everything" not in vars(fresh.split)


def test_reading_some_users_allocates_nothing_for_each_of_the_others() -> None:
    n = 50_000
    frame = pl.DataFrame({"user": [*range(n)] * 2, "item": [0] * n + [1] * n})
    users = UserRange(tm.leave_one_out(tm.read(frame), by="input"), range(5, 21))
    tracemalloc.start()
    try:
        assert next(users.batches()).items.tolist() == [0, 1] * 16
        assert tracemalloc.get_traced_memory()[1] < n
    finally:
        tracemalloc.stop()


def test_data_do_not_stay_in_memory_after_their_last_use() -> None:
    data = tm.no_holdout(two_tastes()).everything_of(range(5, 9))
    assert tm.UserBatch.known(data, np.arange(5, 9)).seen is None
    reference = weakref.ref(data)
    gc.disable()
    try:
        del data
        assert reference() is None
    finally:
        gc.enable()
