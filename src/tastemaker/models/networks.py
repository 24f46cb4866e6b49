"""Networks made, or taken up again, without a trace in the caller's random state."""

from collections.abc import Callable
from typing import TypeVar

import torch

Network = TypeVar("Network", bound=torch.nn.Module)


def seeded(make: Callable[[], Network], seed: int, device: torch.device) -> Network:
    """A new network, with first weights that the seed decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(device)


def restored(
    make: Callable[[], Network], state: dict[str, torch.Tensor], device: torch.device
) -> Network:
    """A network with the weights of a state, which only answers from now on."""
    with torch.random.fork_rng(devices=[]):
        network = make()
    network.load_state_dict(state)
    return network.to(device).eval().requires_grad_(False)
