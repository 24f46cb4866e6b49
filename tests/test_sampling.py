"""Negatives: never touched, uniform, the same distribution by bitmap and by sorted keys."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tastemaker.data.dataset import Dataset
from tastemaker.errors import ConfigError
from tastemaker.native.library import is_compiled
from tastemaker.sampling import UnseenItems
from tastemaker.testing.worlds import dataset_of

HISTORIES = st.dictionaries(
    st.integers(0, 5), st.lists(st.integers(0, 11), min_size=1, max_size=11, unique=True),
    min_size=1,
)  # fmt: skip
BUDGETS = st.sampled_from([0, 1 << 20])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def touched(data: Dataset, user: int) -> set[int]:
    return set(data.history(user).tolist())


def incomplete(data: Dataset) -> torch.Tensor:
    """Users who have not touched everything."""
    return torch.from_numpy(np.flatnonzero(data.user_counts < data.n_items))


@given(HISTORIES, BUDGETS, st.integers(0, 99))
def test_what_was_touched_is_never_drawn(histories: dict, budget: int, seed: int) -> None:
    data = dataset_of(histories)
    users = incomplete(data)
    drawn = UnseenItems(data, budget_bytes=budget).sample(users, 7, generator(seed))
    assert drawn.shape == (len(users), 7)
    for user, items in zip(users.tolist(), drawn.tolist(), strict=True):
        assert touched(data, user).isdisjoint(items)
        assert all(0 <= item < data.n_items for item in items)


@pytest.mark.parametrize(("n_touched", "has_bitmap"), [(31, False), (32, True)])
def test_a_bitmap_that_no_cache_holds_is_for_long_histories(
    n_touched: int, has_bitmap: bool
) -> None:
    n_items = 9_000  # 1.07 MiB for a thousand users
    data = dataset_of(
        {u: [(u * n_touched + i) % n_items for i in range(n_touched)] for u in range(1_000)}
    )
    unseen = UnseenItems(data)
    first = torch.tensor([[0]])
    if has_bitmap:
        assert unseen.touched(first, torch.tensor([[0, n_items - 1]])).tolist() == [[True, False]]
    else:
        with pytest.raises(ConfigError, match="more than its budget"):
            unseen.touched(first, first)


@given(HISTORIES)
def test_the_untouched_items_are_numbered_without_gaps(histories: dict) -> None:
    data = dataset_of(histories)
    unseen = UnseenItems(data)
    for user in range(data.n_users):
        expected = sorted(set(range(data.n_items)) - touched(data, user))
        assert unseen.counts[user] == len(expected)
        ranks = torch.arange(len(expected))
        assert unseen.by_rank(torch.full_like(ranks, user), ranks).tolist() == expected


@given(HISTORIES, st.integers(1, 14), st.integers(0, 99))
def test_distinct_items_are_distinct_and_all_where_few_are_left(
    histories: dict, n: int, seed: int
) -> None:
    data = dataset_of(histories)
    users = torch.arange(data.n_users)
    items, lengths = UnseenItems(data).sample_distinct(users, n, generator(seed))
    for user in range(data.n_users):
        drawn = items[user, : int(lengths[user])].tolist()
        left = set(range(data.n_items)) - touched(data, user)
        assert len(drawn) == len(set(drawn)) == min(n, len(left))
        assert set(drawn) <= left


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_every_untouched_item_is_equally_likely(budget: int) -> None:
    data = dataset_of({0: list(range(0, 20, 2)), 1: [0], 2: list(range(19))})
    unseen = UnseenItems(data, budget_bytes=budget)
    n = 20_000
    for user in range(3):
        left = sorted(set(range(data.n_items)) - touched(data, user))
        if not left:
            continue
        drawn = unseen.sample(torch.tensor([user]), n, generator()).flatten()
        counts = torch.bincount(drawn, minlength=data.n_items)[left].double()
        expected = n / len(left)
        chi_squared = float(((counts - expected) ** 2 / expected).sum())
        degrees = len(left) - 1
        assert chi_squared < degrees + 5 * (2 * degrees) ** 0.5 + 1, "five standard deviations"


def test_distinct_items_are_equally_likely_too() -> None:
    data = dataset_of({0: [3, 7], 1: list(range(10))})
    n_rows = 20_000
    users = torch.zeros(n_rows, dtype=torch.int64)
    items, _ = UnseenItems(data).sample_distinct(users, 3, generator())
    counts = torch.bincount(items.flatten(), minlength=10)
    assert counts[[3, 7]].tolist() == [0, 0]
    fraction = counts[[0, 1, 2, 4, 5, 6, 8, 9]] / n_rows
    assert torch.allclose(fraction, torch.full((8,), 3 / 8), atol=0.02)


def test_a_positive_keeps_its_own_users_negatives() -> None:
    # User 0 touched the low half, user 1 the high half: swapped rows would show at once.
    data = dataset_of({0: list(range(10)), 1: list(range(10, 20))})
    users = torch.tensor([0, 1] * 500)
    drawn = UnseenItems(data).sample(users, 4, generator())
    assert (drawn[users == 0] >= 10).all()
    assert (drawn[users == 1] < 10).all()


@given(HISTORIES, BUDGETS, st.integers(0, 99))
def test_compiled_code_draws_what_the_plain_form_draws(
    histories: dict, budget: int, seed: int
) -> None:
    if not is_compiled():
        pytest.skip("compiled on installing, where there is a compiler")
    data = dataset_of(histories)
    unseen = UnseenItems(data, budget_bytes=budget)
    users = torch.arange(data.n_users)

    def drawn() -> list[torch.Tensor]:
        some = unseen.sample(incomplete(data), 7, generator(seed))
        return [some, *unseen.sample_distinct(users, 7, generator(seed))]

    compiled = drawn()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tastemaker.sampling.is_compiled", lambda: False)
        assert all(map(torch.equal, compiled, drawn()))


def test_the_number_of_threads_does_not_matter() -> None:
    data = dataset_of({0: list(range(0, 20, 2)), 1: [0], 2: list(range(18))})
    users = torch.arange(3).repeat(1000)
    n_threads = torch.get_num_threads()
    drawn = []
    for n in (1, 3):
        torch.set_num_threads(n)
        drawn.append(UnseenItems(data).sample(users, 4, generator()))
    torch.set_num_threads(n_threads)
    assert torch.equal(*drawn)
