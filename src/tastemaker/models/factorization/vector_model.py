"""Base of the models with a trained vector for each user: losses, fold-in, scoring in blocks."""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from typing_extensions import override

from tastemaker import training
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization.featured import FeaturedEmbedding
from tastemaker.models.factorization.fold_in import FoldIn
from tastemaker.models.factorization.user_loss import CatalogLoss, SampledLoss, UserLoss
from tastemaker.models.factorization.user_vectors import rows_of, user_vectors
from tastemaker.models.feature_vectors import FeatureVectors
from tastemaker.models.network_model import NetworkModel
from tastemaker.models.validation import sampled_validation
from tastemaker.native.library import is_compiled
from tastemaker.training.batches import Batch, PairBatches, notes_on_users
from tastemaker.training.config import TrainingConfig
from tastemaker.training.epochs import Batches
from tastemaker.training.kernels.choice import kernel_for_pairs
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.kernels.pairs import (
    PairParts,
    Penalty,
    score_catalog,
    score_pairs,
    user_gradients,
)
from tastemaker.training.losses import (
    Loss,
    RowLoss,
    bce,
    bce_rows,
    bpr,
    bpr_rows,
    multinomial,
    sampled_softmax,
    sampled_softmax_rows,
)
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.run import TrainingRun
from tastemaker.training.user_batches import HistoryBatch, UserBatches

Table = nn.Embedding | FeaturedEmbedding
"""Vectors by code."""

LossName = Literal["bce", "bpr", "sampled_softmax", "softmax"]

PAIR_LOSSES: dict[str, tuple[Loss, RowLoss]] = {
    "bce": (bce, bce_rows),
    "bpr": (bpr, bpr_rows),
    "sampled_softmax": (sampled_softmax, sampled_softmax_rows),
}
"""Losses of a positive and its sampled negatives, by name; softmax samples no negatives."""

PAIRS_AT_ONCE = 1 << 14
"""Largest number of (user, item) pairs whose hidden layers are in memory at a time. Fewer would fit
a core's own cache, but threads would wait more often for Python's global interpreter lock."""


class VectorModelConfig(TrainingConfig):
    """Settings of all models with a trained vector for each user."""

    loss: LossName = "bce"
    """bce, bpr and sampled_softmax use sampled negatives; softmax uses the whole catalog."""
    batch_size: int = Field(1024, ge=1)
    """Positives in a batch, each with its negatives; users in a batch for the softmax loss."""
    regularization: float = Field(0.0, ge=0)
    """λ: the penalty on the squared length of the vectors, per interaction."""
    regularization_exponent: float = Field(1.0, ge=0, le=1)
    """ν: the penalty on a user or an item with n interactions is proportional to λ n^ν, as in
    Rendle et al. 2022: with 1, it grows with n; with 0, it is the same for all."""


