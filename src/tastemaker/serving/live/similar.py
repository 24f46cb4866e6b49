"""Similar items: responses by item, cached until the model or the catalog changes."""

from typing import Any

import orjson

from tastemaker.serving.live.cache import BoundedCache
from tastemaker.serving.live.list_responses import recommended_item
from tastemaker.serving.live.lists import ListEntry
from tastemaker.serving.live.live import Live, Snapshot
from tastemaker.serving.store.ids import id_of
from tastemaker.serving.store.items import ItemRecord

MAX_BYTES = 16 << 20
"""Maximum size of a worker's cache of responses, in bytes."""


class SimilarItemsCache:
    """Caches responses by item, each of which may take a pass over all weights of the model."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._cache: BoundedCache[bytes] = BoundedCache(MAX_BYTES)

    def response(self, record: ItemRecord, k: int) -> bytes:
        """Returns the k items most similar to an item, as JSON of `wire.SimilarItems`."""
        snapshot = self._live.snapshot()
        basis = snapshot.deployed, snapshot.catalog
        cached = self._cache.get((record.item_id, k), *basis)
        if cached is None:
            cached = orjson.dumps(_content(snapshot, record, k))
            n_bytes = len(cached) + 4 * len(record.item_id)
            self._cache.put((record.item_id, k), cached, n_bytes, *basis)
        return cached


def _content(snapshot: Snapshot, record: ItemRecord, k: int) -> dict[str, Any]:
    catalog, deployed = snapshot.catalog, snapshot.deployed
    if catalog.code(record.item_id) is None:
        similar = catalog.similar_by_categories(record, k)
    else:
        similar = _similar_by_model(snapshot, record, k)
    entries = [ListEntry(other, score) for other, score in similar]
    return {
        "item_id": id_of(catalog.vocabulary, record.item_id),
        "items": [
            recommended_item(catalog.vocabulary, entry, rank)
            for rank, entry in enumerate(entries, 1)
        ],
        "model": deployed.record.model,
        "version": deployed.record.version,
    }


def _similar_by_model(
    snapshot: Snapshot, record: ItemRecord, k: int
) -> list[tuple[ItemRecord, float]]:
    catalog = snapshot.catalog
    table = snapshot.deployed.bundle.similar_items(
        id_of(catalog.vocabulary, record.item_id), k + catalog.n_withheld
    )
    rows = table.frame.select("similar_item_id", "score").rows()
    similar = ((catalog.record(str(other_id)), score) for other_id, score in rows)
    return [(other, score) for other, score in similar if other is not None and other.listable][:k]
