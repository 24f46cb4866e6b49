"""Retrieval: the items whose keys have the largest inner products with a query."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from tastemaker.native.tops import best_by_products
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.parallel import on_all_cores
from tastemaker.ranking.topk import (
    TopItems,
    excluded,
    in_compiled_code,
    plain_top_k,
    top_k_by_groups,
)
from tastemaker.shown import short_repr

USERS_AT_ONCE = 128
"""On a CPU: so few that their scores are still in its cache when the best are selected."""

SCORES_AT_ONCE = 1 << 24
"""Scores in memory at a time (64 MiB)."""

SHORTLIST = 4
"""So many times k items are scored exactly after a rough choice."""


class Index(Protocol):
    """Finds the best items for queries; exactly, or nearly so and sooner."""

    @property
    def keys(self) -> torch.Tensor:
        """(n_items, d) float32."""

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """The k best items that each user may get; fewer only where there are no more.

        Args:
            queries: (n_users, d) float32.
            k: at most so many.
            exclusion: what these users may not get.
        """


@dataclass(frozen=True, eq=False)
class ExactIndex:
    """Every inner product in float32, block by block: product and selection in the cache."""

    keys: torch.Tensor
    """(n_items, d) float32."""

    __repr__ = short_repr

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search`: exactly what `plain_top_k` gives for the same scores."""
        return _in_blocks(self.keys, queries, k, exclusion)


@dataclass(frozen=True, eq=False)
class BFloat16Index:
    """A shortlist by products in bfloat16, the best of it by products in float32.

    For processors that multiply bfloat16 faster than float32: GPUs, CPUs with AMX. Scores are
    exact; what is approximate is which 4k items they are computed of. bfloat16 keeps 8 bits of a
    number, so that an item is missed where more than 3k others have a score so close to its own
    that rounding puts them before it.
    """

    keys: torch.Tensor
    """(n_items, d) float32."""

    __repr__ = short_repr

    @cached_property
    def _short_keys(self) -> torch.Tensor:
        return self.keys.bfloat16()

    def search(self, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
        """Implements `Index.search` approximately."""
        rough = _in_blocks(self._short_keys, queries.bfloat16(), SHORTLIST * k, exclusion)
        return best_of(rough.items, rough.scores > -torch.inf, self.keys, queries, k)


def best_of(
    candidates: torch.Tensor,
    allowed: torch.Tensor,
    keys: torch.Tensor,
    queries: torch.Tensor,
    k: int,
) -> TopItems:
    """The k best of each user's candidates by their inner products in float32.

    Args:
        candidates: (n_users, c) int64 codes, none twice in a row among those allowed.
        allowed: (n_users, c) bool.
        keys: (n_items, d).
        queries: (n_users, d).
        k: at most so many.
    """
    candidates, order = candidates.sort(dim=1)
    scores = torch.einsum("nd,ncd->nc", queries, keys[candidates])
    top = plain_top_k(scores.masked_fill(~allowed.gather(1, order), -torch.inf), k)
    return top._replace(items=candidates.gather(1, top.items))


def _in_blocks(keys: torch.Tensor, queries: torch.Tensor, k: int, exclusion: Exclusion) -> TopItems:
    step = max(1, SCORES_AT_ONCE // len(keys))
    k = min(k, len(keys))

    def block(start: int) -> TopItems:
        some, of_these = queries[start : start + step], exclusion.part(start, start + step)
        if in_compiled_code(keys) and k:
            return TopItems(*best_by_products(keys, some, k, excluded(of_these, len(some))))
        # One row an item: the faster product, and maxima over neighbouring items by whole rows.
        by_item = keys @ some.T
        return top_k_by_groups(of_these.apply(by_item.T), k)

    if keys.device.type == "cpu":
        step = min(step, USERS_AT_ONCE)
    starts = range(0, max(len(queries), 1), step)
    blocks = on_all_cores(block, starts, keys.device)
    if len(blocks) == 1:
        return blocks[0]
    return TopItems(*(torch.cat(columns) for columns in zip(*blocks, strict=True)))
