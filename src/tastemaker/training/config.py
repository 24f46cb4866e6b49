"""What every trained model can be told about its training."""

from typing import Literal

from pydantic import Field

from tastemaker.config import Config


class TrainingConfig(Config):
    """Settings of stochastic training, with the same names in every model that has them."""

    epochs: int = Field(5, ge=1)
    """Passes over all positives."""
    batch_size: int = Field(1024, ge=1)
    """Positives in a batch; each brings its negatives along."""
    learning_rate: float = Field(1e-3, gt=0)
    """Step size of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """constant keeps the learning rate; linear lowers it to 0 in a straight line over all epochs,
    which gets further in as many epochs, but not sooner anywhere."""
    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty that Adam adds to every gradient."""
    lazy: bool = False
    """Let a step leave the rows of the tables without a gradient as they are, moments and all:
    faster where there are many more users and items than in a batch, but not Adam to the letter."""
    negatives: int = Field(4, ge=1)
    """Items drawn for each positive, anew each epoch, from those the user has not touched."""
    patience: int | None = Field(None, ge=1)
    """Stop when NDCG@10 on the validation part has not improved for so many epochs; none: never.
    Sequence models rank in the whole catalog for it, all others among 99 sampled items, whatever
    the protocol of the evaluation."""
    seed: int = Field(0, ge=0, lt=2**32)
    """One seed gives one result on one machine, resumed or not."""
