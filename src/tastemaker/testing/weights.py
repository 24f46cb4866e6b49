"""The part of the contract about the weights of interactions."""

import logging
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import polars as pl
import pytest
import torch

from tastemaker.data.columns import Columns
from tastemaker.data.dataset import Dataset
from tastemaker.data.interactions import Interactions
from tastemaker.data.splitting import no_holdout
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.models.network_model import NetworkModel
from tastemaker.models.recommender import Recommender
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes

TWINS = (40, 41)
"""Two items of the world of twins that the same users touched."""


class WeightsContract:
    """A model learns from weights, or says that it does not."""

    personal: ClassVar[bool] = True
    """Whether the model distinguishes tastes; a popularity ranking does not."""
    heavy_items_rise_for: ClassVar[Literal["others", "their users", "nobody"]] = "others"
    """The users for whom an item is scored higher if all of its interactions are heavier: those who
    did not touch it; those who did, where weights tell users apart above all; or nobody, if items
    are compared by the cosine, which the length of a vector does not change."""
    histories_have_weights: ClassVar[bool] = True
    """Whether the weights of a history matter for its scores; a model of sequences reads the order
    of a history, and learns from the weights of the items that come next."""

    @abstractmethod
    def make(self) -> Recommender:
        """Returns a new, unfitted model."""

    @abstractmethod
    def fitted(self, world: str) -> Recommender:
        """Returns a model fitted on a whole world."""

    def test_weights_change_what_is_learned_or_a_note_says_that_they_do_not(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """`uses_weights` determines which of the two; the note is an error if that is asked for."""
        split = no_holdout(_weighted(two_tastes(), _uneven))
        model = self._quick()
        caplog.set_level(logging.INFO, logger="tastemaker")
        if not model.uses_weights:
            assert "does not learn from weights" in self._quick().fit(split).name + caplog.text
            with pytest.raises(ConfigError, match="does not learn from weights"):
                model.fit(split, strict=True)
            return
        plain = self._quick().fit(no_holdout(two_tastes())).state()
        learned = model.fit(split, strict=True).state()
        assert any(not torch.equal(learned[name], plain[name]) for name in plain)
        assert "does not learn" not in caplog.text

    def test_weights_of_one_equal_no_weights(self) -> None:
        """Without weights, every interaction has the weight 1, in training and in a history."""
        plain = self._quick().fit(no_holdout(two_tastes()))
        learned = self._quick().fit(no_holdout(_weighted(two_tastes(), np.ones)))
        for name, tensor in plain.state().items():
            torch.testing.assert_close(learned.state()[name], tensor, rtol=1e-4, atol=1e-5)
        for users in (plain.users([3, 4]), plain.unseen_users([[1, 2, 30], [7]])):
            ones = replace(users, weights=np.ones(len(users.items), dtype=np.float32))
            assert_same_scores(plain.score(ones), plain.score(users))
            assert_same_scores(learned.score(ones), plain.score(users))

    def test_a_weight_of_zero_equals_absence(self) -> None:
        """A log with rows of weight 0 gives the model that the log without them gives."""
        data = _weighted(two_tastes(), _uneven)
        frame = data.to_frame()
        absent = pl.Series(np.arange(len(frame)) % 5 == 0)
        zero = frame.with_columns(pl.when(absent).then(0.0).otherwise("weight").alias("weight"))
        columns = Columns(user="user_id", item="item_id", time="timestamp", weight="weight")
        with_zeros, without = (
            Dataset.from_interactions(Interactions.from_frame(log, columns, "log"), data.catalog)
            for log in (zero, frame.filter(~absent))
        )
        states = [self._quick().fit(no_holdout(data)).state() for data in (with_zeros, without)]
        for name, tensor in states[0].items():
            assert torch.equal(states[1][name], tensor), name

    def test_an_item_with_heavier_interactions_rises(self) -> None:
        """Of two items that the same users touched, the one whose interactions weigh 20 times."""
        if not self.make().uses_weights or self.heavy_items_rise_for == "nobody":
            pytest.skip("this model does not score heavier items higher")
        first_user = 1 if self.heavy_items_rise_for == "others" else 0
        lead = []
        for heavy in TWINS:
            data = twins()
            weights = np.where(data.item_vocabulary.decode(data.items) == heavy, 20, 1)
            model = self.make().fit(no_holdout(replace(data, weights=weights.astype(np.float32))))
            scores = model.score(model.users(list(range(first_user, 60, 3))))
            standardized = scores / scores.std(dim=1, keepdim=True)
            first, second = (standardized[:, twin].mean() for twin in TWINS)
            lead.append(float(first - second))
        assert lead[0] > lead[1]

    def test_a_heavier_item_of_a_history_counts_more(self) -> None:
        """Of a history with an item of each taste, the heavier one decides."""
        if not self.personal:
            pytest.skip("this model does not distinguish tastes")
        model = self.fitted("two tastes")
        users = model.unseen_users([[3, 33], [3, 33]])
        users = replace(users, weights=np.array([20, 1, 1, 20], dtype=np.float32))
        scores = model.score(users)
        if not self.histories_have_weights:
            assert_same_scores(scores[:1], scores[1:])
            return
        low_minus_high = scores[:, :20].mean(dim=1) - scores[:, 20:].mean(dim=1)
        assert low_minus_high[0] > low_minus_high[1]

    def test_the_unit_of_weights_does_not_affect_a_network(self) -> None:
        """Weights that are all 1,000 times as large give about the same scores."""
        if not isinstance(self.make(), NetworkModel):
            pytest.skip("this model has no loss whose size depends on the weights")
        data = _weighted(two_tastes(), _uneven)
        weights = np.asarray(data.weights) * 1000
        scores = [
            model.score(UserBatch.known(model.dataset, np.arange(10)))
            for model in (
                self._quick().fit(no_holdout(each))
                for each in (data, replace(data, weights=weights))
            )
        ]
        assert scores[1].isfinite().all()
        torch.testing.assert_close(
            scores[1], scores[0], rtol=0.02, atol=0.02 * float(scores[0].std())
        )

    def _quick(self) -> Recommender:
        """Returns the model, with two epochs if it has epochs: enough to see a difference."""
        model = self.make()
        if "epochs" not in type(model.config).model_fields:
            return model
        return type(model)(model.config.model_copy(update={"epochs": 2}))


def twins() -> Dataset:
    """The world of two tastes with two more items, both touched by a third of all users.

    Each of these users touched both items, one after the other at a random place of the history,
    in turns in either order.
    """
    random, histories = np.random.default_rng(1), {}
    tastes = two_tastes()
    for user in range(tastes.n_users):
        history = tastes.history(user).tolist()
        if user % 3 == 0:
            place = int(random.integers(len(history)))
            history[place:place] = TWINS if user % 2 else TWINS[::-1]
        histories[user] = history
    return dataset_of(histories, "twins", lambda item: f"shelf {item // 20}")


def _uneven(n: int) -> np.ndarray:
    """Returns (n,) weights from 0.01 to 10."""
    return 10.0 ** (np.arange(n) % 4 - 2)


def _weighted(data: Dataset, weights: Callable[[int], np.ndarray]) -> Dataset:
    return replace(data, weights=weights(len(data)).astype(np.float32))
