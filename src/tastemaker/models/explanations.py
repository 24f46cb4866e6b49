"""Explains recommendations by the items of the history that contribute most to their scores."""

import numpy as np
import polars as pl
import torch

from tastemaker.data.recommendations import Recommendations
from tastemaker.data.users import UserBatch
from tastemaker.models.retrieval import Lists
from tastemaker.models.scorer import ComparingScorer


def explain(model: ComparingScorer, users: UserBatch, items: np.ndarray, n: int) -> Recommendations:
    """Explains (c,) item codes to each user; see `Recommender.explain`."""
    requested = np.tile(items, (len(users), 1))
    reasons = reasons_of(model, users, requested, np.full(len(users), len(items)), n)
    pair_numbers = reasons["pair"].to_numpy()
    owner = np.repeat(users.codes, len(items))
    columns = [
        model.dataset.user_vocabulary.decode(owner[pair_numbers]),
        model.dataset.item_vocabulary.decode(requested.flatten()[pair_numbers]),
        reasons.select(rank=pl.int_range(1, pl.len() + 1).over("pair")).to_series(),
    ]
    names = {"item_id": "because_item_id", "title": "because_title"}
    table = reasons.drop("pair").rename(names, strict=False)
    return Recommendations(pl.DataFrame(columns).hstack(table))


def with_reasons(
    model: ComparingScorer, recommendations: Recommendations, lists: Lists, n: int
) -> Recommendations:
    """Adds a column `because`: the reasons for each item, the most important first.

    Args:
        model: the model that made the lists.
        recommendations: the lists as a table.
        lists: the same lists as codes.
        n: maximum number of reasons for each item.
    """
    reasons = reasons_of(model, lists.users, lists.items, lists.lengths, n)
    grouped = reasons.group_by("pair").agg(because=pl.struct(pl.exclude("pair")))
    numbered = recommendations.frame.with_row_index("pair").cast({"pair": pl.Int64})
    joined = numbered.join(grouped, on="pair", how="left", maintain_order="left").drop("pair")
    no_reasons = pl.lit([], dtype=joined.schema["because"])
    return Recommendations(joined.with_columns(pl.col("because").fill_null(no_reasons)))


def reasons_of(
    model: ComparingScorer, users: UserBatch, items: np.ndarray, lengths: np.ndarray, n: int
) -> pl.DataFrame:
    """Finds the items of each history that contribute most to the scores of the listed items.

    Args:
        model: the model that made the lists.
        users: the n users of the lists.
        items: (n, k) codes, best first.
        lengths: (n,) number of valid entries in each row.
        n: maximum number of reasons for each item.

    Returns:
        A row for each reason: pair, item_id, contribution, and title if the catalog has titles.
        `pair` numbers the items of all lists end to end; its reasons are in order of importance.

    Raises:
        UnsupportedError: the model has neither contributions nor item similarity.
    """
    starts = np.cumsum(lengths) - lengths
    users = model._as_read(users)
    histories = users.merged()
    summed = None if users.weights is None else histories.weights
    pairs, codes, contributions = [], [], []
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        entries = slice(*histories.indptr[row : row + 2])
        history = torch.from_numpy(histories.items[entries])
        weights = None if summed is None else torch.from_numpy(summed[entries])
        listed = torch.from_numpy(items[row, :length])
        parts = model.contributions(history, listed, weights).cpu()
        # An item of the history is no reason for recommending the same item.
        parts = parts.masked_fill(listed[:, None] == history, 0.0)
        values, best = parts.topk(min(n, len(history)), dim=1)
        positions, ranks = (values > 0).nonzero(as_tuple=True)
        pairs.append(start + positions.numpy())
        codes.append(history[best[positions, ranks]].numpy())
        contributions.append(values[positions, ranks].numpy())
    reason_items = np.concatenate([np.array([], dtype=np.int64), *codes])
    columns = {
        "pair": np.concatenate([np.array([], dtype=np.int64), *pairs]),
        "item_id": model.dataset.item_vocabulary.decode(reason_items),
        "contribution": np.concatenate([np.array([], dtype=np.float32), *contributions]),
    }
    catalog = model.dataset.catalog
    if "title" in catalog.columns:
        columns["title"] = catalog.frame["title"].gather(reason_items)
    return pl.DataFrame(columns)
