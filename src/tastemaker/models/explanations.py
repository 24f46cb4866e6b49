"""Why this item: the items of the history that speak for it."""

import numpy as np
import polars as pl
import torch

from tastemaker.data.recommendations import Recommendations
from tastemaker.data.users import UserBatch
from tastemaker.models.retrieval import Lists
from tastemaker.models.scorer import ComparingScorer


def explain(model: ComparingScorer, users: UserBatch, items: np.ndarray, n: int) -> Recommendations:
    """Explains (c,) item codes to each user; see `Recommender.explain`."""
    asked = np.tile(items, (len(users), 1))
    reasons = reasons_of(model, users, asked, np.full(len(users), len(items)), n)
    of_pair = reasons["pair"].to_numpy()
    owner = np.repeat(users.codes, len(items))
    columns = [
        model.dataset.user_vocabulary.decode(owner[of_pair]),
        model.dataset.item_vocabulary.decode(asked.flatten()[of_pair]),
        reasons.select(rank=pl.int_range(1, pl.len() + 1).over("pair")).to_series(),
    ]
    names = {"item_id": "because_item_id", "title": "because_title"}
    table = reasons.drop("pair").rename(names, strict=False)
    return Recommendations(pl.DataFrame(columns).hstack(table))


def with_reasons(
    model: ComparingScorer, answer: Recommendations, lists: Lists, n: int
) -> Recommendations:
    """The answer with a column `because`: of each item its reasons, the most important first.

    Args:
        model: whose answer it is.
        answer: the lists as a table.
        lists: the same as codes.
        n: at most so many reasons an item.
    """
    reasons = reasons_of(model, lists.users, lists.items, lists.lengths, n)
    grouped = reasons.group_by("pair").agg(because=pl.struct(pl.exclude("pair")))
    numbered = answer.frame.with_row_index("pair").cast({"pair": pl.Int64})
    joined = numbered.join(grouped, on="pair", how="left", maintain_order="left").drop("pair")
    nothing = pl.lit([], dtype=joined.schema["because"])
    return Recommendations(joined.with_columns(pl.col("because").fill_null(nothing)))


def reasons_of(
    model: ComparingScorer, users: UserBatch, items: np.ndarray, lengths: np.ndarray, n: int
) -> pl.DataFrame:
    """Which items of the histories speak for the items of some lists.

    Args:
        model: whose lists they are.
        users: n of them.
        items: (n, k) codes, best first.
        lengths: (n,) how many entries of each row are real.
        n: at most so many reasons an item.

    Returns:
        A row a reason: pair, item_id, contribution, and title where known. `pair` counts the items
        of all lists end to end; its reasons stand in order of importance.

    Raises:
        UnsupportedError: this model looks at no history and has no item similarity.
    """
    starts = np.cumsum(lengths) - lengths
    pairs, codes, contributions = [], [], []
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        history = torch.from_numpy(
            np.unique(users.items[users.indptr[row] : users.indptr[row + 1]])
        )
        listed = torch.from_numpy(items[row, :length])
        parts = model.contributions(history, listed).cpu()
        # That something was touched is no reason for itself.
        parts = parts.masked_fill(listed[:, None] == history, 0.0)
        values, best = parts.topk(min(n, len(history)), dim=1)
        places, ranks = (values > 0).nonzero(as_tuple=True)
        pairs.append(start + places.numpy())
        codes.append(history[best[places, ranks]].numpy())
        contributions.append(values[places, ranks].numpy())
    because = np.concatenate([np.array([], dtype=np.int64), *codes])
    columns = {
        "pair": np.concatenate([np.array([], dtype=np.int64), *pairs]),
        "item_id": model.dataset.item_vocabulary.decode(because),
        "contribution": np.concatenate([np.array([], dtype=np.float32), *contributions]),
    }
    catalog = model.dataset.catalog
    if "title" in catalog.columns:
        columns["title"] = catalog.frame["title"].gather(because)
    return pl.DataFrame(columns)
