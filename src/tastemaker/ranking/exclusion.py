"""Items that may not be recommended: those a user has touched, and those excluded for all users."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class Exclusion:
    """The items that each user of a batch may not get.

    It is applied before the best k items are selected, so that lists still have k items.
    """

    seen: UserBatch | None = None
    """The items that each user may not get, as from `UserBatch.excluded`; None if there are none.
    """
    eligible: torch.Tensor | None = None
    """(n_items,) bool, false for an item that no user may get; None if all are eligible."""

    __repr__ = short_repr

    def part(self, start: int, stop: int) -> "Exclusion":
        """Returns the exclusion for the users at the positions start … stop - 1."""
        return self if self.seen is None else replace(self, seen=self.seen.part(start, stop))

    def at(self, positions: np.ndarray) -> "Exclusion":
        """Returns the exclusion for the users at the positions, or where a mask is true."""
        return self if self.seen is None else replace(self, seen=self.seen.at(positions))

    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """Sets the scores of excluded items to -inf, in place, and returns the scores.

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
        """Returns which of the given items each user may get.

        Args:
            items: (n_users, c) int64 codes.

        Returns:
            (n_users, c) bool.
        """
        allowed = torch.ones_like(items, dtype=torch.bool)
        if self.eligible is not None:
            allowed &= self.eligible.to(items.device)[items]
        if self.seen is not None and len(self.seen.items):
            # Each (row, item) pair is encoded as one number.
            n_items = int(max(items.max(), self.seen.items.max())) + 1
            pairs = self.seen.rows * n_items + self.seen.items
            rows = torch.arange(len(items), device=items.device)[:, None]
            allowed &= ~torch.isin(rows * n_items + items, torch.from_numpy(pairs).to(items.device))
        return allowed
