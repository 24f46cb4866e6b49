"""Cold start: who is kept apart, what is asked about them, and the right answers."""

import json

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.config import Config
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation import cold_start
from tastemaker.evaluation.cold_start import ColdStart, evaluate_cold_start, hold_out_users
from tastemaker.evaluation.cold_start_results import ColdStartResult
from tastemaker.testing.worlds import dataset_of, two_tastes


class RecordingModel(tm.Recommender):
    """Scores the items by their codes, and records the batches of users."""

    name = "recording"
    config_class = Config

    def _fit(self, split: tm.Split, run: tm.TrainingRun) -> None:
        self.batches: list[tm.UserBatch] = []

    def _score(self, users: tm.UserBatch) -> torch.Tensor:
        self.batches.append(users)
        return torch.arange(self.dataset.n_items, dtype=torch.float32).repeat(len(users), 1)

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None: ...


class ConstantModel(RecordingModel):
    """Gives every item the same score."""

    name = "constant"

    def _score(self, users: tm.UserBatch) -> torch.Tensor:
        return super()._score(users) * 0


@pytest.fixture
def one_unseen_user() -> ColdStart:
    """Only the last of all users has a second interaction, and so is the one kept apart.

    In training item 0 is the most popular, then 1, then 2; item 3 only the unseen user touched.
    """
    histories = {0: [0], 1: [0], 2: [0], 3: [1], 4: [1], 5: [2], 6: [1, 2, 0, 3]}
    return hold_out_users(tm.no_holdout(dataset_of(histories)))


def unseen_codes(cold: ColdStart) -> np.ndarray:
    return np.flatnonzero(cold.unseen_users.user_counts)


def test_unseen_users_have_not_a_single_row_in_training() -> None:
    data = two_tastes()
    split = tm.leave_one_out(data)
    cold = hold_out_users(split)
    assert cold.n_users == 6
    for part in (cold.split.train, cold.split.validation):
        assert not np.isin(part.users, unseen_codes(cold)).any()
    is_other = ~np.isin(split.train.users, unseen_codes(cold))
    assert np.array_equal(cold.split.train.users, split.train.users[is_other])
    assert np.array_equal(cold.split.train.items, split.train.items[is_other])
    assert len(cold.split.validation) == 54
    assert cold.split.test is None


def test_all_interactions_of_unseen_users_are_kept_with_the_same_codes() -> None:
    data = two_tastes()
    cold = hold_out_users(tm.leave_one_out(data))
    for user in range(data.n_users):
        expected = data.history(user) if user in unseen_codes(cold) else []
        assert cold.unseen_users.history(user).tolist() == list(expected)
    assert cold.split.train.user_vocabulary is data.user_vocabulary
    assert cold.split.train.n_items == data.n_items


def test_unseen_users_histories_are_in_the_order_of_time_however_others_are_held_out() -> None:
    data = two_tastes()
    for split in (
        tm.leave_one_out(data, by="random", seed=3),
        tm.temporal(data, test_fraction=0.2),
    ):
        cold = hold_out_users(split)
        for user in unseen_codes(cold):
            assert cold.unseen_users.history(user).tolist() == data.history(user).tolist()


def test_weights_are_trained_on_as_in_the_split_itself() -> None:
    data = two_tastes(20)
    weighted = tm.Dataset(
        **{name: getattr(data, name) for name in data.__dataclass_fields__ if name != "weights"},
        weights=np.arange(len(data), dtype=np.float32),
    )
    split = tm.leave_one_out(weighted)
    cold = hold_out_users(split)
    is_other = ~np.isin(split.train.users, unseen_codes(cold))
    assert np.array_equal(cold.split.train.weights, split.train.weights[is_other])


def test_one_seed_is_one_draw_of_those_with_two_interactions() -> None:
    histories = {user: [user % 7] * 1 for user in range(100)}
    histories |= {user: [0, 1] for user in range(100, 140)}
    split = tm.no_holdout(dataset_of(histories))
    cold = hold_out_users(split, fraction=0.25, seed=5)
    assert len(unseen_codes(cold)) == 10
    assert (unseen_codes(cold) >= 100).all()
    assert np.array_equal(
        unseen_codes(cold), unseen_codes(hold_out_users(split, fraction=0.25, seed=5))
    )
    assert not np.array_equal(
        unseen_codes(cold), unseen_codes(hold_out_users(split, fraction=0.25, seed=6))
    )
    assert len(unseen_codes(hold_out_users(split, fraction=0.001))) == 1


