"""Similar items: responses by item, cached until the model or the catalog changes."""

from typing import Any

import orjson

from tastemaker.serving.live.answers import recommended_item
from tastemaker.serving.live.kept import Kept
from tastemaker.serving.live.lists import Place
from tastemaker.serving.live.live import Live, Snapshot
from tastemaker.serving.store.ids import id_of
from tastemaker.serving.store.items import ItemRecord

MOST_BYTES = 16 << 20
"""Maximum size of a worker's cache of responses, in bytes."""


class Similar:
    """Caches responses by item, each of which may take a pass over all weights of the model."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._kept: Kept[bytes] = Kept(MOST_BYTES)

    def to(self, record: ItemRecord, k: int) -> bytes:
        """Returns the k items most similar to an item, as JSON of `wire.SimilarItems`."""
        snapshot = self._live.snapshot()
        basis = snapshot.deployed, snapshot.catalog
        kept = self._kept.get((record.item_id, k), *basis)
        if kept is None:
            kept = orjson.dumps(_answer(snapshot, record, k))
            n_bytes = len(kept) + 4 * len(record.item_id)
            self._kept.put((record.item_id, k), kept, n_bytes, *basis)
        return kept


def _answer(snapshot: Snapshot, record: ItemRecord, k: int) -> dict[str, Any]:
    catalog, deployed = snapshot.catalog, snapshot.deployed
    if catalog.code(record.item_id) is None:
        found = catalog.similar_by_categories(record, k)
    else:
        found = _similar_by_model(snapshot, record, k)
    places = [Place(other, score) for other, score in found]
    return {
        "item_id": id_of(catalog.vocabulary, record.item_id),
        "items": [
            recommended_item(catalog.vocabulary, place, rank)
            for rank, place in enumerate(places, 1)
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
    found = ((catalog.record(str(other)), score) for other, score in rows)
    return [(one, score) for one, score in found if one is not None and one.listable][:k]
