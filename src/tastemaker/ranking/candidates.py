"""Held-out items among items that their user never touched: the sampled protocol's question."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Part, Split
from tastemaker.data.users import UserBatch
from tastemaker.sampling import UnseenItems, sample_by_weight
from tastemaker.shown import short_repr

Draw = Literal["uniform", "popularity"]

ENTRIES_AT_ONCE = 1 << 22
"""Candidates, or items that are drawn from, held in memory at a time (32 MiB)."""


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """One row a held-out interaction: the item in column 0, what it is ranked against behind."""

    users: np.ndarray
    """(n,) int64 codes, ascending."""
    items: np.ndarray
    """(n, 1 + m) int64 codes."""
    counts: np.ndarray
    """(n, m) bool: false where a user had fewer than m untouched items and the entry is filling."""

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.users)

    def parts(self, n: int) -> list["CandidateRows"]:
        """All rows, n a part and the rest in the last one."""
        parts = (slice(first, first + n) for first in range(0, len(self), n))
        return [CandidateRows(self.users[p], self.items[p], self.counts[p]) for p in parts]


def draw_candidates(
    split: Split, part: Part, n: int, seed: int, draw: Draw = "uniform"
) -> CandidateRows:
    """All of `candidate_blocks` in one, for a question that is asked again and again."""
    blocks = list(candidate_blocks(split, part, n, seed, draw))
    return CandidateRows(
        np.concatenate([rows.users for rows in blocks]),
        np.concatenate([rows.items for rows in blocks]),
        np.concatenate([rows.counts for rows in blocks]),
    )


def candidate_blocks(
    split: Split, part: Part, n: int, seed: int, draw: Draw = "uniform"
) -> Iterator[CandidateRows]:
    """Draws n different items for each user from the untouched ones, some users at a time.

    All of a user's held-out interactions are ranked against the same items, as in one list. What
    counts as touched is all that is known up to and including the part: for the test that is
    everything, for the validation part the test is still the future.

    Args:
        split: what was held out.
        part: of which part.
        n: how many for each user, or all there are.
        seed: one seed, one draw.
        draw: uniformly, or in proportion to how many users touched an item in training.

    Raises:
        SplitError: nothing was held out for the part.
    """
    targets = split.targets(part)
    touched = split.everything if part == "test" else split.known_before("test")
    sample = _sampler(split.train, touched, n, seed, draw)
    users, starts = np.unique(targets.users, return_index=True)
    indptr = np.append(starts, len(targets))
    width = n + 1 if draw == "uniform" else max(n + 1, touched.n_items)
    step = max(1, ENTRIES_AT_ONCE // width)
    cuts = np.unique(np.searchsorted(indptr, [*range(0, len(targets), step), len(targets)]))
    for first, last in itertools.pairwise(cuts):
        drawn, lengths = sample(users[first:last])
        owner = np.repeat(np.arange(last - first), np.diff(indptr[first : last + 1]))
        block = slice(indptr[first], indptr[last])
        items = np.concatenate([targets.items[block, None], drawn.numpy()[owner]], axis=1)
        counts = np.arange(n) < lengths.numpy()[owner, None]
        yield CandidateRows(targets.users[block], items, counts)


def _sampler(
    train: Dataset, touched: Dataset, n: int, seed: int, draw: Draw
) -> Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]:
    """From (b,) user codes to (b, n) items and (b,) how many of each row are real."""
    generator = torch.Generator().manual_seed(seed)
    if draw == "uniform":
        unseen = UnseenItems(touched)
        return lambda users: unseen.sample_distinct(torch.from_numpy(users), n, generator)
    weights = torch.from_numpy(train.item_counts)
    return lambda users: sample_by_weight(weights, UserBatch.known(touched, users), n, generator)
