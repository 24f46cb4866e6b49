"""The processes that train one model together, through torch.distributed.

Every function also works in a process that trains alone, where it communicates with no other. All
processes of a group call the same functions in the same order; each call waits for the others.
"""

import torch
import torch.distributed as dist


def n_processes() -> int:
    """Returns the number of processes that train together; 1 if this process trains alone."""
    return dist.get_world_size() if _in_a_group() else 1


def process_rank() -> int:
    """Returns the number of this process, from 0."""
    return dist.get_rank() if _in_a_group() else 0


def own_part(n: int) -> slice:
    """Returns the range of n rows that belongs to this process.

    The ranges of all processes are contiguous, in the order of their ranks, cover all rows once,
    and differ in length by at most 1; some are empty if there are fewer rows than processes.
    """
    rank, count = process_rank(), n_processes()
    return slice(n * rank // count, n * (rank + 1) // count)


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the sum of the tensors of all processes, which have one shape; changes `tensor`."""
    if n_processes() > 1:
        dist.all_reduce(tensor)
    return tensor


def gathered(part: torch.Tensor) -> torch.Tensor:
    """Returns the rows of all processes one after another, in the order of their ranks.

    Args:
        part: (n, …) rows of this process. The number of rows may differ between processes and may
            be 0; the other dimensions are the same.
    """
    count = n_processes()
    if count == 1:
        return part
    lengths = part.new_zeros(count, dtype=torch.int64)
    lengths[process_rank()] = len(part)
    sizes = summed(lengths).tolist()
    # A process can only gather tensors of one shape.
    padded = part.new_zeros((max(sizes), *part.shape[1:]))
    padded[: len(part)] = part
    parts = [torch.empty_like(padded) for _ in range(count)]
    dist.all_gather(parts, padded)
    return torch.cat([rows[:size] for rows, size in zip(parts, sizes, strict=True)])


def _in_a_group() -> bool:
    return dist.is_available() and dist.is_initialized()
