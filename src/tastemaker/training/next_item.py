"""Losses of the next item: what a query should score highest, and what it is told apart from."""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.sampling import UnseenItems
from tastemaker.training.kernels.softmax import fused_softmax
from tastemaker.training.losses import IMPOSSIBLE, gbce, sampled_softmax
from tastemaker.training.sequence_batches import SequenceBatch

NextItemLossName = Literal["auto", "softmax", "sampled_softmax", "in_batch", "gbce", "bce"]

Vectors = Callable[[torch.Tensor | None], torch.Tensor]
"""(…,) item codes to their vectors (…, d); None to those of the whole catalog, (n_items, d)."""

LARGEST_SOFTMAX = 50_000
"""Items up to which the softmax over the whole catalog is worth its time; it ranks best."""


class NextItemLoss(Protocol):
    """Draws the negatives of a batch and judges the queries by them."""

    def draw(self, users: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
        """Negatives for the targets of users (m,): (m, k), or (k,) for all together, or None."""

    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        """The scalar loss of queries (m, d) whose targets the batch holds."""


def next_item_loss(
    name: NextItemLossName,
    train: Dataset,
    negatives: int,
    exponent: float,
    calibration: float,
    device: torch.device,
) -> NextItemLoss:
    """The loss of that name.

    Args:
        name: which.
        train: the training data.
        negatives: how many are drawn, for each target or for the whole batch.
        exponent: 0 to draw those of sampled_softmax uniformly, 1 by popularity.
        calibration: t of gbce.
        device: of the network.
    """
    if name == "auto":
        name = "softmax" if train.n_items <= LARGEST_SOFTMAX else "sampled_softmax"
    match name:
        case "softmax":
            return Softmax()
        case "sampled_softmax":
            return SampledSoftmax(train, negatives, exponent, device)
        case "in_batch":
            return InBatchSoftmax(train, device)
        case "gbce":
            return GBCE(train, negatives, calibration, device)
        case "bce":
            return GBCE(train, negatives, 0.0, device)


class Softmax(NextItemLoss):
    """Every other item of the catalog is a negative."""

    def draw(self, users: torch.Tensor, generator: torch.Generator) -> None:
        """Nothing to draw."""

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        return fused_softmax(queries, vectors(None), batch.targets, batch.weights)


class SampledSoftmax(NextItemLoss):
    """The same items, drawn for the whole batch, are the negatives of all its targets.

    Shared, they cost one product of matrices. An item is drawn in proportion to its interactions to
    the power `exponent`, and its score is corrected by log Q, Q being that proportion, so that the
    loss stays an estimate of the softmax over the catalog: Yoshua Bengio and Jean-Sébastien
    Senécal, 2008: Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic
    Language Model (IEEE Transactions on Neural Networks). With an exponent of 0 the draw is uniform
    and the correction one constant, which changes nothing.
    """

    def __init__(
        self, train: Dataset, negatives: int, exponent: float, device: torch.device
    ) -> None:
        counts = torch.from_numpy(train.item_counts).to(device, torch.float32)
        weights = counts.clamp(min=1) ** exponent
        self._chances, self._negatives = weights / weights.sum(), negatives
        self._log_q = self._chances.log()

    def draw(self, users: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(negatives,) int64 codes."""
        return self._chances.multinomial(self._negatives, replacement=True, generator=generator)

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        assert batch.negatives is not None
        return _softmax_beside(queries, vectors, batch, batch.negatives, self._log_q)


class InBatchSoftmax(NextItemLoss):
    """The other targets of the batch are the negatives, corrected by log Q of how often they come.

    Xinyang Yi et al., 2019: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
    Recommendations (RecSys), with the frequencies of the training data instead of estimated ones.
    """

    def __init__(self, train: Dataset, device: torch.device) -> None:
        counts = torch.from_numpy(train.item_counts).to(device, torch.float32)
        self._log_q = (counts.clamp(min=1) / counts.sum()).log()

    def draw(self, users: torch.Tensor, generator: torch.Generator) -> None:
        """Nothing to draw: the batch itself is the sample."""

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        return _softmax_beside(queries, vectors, batch, batch.targets, self._log_q)


class GBCE(NextItemLoss):
    """Each target has its own negatives, of which its user has touched none.

    The generalised binary cross-entropy of Petrov and Macdonald 2023 (gSASRec, RecSys): the
    positive's probability to the power β = α (t (1 - 1/α) + 1/α), where α = k / (n_items - 1) is
    the rate at which k negatives are drawn. With t = 0 it is the plain binary cross-entropy of the
    SASRec paper; with t = 1 the overconfidence that comes of few negatives is fully undone.
    """

    def __init__(
        self, train: Dataset, negatives: int, calibration: float, device: torch.device
    ) -> None:
        self._unseen, self._negatives = UnseenItems(train, device), negatives
        rate = min(1.0, negatives / max(1, train.n_items - 1))
        self.power = rate * (calibration * (1 - 1 / rate) + 1 / rate)

    def draw(self, users: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(m, negatives) int64 codes."""
        return self._unseen.sample(users, self._negatives, generator)

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        assert batch.negatives is not None
        items = torch.cat([batch.targets[:, None], batch.negatives], dim=1)
        scores = (vectors(items) @ queries[:, :, None]).squeeze(2)
        return gbce(scores, batch.weights, power=self.power)


def _softmax_beside(
    queries: torch.Tensor,
    vectors: Vectors,
    batch: SequenceBatch,
    negatives: torch.Tensor,
    log_q: torch.Tensor,
) -> torch.Tensor:
    """-log softmax of each target among items (k,), the target itself left out of these.

    Args:
        queries: (m, d).
        vectors: gives those of items.
        batch: what the queries' targets are.
        negatives: (k,) int64 codes.
        log_q: (n_items,) logarithm of how likely each is drawn, which its score is corrected by.
    """
    targets = batch.targets
    others = queries @ vectors(negatives).T - log_q[negatives]
    others = others.masked_fill(targets[:, None] == negatives, IMPOSSIBLE)
    own = (queries * vectors(targets)).sum(dim=1) - log_q[targets]
    return sampled_softmax(torch.cat([own[:, None], others], dim=1), batch.weights)
