"""Creates, restores and warm-starts networks without changing the caller's random state."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.training.noise import Noise

Network = TypeVar("Network", bound=torch.nn.Module)


def seeded(make: Callable[[], Network], seed: int, device: torch.device) -> Network:
    """Creates a network whose initial weights depend only on the seed."""
    with Noise(seed, torch.device("cpu")).lent():
        return make().to(device)


def restored(
    make: Callable[[], Network], state: dict[str, torch.Tensor], device: torch.device
) -> Network:
    """Creates a network with the weights of a state, in evaluation mode and without gradients."""
    with Noise(0, torch.device("cpu")).lent():
        network = make()
    network.load_state_dict(state)
    return network.to(device).eval().requires_grad_(False)


@torch.no_grad()
def warm_started(
    network: Network, train: Dataset, state: dict[str, torch.Tensor], before: Dataset
) -> Network:
    """Copies into a network the weights of a model of the same kind, trained on earlier data.

    In a table with a row for each user or item, the rows of users and items present in both data
    sets are copied, even if their codes differ. Other rows, and weights of another shape, keep
    their initial values.

    Args:
        network: a new network, which is changed in place.
        train: the data that the network will be trained on.
        state: the weights of the earlier model.
        before: the data that the earlier model was trained on.

    Returns:
        The network.
    """
    users = _same(train.user_vocabulary, before.user_vocabulary)
    items = _same(train.item_vocabulary, before.item_vocabulary)
    for name, own in network.state_dict().items():
        earlier = state.get(name)
        if earlier is None or earlier.shape[1:] != own.shape[1:]:
            continue
        rows = users if name.startswith("users") else items
        here, there = (torch.from_numpy(each).to(own.device) for each in rows)
        sizes = (
            (train.n_users, before.n_users) if rows is users else (train.n_items, before.n_items)
        )
        if own.ndim and (len(own), len(earlier)) == sizes:
            own[here] = earlier[there.to(earlier.device)].to(own.device)
        elif own.shape == earlier.shape:
            own.copy_(earlier)
    return network


def _same(now: Vocabulary, before: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Returns the codes of the ids in both vocabularies, first in `now`, then in `before`."""
    ids = before.ids if before.is_text == now.is_text else before.ids.cast(now.ids.dtype)
    codes = now.find(ids)
    there = np.flatnonzero(codes != UNKNOWN)
    return codes[there].astype(np.int64), there
