"""The part of a batch that a process trains on, if several processes train one network together.

Every process makes the same batches from the same seed, and takes its own part of each. The parts
of all processes are the whole batch, so that the number of processes does not change the result.
"""

import numpy as np

from tastemaker.process_group import own_part


def own_batch_part(sizes: np.ndarray) -> tuple[slice, float]:
    """Returns the examples of a batch that this process trains on, and their part of its loss.

    A process without an example of its own gets the first example, with a part of 0: it takes part
    in the exchange of gradients without changing them.

    Args:
        sizes: (n,) how much each example counts in the mean that is the loss of the batch.

    Returns:
        The range of the examples, and a number from 0 to 1; all examples and 1.0 if this process
        trains alone.
    """
    part = own_part(len(sizes))
    if part.start == part.stop:
        return slice(0, 1), 0.0
    return part, float(sizes[part].sum() / sizes.sum())
