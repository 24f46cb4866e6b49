"""The learning rate over the course of training."""

from tastemaker.training.config import TrainingConfig


def learning_rate_at(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """Returns the learning rate of a step, counted from 0 over all epochs."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (1 - step / (config.epochs * steps_per_epoch))
