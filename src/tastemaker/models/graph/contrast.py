"""Contrast of a node with itself under noise, by which LightGCN becomes XSimGCL.

Junliang Yu, Xin Xia, Tong Chen, Lizhen Cui, Nguyen Quoc Viet Hung and Hongzhi Yin, 2023: XSimGCL:
Towards Extremely Simple Graph Contrastive Learning for Recommendation (IEEE Transactions on
Knowledge and Data Engineering).
"""

import torch
from torch.nn.functional import cross_entropy, embedding, normalize

MOST_CONTRASTED = 2048
"""Largest number of positives of a batch whose users and items are contrasted: the number of
products grows with its square, and this is the whole batch of the paper."""


def with_noise(vectors: torch.Tensor, length: float) -> torch.Tensor:
    """Adds a random vector of the given length to each vector (n, d), in the same orthant."""
    noise = normalize(torch.rand_like(vectors), dim=1)
    return vectors + length * noise * vectors.sign()


def contrast(
    nodes: torch.Tensor, views: torch.Tensor, some: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Returns the InfoNCE loss: each node is to be most similar to its own view.

    Args:
        nodes: (n, d), the final vectors of all nodes.
        views: (n, d), other vectors of the same nodes.
        some: (m,) int64, the nodes that are contrasted with each other; repeats count once.
        temperature: by which cosines are divided.
    """
    some = some.unique()
    one, other = (normalize(embedding(some, vectors), dim=1) for vectors in (nodes, views))
    own = torch.arange(len(some), device=some.device)
    return cross_entropy(one @ other.T / temperature, own)
