"""Weights of interactions relative to their mean, so that their unit does not affect training.

With play counts of 300 on average, the gradients of a loss would be 300 times as large as without
weights, and a learning rate or a penalty would have another effect. Every loss of a network
therefore uses weights with a mean of 1 over the training data.
"""

import numpy as np

from tastemaker.data.dataset import Dataset


def relative_weights(train: Dataset) -> np.ndarray | None:
    """Returns (n,) float32 weights of the training data, divided by their mean.

    None if the data have no weights; then every interaction has the weight 1.
    """
    if train.weights is None or train.mean_weight == 1:
        return train.weights
    return train.weights / np.float32(train.mean_weight)
