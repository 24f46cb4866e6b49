"""RecommenderContract: the test suite that every model must pass, ours or a plug-in's.

    class TestMyModel(RecommenderContract):
        def make(self) -> Recommender:
            return MyModel(epochs=30)

The settings should let the model learn the tiny worlds in a second or two. The suite needs pytest
and Hypothesis.
"""

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tastemaker.bundle.bundle import open_run, save_run
from tastemaker.data.dataset import Dataset
from tastemaker.data.recommendations import Recommendations
from tastemaker.data.split import Split
from tastemaker.data.splitting import leave_one_out, no_holdout
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, UnknownIdError, UnsupportedError
from tastemaker.evaluation.evaluate import evaluate
from tastemaker.evaluation.protocols import FullRanking
from tastemaker.models.recommender import Recommender
from tastemaker.testing.copies import CopiesContract
from tastemaker.testing.empty_batches import EmptyBatchContract
from tastemaker.testing.inductive import InductiveContract, assert_same_scores
from tastemaker.testing.weights import WeightsContract
from tastemaker.testing.worlds import checkerboard, one_item_left, two_tastes, untouched_item


class RecommenderContract(InductiveContract, EmptyBatchContract, CopiesContract, WeightsContract):
    """The whole contract; a test class inherits from it and defines how to make the model."""

    @abstractmethod
    def make(self) -> Recommender:
        """Returns a new, unfitted model."""

    def fitted(self, world: str) -> Recommender:
        """Returns a model fitted on a world, once for all tests of the class."""
        return _fitted(type(self), world)  # type: ignore[arg-type]

    def test_the_left_out_item_of_a_checkerboard_is_recommended(self) -> None:
        if not self.personal:
            pytest.skip("this model does not distinguish tastes")
        model = self.fitted("checkerboard")
        best = model.recommend(k=1)
        hits = (_column(best, "user_id") == _column(best, "item_id")).mean()
        assert hits > 0.9, f"only {hits:.0%} of the users got the item that they left out"

    def test_an_unseen_user_gets_the_taste_that_the_history_shows(self) -> None:
        if not self.personal:
            pytest.skip("this model does not distinguish tastes")
        model = self.fitted("two tastes")
        low, high = model.unseen_users([[0, 1, 2, 3]]), model.unseen_users([[20, 21, 22, 23]])
        assert (_column(model.recommend(low, 5), "item_id") < 20).mean() >= 0.8
        assert (_column(model.recommend(high, 5), "item_id") >= 20).mean() >= 0.8

    def test_held_out_interactions_are_found_better_than_by_chance(self) -> None:
        result = evaluate(self.fitted("held out"), protocol=FullRanking(), k=[10])
        chance = 10 / 30
        assert result.metrics["hit_rate@10"] > (chance if self.personal else 0.1)

    def test_a_list_is_short_and_not_padded_if_few_items_are_left(self) -> None:
        model = self.fitted("one item left")
        lists = model.recommend(users=[0, 1, 8], k=10).frame
        assert lists.filter(lists["user_id"] == 0)["item_id"].to_list() == [0]
        assert lists.filter(lists["user_id"] == 1)["item_id"].to_list() == [1]
        assert sorted(lists.filter(lists["user_id"] == 8)["item_id"]) == [1, 2, 3, 4, 5]
        assert lists["score"].is_finite().all()

    def test_seen_items_are_recommended_only_on_request(self) -> None:
        model = self.fitted("two tastes")
        seen = {int(item) for item in model.dataset.history(3)}
        unseen_items = model.recommend(3, k=40).frame["item_id"]
        assert seen.isdisjoint(unseen_items)
        assert len(unseen_items) == model.dataset.n_items - len(seen)
        assert len(model.recommend(3, k=40, exclude_seen=False)) == model.dataset.n_items

    def test_held_out_items_are_not_recommended_either(self) -> None:
        model = self.fitted("held out")
        test = model.split.test
        assert test is not None
        lists = model.recommend(users=list(range(60)), k=40).frame
        pairs = set(zip(lists["user_id"], lists["item_id"], strict=True))
        assert pairs.isdisjoint(zip(test.users.tolist(), test.items.tolist(), strict=True))

    def test_ranks_count_from_one_and_scores_descend(self) -> None:
        lists = self.fitted("two tastes").recommend(users=[5, 2], k=7).frame
        assert lists["user_id"].to_list() == [5] * 7 + [2] * 7
        assert lists["rank"].to_list() == list(range(1, 8)) * 2
        for scores in np.split(lists["score"].to_numpy(), 2):
            assert (np.diff(scores) <= 0).all()

    def test_recommendations_have_titles(self) -> None:
        lists = self.fitted("two tastes").recommend(1, k=3).frame
        assert lists["title"].to_list() == [f"Item {item}" for item in lists["item_id"]]

    def test_text_ids_stay_text(self) -> None:
        model = self.fitted("checkerboard with text ids")
        lists = model.recommend("u3", k=2).frame
        assert lists["user_id"].to_list() == ["u3", "u3"]
        assert all(item.startswith("i") for item in lists["item_id"])

    def test_a_user_gets_the_same_scores_alone_and_in_a_batch(self) -> None:
        model = self.fitted("two tastes")
        users = model.users([7, 3, 11])
        together = model.score(users)
        assert together.shape == (3, model.dataset.n_items)
        for row in range(3):
            alone = model.score(users.part(row, row + 1))[0]
            assert_same_scores(alone, together[row])

    def test_known_users_and_unseen_users_mix_in_one_batch(self) -> None:
        model = self.fitted("two tastes")
        known, unseen_user = model.users([4]), model.unseen_users([[0, 1, 2]])
        mixed = UserBatch(
            np.concatenate([known.codes, unseen_user.codes]),
            np.concatenate([known.items, unseen_user.items]),
            np.concatenate([known.indptr, known.indptr[-1] + unseen_user.indptr[1:]]),
        )
        scores = model.score(mixed)
        assert_same_scores(scores[:1], model.score(known))
        assert_same_scores(scores[1:], model.score(unseen_user))

    def test_candidate_scores_are_those_of_the_whole_catalog(self) -> None:
        model = self.fitted("two tastes")
        users = model.users([0, 1, 2])
        items = torch.tensor([[3, 1, 1], [39, 0, 20], [5, 6, 7]])
        whole = model.score(users).gather(1, items)
        assert_same_scores(model.score_candidates(users, items), whole)

    def test_an_empty_history_gets_the_popularity_ranking(self) -> None:
        model = self.fitted("two tastes")
        counts = model.dataset.item_counts
        best = model.recommend(model.unseen_users([[]]), k=5).frame["item_id"].to_list()
        by_popularity = np.lexsort((np.arange(len(counts)), -counts))[:5]
        assert best == by_popularity.tolist()

    def test_recommending_does_not_change_the_model(self) -> None:
        model = self.fitted("two tastes")
        before = {name: tensor.clone() for name, tensor in model.state().items()}
        model.recommend(k=3)
        model.recommend(model.unseen_users([[1, 2]]), k=3)
        with suppress(UnsupportedError):
            model.similar_items([3, 2], k=2)
            model.recommend([1], k=3, because=2)
            model.recommend([1], k=3, diversity=0.5)
        for name, tensor in model.state().items():
            assert torch.equal(tensor, before[name]), name

    def test_similar_items_are_of_the_same_taste_and_not_the_item_itself(self) -> None:
        model = self.fitted("two tastes")
        if model.item_vectors is None:
            with pytest.raises(UnsupportedError, match="does not provide the similarity"):
                model.similar_items([3])
            return
        found = model.similar_items([3, 33], k=5)
        assert _column(found, "item_id").tolist() == [3] * 5 + [33] * 5
        assert 3 not in _column(found, "similar_item_id")[:5]
        sides = [_column(found, name) >= 20 for name in ("item_id", "similar_item_id")]
        assert (sides[0] == sides[1]).mean() >= 0.8

    def test_training_depends_on_the_seed_alone_also_in_parallel_threads(self) -> None:
        """The global random state neither changes the result nor is it changed."""
        alone, split = self.fitted("one item left"), no_holdout(one_item_left())
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
        with ThreadPoolExecutor(2) as threads:
            for model in threads.map(lambda _: self.make().fit(split), range(2)):
                assert_same_state(alone, model)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert repr(np.random.get_state()) == before[1]  # noqa: NPY002

    def test_a_saved_model_gives_the_same_results(self, tmp_path: Path) -> None:
        model = self.fitted("two tastes")
        save_run(tmp_path / "run", model)
        opened = open_run(tmp_path / "run")
        assert opened.model.config == model.config
        for batch in (model.users([0, 9]), model.unseen_users([[1, 2, 3]])):
            assert torch.equal(opened.model.score(batch), model.score(batch))
        assert opened.recommend([1]).frame.equals(model.recommend([1]).frame)

    def test_an_error_for_an_unknown_id_names_it(self) -> None:
        model = self.fitted("two tastes")
        with pytest.raises(UnknownIdError, match="user 4711 is not in the data"):
            model.recommend([0, 4711])
        with pytest.raises(UnknownIdError, match="item 99 is not in the data"):
            model.unseen_users([[1, 99]])

    def test_invalid_calls_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="not fitted"):
            self.make().recommend([1])
        with pytest.raises(ConfigError, match="takes a Split"):
            self.make().fit(two_tastes())  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="at least 1"):
            self.fitted("two tastes").recommend([1], k=0)


def assert_same_state(one: Recommender, other: Recommender) -> None:
    """Checks that both models learned the same state, bit for bit."""
    expected, got = one.state(), other.state()
    assert expected.keys() == got.keys()
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor), name


def _column(recommendations: Recommendations, name: str) -> np.ndarray:
    return recommendations.frame[name].to_numpy()


@cache
def _fitted(contract: type[RecommenderContract], world: str) -> Recommender:
    return contract().make().fit(_split_of(world))


def _split_of(world: str) -> Split:
    """Returns a world as training data; in the world "held out", an item of each user is not."""
    if world == "held out":
        return leave_one_out(two_tastes(length=12))
    worlds: dict[str, Dataset] = {
        "checkerboard": checkerboard(),
        "checkerboard with text ids": checkerboard(text_ids=True),
        "two tastes": two_tastes(),
        "one item left": one_item_left(),
        "an untouched item": untouched_item(),
    }
    return no_holdout(worlds[world])
