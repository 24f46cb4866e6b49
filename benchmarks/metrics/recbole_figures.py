"""The figures of RecBole."""

import numpy as np
import torch
from lists import K, Lists, measuring
from recbole.config import Config
from recbole.evaluator import Evaluator
from recbole.evaluator.collector import DataStruct

from harness.contender import Order, Repetition, serve

NAMES = {
    "hit_rate": "Hit",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "recall": "Recall",
    "precision": "Precision",
    "map": "MAP",
}


def figures(order: Order) -> Repetition:
    """The six figures, with as many digits as there are."""
    lists = Lists.drawn()
    # Reading its config brings back what it uses of an older NumPy.
    config = Config(
        model="BPR",
        dataset="lists",
        config_dict={
            "metrics": list(NAMES.values()),
            "topk": [K],
            "metric_decimal_place": 12,
            "state": "ERROR",
        },
    )
    evaluator = Evaluator(config)
    hits = np.take_along_axis(lists.relevant, lists.top, axis=1)
    counts = lists.relevant.sum(axis=1, keepdims=True)
    ranked = DataStruct()
    ranked.set("rec.topk", torch.from_numpy(np.hstack([hits, counts])))

    names = {name: f"{metric.lower()}@{K}" for name, metric in NAMES.items()}
    return measuring(lambda: evaluator.evaluate(ranked), names)


if __name__ == "__main__":
    serve(figures=figures)
