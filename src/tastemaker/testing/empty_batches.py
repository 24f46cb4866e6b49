"""The part of the contract about requests without users or items."""

from abc import abstractmethod

import pytest
import torch

from tastemaker.data.recommendations import Recommendations
from tastemaker.data.users import UserBatch
from tastemaker.errors import UnsupportedError
from tastemaker.models.recommender import Recommender


class EmptyBatchContract:
    """A request for no users, or for no items, has an empty result of the usual form."""

    @abstractmethod
    def fitted(self, world: str) -> Recommender:
        """Returns a model fitted on a whole world."""

    @pytest.mark.parametrize("diversity", [0.0, 0.5])
    @pytest.mark.parametrize("because", [0, 2])
    def test_no_users_get_an_empty_table(self, diversity: float, because: int) -> None:
        """The table has the same columns and types as one for a user."""
        model = self.fitted("two tastes")
        try:
            of_one = model.recommend([1], k=3, diversity=diversity, because=because)
        except UnsupportedError:
            pytest.skip("this model compares no items, so it has no diversity and no reasons")
        no_users: list[list[int] | UserBatch] = [[], model.users([]), model.unseen_users([])]
        for users in no_users:
            of_none = model.recommend(users, k=3, diversity=diversity, because=because)
            assert_empty_as(of_none, of_one)

    def test_no_users_have_no_scores(self) -> None:
        """Checks the scores of all items, and of some candidates of each user."""
        model = self.fitted("two tastes")
        one, candidates = model.users([1]), torch.zeros(1, 3, dtype=torch.int64)
        for no_users in (model.users([]), model.unseen_users([])):
            scores = model.score(no_users)
            assert scores.shape == (0, model.dataset.n_items)
            assert scores.dtype == model.score(one).dtype
            scores = model.score_candidates(no_users, candidates[:0])
            assert scores.shape == (0, 3)
            assert scores.dtype == model.score_candidates(one, candidates).dtype

    def test_no_users_have_no_queries(self) -> None:
        """The queries have the width of the items' keys."""
        model = self.fitted("two tastes")
        keys = model.item_keys
        if keys is None:
            pytest.skip("this model's scores are not inner products")
        for no_users in (model.users([]), model.unseen_users([])):
            queries = model.queries(no_users)
            assert queries.shape == (0, keys.shape[1])
            assert queries.dtype == model.queries(model.users([1])).dtype

    def test_empty_requests_for_reasons_and_similar_items_give_empty_tables(self) -> None:
        """Checks requests with no users, with no items, and with neither."""
        model = self.fitted("two tastes")
        try:
            reasons, similar = model.explain([1], [2], n=2), model.similar_items([3], k=2)
        except UnsupportedError:
            pytest.skip("this model compares no items")
        empty_requests: list[tuple[list[int], list[int]]] = [([], [2]), ([1], []), ([], [])]
        for users, items in empty_requests:
            assert_empty_as(model.explain(users, items, n=2), reasons)
        assert_empty_as(model.similar_items([], k=2), similar)


def assert_empty_as(empty: Recommendations, usual: Recommendations) -> None:
    """Checks that the table has no rows, but the columns and types of a usual one."""
    assert len(empty) == 0
    assert empty.frame.schema == usual.frame.schema
