"""MLP of Cornac, which is NCF: the same network, on PyTorch."""

from itertools import islice

import torch
from cornac.data import Dataset
from cornac.models import MLP
from published import train_pairs
from sizes import BATCH_SIZE, EMBEDDING_SIZE, HIDDEN, LEARNING_RATE, NEGATIVES, SEED

from harness.contender import Answer, Order, Repetition, serve, timed


class FirstBatches(Dataset):
    """A data set whose epochs end after some batches."""

    batches: int

    def uir_iter(self, *arguments: object, **options: object) -> islice:
        """The batches of Dataset.uir_iter, up to a number."""
        return islice(super().uir_iter(*arguments, **options), self.batches)


def training(order: Order) -> Repetition:
    """The first batches of an epoch."""
    torch.set_num_threads(order.threads)
    pairs = train_pairs(order.folder)
    data = FirstBatches.from_uir(pairs.assign(weight=1.0).itertuples(index=False), seed=SEED)
    data.batches = 1
    _fit(data)
    data.batches = order.options["batches"]

    def once() -> Answer:
        seconds, _ = timed(lambda: _fit(data))
        return {"seconds": seconds, "work": data.batches * BATCH_SIZE * (1 + NEGATIVES)}

    return once


def _fit(data: Dataset) -> MLP:
    model = MLP(
        # Its first layer is the two embeddings side by side.
        layers=(2 * EMBEDDING_SIZE, *HIDDEN),
        num_epochs=1,
        batch_size=BATCH_SIZE,
        num_neg=NEGATIVES,
        lr=LEARNING_RATE,
        backend="pytorch",
        verbose=False,
        seed=SEED,
    )
    return model.fit(data)


if __name__ == "__main__":
    serve(training=training)
