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
    covers about the last ninth of all steps, however long the training takes. The parameters must
    stay the same tensors. Ohad Shamir and Tong Zhang, 2013: Stochastic Gradient Descent for
    Non-smooth Optimization (ICML), section 3.
    """

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        """Begins with the values that the parameters have now."""
        super().__init__()
        # Lists, since it takes longer to collect the tensors of a module than to average them.
        self._averaged = list(parameters)
        self._averages: list[torch.Tensor] = [
            nn.Parameter(parameter.detach().clone(), requires_grad=False)
            for parameter in self._averaged
        ]
        self.values = nn.ParameterList(self._averages)

    @staticmethod
    def fraction(step: int) -> float:
        """Returns how far the average moves after a step, counted from 1."""
        return (EMPHASIS + 1) / (step + EMPHASIS)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes the parameters after a step, counted from 1, into the average."""
        torch._foreach_lerp_(self._averages, self._averaged, self.fraction(step))

    def of(self, parameters: Iterable[torch.Tensor]) -> list[torch.Tensor]:
        """Returns the averages of some of the parameters."""
        averages = dict(zip(map(id, self._averaged), self._averages, strict=True))
        return [averages[id(parameter)] for parameter in parameters]

    @torch.no_grad()
    def copy_to_parameters(self) -> None:
        """Gives the parameters the values of the average."""
        torch._foreach_copy_(self._averaged, self._averages)

    @contextmanager
    def in_place_of_parameters(self) -> Iterator[None]:
        """Gives the parameters the values of the average, and afterwards their own again."""
        own = [parameter.detach().clone() for parameter in self._averaged]
        self.copy_to_parameters()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._averaged, own)
