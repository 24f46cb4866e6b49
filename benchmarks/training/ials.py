"""Epochs of iALS on the split of the NCF paper: Tastemaker's, and those of the package implicit."""

from collections.abc import Callable

import torch
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

import tastemaker as tm
from harness.contender import Order, Repetition, prepare_quietly, serve
from quality.splits import published
from tastemaker.models.matrices import interaction_matrix

EPOCHS = 5
ALPHA, REGULARIZATION = 5.0, 50.0


def training(order: Order) -> Repetition:
    """Whole epochs, in the way and of the dimension that the order names."""
    prepare_quietly(order)
    train = WAYS[order.options["way"]](published(order.folder), order)
    train(1)
    return lambda: {"seconds": train(EPOCHS), "work": EPOCHS}


def ours(split: tm.Split, order: Order) -> Callable[[int], float]:
    """Through the public fit, which also computes the loss of each epoch."""

    def train(epochs: int) -> float:
        model = tm.IALS(
            embedding_size=order.options["embedding_size"],
            alpha=ALPHA,
            regularization=REGULARIZATION,
            epochs=epochs,
            half_life_events=None,
        )
        return model.fit(split).log.elapsed_s

    return train


def implicit(split: tm.Split, order: Order) -> Callable[[int], float]:
    """With its defaults: three steps of conjugate gradients, no loss; without BLAS threads."""
    matrix = interaction_matrix(split.train)

    def train(epochs: int) -> float:
        model = AlternatingLeastSquares(
            factors=order.options["embedding_size"],
            alpha=1 + ALPHA,
            regularization=REGULARIZATION,
            iterations=epochs,
            num_threads=torch.get_num_threads(),
            random_state=0,
        )
        epoch_s: list[float] = []
        with threadpool_limits(1, "blas"):
            model.fit(
                matrix,
                show_progress=False,
                callback=lambda _epoch, seconds, *_: epoch_s.append(seconds),
            )
        return sum(epoch_s)

    return train


WAYS = {"ours": ours, "implicit": implicit}

if __name__ == "__main__":
    serve(training=training)
