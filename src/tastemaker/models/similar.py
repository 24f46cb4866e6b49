"""Finds the items most similar to an item."""

import numpy as np
import polars as pl
import torch

from tastemaker.data.dataset import Dataset
from tastemaker.data.recommendations import Recommendations
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.errors import ConfigError
from tastemaker.models.scorer import ComparingScorer
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.index import SCORES_AT_ONCE
from tastemaker.ranking.similarity import ItemSimilarity
from tastemaker.ranking.topk import TopItems, top_k


def similar_items(
    model: ComparingScorer, items: np.ndarray, k: int, on_progress: OnProgress | None = None
) -> Recommendations:
    """Lists the items most similar to (m,) item codes; see `Recommender.similar_items`."""
    if k < 1:
        raise ConfigError(f"k is {k}; it must be at least 1 similar item")
    similarity = model.item_similarity
    step = max(1, SCORES_AT_ONCE // model.dataset.n_items)
    meter = Meter(on_progress, f"comparing items with {model.name}", len(items))
    tables = []
    for start in range(0, max(len(items), 1), step):
        part = items[start : start + step]
        tables.append(_table(model.dataset, part, _most_similar(similarity, part, k)))
        meter.advance(len(part))
    return Recommendations(pl.concat(tables))


def _most_similar(similarity: ItemSimilarity, items: np.ndarray, k: int) -> TopItems:
    """Returns the k items most similar to each of (m,) item codes, without the item itself."""
    codes = torch.from_numpy(items)
    scores = similarity.to_all(codes)
    scores[torch.arange(len(codes)), codes] = -torch.inf
    return top_k(scores, k)


def _table(dataset: Dataset, items: np.ndarray, top: TopItems) -> pl.DataFrame:
    similar_codes, values, lengths = (column.cpu().numpy() for column in top)
    table = Recommendations.from_codes(
        dataset, np.full(len(items), UNKNOWN), similar_codes, values, lengths
    ).frame.rename({"item_id": "similar_item_id"})
    item_ids = dataset.item_vocabulary.decode(np.repeat(items, lengths))
    return table.drop("user_id").insert_column(0, item_ids)
