"""What is like this item?"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from tastemaker.data.recommendations import Recommendations
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError
from tastemaker.ranking.topk import top_k

if TYPE_CHECKING:
    from tastemaker.models.recommender import Recommender


def similar_items(model: "Recommender", items: np.ndarray, k: int) -> Recommendations:
    """As Recommender.similar_items, of (m,) item codes."""
    if k < 1:
        raise ConfigError(f"k is {k}; ask for at least 1 similar item")
    scores = model.likeness.to_all(torch.from_numpy(items))
    scores[torch.arange(len(items)), torch.from_numpy(items)] = -torch.inf
    found, values, lengths = (column.cpu().numpy() for column in top_k(scores, k))
    table = Recommendations.from_codes(
        model.dataset, np.full(len(items), UNKNOWN), found, values, lengths
    ).frame.rename({"item_id": "similar_item_id"})
    asked = model.dataset.item_vocabulary.decode(np.repeat(items, lengths))
    return Recommendations(table.drop("user_id").insert_column(0, asked))
