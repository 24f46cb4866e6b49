"""Responses with the lists of users, as JSON, which are cached for repeated requests."""

from dataclasses import dataclass
from typing import Any

import orjson

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.telemetry import Telemetry
from tastemaker.serving.live.cache import BoundedCache
from tastemaker.serving.live.lists import ListEntry, RankedList
from tastemaker.serving.live.live import Live, LiveLists, Snapshot, UserSnapshot
from tastemaker.serving.live.shared_reads import SharedReads
from tastemaker.serving.live.user_histories import digest
from tastemaker.serving.store.database import ChangeToken
from tastemaker.serving.store.ids import id_of, key_of
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import Listing

MAX_BYTES = 64 << 20
"""Maximum size of a worker's cache of responses, in bytes."""


@dataclass
class _CachedResponse:
    """A cached response, and the conditions under which it is still valid."""

    body: bytes
    token: ChangeToken | None
    """State of the database when the response was last known to be valid."""
    digest: int
    """Digest of what was stored about the user."""


class ListResponses:
    """Makes and caches the lists of single users, as JSON."""

    def __init__(
        self, live: Live, shared_reads: SharedReads, gate: Gate, telemetry: Telemetry
    ) -> None:
        self._live, self._shared_reads = live, shared_reads
        self._gate, self._telemetry = gate, telemetry
        self._cache: BoundedCache[_CachedResponse] = BoundedCache(MAX_BYTES)

    async def recommend(self, user_id: str, query: str, listing: Listing) -> bytes:
        """Returns the current list of a user.

        Args:
            user_id: id of the user as in the path.
            query: query string of the URL.
            listing: the options in the query.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are requested of a model that has none.
            TooBusyError: the queue is full.
            TooSlowError: it took too long.
        """
        cached = self._cached_unchanged(user_id, query)
        if cached is not None:
            return cached
        vocabulary = self._live.last_snapshot.deployed.everything.user_vocabulary
        user_snapshot = await self._shared_reads.read(key_of(vocabulary, user_id))
        cached = self._cached_if_valid(user_id, query, user_snapshot)
        if cached is not None:
            return cached
        return await self._gate.run(lambda: self._computed(user_id, query, listing, user_snapshot))

    def _cached_unchanged(self, user_id: str, query: str) -> bytes | None:
        """Returns the cached response to the same request if the database is unchanged since.

        The database need not be read again, since the check of the caller's key has just done so.
        """
        snapshot = self._live.last_snapshot
        if snapshot.degraded or snapshot.token is None or not self._live.database.is_sqlite:
            return None
        cached = self._cache.get((user_id, query), *_basis(snapshot))
        return cached.body if cached is not None and cached.token is snapshot.token else None

    def _computed(
        self, user_id: str, query: str, listing: Listing, user_snapshot: UserSnapshot
    ) -> bytes:
        live_lists = self._live.recommend_to(user_snapshot, listing)
        body = orjson.dumps(self.list_fields(live_lists, live_lists.lists[0], user_snapshot.key))
        if not live_lists.snapshot.degraded and live_lists.lists[0].source == "model":
            response = _CachedResponse(
                body, live_lists.snapshot.token, live_lists.digests[user_snapshot.key]
            )
            n_bytes = len(body) + 4 * (len(user_id) + len(query))
            self._cache.put((user_id, query), response, n_bytes, *_basis(live_lists.snapshot))
        return body

    def list_fields(
        self, live_lists: LiveLists, ranked_list: RankedList, key: str | None
    ) -> dict[str, Any]:
        """Returns the content of a `wire.RecommendationList`, and counts the list."""
        self._telemetry.lists.labels(ranked_list.source).inc()
        deployed = live_lists.snapshot.deployed
        users, items = deployed.everything.user_vocabulary, deployed.everything.item_vocabulary
        return {
            "user_id": None if key is None else id_of(users, key),
            "items": [
                recommended_item(items, entry, rank)
                for rank, entry in enumerate(ranked_list.entries, 1)
            ],
            "model": deployed.record.model,
            "version": deployed.record.version,
            "source": ranked_list.source,
            "degraded": live_lists.snapshot.degraded,
        }

    def _cached_if_valid(
        self, user_id: str, query: str, user_snapshot: UserSnapshot
    ) -> bytes | None:
        """Returns the cached response if no change of the database since concerns this user."""
        if user_snapshot.snapshot.degraded:
            return None
        cached = self._cache.get((user_id, query), *_basis(user_snapshot.snapshot))
        if cached is None or digest(user_snapshot.stored) != cached.digest:
            return None
        cached.token = user_snapshot.snapshot.token
        return cached.body


def _basis(snapshot: Snapshot) -> tuple[object, ...]:
    """Returns what all responses depend on, besides what is stored about their users."""
    return snapshot.deployed, snapshot.catalog, snapshot.forgotten


def recommended_item(vocabulary: Vocabulary, entry: ListEntry, rank: int) -> dict[str, Any]:
    """Returns the content of a `wire.RecommendedItem`."""
    return item_fields(vocabulary, entry.item) | {
        "rank": rank,
        "score": entry.score,
        "because": entry.because,
    }


def item_fields(vocabulary: Vocabulary, item: ItemRecord) -> dict[str, Any]:
    """Returns the fields of an item that all responses contain."""
    return {
        "item_id": id_of(vocabulary, item.item_id),
        "title": item.title,
        "categories": item.categories,
        "image_url": item.image_url,
    }
