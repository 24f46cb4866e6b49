"""Maximal marginal relevance (MMR): reranks a list so that its items are less similar.

Jaime Carbonell and Jade Goldstein, 1998: The Use of MMR, Diversity-Based Reranking for Reordering
Documents and Producing Summaries (SIGIR).
"""

from collections.abc import Callable

import torch

from tastemaker.ranking.topk import TopItems

CANDIDATES_PER_PLACE = 10
"""A list of k items is chosen among this many times k candidates, the best by score."""

SIMILARITIES_AT_ONCE = 1 << 22
"""Maximum number of pairs of candidates compared at a time (16 MiB)."""

NO_CANDIDATE = -1e9
"""Relevance of an empty entry: below every candidate, above candidates already chosen (-inf)."""

SimilarityWithin = Callable[[torch.Tensor], torch.Tensor]
"""Maps (n, c) item codes to (n, c, c) similarities between the items of each row, at most 1."""


def diversify(top: TopItems, similarity: SimilarityWithin, k: int, diversity: float) -> TopItems:
    """Chooses k of each user's candidates, one after the other, by maximal marginal relevance.

    Args:
        top: the candidates, best first.
        similarity: the similarities between candidates.
        k: maximum number of items to choose.
        diversity: 1 - λ, from 0, which keeps the order, to 1, which ignores the scores and
            considers only how dissimilar the items are.

    Returns:
        The items in the order in which they were chosen, with their original scores.
    """
    n_users, width = top.items.shape
    step = max(1, SIMILARITIES_AT_ONCE // width**2)
    chosen = torch.cat(
        [
            marginal_relevance(
                top.scores[start : start + step],
                similarity(top.items[start : start + step]).to(top.scores.device),
                k,
                diversity,
            )
            for start in range(0, max(n_users, 1), step)
        ]
    )
    lengths = top.lengths.clamp(max=chosen.shape[1])
    return TopItems(top.items.gather(1, chosen), top.scores.gather(1, chosen), lengths)


def marginal_relevance(
    scores: torch.Tensor, similarity: torch.Tensor, k: int, diversity: float
) -> torch.Tensor:
    """Returns the positions of k candidates, each the best by MMR given the ones before it.

    The next choice is argmax_i λ r_i - (1 - λ) max_j∈chosen similarity_ij, with λ = 1 - diversity
    and r the scores rescaled to 0 … 1 over the user's own candidates, so that λ has the same weight
    for every user and every model. The first choice is the candidate with the best score. In a tie,
    the candidate with the better score is chosen.

    Args:
        scores: (n, c), best first; -inf for an empty entry.
        similarity: (n, c, c).
        k: maximum number of candidates to choose.
        diversity: 1 - λ.

    Returns:
        (n, min(k, c)) int64; empty entries come last.
    """
    n, width = scores.shape
    is_candidate = scores > -torch.inf
    low = scores.masked_fill(~is_candidate, torch.inf).amin(dim=1, keepdim=True)
    high = scores.amax(dim=1, keepdim=True)
    spread = (high - low).clamp(min=torch.finfo(scores.dtype).tiny)
    relevance = (1 - diversity) * (scores.masked_fill(~is_candidate, 0) - low) / spread
    relevance = relevance.masked_fill(~is_candidate, NO_CANDIDATE)
    rows = torch.arange(n, device=scores.device)
    max_similarity = torch.full_like(scores, -torch.inf)
    chosen = [torch.zeros(n, dtype=torch.int64, device=scores.device)]
    for _ in range(min(k, width) - 1):
        max_similarity = torch.maximum(max_similarity, similarity[rows, chosen[-1]])
        relevance[rows, chosen[-1]] = -torch.inf
        chosen.append((relevance - diversity * max_similarity).argmax(dim=1))
    return torch.stack(chosen, dim=1)
