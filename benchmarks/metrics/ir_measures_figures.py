"""The figures of ir-measures, which are those of trec_eval."""

import ir_measures
from ir_measures import AP, RR, P, R, Success, nDCG
from lists import K, Lists, measuring

from harness.contender import Order, Repetition, serve

MEASURES = {
    "hit_rate": Success @ K,
    "ndcg": nDCG @ K,
    "mrr": RR @ K,
    "recall": R @ K,
    "precision": P @ K,
    "map": AP @ K,
}


def figures(order: Order) -> Repetition:
    """The six figures."""
    lists = Lists.drawn()
    judged = {
        str(user): {str(item): 1 for item in row.nonzero()[0]}
        for user, row in enumerate(lists.relevant)
    }
    ranked = {
        str(user): {str(item): float(scores[item]) for item in top}
        for user, (scores, top) in enumerate(zip(lists.scores, lists.top, strict=True))
    }

    measures = list(MEASURES.values())
    return measuring(lambda: ir_measures.calc_aggregate(measures, judged, ranked), MEASURES)


if __name__ == "__main__":
    serve(figures=figures)
