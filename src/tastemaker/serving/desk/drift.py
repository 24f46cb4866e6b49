"""Drift: measures how well the current model's lists predict the newest events."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.lists import ListRequest, make_lists
from tastemaker.serving.live.live import Live, Snapshot
from tastemaker.serving.live.user_histories import UserWithHistory, user_with_history
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.events import StoredEvent, hashed
from tastemaker.serving.store.ids import code_of
from tastemaker.serving.store.touches import Touched, Touches
from tastemaker.serving.store.trending import RETRACT
from tastemaker.serving.store.users import StoredUser, UserStore
from tastemaker.wire import LONGEST_HISTORY, Listing

K = 10
WINDOWS = 8
MIN_EVENTS_IN_WINDOW = 5

SEARCH_FACTOR = 4
"""The newest SEARCH_FACTOR * n events are searched for n first touches."""

MAX_ROWS = 50_000
"""Once this many events of users have been read, no further user's events are read."""

BATCH_SIZE = 64


@dataclass(frozen=True)
class DriftCase:
    """An event, and the history of its user just before it."""

    event: StoredEvent
    user: UserWithHistory


@dataclass(frozen=True)
class DriftOutcome:
    """The list just before an event, compared with the item of the event."""

    event: StoredEvent
    listed: list[str]
    hit: bool
    popular_hit: bool


def drift(live: Live, n: int) -> dict[str, Any]:
    """Measures how well the current model's lists predict the newest n first touches.

    The result is for all of them, and for up to WINDOWS consecutive windows of them.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    snapshot = live.snapshot()
    cases = _cases(live, snapshot, n)
    outcomes = _outcomes(live, snapshot, cases)
    n_windows = max(1, min(WINDOWS, len(outcomes) // MIN_EVENTS_IN_WINDOW))
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
    """Returns the 95% interval of a fraction by Wilson (1927), which also holds for few events."""
    z = 1.96
    fraction, middle = hits / n, z * z / (2 * n)
    half = z * ((fraction * (1 - fraction) + middle / 2) / n) ** 0.5
    return (
        max(0.0, (fraction + middle - half) / (1 + 2 * middle)),
        min(1.0, (fraction + middle + half) / (1 + 2 * middle)),
    )


def _cases(live: Live, snapshot: Snapshot, n: int) -> list[DriftCase]:
    """Returns the newest events in which a known user touched a new item, oldest first.

    As in the evaluation of a model, only events of a target kind and with a weight count.

    However long the log is, this reads the newest SEARCH_FACTOR * n events, and of their users up
    to LONGEST_HISTORY events each and about MAX_ROWS in all. Items touched only in older events
    count as new.
    """
    seqs_of: dict[str, set[int]] = defaultdict(set)
    for row in live.events.newest_events(SEARCH_FACTOR * n):
        if row.type != RETRACT:
            seqs_of[row.user_id].add(row.seq)
    events_of: dict[str, list[StoredEvent]] = {}
    n_left = MAX_ROWS
    for user_id in seqs_of:
        if n_left <= 0:
            break
        rows = list(live.events.newest_events(LONGEST_HISTORY, [user_id]))
        events_of[user_id], n_left = rows[::-1], n_left - len(rows)
    past_histories = _PastHistories(snapshot, live.users)
    first_touches = [
        event.seq
        for user_id, user_events in events_of.items()
        for event in past_histories.first_touches(user_events, seqs_of[user_id])
    ]
    selected = set(sorted(first_touches)[-n:])
    cases = (
        case
        for user_events in events_of.values()
        for case in past_histories.cases(user_events, selected)
    )
    return sorted(cases, key=lambda case: case.event.seq)


class _PastHistories:
    """Reconstructs the histories of users just before their events; the features are today's."""

    def __init__(self, snapshot: Snapshot, users: UserStore) -> None:
        self._everything = snapshot.deployed.everything
        self._forgotten = snapshot.forgotten
        self._kinds = self._everything.rules.kinds
        self._weights = EventWeights.of(self._everything.rules)
        # Users have many items in common, and finding a code takes far longer than caching it.
        self._code = cache(partial(code_of, self._everything.item_vocabulary))
        self._features = cache(users.features)

    def first_touches(
        self, user_events: Sequence[StoredEvent], seqs: Collection[int]
    ) -> Iterator[StoredEvent]:
        """Yields the events with these numbers in which a known user touched a new item.

        These are events that a list should predict: of a target kind, and with a weight.

        Args:
            user_events: events of one user, in order of arrival.
            seqs: numbers of some of them.
        """
        if not user_events:
            return  # the user was forgotten a moment ago
        user = self._user(user_events[0].user_id, [])
        in_history, touched = set(user.items.tolist()), set[int | str](user.seen.tolist())
        weights = self._weights.weights_of(
            [event.type for event in user_events], [event.value for event in user_events]
        )
        for event, weight in zip(user_events, weights, strict=True):
            code = self._code(event.item_id)
            item = event.item_id if code == UNKNOWN else code
            if event.type == RETRACT:
                in_history.discard(code)
                touched.discard(item)
                continue
            if not weight:
                continue
            if self._kinds is None or self._kinds.predicts(event.type):
                if event.seq in seqs and in_history and item not in touched:
                    yield event
                touched.add(item)
            if code != UNKNOWN:
                in_history.add(code)

    def cases(
        self, user_events: Sequence[StoredEvent], seqs: Collection[int]
    ) -> Iterator[DriftCase]:
        """Yields the events with these numbers, each with its user's history just before it.

        Args:
            user_events: events of one user, in order of arrival.
            seqs: numbers of some events, of any users.
        """
        touches = Touches()
        for event in user_events:
            if event.seq in seqs:
                yield DriftCase(event, self._user(event.user_id, touches.standing()))
            touches.add(event.item_id, event.timestamp, event.type, event.value)

    def _user(self, user_id: str, touched: Sequence[Touched]) -> UserWithHistory:
        forgotten = hashed(user_id) in self._forgotten
        stored = StoredUser(touched, self._features(user_id))
        return user_with_history(self._everything, user_id, stored, forgotten, self._code)


