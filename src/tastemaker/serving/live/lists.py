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
from tastemaker.serving.live.people import Person, batch_of
from tastemaker.serving.live.trending import TrendingScores
from tastemaker.serving.store.ids import key_of
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import Listing, Source

MOST_TOUCHED = 20_000
"""Maximum number of items in the histories of users that are processed together."""

REASONS = 3
"""Maximum number of items of the history in an explanation."""


class Place(NamedTuple):
    """One place of a list."""

    item: ItemRecord
    score: float
    because: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class RankedList:
    """A list and its source."""

    source: Source
    places: list[Place] = field(default_factory=list)


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
        """Returns the options of a request, resolved by the current catalog.

        Raises:
            ConfigError: no item is in one of the categories.
        """
        catalog.refuse_unknown(listing.categories)
        exclude = frozenset(key_of(catalog.vocabulary, item) for item in listing.exclude)
        return cls(
            listing.k,
            listing.exclude_seen,
            listing.diversity,
            listing.explain,
            catalog.eligible(listing.categories, exclude),
            catalog.new.allowed(listing.categories, exclude),
        )


def make_lists(
    model: Recommender,
    catalog: LiveCatalog,
    people: Sequence[Person],
    asked: ListRequest,
    trending: Callable[[], TrendingScores],
    index: Index | None = None,
) -> list[RankedList]:
    """Returns a list for each user.

    Args:
        model: makes the lists of all users except cold-start ones.
        catalog: the current catalog.
        people: n users.
        asked: how lists are chosen.
        trending: returns the trending scores; called only if there is a cold-start user.
        index: the index to search; None searches exactly.

    Raises:
        UnsupportedError: diversity or reasons are requested of a model that has none.
    """
    each_once = list({id(person): person for person in people}.values())
    made = [
        made
        for part in _parts(each_once)
        for made in _lists_of(model, catalog, part, asked, trending, index)
    ]
    found = {id(person): one for person, one in zip(each_once, made, strict=True)}
    return [found[id(person)] for person in people]


def _parts(people: Sequence[Person]) -> Iterator[list[Person]]:
    """Yields the users in groups whose histories have up to MOST_TOUCHED items, to limit memory."""
    part: list[Person] = []
    for person in people:
        if part and sum(len(each.items) for each in part) + len(person.items) > MOST_TOUCHED:
            yield part
            part = []
        part.append(person)
    if part:
        yield part


def _lists_of(
    model: Recommender,
    catalog: LiveCatalog,
    people: Sequence[Person],
    asked: ListRequest,
    trending: Callable[[], TrendingScores],
    index: Index | None,
) -> list[RankedList]:
    batch = batch_of(people)
    unknown = model.is_cold(batch)
    lists = [RankedList("trending")] * len(people)
    if not unknown.all():
        places = np.flatnonzero(~unknown).tolist()
        known = [people[place] for place in places]
        for place, made in zip(places, _by_model(model, catalog, known, asked, index), strict=True):
            lists[place] = made
    if unknown.any():
        scores = trending()
        for place in np.flatnonzero(unknown).tolist():
            lists[place] = trending_list(model, catalog, people[place], asked, scores)
    return lists


def _by_model(
    model: Recommender,
    catalog: LiveCatalog,
    people: list[Person],
    asked: ListRequest,
    index: Index | None,
) -> list[RankedList]:
    batch = batch_of(people)
    rules = ListRules(asked.exclude_seen, asked.eligible, asked.diversity, index=index)
    lists, start = [], 0
    for block in model.top_items(batch, asked.k, rules):
        reasons = _reasons(model, block.users, block.items, block.lengths) if asked.explain else {}
        pair = 0
        for row, length in enumerate(block.lengths):
            places = []
            for code, score in zip(block.items[row, :length], block.scores[row], strict=False):
                because = reasons.get(pair, []) if asked.explain else None
                places.append(Place(catalog.at(int(code)), float(score), because))
                pair += 1
            lists.append(RankedList("model", places))
        start += len(block.lengths)
    placed = catalog.run_items.vectors.known[catalog.new.set_of] & asked.new
    if not placed.any():
        return lists
    scores = catalog.run_items.vectors.scores(model.queries(batch).cpu().numpy())
    return [
        replace(made, places=_with_new(made.places, person, asked, catalog, row))
        for made, person, row in zip(lists, people, scores[:, catalog.new.set_of], strict=True)
    ]


def _with_new(
    places: list[Place],
    person: Person,
    asked: ListRequest,
    catalog: LiveCatalog,
    scores: np.ndarray,
) -> list[Place]:
    """Returns the list with new items, each before the first place whose score is lower.

    Args:
        places: places of items that the model was trained with.
        person: the user of the list.
        asked: how the list is chosen.
        catalog: a catalog with n new items.
        scores: (n,) float scores of the new items; -inf where there is none.
    """
    seen = [key for key, _ in person.new_items] if asked.exclude_seen else []
    scores = np.where(catalog.new.without(asked.new, seen), scores, -np.inf)
    because: list[dict[str, Any]] | None = [] if asked.explain else None
    best = [
        Place(catalog.new.records[place], float(scores[place]), because)
        for place in catalog.new.best(scores, asked.k)
    ]
    return _merged(places, best, asked.k)


def _merged(places: list[Place], new: list[Place], k: int) -> list[Place]:
    """Returns the first k of both lists, each new item before the first place of a lower score."""
    merged, at = [], 0
    for place in places:
        while at < len(new) and new[at].score > place.score:
            merged.append(new[at])
            at += 1
        merged.append(place)
    return (merged + new[at:])[:k]


def trending_list(
    model: Recommender,
    catalog: LiveCatalog,
    person: Person,
    asked: ListRequest,
    scores: TrendingScores,
) -> RankedList:
    """Returns the trending items as the list of a cold-start user.

    Raises:
        UnsupportedError: diversity is requested of a model without item similarity.
    """
    batch = batch_of([person])
    eligible = None if asked.eligible is None else torch.from_numpy(asked.eligible.codes)
    exclusion = Exclusion(batch if asked.exclude_seen else None, eligible)
    n_best = asked.k * CANDIDATES_PER_PLACE if asked.diversity else asked.k
    top = top_k(scores.known[None], n_best, exclusion)
    if asked.diversity:
        top = diversify(top, model.item_similarity.within, asked.k, asked.diversity)
    length = int(top.lengths[0])
    because: list[dict[str, Any]] | None = [] if asked.explain else None
    places = [
        Place(catalog.at(code), score, because)
        for code, score in zip(
            top.items[0, :length].tolist(), top.scores[0, :length].tolist(), strict=True
        )
    ]
    return RankedList("trending", _with_new(places, person, asked, catalog, scores.new))


def _reasons(
    model: Recommender, users: UserBatch, items: np.ndarray, lengths: np.ndarray
) -> dict[int, list[dict[str, Any]]]:
    """Returns reasons by the position of their item in the concatenation of all lists."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in reasons_of(model, users, items, lengths, REASONS).iter_rows(named=True):
        found.setdefault(row.pop("pair"), []).append(row)
    return found
