"""Lists: recommendations of the model or, for cold-start users, trending items."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from tastemaker.data.users import UserBatch
from tastemaker.models.explanations import reasons_of
from tastemaker.models.recommender import Recommender
from tastemaker.models.retrieval import ListRules
from tastemaker.ranking.diversify import CANDIDATES_PER_PLACE, diversify
from tastemaker.ranking.exclusion import Exclusion
from tastemaker.ranking.filters import EligibleCodes
from tastemaker.ranking.index import Index
from tastemaker.ranking.topk import top_k
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.trending import TrendingScores
from tastemaker.serving.live.user_histories import UserWithHistory, batch_of
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import Listing, Source

MAX_HISTORY_ITEMS = 20_000
"""Maximum number of items in the histories of users that are processed together."""

REASONS = 3
"""Maximum number of items of the history in an explanation."""


class ListEntry(NamedTuple):
    """An item of a list, with its score and the reasons for it."""

    item: ItemRecord
    score: float
    because: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class RankedList:
    """A list and its source."""

    source: Source
    entries: list[ListEntry] = field(default_factory=list)


@dataclass(frozen=True)
class ListRequest:
    """The options of lists, with items and categories resolved by a catalog."""

    k: int
    exclude_seen: bool
    diversity: float
    explain: bool
    eligible: EligibleCodes | None
    new: np.ndarray
    """(n,) bool: which of the catalog's new items may appear in a list."""

    @classmethod
    def of(cls, listing: Listing, catalog: LiveCatalog) -> "ListRequest":
        """Returns the options of a request, resolved by the current catalog and the model's rules.

        Raises:
            ConfigError: no item is in one of the categories.
        """
        catalog.refuse_unknown(listing.categories)
        exclude = frozenset(key_of(catalog.vocabulary, item) for item in listing.exclude)
        return cls(
            listing.k,
            not catalog.dataset.rules.repeat_targets
            if listing.exclude_seen is None
            else listing.exclude_seen,
            listing.diversity,
            listing.explain,
            catalog.eligible(listing.categories, exclude),
            catalog.new.allowed(listing.categories, exclude),
        )


def make_lists(
    model: Recommender,
    catalog: LiveCatalog,
    users: Sequence[UserWithHistory],
    request: ListRequest,
    trending: Callable[[], TrendingScores],
    index: Index | None = None,
) -> list[RankedList]:
    """Returns a list for each user.

    Args:
        model: makes the lists of all users except cold-start ones.
        catalog: the current catalog.
        users: n users.
        request: how lists are chosen.
        trending: returns the trending scores; called only if there is a cold-start user.
        index: the index to search; None searches exactly.

    Raises:
        UnsupportedError: diversity or reasons are requested of a model that has none.
    """
    distinct = list({id(user): user for user in users}.values())
    ranked_lists = [
        ranked_list
        for group in _groups(distinct)
        for ranked_list in _lists_of(model, catalog, group, request, trending, index)
    ]
    list_of = {
        id(user): ranked_list for user, ranked_list in zip(distinct, ranked_lists, strict=True)
    }
    return [list_of[id(user)] for user in users]


def _groups(users: Sequence[UserWithHistory]) -> Iterator[list[UserWithHistory]]:
    """Yields the users in groups whose histories have up to MAX_HISTORY_ITEMS items."""
    group: list[UserWithHistory] = []
    for user in users:
        if group and sum(len(other.items) for other in group) + len(user.items) > MAX_HISTORY_ITEMS:
            yield group
            group = []
        group.append(user)
    if group:
        yield group


def _lists_of(
    model: Recommender,
    catalog: LiveCatalog,
    users: Sequence[UserWithHistory],
    request: ListRequest,
    trending: Callable[[], TrendingScores],
    index: Index | None,
) -> list[RankedList]:
    batch = batch_of(users)
    is_cold = model.is_cold(batch)
    lists = [RankedList("trending")] * len(users)
    if not is_cold.all():
        positions = np.flatnonzero(~is_cold).tolist()
        known = [users[position] for position in positions]
        known_batch = batch.at(~is_cold) if is_cold.any() else batch
        ranked_lists = _by_model(model, catalog, known, known_batch, request, index)
        for position, ranked_list in zip(positions, ranked_lists, strict=True):
            lists[position] = ranked_list
    if is_cold.any():
        scores = trending()
        for position in np.flatnonzero(is_cold).tolist():
            lists[position] = trending_list(model, catalog, users[position], request, scores)
    return lists


