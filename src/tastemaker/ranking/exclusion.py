"""Items that may not be recommended: what a user has touched, and what nobody may get."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.shown import short_repr


@dataclass(frozen=True, eq=False)
class Exclusion:
    """What each user of a batch may not get. Applied before the cut, so that k items come back."""

    seen: UserBatch | None = None
    """The batch, whose histories may not come back; None where they may."""
    eligible: torch.Tensor | None = None
    """(n_items,) bool, false for an item that nobody may get; None where all are eligible."""

    __repr__ = short_repr

    def part(self, start: int, stop: int) -> "Exclusion":
        """For the users at the positions start … stop - 1."""
        return self if self.seen is None else replace(self, seen=self.seen.part(start, stop))

    def at(self, positions: np.ndarray) -> "Exclusion":
        """For the users at the positions, or where a mask is true."""
        return self if self.seen is None else replace(self, seen=self.seen.at(positions))

    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """Sets what is excluded to -inf, in place.

        Args:
            scores: (n_users, n_items) in the order of the batch.
        """
        if self.seen is not None:
            rows = torch.from_numpy(self.seen.rows).to(scores.device)
            items = torch.from_numpy(self.seen.items).to(scores.device)
            scores[rows, items] = -torch.inf
        if self.eligible is not None:
            scores[:, ~self.eligible.to(scores.device)] = -torch.inf
        return scores

    def allows(self, items: torch.Tensor) -> torch.Tensor:
        """Which of some items each user may get.

        Args:
            items: (n_users, c) int64 codes.

        Returns:
            (n_users, c) bool.
        """
        allowed = torch.ones_like(items, dtype=torch.bool)
        if self.eligible is not None:
            allowed &= self.eligible.to(items.device)[items]
        if self.seen is not None and len(self.seen.items):
            # A pair as one number.
            n_items = int(max(items.max(), self.seen.items.max())) + 1
            pairs = self.seen.rows * n_items + self.seen.items
            rows = torch.arange(len(items), device=items.device)[:, None]
            allowed &= ~torch.isin(rows * n_items + items, torch.from_numpy(pairs).to(items.device))
        return allowed
