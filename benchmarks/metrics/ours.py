"""Our metrics, through `evaluate` and the full ranking, of a model that gives the scores."""

import numpy as np
import polars as pl
import torch
from lists import N_ITEMS, N_USERS, K, Lists

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed
from tastemaker.config import Config


class Given(tm.Recommender):
    """Scores that were there before."""

    name = "given"
    config_class = Config
    scores: torch.Tensor

    def _fit(self, split: tm.Split, run: tm.TrainingRun) -> None:
        """Nothing is learned."""

    def _score(self, users: tm.UserBatch) -> torch.Tensor:
        return self.scores[users.codes].clone()

    def state(self) -> dict[str, torch.Tensor]:
        """Nothing is kept."""
        return {}

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        """Nothing is taken up."""


def figures(order: Order) -> Repetition:
    """The six figures."""
    lists = Lists.drawn()
    users, items = lists.relevant.nonzero()
    # One more item, which everybody has seen, since a model is asked only about whom it knows.
    train = _interactions(np.arange(N_USERS), np.full(N_USERS, N_ITEMS))
    # Every item has a code, also one that nobody finds relevant.
    candidates = pl.DataFrame(
        {"user_id": np.arange(N_USERS), "item_id": [range(N_ITEMS)] * N_USERS}
    )
    split = tm.predefined_split(train, _interactions(users, items), candidates=candidates)
    model = Given()
    model.scores = torch.from_numpy(np.pad(lists.scores, ((0, 0), (0, 1))))
    model.fit(split)

    def once() -> Answer:
        seconds, result = timed(
            lambda: tm.evaluate(model, split, tm.FullRanking(), k=K, baseline=False)
        )
        values = {name.removesuffix(f"@{K}"): value for name, value in result.metrics.items()}
        return {"seconds": seconds, "work": N_USERS, "figures": values}

    return once


def _interactions(users: np.ndarray, items: np.ndarray) -> tm.Interactions:
    return tm.read_interactions(pl.DataFrame({"user_id": users, "item_id": items}))


if __name__ == "__main__":
    serve(figures=figures)
