"""Retrieval of the items whose keys have the largest inner products with a query."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from tastemaker.native.tops import best_by_products
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.parallel import on_all_cores
from tastemaker.ranking.topk import (
    TopItems,
    can_use_compiled_code,
    compiled_exclusion,
    plain_top_k,
    top_k_by_groups,
)
from tastemaker.representation import short_repr

USERS_AT_ONCE = 128
"""Users per block on a CPU: so few that their scores are still in its cache for the selection."""

SCORES_AT_ONCE = 1 << 24
"""Maximum number of scores in memory at a time (64 MiB)."""

SHORTLIST = 4
"""Length of the approximate shortlist, as a multiple of k; its items are scored exactly."""


class Index(Protocol):
    """Finds the best items for queries, either exactly or approximately and faster."""

    @property
    def keys(self) -> torch.Tensor:
        """(n_items, d) float32."""

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Returns the k best items that each user may get; fewer only if no more are available.

        Args:
            queries: (n_users, d) float32.
            k: maximum number of items per user.
            exclusion: the items that these users may not get.
        """


@dataclass(frozen=True, eq=False)
class ExactIndex:
    """Computes every inner product in float32, in blocks that stay in the cache for selection."""

    keys: torch.Tensor
    """(n_items, d) float32."""

    __repr__ = short_repr

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search`; gives exactly what `plain_top_k` gives for the same scores."""
        return _in_blocks(self.keys, queries, k, exclusion)


@dataclass(frozen=True, eq=False)
class BFloat16Index:
    """Selects a shortlist by products in bfloat16, and its best items by products in float32.

    It is for processors that multiply bfloat16 faster than float32: GPUs, and CPUs with AMX. The
    scores are exact; only the selection of the shortlist of 4k items is approximate. bfloat16 has 8
    significant bits, so one of the k best items is missed if rounding places more than 3k other
    items with nearly the same score before it.
    """

    keys: torch.Tensor
    """(n_items, d) float32."""

    __repr__ = short_repr

    @cached_property
    def _short_keys(self) -> torch.Tensor:
        return self.keys.bfloat16()

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search` approximately."""
        shortlist = _in_blocks(self._short_keys, queries.bfloat16(), SHORTLIST * k, exclusion)
        return best_of(shortlist.items, shortlist.scores > -torch.inf, self.keys, queries, k)


def best_of(
    candidates: torch.Tensor,
    allowed: torch.Tensor,
    keys: torch.Tensor,
    queries: torch.Tensor,
    k: int,
) -> TopItems:
    """Returns the k best of each user's candidates by their inner products in float32.

    Args:
        candidates: (n_users, c) int64 codes; those allowed are distinct within a row.
        allowed: (n_users, c) bool, false for candidates to ignore.
        keys: (n_items, d).
        queries: (n_users, d).
        k: maximum number of items per user.
    """
    candidates, order = candidates.sort(dim=1)
    scores = torch.einsum("nd,ncd->nc", queries, keys[candidates])
    top = plain_top_k(scores.masked_fill(~allowed.gather(1, order), -torch.inf), k)
    return top._replace(items=candidates.gather(1, top.items))


def _in_blocks(keys: torch.Tensor, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
    step = max(1, SCORES_AT_ONCE // len(keys))
    k = min(k, len(keys))

    def search_block(start: int) -> TopItems:
        block_queries = queries[start : start + step]
        block_exclusion = exclusion.part(start, start + step)
        if can_use_compiled_code(keys) and k:
            excluded = compiled_exclusion(block_exclusion, len(block_queries))
            return TopItems(*best_by_products(keys, block_queries, k, excluded))
        # One row per item makes the product and the maxima over neighbouring items faster.
        by_item = keys @ block_queries.T
        return top_k_by_groups(block_exclusion.apply(by_item.T), k)

    if keys.device.type == "cpu":
        step = min(step, USERS_AT_ONCE)
    starts = range(0, max(len(queries), 1), step)
    blocks = on_all_cores(search_block, starts, keys.device)
    if len(blocks) == 1:
        return blocks[0]
    return TopItems(*(torch.cat(columns) for columns in zip(*blocks, strict=True)))
