"""Names and titles of the metrics. The name of a measured value is `name@k`, such as `ndcg@10`."""

MAIN_METRIC = "ndcg@10"
"""The metric that decides where no other is chosen."""

TITLES = {
    "hit_rate": "Hit rate",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "map": "MAP",
    "recall": "Recall",
    "precision": "Precision",
    "coverage": "Coverage",
    "novelty": "Novelty",
    "diversity": "Diversity",
    "embedding_diversity": "Embedding diversity",
    "gini": "Gini",
    "miscalibration": "Miscalibration",
    "average_popularity": "Average popularity",
    "long_tail_fraction": "Long tail",
    "long_tail_lift": "Long-tail lift",
}
"""Titles of metrics in a sentence or a table. A metric without a title is shown by its name."""

REDUNDANT_WITH_ONE_TARGET = {"recall": "hit_rate", "map": "mrr", "precision": "recall"}
"""Metrics, and others that carry the same information if every user has one held-out item."""


def title(name: str) -> str:
    """Returns the title of a measured value, such as NDCG@10 for `ndcg@10`."""
    base, separator, k = name.partition("@")
    return TITLES.get(base, base.replace("_", " ").capitalize()) + separator + k