class VectorNetwork(TrainableNetwork, ABC):
    """Scores items for user vectors."""

    users: Table
    items: Table

    user_penalties: torch.Tensor
    item_penalties: torch.Tensor

    def __init__(self, train: Dataset, config: VectorModelConfig) -> None:
        super().__init__()
        self._loss, self._regularization = config.loss, config.regularization
        for name, counts in (("user", train.user_counts), ("item", train.item_counts)):
            weights = penalty_weights(counts, config.regularization_exponent)
            self.register_buffer(f"{name}_penalties", weights, persistent=False)

    @abstractmethod
    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the scores of items (n, c) for user vectors (n, d): (n, c)."""

    @abstractmethod
    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        """Returns the scores of every item for user vectors (n, d): (n, n_items)."""

    def parts(self) -> PairParts | None:
        """Returns the parts of the network for a kernel, or None if no kernel can compute it."""
        return None

    def keys(self) -> torch.Tensor | None:
        """Returns (n_items, k) vectors whose inner products with `queries` are the scores.

        None if scores have no such form.
        """
        return None

    def queries(self, vectors: torch.Tensor) -> torch.Tensor:
        """Maps user vectors (n, d) to the vectors (n, k) that are multiplied by the `keys`."""
        return vectors

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the scores of items (n, c) for users (n,): (n, c)."""
        return self.score_vectors(self.users(users), items)

    def loss(self, batch: Batch | HistoryBatch) -> torch.Tensor:
        """Returns the loss of the config plus the penalty, each the mean over the interactions."""
        if isinstance(batch, HistoryBatch):
            return self._history_loss(batch)
        loss, _ = PAIR_LOSSES[self._loss]
        data_loss = loss(self(batch.users, batch.items), batch.weights)
        if self._regularization == 0:
            return data_loss
        positives = batch.items[:, 0]
        vectors = self.weighted(self.users(batch.users))
        user_penalty = self.user_penalties[batch.users] @ vectors.square().sum(dim=1)
        item_penalty = self.item_penalties[positives] @ self.item_lengths(positives)
        return data_loss + self._regularization * (user_penalty + item_penalty) / len(batch.users)

    def _history_loss(self, batch: HistoryBatch) -> torch.Tensor:
        vectors = self.users(batch.users)
        data_loss = multinomial(self.score_all(vectors), batch.histories).sum()
        user_penalties = self.user_penalties[batch.users] * batch.histories.sum(dim=1)
        item_penalties = self.item_penalties * batch.histories.sum(dim=0)
        user_penalty = user_penalties @ self.weighted(vectors).square().sum(dim=1)
        all_items = torch.arange(len(item_penalties), device=item_penalties.device)
        item_penalty = item_penalties @ self.item_lengths(all_items)
        penalty = self._regularization * (user_penalty + item_penalty)
        return (data_loss + penalty) / batch.histories.sum()

    def item_lengths(self, items: torch.Tensor) -> torch.Tensor:
        """Returns the squared lengths (n,) of the vectors of items (n,), which are penalised."""
        return self.items(items).square().sum(dim=1)

    def weighted(self, vectors: torch.Tensor) -> torch.Tensor:
        """Returns user vectors (n, d), multiplied by any weights of their product with the items'.

        These are penalised, since weights outside the penalty would grow and undo it.
        """
        return vectors


def penalty_weights(counts: np.ndarray, exponent: float) -> torch.Tensor:
    """Returns (n,) float32: how much each interaction of a user or an item counts in the penalty.

    The n interactions of a user or an item together count in proportion to n^ν. The mean over all
    interactions is 1.
    """
    weights = np.maximum(counts, 1.0) ** (exponent - 1)
    return torch.from_numpy((weights * counts.sum() / (weights * counts).sum()).astype(np.float32))


