"""Answers: lists as JSON responses, which are cached for repeated requests."""

from dataclasses import dataclass
from typing import Any

import orjson

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.telemetry import Telemetry
from tastemaker.serving.live.kept import Kept
from tastemaker.serving.live.lists import Place, RankedList
from tastemaker.serving.live.live import Live, LiveLists, Look, Snapshot
from tastemaker.serving.live.looks import Looks
from tastemaker.serving.live.people import digest
from tastemaker.serving.store.database import ChangeToken
from tastemaker.serving.store.ids import id_of, key_of
from tastemaker.serving.store.items import ItemRecord
from tastemaker.wire import Listing

MOST_BYTES = 64 << 20
"""Maximum size of a worker's cache of responses, in bytes."""


@dataclass
class _Answer:
    """A cached response, and the conditions under which it is still valid."""

    body: bytes
    token: ChangeToken | None
    """State of the database when the response was last known to be valid."""
    touched: int
    """Digest of what the user had touched in events."""


class Answers:
    """Makes and caches the lists of single users, as JSON."""

    def __init__(self, live: Live, looks: Looks, gate: Gate, telemetry: Telemetry) -> None:
        self._live, self._looks, self._gate, self._telemetry = live, looks, gate, telemetry
        self._kept: Kept[_Answer] = Kept(MOST_BYTES)

    async def recommend(self, user: str, query: str, listing: Listing) -> bytes:
        """Returns the current list of a user.

        Args:
            user: id of the user as in the path.
            query: query string of the URL.
            listing: the options in the query.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are requested of a model that has none.
            TooBusyError: the queue is full.
            TooSlowError: it took too long.
        """
        at_hand = self._at_hand(user, query)
        if at_hand is not None:
            return at_hand
        vocabulary = self._live.held.deployed.everything.user_vocabulary
        look = await self._looks.of(key_of(vocabulary, user))
        still = self._still_right(user, query, look)
        if still is not None:
            return still
        return await self._gate.run(lambda: self._made(user, query, listing, look))

    def _at_hand(self, user: str, query: str) -> bytes | None:
        """Returns the cached response to the same request if the database is unchanged since.

        The database need not be read again, since the check of the caller's key has just done so.
        """
        held = self._live.held
        if held.degraded or held.token is None or not self._live.database.is_sqlite:
            return None
        kept = self._kept.get((user, query), *_basis(held))
        return kept.body if kept is not None and kept.token is held.token else None

    def _made(self, user: str, query: str, listing: Listing, look: Look) -> bytes:
        found = self._live.recommend_to(look, listing)
        body = orjson.dumps(self.in_full(found, found.lists[0], look.key))
        if not found.snapshot.degraded and found.lists[0].source == "model":
            answer = _Answer(body, found.snapshot.token, found.digests[look.key])
            n_bytes = len(body) + 4 * (len(user) + len(query))
            self._kept.put((user, query), answer, n_bytes, *_basis(found.snapshot))
        return body

    def in_full(self, found: LiveLists, made: RankedList, key: str | None) -> dict[str, Any]:
        """Returns the content of a `wire.RecommendationList`, and counts the list."""
        self._telemetry.lists.labels(made.source).inc()
        deployed = found.snapshot.deployed
        users, items = deployed.everything.user_vocabulary, deployed.everything.item_vocabulary
        return {
            "user_id": None if key is None else id_of(users, key),
            "items": [
                recommended_item(items, place, rank) for rank, place in enumerate(made.places, 1)
            ],
            "model": deployed.record.model,
            "version": deployed.record.version,
            "source": made.source,
            "degraded": found.snapshot.degraded,
        }

    def _still_right(self, user: str, query: str, look: Look) -> bytes | None:
        """Returns the cached response if no change of the database since concerns this user."""
        if look.snapshot.degraded:
            return None
        kept = self._kept.get((user, query), *_basis(look.snapshot))
        if kept is None or digest(look.touched) != kept.touched:
            return None
        kept.token = look.snapshot.token
        return kept.body


def _basis(snapshot: Snapshot) -> tuple[object, ...]:
    """Returns what all responses depend on, besides what their users touched."""
    return snapshot.deployed, snapshot.catalog, snapshot.forgotten


def recommended_item(vocabulary: Vocabulary, place: Place, rank: int) -> dict[str, Any]:
    """Returns the content of a `wire.RecommendedItem`."""
    return described(vocabulary, place.item) | {
        "rank": rank,
        "score": place.score,
        "because": place.because,
    }


def described(vocabulary: Vocabulary, item: ItemRecord) -> dict[str, Any]:
    """Returns the fields of an item that all responses contain."""
    return {
        "item_id": id_of(vocabulary, item.item_id),
        "title": item.title,
        "categories": item.categories,
        "image_url": item.image_url,
    }
