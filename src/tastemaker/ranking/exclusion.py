"""Items that may not be recommended, as -inf in the scores."""

import torch

from tastemaker.data.users import UserBatch


def exclude_seen(scores: torch.Tensor, users: UserBatch) -> torch.Tensor:
    """Sets the scores of what each user has touched to -inf, in place.

    Args:
        scores: (n_users, n_items).
        users: whose histories to exclude, in the order of the rows.
    """
    rows = torch.from_numpy(users.rows).to(scores.device)
    items = torch.from_numpy(users.items).to(scores.device)
    scores[rows, items] = -torch.inf
    return scores
