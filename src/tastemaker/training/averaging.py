"""An average of the weights over the last steps, which ranks better than the last weights alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

EMPHASIS = 8
"""η: the larger, the more the average depends on the latest steps only."""


class WeightAverage(nn.Module):
    """The polynomial-decay average of some parameters over the steps of their training.

    After step t, the average moves by a fraction (η + 1) / (t + η) towards the parameters. So it
    covers about the last ninth of all steps, however long the training takes. Ohad Shamir and Tong
    Zhang, 2013: Stochastic Gradient Descent for Non-smooth Optimization (ICML), section 3.
    """

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.values = nn.ParameterList(
            nn.Parameter(parameter.detach().clone(), requires_grad=False)
            for parameter in parameters
        )

    @torch.no_grad()
    def update(self, parameters: Iterable[torch.Tensor], step: int) -> None:
        """Takes the parameters after a step, counted from 1, into the average."""
        torch._foreach_lerp_(
            list(self.values), list(parameters), (EMPHASIS + 1) / (step + EMPHASIS)
        )

    @torch.no_grad()
    def copy_to(self, parameters: Iterable[torch.Tensor]) -> None:
        """Gives the parameters the values of the average."""
        for parameter, value in zip(parameters, self.values, strict=True):
            parameter.copy_(value)

    @contextmanager
    def in_place_of(self, parameters: Iterable[torch.Tensor]) -> Iterator[None]:
        """Gives the parameters the values of the average, and afterwards their own again."""
        parameters = list(parameters)
        own = WeightAverage(parameters)
        self.copy_to(parameters)
        try:
            yield
        finally:
            own.copy_to(parameters)
