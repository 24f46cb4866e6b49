"""The weights of the objective of iALS: the confidences of pairs and the penalties of vectors."""

from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset

PENALTY = 0.06
"""The usual penalty of a vector, for each interaction that it has on average and each unit of the
confidence of such an interaction."""


@dataclass(frozen=True)
class Weighting:
    """The weights of one training data set.

    The confidence of a pair is 1 + α r if the user touched the item, where r is the weight of the
    interaction, and 1 otherwise. The penalty on the squared length of a vector is
    λ T^ν / mean(T^ν), where T is the sum of the confidences of all its pairs, and the mean is that
    of all users and items of the training data.
    """

    alpha: float
    """α."""
    scale: float
    """λ / mean(T^ν)."""
    exponent: float
    """ν."""
    mean_weight: float
    """Mean weight r of the interactions of the training data."""

    @classmethod
    def of(
        cls, train: Dataset, alpha: float | None, regularization: float | None, exponent: float
    ) -> "Weighting":
        """Computes the weights of a training data set.

        Args:
            train: the training data, in which no pair occurs twice.
            alpha: α; by default that of `usual_alpha`.
            regularization: λ; by default that of `usual_regularization`.
            exponent: ν.
        """
        if alpha is None:
            alpha = usual_alpha(train)
        if regularization is None:
            regularization = usual_regularization(train, alpha)
        mean = 1.0
        if exponent > 0:  # otherwise a run is opened without reading all interactions for it
            totals = np.concatenate(total_confidences(train, alpha))
            mean = float((totals**exponent).mean())
        return cls(alpha, regularization / mean, exponent, train.mean_weight)

    def extra(self, weights: np.ndarray) -> np.ndarray:
        """Returns the confidences above 1, (n,) float64, of interactions with weights (n,)."""
        return self.alpha * weights.astype(np.float64)

    def penalties(self, totals: np.ndarray) -> np.ndarray:
        """Returns the penalties, (n,), of vectors with these sums of confidences, (n,)."""
        return self.scale * totals**self.exponent


def usual_alpha(train: Dataset) -> float:
    """Returns the α with which a mean interaction counts 1 + 1 / √p, in data of density p.

    The density is the fraction of all pairs that are interactions.
    """
    density = len(train) / (train.n_users * train.n_items)
    return 1 / (density**0.5 * train.mean_weight)


def usual_regularization(train: Dataset, alpha: float) -> float:
    """Returns the λ that is proportional to the mean number of interactions of a user or an item.

    It is also proportional to the confidence of a mean interaction: PENALTY times both.
    """
    mean_count = 2 * len(train) / (train.n_users + train.n_items)
    return PENALTY * (1 + alpha * train.mean_weight) * mean_count


def total_confidences(train: Dataset, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sums of the confidences of users (n_users,) and items (n_items,), float64."""
    of_users = np.bincount(train.users, train.weights, train.n_users)
    of_items = np.bincount(train.items, train.weights, train.n_items)
    return train.n_items + alpha * of_users, train.n_users + alpha * of_items
