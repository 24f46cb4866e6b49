"""Creates, restores and warm-starts networks without changing the caller's random state."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import FeatureEncoder
from tastemaker.data.vocabulary import UNKNOWN, Vocabulary
from tastemaker.models.feature_vectors import FeatureVectors
from tastemaker.training.noise import Noise

Network = TypeVar("Network", bound=torch.nn.Module)

USER_TABLES, ITEM_TABLES = ("users",), ("items", "biases")
"""Names of the tables of a network that have a row for each user or item."""


def seeded(make: Callable[[], Network], seed: int, device: torch.device) -> Network:
    """Creates a network whose initial weights depend only on the seed."""
    with Noise(seed, torch.device("cpu")).as_global_state():
        return make().to(device)


def restored(
    make: Callable[[], Network], state: dict[str, torch.Tensor], device: torch.device
) -> Network:
    """Creates a network with the weights of a state, in evaluation mode and without gradients."""
    with Noise(0, torch.device("cpu")).as_global_state():
        network = make()
    network.load_state_dict(state)
    return network.to(device).eval().requires_grad_(False)


@torch.no_grad()
def warm_started(
    network: Network,
    train: Dataset,
    state: dict[str, torch.Tensor],
    earlier_data: Dataset,
    encoders: Sequence[tuple[FeatureEncoder, FeatureEncoder]] = (),
) -> Network:
    """Copies into a network the weights of a model of the same kind, trained on earlier data.

    In a table with a row for each user or item (USER_TABLES, ITEM_TABLES), the rows of users and
    items present in both data sets are copied, even if their codes differ, and likewise the vectors
    of values of features. Other rows, and weights of another shape, keep their initial values.

    Args:
        network: a new network, which is changed in place.
        train: the data that the network will be trained on.
        state: the weights of the earlier model.
        earlier_data: the data that the earlier model was trained on.
        encoders: the encoders of features of the network, each with the corresponding one of the
            earlier model.

    Returns:
        The network.
    """
    values_in_both = _values_in_both(network, encoders)
    users = _codes_in_both(train.user_vocabulary, earlier_data.user_vocabulary)
    items = _codes_in_both(train.item_vocabulary, earlier_data.item_vocabulary)
    for name, values in network.state_dict().items():
        earlier_values = state.get(name)
        if earlier_values is None or earlier_values.shape[1:] != values.shape[1:]:
            continue
        if name in values_in_both:
            new_codes, earlier_codes = map(torch.from_numpy, values_in_both[name])
            values[new_codes] = earlier_values[earlier_codes].to(values.device)
            continue
        table = name.removesuffix(".weight").removesuffix(".own")
        if table in USER_TABLES + ITEM_TABLES:
            rows = users if table in USER_TABLES else items
            new_rows, earlier_rows = map(torch.from_numpy, rows)
            values[new_rows] = earlier_values[earlier_rows].to(values.device)
        elif values.shape == earlier_values.shape:
            values.copy_(earlier_values)
    return network


def _values_in_both(
    network: torch.nn.Module, encoders: Sequence[tuple[FeatureEncoder, FeatureEncoder]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns the rows to copy of each weight of features, new and earlier ones, by its name."""
    rows = {}
    for name, module in network.named_modules():
        if not isinstance(module, FeatureVectors):
            continue
        earlier = next((old for new, old in encoders if new is module.encoder), None)
        nothing = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        both = nothing if earlier is None else module.encoder.codes_in_both(earlier)
        rows[f"{name}.table.weight"] = both
        if earlier is None or earlier.kinds != module.encoder.kinds:
            rows[f"{name}.dense.weight"] = nothing
    return rows


def _codes_in_both(new: Vocabulary, earlier: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Returns the codes of the ids in both vocabularies, first in `new`, then in `earlier`."""
    ids = earlier.ids if earlier.is_text == new.is_text else earlier.ids.cast(new.ids.dtype)
    codes = new.find(ids)
    in_new = np.flatnonzero(codes != UNKNOWN)
    return codes[in_new].astype(np.int64), in_new
