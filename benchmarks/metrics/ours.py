"""Our metrics, through `evaluate` and the full ranking, of a model that gives the scores."""

import numpy as np
import polars as pl
import torch
from lists import N_ITEMS, N_USERS, K, Lists, measuring

import tastemaker as tm
from harness.contender import Order, Repetition, serve
from tastemaker.config import Config


class GivenScores(tm.Recommender):
    """A model with given scores."""

    name = "given"
    config_class = Config
    scores: torch.Tensor

    def _fit(self, split: tm.Split, run: tm.TrainingRun) -> None:
        """There is nothing to train."""

    def _score(self, users: tm.UserBatch) -> torch.Tensor:
        return self.scores[users.codes].clone()

    def state(self) -> dict[str, torch.Tensor]:
        """There is no state."""
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        """There is no state."""


def figures(order: Order) -> Repetition:
    """The six figures."""
    lists = Lists.drawn()
    users, items = lists.relevant.nonzero()
    # One more item, seen by every user, since only users with training interactions are evaluated.
    train = _interactions(np.arange(N_USERS), np.full(N_USERS, N_ITEMS))
    # Every item has a code, also one that is relevant to no user.
    candidates = pl.DataFrame(
        {"user_id": np.arange(N_USERS), "item_id": [range(N_ITEMS)] * N_USERS}
    )
    split = tm.predefined_split(train, _interactions(users, items), candidates=candidates)
    model = GivenScores()
    model.scores = torch.from_numpy(np.pad(lists.scores, ((0, 0), (0, 1))))
    model.fit(split)

    def evaluate() -> dict[str, float]:
        return tm.evaluate(model, split, tm.FullRanking(), k=K, baseline=False).metrics

    names = {metric.removesuffix(f"@{K}"): metric for metric in evaluate()}
    return measuring(evaluate, names)


def _interactions(users: np.ndarray, items: np.ndarray) -> tm.Interactions:
    return tm.read_interactions(pl.DataFrame({"user_id": users, "item_id": items}))


if __name__ == "__main__":
    serve(figures=figures)
