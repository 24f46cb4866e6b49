"""The figures of WarpRec."""

import torch
from lists import N_ITEMS, N_USERS, K, Lists
from scipy.sparse import csr_matrix
from warprec.evaluation import Evaluator

from harness.contender import Answer, Order, Repetition, serve, timed

NAMES = {
    "hit_rate": "HitRate",
    "ndcg": "nDCG",
    "mrr": "MRR",
    "recall": "Recall",
    "precision": "Precision",
    "map": "MAP",
}


def figures(order: Order) -> Repetition:
    """The six figures, by the step that its evaluation loop takes for each batch of users."""
    lists = Lists.drawn()
    evaluator = Evaluator(list(NAMES.values()), [K], csr_matrix((N_USERS, N_ITEMS)))
    scores = torch.from_numpy(lists.scores)
    relevant = torch.from_numpy(lists.relevant).float()

    def evaluate() -> dict[str, torch.Tensor]:
        evaluator.reset_metrics()
        evaluator._compute_metrics_step(scores.clone(), relevant, torch.arange(N_USERS), None)
        return evaluator.compute_results()[K]

    def once() -> Answer:
        seconds, found = timed(evaluate)
        values = {name: float(found[theirs].double().mean()) for name, theirs in NAMES.items()}
        return {"seconds": seconds, "work": N_USERS, "figures": values}

    return once


if __name__ == "__main__":
    serve(figures=figures)