class VectorModel(NetworkModel[VectorNetwork]):
    """A model with a trained vector for each user; for a new history, it is computed by fold-in."""

    config: VectorModelConfig
    uses_weights = True
    trains_in_processes = True

    @override
    def _initialised(self, network: VectorNetwork, split: Split, run: TrainingRun) -> VectorNetwork:
        self._pretrain(network, split, run)
        return self._warm_started(network, split.train)

    def _pretrain(self, network: VectorNetwork, split: Split, run: TrainingRun) -> None:
        """Sets better initial weights of a new network; does nothing unless overridden."""

    @override
    def _train(
        self, network: VectorNetwork, split: Split, run: TrainingRun, device: torch.device
    ) -> None:
        config, self._network = self.config, network
        validate = sampled_validation(split, network, device)
        batches: Batches = self._batches(split.train, device)
        kernel, notes = None, tuple[str, ...]()
        if isinstance(batches, PairBatches):
            notes = notes_on_users(batches.n_left_out)
            kernel = self._kernel(device) if run.fused else None
            batches = batches.chunks() if kernel else batches
        self.log = training.fit(network, batches, config, validate, run, kernel)
        self.log.notes = (*notes, *self.log.notes)

    def _batches(self, train: Dataset, device: torch.device) -> PairBatches | UserBatches:
        config, size, seed = self.config, self.config.batch_size, self.config.seed
        if config.loss == "softmax":
            epochs = config.epochs
            return UserBatches(train, batch_size=size, epochs=epochs, seed=seed, device=device)
        negatives = config.negatives
        return PairBatches(train, batch_size=size, negatives=negatives, seed=seed, device=device)

    def _kernel(self, device: torch.device) -> Kernel | None:
        network, config = self._network, self.config
        if any(isinstance(module, FeatureVectors) for module in network.modules()):
            return None  # the number of features in a batch varies, which no kernel supports
        penalty = Penalty(config.regularization, network.user_penalties, network.item_penalties)
        return kernel_for_pairs(
            network.parts(), config.loss, penalty, config.batch_size, device, lazy=config.lazy,
            step=network.loss,
        )  # fmt: skip

    @property
    def scores_are_logits(self) -> bool:
        """True if the loss compares an item with others."""
        return self.config.loss in ("softmax", "sampled_softmax")

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, d) float32: the items' vectors."""
        return self._network.items.weight

    @property
    def item_keys(self) -> torch.Tensor | None:
        """(n_items, k) float32, biases included; None if scores are no inner products."""
        return self._keys

    @torch.no_grad()
    def _queries(self, users: UserBatch) -> torch.Tensor:
        return self._network.queries(self._vectors(users))

    @torch.no_grad()
    def _score(self, users: UserBatch) -> torch.Tensor:
        vectors = self._vectors(users)
        parts = self._compiled_parts()
        if parts is not None and self._keys is None:
            return score_catalog(parts, vectors)
        step = max(1, PAIRS_AT_ONCE // len(self._network.items.weight))
        return torch.cat([self._network.score_all(part) for part in vectors.split(step)])

    @torch.no_grad()
    def _score_candidates(self, users: UserBatch, items: torch.Tensor) -> torch.Tensor:
        vectors, parts = self._vectors(users), self._compiled_parts()
        if parts is not None:
            return score_pairs(parts, vectors, items)
        step = max(1, PAIRS_AT_ONCE // items.shape[1])
        blocks = zip(vectors.split(step), items.split(step), strict=True)
        return torch.cat([self._network.score_vectors(*block) for block in blocks])

    def _compiled_parts(self) -> PairParts | None:
        """Returns the network's parts for compiled code, or None if no such code supports them."""
        return self._network.parts() if self.device.type == "cpu" and is_compiled() else None

    @override
    def _finish(self, network: VectorNetwork, train: Dataset) -> None:
        super()._finish(network, train)
        self._keys = network.keys()
        table = network.users
        own = table.own.weight if isinstance(table, FeaturedEmbedding) else table.weight
        is_trained = torch.from_numpy(train.user_counts > 0).to(own.device)
        self._fold_in = FoldIn.of(self._user_loss(train), own, is_trained)
        if isinstance(table, FeaturedEmbedding):
            self._fold_in = replace(self._fold_in, features=table.features.of_batch)

    def _known_by_features(self, users: UserBatch) -> np.ndarray:
        table = self._network.users
        if isinstance(table, FeaturedEmbedding):
            return table.features.are_known(users)
        return super()._known_by_features(users)

    def _user_loss(self, train: Dataset) -> UserLoss:
        """Returns the loss of the config as a function of the users' vectors."""
        network, config, mean_weight = self._network, self.config, train.mean_weight
        if config.loss == "softmax":
            return CatalogLoss(network.score_all, train.n_items, mean_weight)
        _, rows = PAIR_LOSSES[config.loss]
        parts = self._compiled_parts()
        compiled = None if parts is None else partial(user_gradients, parts, config.loss)
        return SampledLoss(
            network.score_vectors, train.n_items, config.seed, rows, mean_weight, compiled
        )

    def _vectors(self, users: UserBatch) -> torch.Tensor:
        """Returns (n, d): trained vectors for unchanged histories, folded-in ones for others."""
        table = self._network.users
        if isinstance(table, FeaturedEmbedding):
            vectors = table.of_batch(users)
        else:
            vectors = rows_of(table.weight, users.codes)
        return user_vectors(users, vectors, self.dataset, self._fold_in)
