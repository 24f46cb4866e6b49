"""Metrics of recommended lists other than accuracy: coverage, novelty, diversity, long tail."""

from collections.abc import Sequence

import numpy as np

from tastemaker.data.catalog import Catalog
from tastemaker.data.split import Part, Split
from tastemaker.data.users import UserBatch
from tastemaker.metrics import lists as metrics
from tastemaker.models.recommender import Recommender
from tastemaker.progress import OnProgress


def list_metrics(
    model: Recommender,
    split: Split,
    part: Part,
    k: Sequence[int],
    users: np.ndarray,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Measures the lists that the model would have recommended just before the part.

    Whatever the protocol, lists contain items of the whole catalog, without the items that were
    known for the user.

    Args:
        model: fitted on the training part of the split.
        split: the split with the held-out data.
        part: determines which interactions were known.
        k: the list lengths to evaluate.
        users: (n_users,) int64 codes of the users to evaluate.
        on_progress: receives the number of users whose lists are done.

    Returns:
        Metrics of each user's list, such as `novelty@10`, to (n_users,) float64 with NaN where a
        list has no value; and metrics of all lists together, such as `coverage@10`, to a number.
    """
    known = split.known_before(part)
    longest_lists = top_lists(model, UserBatch.known(known, users), max(k), on_progress)
    train = split.train.pairs
    is_tail = metrics.long_tail(train.item_counts)
    categories = category_weights(train.catalog)
    histories = known.histories(users)
    vectors = None if categories is not None else model.item_vectors
    per_user: dict[str, np.ndarray] = {}
    overall: dict[str, float] = {}
    for cutoff in k:
        items, indptr = metrics.first(*longest_lists, cutoff)
        measured = {
            "novelty": metrics.novelty(items, indptr, train.item_counts, train.n_users),
            "average_popularity": metrics.average_popularity(items, indptr, train.item_counts),
            "long_tail_fraction": metrics.long_tail_fraction(items, indptr, is_tail),
        }
        if categories is not None:
            measured["diversity"] = metrics.intra_list_diversity(items, indptr, categories)
            measured["miscalibration"] = metrics.miscalibration(
                items, indptr, *histories, categories
            )
        elif vectors is not None:
            measured["embedding_diversity"] = metrics.intra_list_diversity(
                items, indptr, vectors.cpu().numpy()
            )
        per_user |= {f"{name}@{cutoff}": values for name, values in measured.items()}
        overall[f"coverage@{cutoff}"] = float(metrics.coverage(items, train.n_items))
        overall[f"gini@{cutoff}"] = float(metrics.gini(items, train.n_items))
        overall[f"long_tail_lift@{cutoff}"] = metrics.tail_lift(
            measured["long_tail_fraction"], train.item_counts, is_tail
        )
    return per_user, overall


def top_lists(
    model: Recommender, users: UserBatch, k: int, on_progress: OnProgress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best k items of all users, concatenated.

    Returns:
        (m,) int64 codes, each user's best first, and (n_users + 1,) pointers to where each user's
        list begins; lists may have fewer than k items.
    """
    items, lengths = [], []
    for _, codes, _, counts in model.top_items(users, k, on_progress=on_progress):
        items.append(codes[np.arange(codes.shape[1]) < counts[:, None]])
        lengths.append(counts)
    return np.concatenate(items), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


def category_weights(catalog: Catalog) -> np.ndarray | None:
    """Returns (n_items, n_categories) float64; rows sum to 1, or to 0 if no category is known.

    Returns None for a catalog without categories.
    """
    if "categories" not in catalog.columns:
        return None
    names_by_item = catalog.frame["categories"].list.drop_nulls().list.unique()
    names = names_by_item.explode(empty_as_null=False, keep_nulls=False)
    categories = names.unique().sort()
    if len(categories) == 0:
        return None
    weights = np.zeros((len(names_by_item), len(categories)))
    counts = names_by_item.list.len().fill_null(0).to_numpy()
    items = np.repeat(np.arange(len(names_by_item)), counts)
    weights[items, categories.search_sorted(names).to_numpy()] = 1.0
    return weights / np.maximum(counts, 1)[:, None]
