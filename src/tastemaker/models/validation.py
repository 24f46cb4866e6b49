"""A network's metrics on the validation part, cheap enough for every epoch."""

from collections.abc import Callable

import numpy as np
import torch

from tastemaker.data.splitting import Split
from tastemaker.metrics.accuracy import hit_rate, ndcg
from tastemaker.ranking.candidates import draw_candidates
from tastemaker.ranking.ranks import rank_among
from tastemaker.training.run import Validate

N_NEGATIVES = 99
SEED = 0
"""Of the candidates: the same for every epoch and model, whatever the model's own seed."""

ROWS_AT_ONCE = 4096

ScoreCodes = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(n,) user codes and (n, c) item codes to (n, c) scores."""


def sampled_validation(split: Split, score: ScoreCodes, device: torch.device) -> Validate | None:
    """Ranks each validation item against sampled ones; None where nothing was held out for it.

    Gives `hit_rate@10` and `ndcg@10`. It chooses epochs within one model; comparing models is for
    the full ranking.
    """
    if split.validation is None:
        return None
    rows = draw_candidates(split, "validation", N_NEGATIVES, SEED)
    users = torch.from_numpy(rows.users).to(device)
    items = torch.from_numpy(rows.items).to(device)
    counts = torch.from_numpy(rows.counts).to(device)
    one_each = np.arange(len(rows.users) + 1)

    def validate() -> dict[str, float]:
        ranks = []
        for start in range(0, len(users), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            scores = score(users[part], items[part])
            ranks.append(rank_among(scores[:, 0], scores[:, 1:], counts[part]).cpu().numpy())
        together = np.concatenate(ranks)
        return {
            "hit_rate@10": float(hit_rate(together, one_each, 10).mean()),
            "ndcg@10": float(ndcg(together, one_each, 10).mean()),
        }

    return validate
