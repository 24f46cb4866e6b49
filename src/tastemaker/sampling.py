"""Draws negatives: items that a user has not touched, on the device of the codes."""

from functools import cached_property

import numpy as np
import torch

from tastemaker.data.blocks import blocks, in_threads, user_blocks
from tastemaker.data.dataset import Dataset
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError
from tastemaker.native import negatives
from tastemaker.native.library import is_compiled

BITMAP_BUDGET_BYTES = 256 << 20
"""Maximum size of the bitmap of users x items; beyond it, only the sorted keys are used."""

LONG_HISTORIES = 32
"""Mean number of items of a user from which the bitmap may be of BITMAP_BUDGET_BYTES."""

CACHE_BYTES = 1 << 20
"""Maximum size of the bitmap for shorter histories, about that of a core's cache: a binary search
in few keys takes less time than a look-up in memory."""

ATTEMPTS = 5
"""Maximum number of draws by rejection; after them, the remaining few (mostly of users who touched
almost every item) are drawn by rank."""

GOLDEN_GAMMA, MIX_1, MIX_2 = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""The constants of SplitMix64, as signed numbers."""

NO_WEIGHT = 2.0**-64
"""Replaces a weight of 0, so that the item is drawn only after all items with a weight."""


class UnseenItems:
    """Draws items that a user has not touched, exactly uniformly.

    There are two methods, which give the same distribution. If a bitmap fits the budget, one
    look-up in it shows whether an item was touched, and touched items are drawn again. Without the
    bitmap, or after too many attempts, the r-th untouched item is found by its rank: if a user's
    touched items are a_0 < a_1 < …, then a_j - j untouched items lie below a_j, so the r-th
    untouched item is r plus the number of j with a_j - j <= r. This takes one binary search in keys
    of the size of the data.
    """

    def __init__(
        self,
        dataset: Dataset,
        device: torch.device | str = "cpu",
        budget_bytes: int | None = None,
    ) -> None:
        """Sorts what was touched.

        Args:
            dataset: what the users touched.
            device: the device of the codes.
            budget_bytes: maximum size of the bitmap; BITMAP_BUDGET_BYTES by default if the users
                have touched LONG_HISTORIES items on average, else CACHE_BYTES.
        """
        dataset = dataset.pairs
        if budget_bytes is None:
            is_long = len(dataset.users) >= LONG_HISTORIES * dataset.n_users
            budget_bytes = BITMAP_BUDGET_BYTES if is_long else CACHE_BYTES
        self.n_users, self.n_items = dataset.n_users, dataset.n_items
        self.device = torch.device(device)
        keys = np.empty(len(dataset.users), dtype=np.int64)
        # Read before the threads start, each of which would compute the cached property.
        indptr = dataset.indptr

        def fill(block: slice) -> None:
            # In place, since allocating memory takes longer than the computation.
            block_keys, users = keys[block], dataset.users[block]
            np.multiply(users, self.n_items, out=block_keys, dtype=np.int64)
            block_keys += dataset.items[block]
            block_keys.sort()
            # Changes the stride from n_items to n_items + 1, and a_j to a_j - j.
            block_keys += users
            block_keys += indptr[users]
            block_keys -= np.arange(block.start, block.stop)

        in_threads(fill, user_blocks(dataset.users), len(keys))
        self._dataset, self._budget_bytes = dataset, budget_bytes
        self._below_keys = torch.from_numpy(keys).to(self.device)
        self._indptr = torch.from_numpy(indptr.copy()).to(self.device)
        self.counts = torch.from_numpy(self.n_items - dataset.user_counts).to(self.device)
        """(n_users,) int64 number of items that each user has not touched."""

    def sample(self, users: torch.Tensor, n: int, generator: torch.Generator) -> torch.Tensor:
        """Draws n items for each user, independently, so an item may be drawn more than once.

        One number from the generator is the key of all draws, so that compiled code draws the same
        items, with any number of threads.

        Args:
            users: (b,) int64 codes of users who have not touched every item.
            n: number of items for each user.
            generator: on the device of the codes.

        Returns:
            (b, n) int64 item codes.
        """
        key = torch.randint(2**62, (), generator=generator, device=self.device)
        if self.device.type == "cpu" and is_compiled():
            return negatives.draw(
                self._addresses(self._bits), users, n, int(key), n_attempts=ATTEMPTS
            )
        return self._sample(users[:, None].expand(-1, n), key)

    def _sample(self, users: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """The plain form of `sample`: draws one item for each cell of (b, n) users."""
        n_cells = users.numel()
        cells = torch.arange(n_cells, device=self.device).view_as(users)
        if self._bits is None:
            return self.by_rank(users, random_below(self.counts[users], key, cells))
        drawn = random_below(self.n_items, key, cells)
        rejected = self.touched(users, drawn).nonzero(as_tuple=True)
        for attempt in range(1, ATTEMPTS):
            if len(rejected[0]) == 0:
                return drawn
            redrawn = random_below(self.n_items, key, cells[rejected] + attempt * n_cells)
            drawn[rejected] = redrawn
            still_rejected = self.touched(users[rejected], redrawn)
            rejected = rejected[0][still_rejected], rejected[1][still_rejected]
        bounds = self.counts[users[rejected]]
        ranks = random_below(bounds, key, cells[rejected] + ATTEMPTS * n_cells)
        drawn[rejected] = self.by_rank(users[rejected], ranks)
        return drawn

    def sample_distinct(
        self, users: torch.Tensor, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draws n distinct items for each user, or all untouched items where there are fewer.

        Args:
            users: (b,) int64 codes.
            n: number of items for each user.
            generator: on the device of the codes.

        Returns:
            (b, n) int64 item codes and (b,) number of valid entries per row; the rest are 0.
        """
        shape = (n, len(users))
        numbers = torch.randint(2**62, shape, generator=generator, device=self.device)
        if self.device.type == "cpu" and is_compiled():
            return negatives.distinct(self._addresses(None), users, numbers)
        return self._sample_distinct(users, numbers)

    def _sample_distinct(
        self, users: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The plain form of `sample_distinct`: Floyd's algorithm, each step for all users at once.

        Jon Bentley and Robert Floyd, 1987.
        """
        n = len(numbers)
        available = self.counts[users]
        lengths = available.clamp(max=n)
        ranks = torch.full_like(numbers, -1)
        for step in range(n):
            highest = available - lengths + step
            # The remainder favours small numbers by one part in 2^62 / bound, which is negligible.
            drawn = numbers[step] % (highest + 1)
            taken = (ranks[:step] == drawn).any(dim=0)
            ranks[step] = torch.where(taken, highest, drawn)
        is_valid = torch.arange(n, device=self.device) < lengths[:, None]
        items = self.by_rank(users[:, None].expand(-1, n), ranks.T.masked_fill(~is_valid, 0))
        return items.masked_fill(~is_valid, 0), lengths

    def touched(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns whether each user touched each item; the shapes broadcast.

        Raises:
            ConfigError: the bitmap does not fit its budget. Sampling works without it.
        """
        if self._bits is None:
            raise ConfigError(
                f"the bitmap needs {self._bitmap_bytes:,} bytes, which is more than its budget"
            )
        cell = users * self.n_items + items
        # Indexing with [] takes three times as long as index_select.
        cell_bytes = self._bits.index_select(0, (cell >> 3).flatten()).view_as(cell)
        return (cell_bytes >> (cell & 7).to(torch.uint8)) & 1 != 0

    def by_rank(self, users: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
        """Returns the untouched item of the given rank, from 0 in the order of codes, per user."""
        key = users * (self.n_items + 1) + ranks
        n_touched_below = torch.searchsorted(self._below_keys, key.contiguous(), right=True)
        return ranks + n_touched_below - self._indptr[users]

    def _addresses(self, bits: torch.Tensor | None) -> negatives.Unseen:
        tables = self._below_keys.data_ptr(), self._indptr.data_ptr()
        return negatives.Unseen(None if bits is None else bits.data_ptr(), *tables, self.n_items)

    @cached_property
    def _bits(self) -> torch.Tensor | None:
        """The bitmap, built when it is first needed; None if it is over the budget."""
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
    bounds: torch.Tensor | int, key: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Returns uniform integers from 0 to below each bound, by positions in a random sequence.

    The sequence is SplitMix64 (Steele, Lea and Flood 2014), of which any number can be computed
    without the ones before it.

    Args:
        bounds: exclusive upper bounds; int64, below 2^31.
        key: () int64, the start of the sequence.
        positions: int64 positions in the sequence, 0 or more.

    Returns:
        int64, in the shape of `positions`.
    """
    bits = key + (positions + 1) * GOLDEN_GAMMA
    bits = (bits ^ _shifted(bits, 30)) * MIX_1
    bits = (bits ^ _shifted(bits, 27)) * MIX_2
    bits = bits ^ _shifted(bits, 31)
    # The upper 62 bits times the bound, divided by 2^62; in int64, which every device supports.
    high, low = _shifted(bits, 33), _shifted(bits, 2) & (2**31 - 1)
    return (high * bounds + (low * bounds >> 31)) >> 31


def _shifted(bits: torch.Tensor, n: int) -> torch.Tensor:
    """Shifts right and fills with zeros, not with the sign bit."""
    return (bits >> n) & (2 ** (64 - n) - 1)


def sample_by_weight(
    weights: torch.Tensor, users: UserBatch, n: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws up to n distinct untouched items for each user, one after another by weight.

    Each draw takes one of the remaining items with a probability proportional to its weight; items
    without weight come last, uniformly. All draws are made at once: the n smallest values of E / w,
    with E exponentially distributed, have exactly that order (Efraimidis and Spirakis 2006). Time
    and memory are those of scoring every item for every user.

    Args:
        weights: (n_items,) 0 or more, for example how often each item was touched.
        users: b users; their histories hold the items that may not be drawn, each once per user.
        n: number of items for each user.
        generator: on the device of the weights.

    Returns:
        (b, n) int64 item codes and (b,) number of valid entries per row; the rest are 0.
    """
    n_items, device = len(weights), weights.device
    shape = (len(users), n_items)
    # In float64, since float32 is too coarse for the tiny values with which an unpopular item wins.
    uniform = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
    arrival = uniform.neg_().log1p_().neg_().float().div_(weights.clamp(min=NO_WEIGHT))
    rows, touched = torch.from_numpy(users.rows), torch.from_numpy(users.items)
    arrival[rows.to(device), touched.to(device)] = torch.inf
    first = arrival.topk(min(n, n_items), dim=1, largest=False).indices
    lengths = torch.from_numpy(n_items - users.lengths).to(device).clamp(max=n)
    items = torch.nn.functional.pad(first, (0, n - first.shape[1]))
    return items.masked_fill(torch.arange(n, device=device) >= lengths[:, None], 0), lengths