def test_the_first_interactions_are_the_history_and_the_next_one_is_ranked(
    one_unseen_user: ColdStart,
) -> None:
    model = RecordingModel().fit(one_unseen_user.split)
    model.batches.clear()  # `fit` asks for one user's scores, to see that they are finite
    result = evaluate_cold_start(model, one_unseen_user, k=1, lengths=(1, 2, 3, 9))
    assert [batch.codes.tolist() for batch in model.batches] == [[UNKNOWN]] * 3
    assert [batch.items.tolist() for batch in model.batches] == [[1], [1, 2], [1, 2, 0]]
    assert [(at.length, at.n_users) for at in result.lengths] == [(1, 1), (2, 1), (3, 1)]
    # By their codes: 2 stands behind 3; then 0 behind 3; then 3 is all that is left.
    assert [at.metrics["hit_rate@1"] for at in result.lengths] == [0, 0, 1]


def test_popularity_has_the_ndcg_worked_out_by_hand(one_unseen_user: ColdStart) -> None:
    model = tm.Popularity().fit(one_unseen_user.split)
    result = evaluate_cold_start(model, one_unseen_user, lengths=(1, 2, 3))
    # 2 stands behind 0 and before 3; 0 stands before 3; 3 is all that is left.
    expected = [1 / np.log2(3), 1.0, 1.0]
    assert [at.metrics["ndcg@10"] for at in result.lengths] == pytest.approx(expected)
    assert [at.intervals["ndcg@10"] for at in result.lengths] == [
        pytest.approx((value, value)) for value in expected
    ]


def test_a_tie_counts_against_the_model(one_unseen_user: ColdStart) -> None:
    model = ConstantModel().fit(one_unseen_user.split)
    last = evaluate_cold_start(model, one_unseen_user, k=2, lengths=(1, 2)).lengths
    assert [at.metrics["hit_rate@2"] for at in last] == [0, 1], "place 3 of 3, then 2 of 2"


@pytest.mark.parametrize("model", [tm.ItemKNN(), tm.EASE(), tm.MF(epochs=40)], ids=lambda m: m.name)
def test_two_interactions_are_enough_to_recognise_a_taste(model: tm.Recommender) -> None:
    cold = hold_out_users(tm.leave_one_out(two_tastes(400)), fraction=0.3)

    def hit_rate(model: tm.Recommender) -> float:
        (at,) = evaluate_cold_start(model.fit(cold.split), cold, lengths=[2]).lengths
        assert at.n_users == 120
        return at.metrics["hit_rate@10"]

    # 10 of the 18 items left of the own taste are listed, where chance lists 10 of 38.
    assert hit_rate(model) == pytest.approx(10 / 18, abs=0.15)
    assert hit_rate(tm.Popularity()) == pytest.approx(10 / 38, abs=0.15)


def test_a_model_that_stops_early_finds_its_validation_part() -> None:
    cold = hold_out_users(tm.leave_one_out(two_tastes()))
    model = tm.MF(epochs=2, patience=1).fit(cold.split)
    assert evaluate_cold_start(model, cold).n_users == 6


def test_the_size_of_a_block_of_users_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cold = hold_out_users(tm.leave_one_out(two_tastes()), fraction=0.5)
    model = tm.EASE().fit(cold.split)
    at_once = evaluate_cold_start(model, cold)
    monkeypatch.setattr(cold_start, "SCORES_AT_ONCE", 7 * cold.unseen_users.n_items)
    assert evaluate_cold_start(model, cold) == at_once


def test_a_result_is_the_same_after_json() -> None:
    cold = hold_out_users(tm.leave_one_out(two_tastes()))
    result = evaluate_cold_start(tm.EASE().fit(cold.split), cold)
    assert [at.length for at in result.lengths] == [1, 2, 5], "no user has more than 10"
    assert ColdStartResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_a_model_trained_on_the_unseen_users_is_refused() -> None:
    split = tm.leave_one_out(two_tastes())
    cold = hold_out_users(split)
    with pytest.raises(SplitError, match="may know the unseen users"):
        evaluate_cold_start(tm.Popularity().fit(split), cold)
    model = tm.Popularity().fit(cold.split)
    for wrong in ({"k": 0}, {"lengths": [0, 1]}):
        with pytest.raises(ConfigError, match="must be 1 or more"):
            evaluate_cold_start(model, cold, **wrong)


def test_impossible_selections_of_held_out_users_are_refused() -> None:
    split = tm.leave_one_out(two_tastes())
    for fraction in (0, 1, -0.1):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            hold_out_users(split, fraction=fraction)
    with pytest.raises(SplitError, match="no user has two interactions"):
        hold_out_users(tm.no_holdout(dataset_of({0: [0], 1: [1]})))
    with pytest.raises(SplitError, match="no user would be left to train on"):
        hold_out_users(tm.no_holdout(dataset_of({0: [0, 1]})))
