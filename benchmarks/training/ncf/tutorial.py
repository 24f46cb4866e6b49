"""NCF as the widely read tutorial writes it: lists of samples made anew each epoch, one at a time.

Its network, loss, optimiser and batches, with Lightning's Trainer and a DataLoader over a Dataset
whose every item is one sample.
"""

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import LightningModule, Trainer
from published import train_pairs
from sizes import EMBEDDING_SIZE, NEGATIVES
from torch import nn
from torch.utils.data import DataLoader, Dataset

from harness.contender import (
    QUIET_TRAINER,
    Answer,
    Order,
    Repetition,
    prepare_quietly,
    serve,
    timed,
)

BATCH_SIZE = 512
"""Samples."""


class Samples(Dataset):
    """Each positive followed by its negatives, drawn one by one."""

    def __init__(self, positives: list[tuple[int, int]], known: set, items: np.ndarray) -> None:
        users, chosen, labels = [], [], []
        for user, item in positives:
            users.append(user)
            chosen.append(item)
            labels.append(1)
            for _ in range(NEGATIVES):
                negative = np.random.choice(items)  # noqa: NPY002, as the tutorial draws
                while (user, negative) in known:
                    negative = np.random.choice(items)  # noqa: NPY002
                users.append(user)
                chosen.append(negative)
                labels.append(0)
        self.users, self.items = torch.tensor(users), torch.tensor(chosen)
        self.labels = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.users[row], self.items[row], self.labels[row]


class Tutorial(LightningModule):
    """Two embeddings, two layers, a sigmoid."""

    def __init__(self, pairs: pd.DataFrame, fraction: float) -> None:
        super().__init__()
        self.user_embedding = nn.Embedding(int(pairs["user_id"].max()) + 1, EMBEDDING_SIZE)
        self.item_embedding = nn.Embedding(int(pairs["item_id"].max()) + 1, EMBEDDING_SIZE)
        self.fc1 = nn.Linear(2 * EMBEDDING_SIZE, 64)
        self.fc2 = nn.Linear(64, 32)
        self.output = nn.Linear(32, 1)
        self.known = set(zip(pairs["user_id"], pairs["item_id"], strict=True))
        self.all_items = pairs["item_id"].unique()
        self.positives = list(self.known)[: round(fraction * len(self.known))]

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Probabilities: (n, 1)."""
        vectors = torch.cat([self.user_embedding(users), self.item_embedding(items)], dim=-1)
        vectors = nn.ReLU()(self.fc1(vectors))
        vectors = nn.ReLU()(self.fc2(vectors))
        return nn.Sigmoid()(self.output(vectors))

    def training_step(self, batch: tuple[torch.Tensor, ...], _: int) -> torch.Tensor:
        """Binary cross-entropy."""
        users, items, labels = batch
        return nn.BCELoss()(self(users, items), labels.view(-1, 1).float())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with its usual step."""
        return torch.optim.Adam(self.parameters())

    def train_dataloader(self) -> DataLoader:
        """Made before every epoch."""
        return DataLoader(
            Samples(self.positives, self.known, self.all_items), batch_size=BATCH_SIZE
        )


def training(order: Order) -> Repetition:
    """One epoch of a fraction of the positives: drawing their samples and training on them."""
    prepare_quietly(order)
    network = Tutorial(train_pairs(order.folder), order.options["share"])

    def once() -> Answer:
        seconds, _ = timed(lambda: _trainer().fit(network))
        return {"seconds": seconds, "work": len(network.positives) * (1 + NEGATIVES)}

    return once


def _trainer() -> Trainer:
    return Trainer(reload_dataloaders_every_n_epochs=1, **QUIET_TRAINER)


if __name__ == "__main__":
    serve(training=training)