def _outcomes(live: Live, snapshot: Snapshot, cases: list[DriftCase]) -> list[DriftOutcome]:
    catalog, model = snapshot.catalog, snapshot.deployed.bundle.model
    listing = ListRequest.of(Listing(k=K), catalog)
    trending = live.trending_scores(catalog)
    popular = np.argsort(-catalog.dataset.item_counts, kind="stable")
    outcomes = []
    for start in range(0, len(cases), BATCH_SIZE):
        batch = cases[start : start + BATCH_SIZE]
        users = [case.user for case in batch]
        lists = make_lists(model, catalog, users, listing, lambda: trending)
        for case, ranked_list in zip(batch, lists, strict=True):
            listed = [entry.item.item_id for entry in ranked_list.entries]
            key = case.event.item_id
            seen = set(case.user.seen.tolist())
            # A history of n items contains at most n of the n + K most popular items.
            unseen = [code for code in popular[: len(seen) + K] if code not in seen][:K]
            most_popular = {catalog.at(int(code)).item_id for code in unseen}
            outcomes.append(DriftOutcome(case.event, listed, key in listed, key in most_popular))
    return outcomes


def _popularity(catalog: LiveCatalog) -> dict[str, float]:
    """Returns the popularity of each item: the fraction of the catalog with fewer interactions."""
    counts = catalog.dataset.item_counts
    ordered = np.sort(counts)
    ranks = np.searchsorted(ordered, counts, side="left") / max(1, len(counts) - 1)
    keys = map(str, catalog.vocabulary.ids.to_list())
    return dict(zip(keys, ranks.tolist(), strict=True))


def _window(outcomes: list[DriftOutcome], popularity: dict[str, float]) -> dict[str, Any]:
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
