"""The training settings that all trained models share."""

from typing import Literal

from pydantic import Field

from tastemaker.config import Config


class TrainingConfig(Config):
    """Settings of stochastic training; every model that has them uses the same names."""

    epochs: int = Field(5, ge=1)
    """Number of passes over all positives."""
    batch_size: int = Field(1024, ge=1)
    """Number of positives in a batch; their negatives are not counted."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """constant keeps the learning rate; linear lowers it linearly to 0 over all epochs, which gives
    a better result after the same number of epochs, but does not reach a given result sooner."""
    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty that Adam adds to every gradient."""
    lazy: bool = False
    """Whether a step leaves table rows that have no gradient, and their moments, unchanged. This is
    faster if there are many more users and items than in a batch, but it is not exactly Adam."""
    negatives: int = Field(4, ge=1)
    """Number of items drawn for each positive, again in each epoch, from those that the user has
    not touched."""
    patience: int | None = Field(None, ge=1)
    """Training stops when NDCG@10 on the validation part has not improved for this number of
    epochs; with none, it never stops early. Sequence models rank in the whole catalog for it, all
    others among 99 sampled items, whatever the protocol of the evaluation."""
    seed: int = Field(0, ge=0, lt=2**32)
    """On one machine, with the same number of threads, the same seed gives the same result, whether
    or not training is resumed."""
