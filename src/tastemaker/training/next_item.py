"""Losses of the next item: a query should score its target higher than the negatives."""

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.sampling import UnseenItems
from tastemaker.training.kernels.softmax import Precision, fused_softmax
from tastemaker.training.losses import IMPOSSIBLE, gbce, sampled_softmax
from tastemaker.training.sequence_batches import SequenceBatch

KnownLoss = Literal["softmax", "sampled_softmax", "in_batch", "gbce", "bce"]

NextItemLossName = Literal["auto", KnownLoss]

Vectors = Callable[[torch.Tensor | None], torch.Tensor]
"""Maps item codes (…,) to their vectors (…, d), and None to those of all items, (n_items, d)."""

LARGEST_SOFTMAX = 50_000
"""Number of items up to which `auto` selects the softmax over the whole catalog, which ranks best
but is too slow for more items."""


LOSSES_WITH: dict[str, tuple[KnownLoss, ...]] = {
    "precision": ("softmax",),
    "negatives": ("sampled_softmax", "gbce", "bce"),
    "negative_exponent": ("sampled_softmax",),
    "calibration": ("gbce",),
}
"""The settings that only some losses use, and these losses."""


class NextItemLoss(Protocol):
    """Draws the negatives of a batch, and computes the loss of the queries with them."""

    draws_unseen_items: bool = False
    """Whether a user's negatives are items that the user has not interacted with."""

    def draw(
        self, users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor | None:
        """Returns negatives for the targets (m,) of users (m,): (m, k), or (k,) for all, or None.

        If several processes train together, each draws for the targets of all of them.
        """

    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        """Returns the scalar loss of queries (m, d), whose targets are in the batch."""


def loss_for(name: NextItemLossName, n_items: int) -> KnownLoss:
    """Returns the loss with the given name; for auto, the one that suits the number of items."""
    if name != "auto":
        return name
    return "softmax" if n_items <= LARGEST_SOFTMAX else "sampled_softmax"


def next_item_loss(
    name: NextItemLossName,
    train: Dataset,
    negatives: int,
    exponent: float,
    calibration: float,
    device: torch.device,
    precision: Precision = "float32",
) -> NextItemLoss:
    """Returns the loss with the given name.

    Args:
        name: the loss; auto is softmax for up to LARGEST_SOFTMAX items, else sampled_softmax.
        train: the training data.
        negatives: number of negatives drawn, for each target or for the whole batch.
        exponent: 0 draws the negatives of sampled_softmax uniformly, 1 in proportion to popularity.
        calibration: t of gbce.
        device: the network's device.
        precision: of the matrix products in the softmax over the whole catalog.
    """
    match loss_for(name, train.n_items):
        case "softmax":
            return Softmax(precision)
        case "sampled_softmax":
            return SampledSoftmax(train, negatives, exponent, device)
        case "in_batch":
            return InBatchSoftmax(train, device)
        case "gbce":
            return GBCE(train, negatives, calibration, device)
        case "bce":
            return GBCE(train, negatives, 0.0, device)


class Softmax(NextItemLoss):
    """Uses every other item of the catalog as a negative."""

    def __init__(self, precision: Precision) -> None:
        self._precision = precision

    def draw(self, users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator) -> None:
        """Draws nothing."""

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        return fused_softmax(queries, vectors(None), batch.targets, batch.weights, self._precision)


class CorrectedSoftmax(NextItemLoss):
    """Softmax over a target and the negatives of its batch, corrected by log Q.

    Q is the probability with which an item is a negative. The correction makes the loss an estimate
    of the softmax over the catalog: Yoshua Bengio and Jean-Sébastien Senécal, 2008: Adaptive
    Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model (IEEE
    Transactions on Neural Networks).
    """

    log_q: torch.Tensor
    """(n_items,) float32."""

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        """All targets share the negatives (k,); one that is the target itself is masked."""
        targets, negatives = batch.targets, batch.negatives
        assert negatives is not None
        negative_scores = queries @ vectors(negatives).T - self.log_q[negatives]
        negative_scores = negative_scores.masked_fill(targets[:, None] == negatives, IMPOSSIBLE)
        target_scores = (queries * vectors(targets)).sum(dim=1) - self.log_q[targets]
        return sampled_softmax(
            torch.cat([target_scores[:, None], negative_scores], dim=1), batch.weights
        )


class SampledSoftmax(CorrectedSoftmax):
    """Draws negatives once for the whole batch and uses them for all of its targets.

    Shared negatives need only one matrix product. The probability of drawing an item is
    proportional to the number of its interactions to the power `exponent`. With an exponent of 0,
    the draw is uniform and the correction is a constant, which has no effect.
    """

    def __init__(
        self, train: Dataset, negatives: int, exponent: float, device: torch.device
    ) -> None:
        counts = torch.from_numpy(train.item_counts).to(device, torch.float32)
        weights = counts.clamp(min=1) ** exponent
        self._probabilities, self._negatives = weights / weights.sum(), negatives
        self.log_q = self._probabilities.log()

    def draw(
        self, users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Draws (negatives,) int64 codes."""
        return self._probabilities.multinomial(
            self._negatives, replacement=True, generator=generator
        )


class InBatchSoftmax(CorrectedSoftmax):
    """Uses the other targets of the batch as negatives, corrected by their frequency.

    Xinyang Yi et al., 2019: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
    Recommendations (RecSys), with the frequencies of the training data instead of estimated ones.
    """

    def __init__(self, train: Dataset, device: torch.device) -> None:
        counts = torch.from_numpy(train.item_counts).to(device, torch.float32)
        self.log_q = (counts.clamp(min=1) / counts.sum()).log()

    def draw(
        self, users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Returns the targets (m,), since the batch itself is the sample."""
        return targets


class GBCE(NextItemLoss):
    """Draws separate negatives for each target, from the items that its user has not touched.

    The loss is the generalised binary cross-entropy of Petrov and Macdonald 2023 (gSASRec, RecSys):
    the positive's probability is raised to the power β = α (t (1 - 1/α) + 1/α), where
    α = k / (n_items - 1) is the rate at which k negatives are sampled. With t = 0 it is the plain
    binary cross-entropy of the SASRec paper; with t = 1 it fully removes the overconfidence that
    few negatives cause.
    """

    draws_unseen_items = True

    def __init__(
        self, train: Dataset, negatives: int, calibration: float, device: torch.device
    ) -> None:
        self._unseen, self._negatives = UnseenItems(train, device), negatives
        rate = min(1.0, negatives / max(1, train.n_items - 1))
        self.power = rate * (calibration * (1 - 1 / rate) + 1 / rate)

    def draw(
        self, users: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Draws (m, negatives) int64 codes."""
        return self._unseen.sample(users, self._negatives, generator)

    @override
    def __call__(
        self, queries: torch.Tensor, vectors: Vectors, batch: SequenceBatch
    ) -> torch.Tensor:
        assert batch.negatives is not None
        items = torch.cat([batch.targets[:, None], batch.negatives], dim=1)
        # The vectors of the items times a query would take up to three times as long.
        scores = (queries[:, None] @ vectors(items).mT).squeeze(1)
        return gbce(scores, batch.weights, power=self.power)