def _by_model(
    model: Recommender,
    catalog: LiveCatalog,
    users: list[UserWithHistory],
    batch: UserBatch,
    request: ListRequest,
    index: Index | None,
) -> list[RankedList]:
    rules = ListRules(request.exclude_seen, request.eligible, request.diversity, index=index)
    lists = []
    for block in model.top_items(batch, request.k, rules):
        reasons = (
            _reasons(model, block.users, block.items, block.lengths) if request.explain else {}
        )
        pair = 0
        for row, length in enumerate(block.lengths):
            entries = []
            for code, score in zip(block.items[row, :length], block.scores[row], strict=False):
                because = reasons.get(pair, []) if request.explain else None
                entries.append(ListEntry(catalog.at(int(code)), float(score), because))
                pair += 1
            lists.append(RankedList("model", entries))
    is_scored = catalog.run_items.vectors.known[catalog.new.set_of] & request.new
    if not is_scored.any():
        return lists
    scores = catalog.run_items.vectors.scores(model.queries(batch).cpu().numpy())
    return [
        replace(
            ranked_list, entries=_with_new_items(ranked_list.entries, user, request, catalog, row)
        )
        for ranked_list, user, row in zip(lists, users, scores[:, catalog.new.set_of], strict=True)
    ]


def _with_new_items(
    entries: list[ListEntry],
    user: UserWithHistory,
    request: ListRequest,
    catalog: LiveCatalog,
    scores: np.ndarray,
) -> list[ListEntry]:
    """Returns the list with new items, each before the first item whose score is lower.

    Args:
        entries: the list of the items that the model was trained with.
        user: the user of the list.
        request: how the list is chosen.
        catalog: a catalog with n new items.
        scores: (n,) float scores of the new items; -inf where there is none.
    """
    seen = [key for key, _ in user.new_items] if request.exclude_seen else []
    seen += user.unwanted
    scores = np.where(catalog.new.without(request.new, seen), scores, -np.inf)
    because: list[dict[str, Any]] | None = [] if request.explain else None
    best = [
        ListEntry(catalog.new.records[position], float(scores[position]), because)
        for position in catalog.new.best(scores, request.k)
    ]
    return _merged(entries, best, request.k)


def _merged(entries: list[ListEntry], new: list[ListEntry], k: int) -> list[ListEntry]:
    """Returns the first k of both lists, each new item before the first one of a lower score."""
    merged, next_new = [], 0
    for entry in entries:
        while next_new < len(new) and new[next_new].score > entry.score:
            merged.append(new[next_new])
            next_new += 1
        merged.append(entry)
    return (merged + new[next_new:])[:k]


def trending_list(
    model: Recommender,
    catalog: LiveCatalog,
    user: UserWithHistory,
    request: ListRequest,
    scores: TrendingScores,
) -> RankedList:
    """Returns the trending items as the list of a cold-start user.

    Raises:
        UnsupportedError: diversity is requested of a model without item similarity.
    """
    batch = batch_of([user])
    eligible = None if request.eligible is None else torch.from_numpy(request.eligible.codes)
    exclusion = Exclusion(batch.excluded(seen=request.exclude_seen), eligible)
    n_best = request.k * CANDIDATES_PER_PLACE if request.diversity else request.k
    top = top_k(scores.known[None], n_best, exclusion)
    if request.diversity:
        top = diversify(top, model.item_similarity.within, request.k, request.diversity)
    length = int(top.lengths[0])
    because: list[dict[str, Any]] | None = [] if request.explain else None
    entries = [
        ListEntry(catalog.at(code), score, because)
        for code, score in zip(
            top.items[0, :length].tolist(), top.scores[0, :length].tolist(), strict=True
        )
    ]
    return RankedList("trending", _with_new_items(entries, user, request, catalog, scores.new))


def _reasons(
    model: Recommender, users: UserBatch, items: np.ndarray, lengths: np.ndarray
) -> dict[int, list[dict[str, Any]]]:
    """Returns reasons by the position of their item in the concatenation of all lists."""
    reasons: dict[int, list[dict[str, Any]]] = {}
    for row in reasons_of(model, users, items, lengths, REASONS).iter_rows(named=True):
        reasons.setdefault(row.pop("pair"), []).append(row)
    return reasons
