"""Batches of histories in their order: nothing lost, nothing mixed."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tastemaker as tm
from tastemaker.data.users import UserBatch
from tastemaker.errors import DataError
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.sequence_batches import (
    SequenceBatch,
    SequenceBatches,
    histories_of,
    pack,
)

CPU = torch.device("cpu")

HISTORIES = st.lists(
    st.lists(st.integers(0, 9), min_size=1, max_size=12, unique=True), min_size=1, max_size=15
)


def no_negatives(users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> None:
    """Draws no negatives."""


def batches_of(data: tm.Dataset, **changes: int) -> SequenceBatches:
    return SequenceBatches(
        data, no_negatives, device=CPU, **({"length": 5, "batch_size": 4, "seed": 0} | changes)
    )


def by_owner(values: torch.Tensor, owners: torch.Tensor) -> list[list[int]]:
    """What each history of a batch holds, in the order in which it lies in the rows."""
    values, owners = values.flatten(), owners.flatten()
    return [values[owners == owner].tolist() for owner in range(int(owners.max()) + 1)]


@given(HISTORIES, st.integers(1, 14))
def test_packing_keeps_all_events_separate_and_in_order(
    histories: list[list[int]], length: int
) -> None:
    packed = histories_of(UserBatch.unseen_users(histories), length, CPU)
    latest = [history[-length:] for history in histories]
    assert by_owner(packed.items, packed.owners) == latest
    assert by_owner(packed.positions, packed.owners) == [list(range(len(h))) for h in latest]
    assert packed.items.flatten()[packed.last].tolist() == [history[-1] for history in latest]
    assert packed.owners.flatten()[packed.last].tolist() == list(range(len(histories)))
    assert int((packed.owners >= 0).sum()) == sum(map(len, latest))
    assert packed.items.shape[1] <= length
    for row in packed.owners.tolist():
        owners = [owner for owner in row if owner >= 0]
        assert owners == sorted(owners), "a history goes on after another began"
    whole = packed.owners.flatten().tolist()
    rows = {owner: {at // packed.owners.shape[1] for at, o in enumerate(whole) if o == owner}
            for owner in range(len(histories))}  # fmt: skip
    assert all(len(of_one) == 1 for of_one in rows.values()), "a history is torn apart"


@given(HISTORIES)
def test_every_second_row_is_more_than_half_full(histories: list[list[int]]) -> None:
    # What does not fit into a row begins the next: two rows together hold more than one full one.
    packed = histories_of(UserBatch.unseen_users(histories), 12, CPU)
    filled = (packed.owners >= 0).sum(dim=1)
    assert ((filled[:-1] + filled[1:]) > packed.items.shape[1]).all()


@given(
    HISTORIES.filter(lambda histories: any(len(history) > 1 for history in histories)),
    st.integers(0, 20),
)
def test_every_event_but_the_first_is_a_target_once_in_an_epoch(
    histories: list[list[int]], number: int
) -> None:
    data = dataset_of(dict(enumerate(histories)) | {99: list(range(10)), 98: [11]})
    source = batches_of(data)
    learned: dict[int, list[tuple[int, int]]] = {}
    for batch in source.epoch(number):
        assert (batch.inputs.positions < 5).all()
        items = batch.inputs.items.flatten()[batch.places].tolist()
        users, targets = batch.users.tolist(), batch.targets.tolist()
        for user, item, target in zip(users, items, targets, strict=True):
            learned.setdefault(user, []).append((item, target))
    expected = {
        user: sorted(pairwise(data.history(user).tolist()))
        for user in range(data.n_users)
        if len(data.history(user)) > 1
    }
    assert {user: sorted(pairs) for user, pairs in learned.items()} == expected


def test_a_long_history_is_divided_at_other_places_in_each_epoch() -> None:
    data = dataset_of({0: list(range(13)), 1: [13, 14]})
    source = batches_of(data, batch_size=1)
    assert len(source.epoch(0)) == 4  # 12 targets in 3 windows, and 1 target
    divisions = {
        tuple(sorted(len(batch.targets) for batch in source.epoch(number))) for number in range(20)
    }
    assert divisions == {(1, 2, 5, 5), (1, 3, 4, 5)}


def test_gaps_are_the_seconds_since_the_event_before() -> None:
    items, indptr = np.array([1, 2, 3, 4, 5]), np.array([0, 2, 5])
    times = np.array([100, 107, 3, 3, 50])
    packed, places = pack(items, indptr, 5, times, CPU)
    assert packed.gaps is not None
    assert packed.gaps.flatten()[places].tolist() == [-1, 7, -1, 0, 47]
    assert pack(items, indptr, 5, None, CPU)[0].gaps is None


def test_the_gap_before_the_first_event_that_is_read_is_unknown() -> None:
    users = UserBatch(np.array([-1]), np.array([1, 2, 3]), np.array([0, 3]), np.array([0, 5, 9]))
    packed = histories_of(users, 2, CPU)
    assert packed.gaps is not None
    assert packed.gaps.tolist() == [[-1, 4]]


def flat(batch: SequenceBatch) -> tuple[list[int], list[int]]:
    return batch.users.tolist(), batch.targets.tolist()


def test_an_epoch_reads_every_history_once_in_an_order_of_its_own() -> None:
    batches = batches_of(two_tastes(), length=20, batch_size=16)
    epoch = [flat(batch) for batch in batches.epoch(0)]
    assert len(batches.epoch(0)) == len(epoch) == 4
    users = [user for users, _ in epoch for user in dict.fromkeys(users)]
    assert sorted(users) == list(range(60)) != users
    assert [flat(batch) for batch in batches.epoch(0)] == epoch
    assert [flat(batch) for batch in batches.epoch(1)] != epoch
    assert [
        flat(b) for b in batches_of(two_tastes(), length=20, batch_size=16, seed=1).epoch(0)
    ] != epoch


def test_negatives_depend_on_seed_and_epoch_alone() -> None:
    def drawn(seed: int, number: int) -> list[int]:
        def draw(
            users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
        ) -> torch.Tensor:
            return torch.randint(10**6, (3,), generator=generator)

        source = SequenceBatches(two_tastes(), draw, length=5, batch_size=16, seed=seed, device=CPU)
        return [item for batch in source.epoch(number) for item in batch.negatives.tolist()]

    assert drawn(0, 0) == drawn(0, 0)
    assert len({tuple(drawn(seed, number)) for seed in (0, 1) for number in (0, 1, 2)}) == 6


def test_a_relative_weight_goes_with_the_event_that_came_next() -> None:
    data = two_tastes(n_users=4, n_items=12, length=4)
    weighted = tm.Dataset(
        data.name, data.users, data.items, data.user_vocabulary, data.item_vocabulary, data.catalog,
        weights=data.items.astype(np.float32) + 1,
    )  # fmt: skip
    (batch,) = batches_of(weighted).epoch(0)
    assert batch.weights is not None
    expected = (batch.targets + 1) / (data.items + 1).mean()
    np.testing.assert_allclose(batch.weights, expected, rtol=1e-6)


def test_histories_of_one_item_are_refused() -> None:
    with pytest.raises(DataError, match="no sequence to learn from"):
        batches_of(dataset_of({0: [1], 1: [2]}))


def test_who_has_every_item_is_left_out_only_if_unseen_items_are_drawn() -> None:
    split = tm.no_holdout(dataset_of({0: [0, 1, 2, 3], 1: [2, 0], 2: [1, 3]}))
    settings = {"epochs": 1, "embedding_size": 4, "layers": 1}
    with_all = tm.SASRec(loss="softmax", **settings).fit(split)
    assert not any("every item" in note for note in with_all.log.notes)
    without = tm.SASRec(loss="bce", **settings).fit(split)
    assert any("1 users have interacted with every item" in note for note in without.log.notes)
