"""Similar items: what is like an item, kept until the model or the catalog is another."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tastemaker.serving.answers import in_place
from tastemaker.serving.ids import id_of
from tastemaker.serving.item_store import ItemRecord
from tastemaker.serving.lists import Place
from tastemaker.serving.live import Deployed, Live, Snapshot
from tastemaker.serving.live_catalog import LiveCatalog

MOST_KEPT = 5_000


@dataclass(frozen=True, eq=False)
class _Kept:
    """An answer, and what it rests on."""

    answer: dict[str, Any]
    deployed: Deployed
    catalog: LiveCatalog


class Similar:
    """Answers by item; a model may compare with all its weights for each."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()

    def to(self, record: ItemRecord, k: int) -> dict[str, Any]:
        """What is most like an item, as wire.SimilarItems has it."""
        snapshot = self._live.snapshot()
        kept = self._kept.get((record.item_id, k))
        if kept and (kept.deployed, kept.catalog) == (snapshot.deployed, snapshot.catalog):
            return kept.answer
        answer = _answer(snapshot, record, k)
        self._kept[record.item_id, k] = _Kept(answer, snapshot.deployed, snapshot.catalog)
        if len(self._kept) > MOST_KEPT:
            try:
                self._kept.popitem(last=False)
            except KeyError:
                return answer  # another thread was as quick
        return answer


def _answer(snapshot: Snapshot, record: ItemRecord, k: int) -> dict[str, Any]:
    catalog, deployed = snapshot.catalog, snapshot.deployed
    if catalog.code(record.item_id) is None:
        found = catalog.alike_by_categories(record, k)
    else:
        found = _alike_by_model(snapshot, record, k)
    places = [Place(other, score) for other, score in found]
    return {
        "item_id": id_of(catalog.vocabulary, record.item_id),
        "items": [
            in_place(catalog.vocabulary, place, rank) for rank, place in enumerate(places, 1)
        ],
        "model": deployed.record.model,
        "version": deployed.record.version,
    }


def _alike_by_model(
    snapshot: Snapshot, record: ItemRecord, k: int
) -> list[tuple[ItemRecord, float]]:
    catalog = snapshot.catalog
    table = snapshot.deployed.bundle.similar_items(
        id_of(catalog.vocabulary, record.item_id), k + len(catalog.changed)
    )
    rows = table.frame.select("similar_item_id", "score").rows()
    found = ((catalog.record(str(other)), score) for other, score in rows)
    return [(one, score) for one, score in found if one is not None and one.listable][:k]
