"""Candidates of the sampled protocol: a held-out item and items that its user never touched."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Part, Split
from tastemaker.data.users import UserBatch
from tastemaker.representation import short_repr
from tastemaker.sampling import UnseenItems, sample_by_weight

Draw = Literal["uniform", "popularity"]

ENTRIES_AT_ONCE = 1 << 22
"""Maximum number of candidates, or of items to draw from, in memory at a time (32 MiB)."""


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """One row per held-out interaction: its item in column 0, then the items to rank it against."""

    users: np.ndarray
    """(n,) int64 codes, ascending."""
    items: np.ndarray
    """(n, 1 + m) int64 codes."""
    counts: np.ndarray
    """(n, m) bool: false for padding, where a user has fewer than m untouched items."""

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.users)

    def parts(self, n: int) -> list["CandidateRows"]:
        """Splits the rows into parts of n rows; the last part may have fewer."""
        parts = (slice(first, first + n) for first in range(0, len(self), n))
        return [CandidateRows(self.users[p], self.items[p], self.counts[p]) for p in parts]


def draw_candidates(
    split: Split, part: Part, n: int, seed: int, draw: Draw = "uniform"
) -> CandidateRows:
    """Concatenates all of `candidate_blocks`, for candidates that are used repeatedly."""
    blocks = list(candidate_blocks(split, part, n, seed, draw))
    return CandidateRows(
        np.concatenate([rows.users for rows in blocks]),
        np.concatenate([rows.items for rows in blocks]),
        np.concatenate([rows.counts for rows in blocks]),
    )


def candidate_blocks(
    split: Split, part: Part, n: int, seed: int, draw: Draw = "uniform"
) -> Iterator[CandidateRows]:
    """Draws n distinct untouched items for each user, and yields them for some users at a time.

    All held-out interactions of a user are ranked against the same items. An item counts as touched
    if the user touched it in any part up to and including `part`: for "test" in the whole data, for
    "validation" in all but the test part, which lies in the future.

    Args:
        split: the split that holds the interactions out.
        part: the held-out part to draw candidates for.
        n: the number of items for each user; all untouched items where there are fewer.
        seed: the same seed gives the same draw.
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
    """Returns a function from (b,) user codes to (b, n) items and (b,) valid entries per row."""
    generator = torch.Generator().manual_seed(seed)
    if draw == "uniform":
        unseen = UnseenItems(touched)
        return lambda users: unseen.sample_distinct(torch.from_numpy(users), n, generator)
    weights = torch.from_numpy(train.item_counts)
    return lambda users: sample_by_weight(weights, UserBatch.known(touched, users), n, generator)
