"""Processes blocks on all cores of a CPU, each block on a single core."""

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
    """Applies `work` to every block, each block in one thread.

    PyTorch by itself would split every operation across the cores, which then wait for each other
    after every operation: briefly on an idle machine, but for many times the duration of the work
    on a busy one. On a GPU, the blocks are processed one after the other.

    Args:
        work: a function that runs mostly in PyTorch, so that threads do not contend for the GIL.
        blocks: the arguments of `work`.
        device: the device that `work` runs on.
        on_done: receives each result in the calling thread, in the order of the blocks, as soon as
            it is available.

    Returns:
        The results in the order of the blocks.
    """
    cores = torch.get_num_threads()
    if device.type != "cpu" or min(cores, len(blocks)) == 1:
        return in_turn(work, blocks, on_done)
    with ThreadPoolExecutor(cores, "block", _use_one_thread) as pool:
        # PyTorch's number of threads is set per thread, but a new thread starts with the number set
        # last in any thread. Once all threads of the pool have set theirs to 1, this thread sets
        # its own number again, so that later threads start with it.
        barrier = Barrier(cores + 1, timeout=60)
        started = [pool.submit(barrier.wait) for _ in range(cores)]
        barrier.wait()
        torch.set_num_threads(cores)
        for each in started:
            each.result()
        try:
            return _collected(pool.map(work, blocks), on_done)
        except BaseException:
            # After Ctrl-C, wait only for the blocks that are being processed.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def even_step(n: int, most: int) -> int:
    """Returns how many of n rows go into a block, `most` or fewer, so that all cores have as much.

    Args:
        n: number of rows.
        most: maximum number of rows in a block.
    """
    cores = torch.get_num_threads()
    n_blocks = -(-n // (most * cores)) * cores
    return max(1, -(-n // max(1, n_blocks)))


def _use_one_thread() -> None:
    """Makes PyTorch use a single thread for operations of the calling thread."""
    torch.get_num_threads()  # without this call, the first operation would reset the number
    torch.set_num_threads(1)


def in_turn(
    work: Callable[[Block], Result],
    blocks: Sequence[Block],
    on_done: Callable[[Result], object] = lambda result: None,
) -> list[Result]:
    """Gives the same result as `on_all_cores`, one block after the other."""
    return _collected(map(work, blocks), on_done)


def _collected(results: Iterable[Result], on_done: Callable[[Result], object]) -> list[Result]:
    collected = []
    for result in results:
        collected.append(result)
        on_done(result)
    return collected
