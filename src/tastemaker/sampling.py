"""Negatives: items that a user has not touched, drawn on the device of the codes."""

from functools import cached_property

import numpy as np
import torch

from tastemaker.data.blocks import blocks
from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.native import negatives
from tastemaker.native.library import is_compiled

BITMAP_BUDGET_BYTES = 256 << 20
"""A bitmap of users x items is used up to this size; beyond it, sorted keys."""

ATTEMPTS = 5
"""After so many draws the few users who touched almost everything are served exactly."""

GOLDEN_GAMMA, MIX_1, MIX_2 = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""SplitMix64's constants, as signed numbers."""

NO_WEIGHT = 2.0**-64
"""Stands for a weight of 0, which leaves an item for when all that weigh anything are drawn."""


class UnseenItems:
    """For each user, the items that the user has not touched, drawn uniformly and exactly.

    Two ways to the same distribution. Within the memory budget a bitmap answers "touched?" in one
    look-up, and what was touched is drawn again. Without it, or where redrawing drags on, the r-th
    untouched item is found by its rank: with a user's touched items ascending as a_0 < a_1 < …,
    a_j - j untouched ones lie below a_j, so the r-th untouched item is r plus the number of j with
    a_j - j <= r, which is one binary search in keys of the size of the data.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device | str = "cpu",
        budget_bytes: int = BITMAP_BUDGET_BYTES,
    ) -> None:
        self.n_users, self.n_items = dataset.n_users, dataset.n_items
        self.device = torch.device(device)
        # In place and by the block: new memory costs more than what is done in it.
        keys = dataset.users.astype(np.int64)
        keys *= self.n_items
        keys += dataset.items
        keys.sort()
        self._dataset, self._budget_bytes = dataset, budget_bytes
        # Whoever draws may have taken PyTorch's threads away for a while.
        self._n_threads = torch.get_num_threads()
        for block in blocks(len(keys)):
            owners = dataset.users[block]
            nth = np.arange(block.start, block.start + len(owners)) - dataset.indptr[owners]
            # One more than n_items values are possible, so the stride is n_items + 1.
            keys[block] += owners - nth
        self._below_keys = torch.from_numpy(keys).to(self.device)
        self._indptr = torch.from_numpy(dataset.indptr.copy()).to(self.device)
        self.counts = torch.from_numpy(self.n_items - dataset.user_counts).to(self.device)
        """(n_users,) int64: how many items each user has not touched."""

    def sample(self, users: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draws n items for each user, independently, so that an item may come twice.

        One number of the generator is the key to all that are drawn, so that compiled code draws
        the same items, on any number of threads.

        Args:
            users: (b,) int64 codes of users who have not touched everything.
            n: how many for each.
            generator: on the device of the codes.

        Returns:
            (b, n) int64 item codes.
        """
        key = torch.randint(2**62, (), generator=generator, device=self.device)
        if self.device.type == "cpu" and is_compiled():
            threads = {"n_attempts": ATTEMPTS, "n_threads": self._n_threads}
            return negatives.draw(self._addresses(self._bits), users, n, int(key), **threads)
        return self._sample(users[:, None].expand(-1, n), key)

    def _sample(self, users: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """The plain form: one item for each cell of (b, n) users."""
        n_cells = users.numel()
        cells = torch.arange(n_cells, device=self.device).view_as(users)
        if self._bits is None:
            return self.by_rank(users, random_below(self.counts[users], key, cells))
        drawn = random_below(self.n_items, key, cells)
        again = self.touched(users, drawn).nonzero(as_tuple=True)
        for attempt in range(1, ATTEMPTS):
            if len(again[0]) == 0:
                return drawn
            redrawn = random_below(self.n_items, key, cells[again] + attempt * n_cells)
            drawn[again] = redrawn
            still = self.touched(users[again], redrawn)
            again = again[0][still], again[1][still]
        bounds = self.counts[users[again]]
        ranks = random_below(bounds, key, cells[again] + ATTEMPTS * n_cells)
        drawn[again] = self.by_rank(users[again], ranks)
        return drawn

    def sample_distinct(
        self, users: torch.Tensor, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draws up to n different items for each user; all of them where there are no more.

        Args:
            users: (b,) int64 codes.
            n: how many for each.
            generator: on the device of the codes.

        Returns:
            (b, n) int64 item codes and (b,) how many of each row are real; the rest is 0.
        """
        shape = (n, len(users))
        numbers = torch.randint(2**62, shape, generator=generator, device=self.device)
        if self.device.type == "cpu" and is_compiled():
            return negatives.distinct(self._addresses(None), users, numbers, self._n_threads)
        return self._sample_distinct(users, numbers)

    def _sample_distinct(
        self, users: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The plain form: Floyd's algorithm (Bentley and Floyd 1987), a step for all users."""
        n = len(numbers)
        available = self.counts[users]
        lengths = available.clamp(max=n)
        ranks = torch.full_like(numbers, -1)
        for step in range(n):
            highest = available - lengths + step
            # The remainder favours small numbers by one part in 2^62 / bound: far below notice.
            drawn = numbers[step] % (highest + 1)
            taken = (ranks[:step] == drawn).any(dim=0)
            ranks[step] = torch.where(taken, highest, drawn)
        real = torch.arange(n, device=self.device) < lengths[:, None]
        items = self.by_rank(users[:, None].expand(-1, n), ranks.T.masked_fill(~real, 0))
        return items.masked_fill(~real, 0), lengths

    def touched(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Whether each user touched each item; the shapes broadcast.

        Raises:
            ConfigError: the bitmap did not fit its budget; sampling does not need it.
        """
        if self._bits is None:
            raise ConfigError(f"the bitmap needs {self._bitmap_bytes:,} bytes, over its budget")
        cell = users * self.n_items + items
        # Indexing by [] takes three times as long.
        of_cell = self._bits.index_select(0, (cell >> 3).flatten()).view_as(cell)
        return (of_cell >> (cell & 7).to(torch.uint8)) & 1 != 0

    def by_rank(self, users: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
        """The ranks-th (from 0) untouched item of each user, in the order of the codes."""
        key = users * (self.n_items + 1) + ranks
        passed = torch.searchsorted(self._below_keys, key.contiguous(), right=True)
        return ranks + passed - self._indptr[users]

    def _addresses(self, bits: torch.Tensor | None) -> negatives.Unseen:
        tables = self._below_keys.data_ptr(), self._indptr.data_ptr()
        return negatives.Unseen(None if bits is None else bits.data_ptr(), *tables, self.n_items)

    @cached_property
    def _bits(self) -> torch.Tensor | None:
        """The bitmap, made when it is first needed; None where it is over the budget."""
        if self._bitmap_bytes > self._budget_bytes:
            return None
        bits = np.zeros(self._bitmap_bytes, dtype=np.uint8)
        users, items = self._dataset.users, self._dataset.items
        for block in blocks(len(users)):
            cells = users[block].astype(np.int64) * self.n_items + items[block]
            np.bitwise_or.at(bits, cells >> 3, np.uint8(1) << (cells & 7).astype(np.uint8))
        return torch.from_numpy(bits).to(self.device)

    @property
    def _bitmap_bytes(self) -> int:
        return self.n_users * self.n_items // 8 + 1


def random_below(
    bounds: torch.Tensor | int, key: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Uniform whole numbers from 0 to below each bound, by their places in a random sequence.

    SplitMix64 (Steele, Lea and Flood 2014), of which any number can be had without those before it.

    Args:
        bounds: of the numbers; int64, below 2^31.
        key: () int64; begins the sequence.
        places: int64, 0 or more.

    Returns:
        int64, of the places' shape.
    """
    bits = key + (places + 1) * GOLDEN_GAMMA
    bits = (bits ^ _shifted(bits, 30)) * MIX_1
    bits = (bits ^ _shifted(bits, 27)) * MIX_2
    bits = bits ^ _shifted(bits, 31)
    # The uppermost 62 bits times the bound, by 2^62: no device lacks the numbers for it.
    high, low = _shifted(bits, 33), _shifted(bits, 2) & (2**31 - 1)
    return (high * bounds + (low * bounds >> 31)) >> 31


def _shifted(bits: torch.Tensor, n: int) -> torch.Tensor:
    """To the right, with zeros coming in and not the sign."""
    return (bits >> n) & (2 ** (64 - n) - 1)


def sample_by_weight(
    weights: torch.Tensor, users: UserBatch, n: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws up to n different untouched items for each user, one after another by weight.

    Each draw takes one of the items left with a probability proportional to its weight; items
    without weight come last, uniformly. All draws at once: the n smallest of E / w, with E
    exponential, come in just that order (Efraimidis and Spirakis 2006). Time and memory are those
    of scoring every item for every user.

    Args:
        weights: (n_items,) 0 or more, as how often each item was touched.
        users: b of them, each with every item once that may not be drawn.
        n: how many for each.
        generator: on the device of the weights.

    Returns:
        (b, n) int64 item codes and (b,) how many of each row are real; the rest is 0.
    """
    n_items, device = len(weights), weights.device
    shape = (len(users), n_items)
    # Of float32 numbers, the few that an unpopular item can win with are too coarse.
    uniform = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
    arrival = uniform.neg_().log1p_().neg_().float().div_(weights.clamp(min=NO_WEIGHT))
    rows, touched = torch.from_numpy(users.rows), torch.from_numpy(users.items)
    arrival[rows.to(device), touched.to(device)] = torch.inf
    first = arrival.topk(min(n, n_items), dim=1, largest=False).indices
    lengths = torch.from_numpy(n_items - users.lengths).to(device).clamp(max=n)
    items = torch.nn.functional.pad(first, (0, n - first.shape[1]))
    return items.masked_fill(torch.arange(n, device=device) >= lengths[:, None], 0), lengths
