"""Held-out items among items that their user never touched: the sampled protocol's question."""

from dataclasses import dataclass

import numpy as np
import torch

from tastemaker.data.splitting import Part, Split
from tastemaker.sampling import UnseenItems


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """One row a held-out interaction: the item in column 0, what it is ranked against behind."""

    users: np.ndarray
    """(n,) int64 codes, ascending."""
    items: np.ndarray
    """(n, 1 + m) int64 codes."""
    counts: np.ndarray
    """(n, m) bool: false where a user had fewer than m untouched items and the entry is filling."""


def draw_candidates(split: Split, part: Part, n: int, seed: int) -> CandidateRows:
    """Draws n different items for each user, uniformly from the untouched ones.

    All of a user's held-out interactions are ranked against the same items, as in one list. What
    counts as touched is all that is known up to and including the part: for the test that is
    everything, for the validation part the test is still the future.

    Raises:
        SplitError: nothing was held out for the part.
    """
    targets = split.targets(part)
    touched = split.everything if part == "test" else split.known_before("test")
    generator = torch.Generator().manual_seed(seed)
    users, owner = np.unique(targets.users, return_inverse=True)
    drawn, lengths = UnseenItems(touched).sample_distinct(torch.from_numpy(users), n, generator)
    items = np.concatenate([targets.items[:, None], drawn.numpy()[owner]], axis=1)
    return CandidateRows(targets.users, items, np.arange(n) < lengths.numpy()[owner, None])
