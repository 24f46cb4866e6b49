"""Vectors as trained models leave them: clustered, of varying lengths, more long than wide."""

import numpy as np
import torch

ITEMS_OF_A_TASTE = 200


def vectors(
    n_items: int, n_users: int, d: int = 64, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and queries.

    Tastes are of very different sizes and spread more in some dimensions than in others; an item
    is near one taste, with a length that varies by a factor of five, as from obscure to popular;
    a user is near the mean of up to four.

    Returns:
        (n_items, d) and (n_users, d) float32.
    """
    random = np.random.default_rng(seed)
    spread = (1.0 + np.arange(d)) ** -0.35
    n_tastes = max(50, n_items // ITEMS_OF_A_TASTE)
    tastes = random.standard_normal((n_tastes, d)) * spread
    share = random.pareto(1.2, n_tastes) + 0.1
    share /= share.sum()
    keys = tastes[random.choice(n_tastes, n_items, p=share)]
    keys += 0.6 * random.standard_normal((n_items, d)) * spread
    keys *= np.exp(0.35 * random.standard_normal((n_items, 1)))
    chosen = random.choice(n_tastes, (n_users, 4), p=share)
    chosen[:, 1:][random.random((n_users, 3)) < 0.5] = -1
    weights = (chosen >= 0).astype(float)
    queries = np.einsum("nc,ncd->nd", weights / weights.sum(1, keepdims=True), tastes[chosen])
    queries += 0.4 * random.standard_normal((n_users, d)) * spread
    return torch.from_numpy(keys).float(), torch.from_numpy(queries).float()
