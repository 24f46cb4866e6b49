"""The choice of a training kernel by device."""

from collections.abc import Callable
from typing import Any

import torch

from tastemaker.native.library import is_compiled
from tastemaker.process_group import n_processes
from tastemaker.training.kernels import tiled_pairs
from tastemaker.training.kernels.graphed import GraphedSteps
from tastemaker.training.kernels.kernel import Kernel
from tastemaker.training.kernels.pairs import FusedPairs, PairParts, Penalty
from tastemaker.training.kernels.tiled_pairs import TiledPairs


def kernel_for_pairs(
    parts: PairParts | None,
    loss: str,
    penalty: Penalty,
    batch_size: int,
    device: torch.device,
    *,
    lazy: bool,
    step: Callable[[Any], torch.Tensor],
) -> Kernel | None:
    """Returns the fastest kernel that trains a network of pairs on a device.

    Args:
        parts: the parts of the network; None if it has another form than the kernels compute.
        loss: name of the loss, as in the config.
        penalty: of the vectors.
        batch_size: positives in a batch.
        device: where the network is.
        lazy: whether rows without a gradient are left as they are.
        step: the loss of the network on a batch, for a kernel that records it.

    Returns:
        None if the device has no such kernel, or if several processes train together: a kernel
        takes its steps without the gradients of the others.
    """
    if n_processes() > 1:
        return None
    if parts is not None and device.type == "cpu" and is_compiled():
        return FusedPairs(parts, loss, penalty, batch_size, lazy=lazy)
    if device.type != "cuda":
        return None
    if parts is not None and tiled_pairs.supports(parts):
        return TiledPairs(parts, loss, penalty, batch_size, lazy=lazy)
    return GraphedSteps(step, batch_size)
