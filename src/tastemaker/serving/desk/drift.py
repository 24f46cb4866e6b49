"""Drift: whether the lists still meet what people do, asked of the newest events."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sql

from tastemaker.serving.event_store import hashed, latest_of
from tastemaker.serving.ids import code_of
from tastemaker.serving.lists import Asked, make_lists
from tastemaker.serving.live import Live, Snapshot
from tastemaker.serving.live_catalog import LiveCatalog
from tastemaker.serving.people import Person, person_of
from tastemaker.serving.tables import events
from tastemaker.serving.trending_store import RETRACT
from tastemaker.wire import Listing

K = 10
WINDOWS = 8
FEWEST_IN_WINDOW = 5

MOST_ROWS = 20_000
"""Events of the people asked about that are read, the newest."""

AT_ONCE = 64


class Row(NamedTuple):
    """An event as it is in the database."""

    seq: int
    user_id: str
    item_id: str
    timestamp: int
    type: str


@dataclass(frozen=True)
class Question:
    """An event, and the person as they were just before it."""

    event: Row
    person: Person


@dataclass(frozen=True)
class Outcome:
    """What the list would have been, beside what was chosen."""

    event: Row
    listed: list[str]
    hit: bool
    popular_hit: bool


def drift(live: Live, n: int) -> dict[str, Any]:
    """How the current model's lists meet the newest n first touches, in order, in some windows.

    Raises:
        DatabaseAwayError: the database does not answer.
    """
    snapshot = live.snapshot()
    asked = _questions(live, snapshot, n)
    outcomes = _outcomes(live, snapshot, asked)
    n_windows = max(1, min(WINDOWS, len(outcomes) // FEWEST_IN_WINDOW))
    parts = np.array_split(np.arange(len(outcomes)), n_windows) if outcomes else []
    popularity = _popularity(snapshot.catalog)
    windows = [_window([outcomes[place] for place in part], popularity) for part in parts]
    return {
        "k": K,
        "n": len(outcomes),
        "overall": _window(outcomes, popularity) if outcomes else None,
        "windows": windows,
        "version": snapshot.deployed.record.version,
    }


def interval(hits: int, n: int) -> tuple[float, float]:
    """Of a share, 95%, after Wilson 1927; it holds for few events too."""
    z = 1.96
    share, middle = hits / n, z * z / (2 * n)
    half = z * ((share * (1 - share) + middle / 2) / n) ** 0.5
    return (
        max(0.0, (share + middle - half) / (1 + 2 * middle)),
        min(1.0, (share + middle + half) / (1 + 2 * middle)),
    )


def _questions(live: Live, snapshot: Snapshot, n: int) -> list[Question]:
    """The newest events about something new for somebody known, the oldest of them first."""
    kinds = sql.select(
        events.c.seq, events.c.user_id, events.c.item_id, events.c.timestamp, events.c.type
    )
    newest_first = kinds.order_by(events.c.seq.desc())
    with live.database.reading() as connection:
        newest = connection.execute(newest_first.where(events.c.type != RETRACT).limit(4 * n))
        candidates = [Row(*row) for row in newest]
        users = sorted({row.user_id for row in candidates})
        theirs = connection.execute(
            newest_first.where(events.c.user_id.in_(users)).limit(MOST_ROWS)
        )
        of_user: dict[str, list[Row]] = defaultdict(list)
        for row in theirs:
            of_user[row[1]].append(Row(*row))
    found: list[Question] = []
    for event in candidates:
        person = _before(snapshot, event, of_user[event.user_id])
        if len(person.items) and not _has(snapshot, person, event.item_id):
            found.append(Question(event, person))
        if len(found) == n:
            break
    return found[::-1]


def _before(snapshot: Snapshot, event: Row, theirs: Sequence[Row]) -> Person:
    """The person as before that event arrived."""
    earlier = sorted(row for row in theirs if row.seq < event.seq)
    touched = latest_of((row.item_id, row.timestamp, row.type) for row in earlier)
    forgotten = hashed(event.user_id) in snapshot.forgotten
    return person_of(snapshot.deployed.everything, event.user_id, touched, forgotten)


def _has(snapshot: Snapshot, person: Person, key: str) -> bool:
    code = code_of(snapshot.deployed.everything.item_vocabulary, key)
    return code in person.items or any(key == other for other, _ in person.new_items)


def _outcomes(live: Live, snapshot: Snapshot, asked: list[Question]) -> list[Outcome]:
    catalog, model = snapshot.catalog, snapshot.deployed.bundle.model
    listing = Asked.of(Listing(k=K), catalog)
    trending = live.trending_scores(catalog)
    popular = np.argsort(-catalog.dataset.item_counts, kind="stable")
    found = []
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        people = [question.person for question in part]
        lists = make_lists(model, catalog, people, listing, lambda: trending)
        for question, made in zip(part, lists, strict=True):
            listed = [place.item.item_id for place in made.places]
            key = question.event.item_id
            seen = question.person.items
            # A history of n items can take n places of the first n + K at most.
            unseen = [code for code in popular[: len(seen) + K] if code not in seen][:K]
            best = {catalog.at(int(code)).item_id for code in unseen}
            found.append(Outcome(question.event, listed, key in listed, key in best))
    return found


def _popularity(catalog: LiveCatalog) -> dict[str, float]:
    """Of each item, the share of the catalog that is touched less than it."""
    counts = catalog.dataset.item_counts
    ordered = np.sort(counts)
    ranks = np.searchsorted(ordered, counts, side="left") / max(1, len(counts) - 1)
    keys = map(str, catalog.vocabulary.ids.to_list())
    return dict(zip(keys, ranks.tolist(), strict=True))


def _window(outcomes: list[Outcome], popularity: dict[str, float]) -> dict[str, Any]:
    n = len(outcomes)
    hits = sum(outcome.hit for outcome in outcomes)
    low, high = interval(hits, n)
    listed = [key for outcome in outcomes for key in outcome.listed]
    chosen = [popularity.get(outcome.event.item_id, 0.0) for outcome in outcomes]
    return {
        "from_time": min(outcome.event.timestamp for outcome in outcomes),
        "to_time": max(outcome.event.timestamp for outcome in outcomes),
        "n": n,
        "hit_rate": hits / n,
        "low": low,
        "high": high,
        "popular_hit_rate": sum(outcome.popular_hit for outcome in outcomes) / n,
        "coverage": len(set(listed)) / max(1, len(popularity)),
        "listed_popularity": float(np.mean([popularity.get(k, 0.0) for k in listed] or [0.0])),
        "chosen_popularity": float(np.mean(chosen)),
    }
