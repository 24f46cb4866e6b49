"""Blocks on all cores of a CPU, each from beginning to end on one."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Block = TypeVar("Block")
Result = TypeVar("Result")


def on_all_cores(
    work: Callable[[Block], Result],
    blocks: Sequence[Block],
    device: torch.device,
    on_done: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """Does the work on every block; PyTorch alone would split each step of a block.

    Then the cores wait for each other after every step: a little on an idle machine, many times
    as long as the work on a busy one. A GPU does one block after the other.

    Args:
        work: mostly PyTorch's, so that threads do not wait for Python.
        blocks: what to do it on.
        device: which does it.
        on_done: receives each result as soon as it is there, in the calling thread.

    Returns:
        The results in the order of the blocks.
    """
    cores = torch.get_num_threads()
    if device.type != "cpu" or min(cores, len(blocks)) == 1:
        return in_turn(work, blocks, on_done)
    with ThreadPoolExecutor(cores, "block", _by_itself) as pool:
        # The number is each thread's own, but new threads take after whoever set it last: after
        # this one, as soon as all of the pool have set theirs.
        together = Barrier(cores + 1, timeout=60)
        started = [pool.submit(together.wait) for _ in range(cores)]
        together.wait()
        torch.set_num_threads(cores)
        for each in started:
            each.result()
        try:
            return _collected(pool.map(work, blocks), on_done)
        except BaseException:
            # After Ctrl-C only the blocks under way are waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _by_itself() -> None:
    """Takes PyTorch's other threads away from this one."""
    torch.get_num_threads()  # else its first operation would set the number anew
    torch.set_num_threads(1)


def in_turn(
    work: Callable[[Block], Result],
    blocks: Sequence[Block],
    on_done: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """Does what `on_all_cores` does, one block after the other."""
    return _collected(map(work, blocks), on_done)


def _collected(results: Iterable[Result], on_done: Callable[[Result], object]) -> list[Result]:
    collected = []
    for result in results:
        collected.append(result)
        on_done(result)
    return collected
