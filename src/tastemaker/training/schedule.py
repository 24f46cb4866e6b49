"""How the step size goes over a training."""

from tastemaker.training.config import TrainingConfig


def step_size(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """The size of a step, counted from 0 over all epochs."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (1 - step / (config.epochs * steps_per_epoch))
