"""Answers: lists as they go over the wire, kept as bytes for whoever asks the same again."""

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
"""What a worker's kept answers may take."""


@dataclass
class _Answer:
    """An answer, and what must still hold for it to be right."""

    body: bytes
    token: ChangeToken | None
    """State of the database when the answer was last known to be right."""
    touched: int
    """A digest of what the user had touched in events."""


class Answers:
    """The lists of single users, as JSON."""

    def __init__(self, live: Live, looks: Looks, gate: Gate, telemetry: Telemetry) -> None:
        self._live, self._looks, self._gate, self._telemetry = live, looks, gate, telemetry
        self._kept: Kept[_Answer] = Kept(MOST_BYTES)

    async def recommend(self, user: str, query: str, listing: Listing) -> bytes:
        """The list of a user as of now.

        Args:
            user: as in the path.
            query: as in the URL.
            listing: what the query says.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are asked of a model that has none.
            TooBusyError: too many wait already.
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
        """The answer to the same question, if nobody has written anything since.

        The check of the caller's key has just looked into the database.
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
        """A list as wire.RecommendationList has it."""
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
        """What was kept, if others wrote, but nothing that concerns this user."""
        if look.snapshot.degraded:
            return None
        kept = self._kept.get((user, query), *_basis(look.snapshot))
        if kept is None or digest(look.touched) != kept.touched:
            return None
        kept.token = look.snapshot.token
        return kept.body


def _basis(snapshot: Snapshot) -> tuple[object, ...]:
    """What all answers of a moment rest on, beside what their users touched."""
    return snapshot.deployed, snapshot.catalog, snapshot.forgotten


def recommended_item(vocabulary: Vocabulary, place: Place, rank: int) -> dict[str, Any]:
    """One place as wire.RecommendedItem has it."""
    return described(vocabulary, place.item) | {
        "rank": rank,
        "score": place.score,
        "because": place.because,
    }


def described(vocabulary: Vocabulary, item: ItemRecord) -> dict[str, Any]:
    """What every answer says of an item."""
    return {
        "item_id": id_of(vocabulary, item.item_id),
        "title": item.title,
        "categories": item.categories,
        "image_url": item.image_url,
    }
