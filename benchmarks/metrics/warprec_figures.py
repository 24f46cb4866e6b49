"""The figures of WarpRec."""

import torch
from lists import N_ITEMS, N_USERS, K, Lists, measuring
from scipy.sparse import csr_matrix
from warprec.evaluation import Evaluator

from harness.contender import Order, Repetition, serve

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

    return measuring(evaluate, NAMES, lambda per_user: float(per_user.double().mean()))


if __name__ == "__main__":
    serve(figures=figures)
