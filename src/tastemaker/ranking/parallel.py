"""Blocks on all cores of a CPU, each from beginning to end on one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Block = TypeVar("Block")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Block], Result], blocks: Sequence[Block], device: torch.device
) -> list[Result]:
    """Does the work on every block; PyTorch alone would split each step of a block.

    Then the cores wait for each other after every step: a little on an idle machine, many times
    as long as the work on a busy one. A GPU does one block after the other.

    Args:
        work: mostly PyTorch's, so that threads do not wait for Python.
        blocks: what to do it on.
        device: which does it.

    Returns:
        The results in the order of the blocks.
    """
    cores = torch.get_num_threads()
    if device.type != "cpu" or min(cores, len(blocks)) == 1:
        return [work(block) for block in blocks]
    try:
        with ThreadPoolExecutor(cores, "block", torch.set_num_threads, (1,)) as pool:
            return list(pool.map(work, blocks))
    finally:
        # The number is each thread's own, but new threads take after whoever set it last.
        torch.set_num_threads(cores)
