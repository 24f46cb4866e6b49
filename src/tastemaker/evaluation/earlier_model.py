"""Evaluation of an earlier model on later data, beside a model that was trained on them."""

from typing import Any

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import known_features
from tastemaker.data.fresh import earlier_codes
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import UnsupportedError
from tastemaker.evaluation.evaluate import from_ranks
from tastemaker.evaluation.protocols import FullRanking
from tastemaker.evaluation.results import Evaluation
from tastemaker.models.recommender import Recommender


def evaluate_earlier(model: Recommender, split: Split, k: int = 10) -> Evaluation:
    """Full ranking of a later split's test part by a model that was trained before.

    The model gets the same histories (with the weights and kinds of their events) and features of
    users as a model of the split would, those after its own training included. Items that came
    later rank last.

    Args:
        model: fitted on earlier data of the same log.
        split: of the later data.
        k: length of list that is evaluated.
    """
    protocol = FullRanking()
    ranks = protocol.ranks(_WithLaterCodes(model, split.train), split, "test")
    return from_ranks(model.name, split, "test", protocol.describe(split.train.rules), ranks, [k])


class _WithLaterCodes:
    """An earlier model whose users and items have the codes of later data; a `Scorer`."""

    item_keys: torch.Tensor | None = None
    device = torch.device("cpu")

    def __init__(self, model: Recommender, later: Dataset) -> None:
        self.name, self.dataset = model.name, later
        self._model, earlier = model, model.dataset
        self._earlier_table = earlier.user_table
        self._user_codes = earlier_codes(earlier.user_vocabulary, later.user_vocabulary)
        self._item_codes = earlier_codes(earlier.item_vocabulary, later.item_vocabulary)
        self._kind_codes = _earlier_kinds(earlier, later)

    def is_cold(self, users: UserBatch) -> np.ndarray:
        """Implements `Scorer.is_cold`."""
        return self._model.is_cold(self._with_earlier_codes(users))

    def queries(self, users: UserBatch) -> torch.Tensor:
        """Raises UnsupportedError: there are no keys."""
        raise UnsupportedError(f"{self.name}: items added later have no keys")

    def score(self, users: UserBatch) -> torch.Tensor:
        """Implements `Scorer.score`; -inf for an item that came later."""
        scores = self._model.score(self._with_earlier_codes(users)).cpu()
        all_scores = torch.full((len(users), len(self._item_codes)), -torch.inf)
        known_items = np.flatnonzero(self._item_codes != UNKNOWN)
        earlier_items = self._item_codes[known_items]
        all_scores[:, torch.from_numpy(known_items)] = scores[:, torch.from_numpy(earlier_items)]
        return all_scores

    def score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        """Implements `Scorer.score_candidates`."""
        return self.score(users).gather(1, items)

    def _with_earlier_codes(self, users: UserBatch) -> UserBatch:
        """The users in the model's own codes, without the items that came later."""
        items = self._item_codes[users.items]
        known = items != UNKNOWN
        lengths = np.bincount(users.rows[known], minlength=len(users))
        return UserBatch(
            np.where(users.codes == UNKNOWN, UNKNOWN, self._user_codes[users.codes.clip(min=0)]),
            items[known],
            np.concatenate([[0], np.cumsum(lengths)]),
            None if users.timestamps is None else users.timestamps[known],
            None if users.weights is None else users.weights[known],
            None if users.kinds is None else self._kind_codes[users.kinds[known]],
            features=self._features(users),
        )

    def _features(self, users: UserBatch) -> list[dict[str, Any]] | None:
        """The features of each user that the earlier data have too, with their later values."""
        earlier, later = self._earlier_table, self.dataset.user_table
        if earlier is None or later is None:
            return None
        rows = later.frame[users.codes.clip(min=0)].iter_rows(named=True)
        pairs = zip(rows, users.codes, strict=True)
        return [{} if code == UNKNOWN else known_features(earlier, row) for row, code in pairs]


def _earlier_kinds(earlier: Dataset, later: Dataset) -> np.ndarray:
    """Returns (n_kinds,) int8: the earlier code of each kind of the later data; UNKNOWN if new."""
    earlier_kinds, later_kinds = earlier.rules.kinds, later.rules.kinds
    codes = {} if earlier_kinds is None else {n: i for i, n in enumerate(earlier_kinds.names)}
    names = () if later_kinds is None else later_kinds.names
    return np.array([codes.get(name, UNKNOWN) for name in names], dtype=np.int8)
