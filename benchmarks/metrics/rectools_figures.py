"""The figures of RecTools."""

import numpy as np
import pandas as pd
from lists import N_USERS, K, Lists, measuring
from rectools import Columns
from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

from harness.contender import Order, Repetition, serve

METRICS = {
    "hit_rate": HitRate(k=K),
    "ndcg": NDCG(k=K, divide_by_achievable=True),
    "mrr": MRR(k=K),
    "recall": Recall(k=K),
    "precision": Precision(k=K),
    "map": MAP(k=K),
}


def figures(order: Order) -> Repetition:
    """The six figures."""
    lists = Lists.drawn()
    users, items = lists.relevant.nonzero()
    relevant = pd.DataFrame({Columns.User: users, Columns.Item: items})
    ranked = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(N_USERS), K),
            Columns.Item: lists.top.ravel(),
            Columns.Rank: np.tile(np.arange(1, K + 1), N_USERS),
        }
    )

    return measuring(
        lambda: calc_metrics(METRICS, reco=ranked, interactions=relevant), {m: m for m in METRICS}
    )


if __name__ == "__main__":
    serve(figures=figures)
