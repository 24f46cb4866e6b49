"""The part of the contract about histories that a model was not trained on."""

from abc import abstractmethod
from random import Random
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.models.recommender import Recommender

N_USERS, N_ITEMS = 60, 40
"""Size of the world of two tastes: even users touch items below 20, odd users the others."""

some_examples = settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    # Many classes inherit the same test, each for another model.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)

UsersWithEvents = list[tuple[int, list[int]]]
"""Users with the items that they touched since training; for an unseen user, with all items."""

ITEMS = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=6, unique=True)
USERS_WITH_EVENTS = st.lists(
    st.tuples(st.just(UNKNOWN) | st.integers(0, N_USERS - 1), ITEMS), min_size=2, max_size=5
)


class InductiveContract:
    """Unseen users are scored by their history alone, known users also by events since training."""

    personal: ClassVar[bool] = True
    """Whether the model distinguishes tastes; a popularity ranking does not."""

    twin_overlap: ClassVar[float] = 0.75
    """Minimum of the mean, over all users, of the fraction of a user's ten best items (of 40) that
    an unseen user with the same history gets too. 1 for a model that represents a user by the
    history; random lists have 0.25."""

    @abstractmethod
    def fitted(self, world: str) -> Recommender:
        """Returns a model fitted on a whole world."""

    @some_examples
    @given(USERS_WITH_EVENTS, st.randoms(use_true_random=False))
    def test_the_order_of_the_users_does_not_change_their_scores(
        self, users: UsersWithEvents, random: Random
    ) -> None:
        """Each user has the same scores at any position in the batch."""
        model = self.fitted("two tastes")
        batch = _with_new_events(model, users)
        order = np.array(random.sample(range(len(users)), len(users)))
        scores, reordered = model.score(batch), model.score(batch.at(order))
        assert_same_scores(reordered, scores[torch.from_numpy(order)])

    def test_an_unseen_user_with_the_history_of_a_user_gets_a_similar_list(self) -> None:
        """At least the fraction `twin_overlap` of the ten best items is the same."""
        model = self.fitted("two tastes")
        known = UserBatch.known(model.dataset, np.arange(N_USERS))
        twins = UserBatch(np.full(N_USERS, UNKNOWN), known.items, known.indptr, known.timestamps)
        best, twin_best = (model.score(batch).topk(10).indices.cpu() for batch in (known, twins))
        overlap = float((best[:, :, None] == twin_best[:, None, :]).any(dim=2).float().mean())
        assert overlap >= self.twin_overlap, f"{overlap:.2f} of the ten best are the same"

    @some_examples
    @given(USERS_WITH_EVENTS)
    def test_items_touched_since_training_are_not_recommended(self, users: UsersWithEvents) -> None:
        """All other items are recommended, to known and to unseen users."""
        model = self.fitted("two tastes")
        batch = _with_new_events(model, users)
        for row in range(len(users)):
            single_user = batch.part(row, row + 1)
            recommended = model.recommend(single_user, k=N_ITEMS).frame["item_id"]
            assert set(recommended) == set(range(N_ITEMS)) - set(single_user.items.tolist())

    @some_examples
    @given(st.lists(st.integers(0, N_USERS - 1), min_size=1, max_size=5, unique=True), st.data())
    def test_events_of_the_other_taste_move_a_user_towards_it(
        self, users: list[int], data: st.DataObject
    ) -> None:
        """The scores of its items rise, measured in standard deviations of the user's scores."""
        if not self.personal:
            pytest.skip("this model does not distinguish tastes")
        model = self.fitted("two tastes")
        other = [list(range(20, 40)) if user % 2 == 0 else list(range(20)) for user in users]
        since = [data.draw(st.permutations(items))[:6] for items in other]
        before = model.score(UserBatch.known(model.dataset, np.array(users)))
        after = model.score(_with_new_events(model, list(zip(users, since, strict=True))))
        for row, items in enumerate(other):
            standardized = [
                float(((scores - scores.mean()) / scores.std())[items].mean())
                for scores in (before[row], after[row])
            ]
            assert standardized[1] > standardized[0], f"user {users[row]}: {standardized}"

    def test_a_history_of_only_an_untouched_item_gives_the_popularity_ranking(self) -> None:
        """An unseen user who touched only that item gets the popularity ranking."""
        model = self._without_knowledge_of_an_item()
        empty, untouched = model.score(model.unseen_users([[], [6]]))
        assert torch.equal(untouched, empty)

    def test_an_untouched_item_of_a_history_changes_no_score(self) -> None:
        """Wherever it stands, the other events neither move nor count less."""
        model = self._without_knowledge_of_an_item()
        scores = model.score(model.unseen_users([[0, 2], [0, 2, 6], [6, 0, 6, 2]]))
        assert_same_scores(scores[1:], scores[:1].expand(2, -1))

    def _without_knowledge_of_an_item(self) -> Recommender:
        model = self.fitted("an untouched item")
        if model._are_informative(np.array([6])).any():
            pytest.skip("this model reads untouched items")
        return model


def assert_same_scores(one: torch.Tensor, other: torch.Tensor) -> None:
    """Checks that scores (n_users, n) differ only by rounding, as they may between batches.

    The order in which a processor adds up a row depends on the batch and on its place in memory.
    The error is then relative to the numbers that were added, not to a score near 0 in which they
    cancelled each other, so the tolerance is 1e-4 of the largest score of each user. That is about
    a thousand roundings of float32: fold-in takes up to 15 steps, each of which passes errors on.
    """
    assert one.shape == other.shape
    allowed = 1e-4 * torch.maximum(one.abs(), other.abs()).amax(dim=-1, keepdim=True)
    excess = (one - other).abs() - allowed
    assert (excess <= 0).all(), f"scores differ by {float(excess.max()):.2g} more than rounding"


def _with_new_events(model: Recommender, users: UsersWithEvents) -> UserBatch:
    """Returns the users with all items that they touched, in training and since."""
    known = [[] if code == UNKNOWN else model.dataset.history(code).tolist() for code, _ in users]
    since = [items for _, items in users]
    batch = UserBatch.unseen_users([old + new for old, new in zip(known, since, strict=True)])
    return UserBatch(np.array([code for code, _ in users]), batch.items, batch.indptr)
