"""The item store: what the catalog says otherwise than at the time of training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.tables import items


@dataclass(frozen=True)
class ItemRecord:
    """What is known of an item."""

    item_id: str
    title: str | None = None
    categories: tuple[str, ...] | None = None
    image_url: str | None = None
    hidden: bool = False
    available: bool = True
    deleted: bool = False
    changed: int = 0
    """Number of the last change, unique among changes; 0 for an item that is as in the run."""

    @property
    def listable(self) -> bool:
        """Whether it may stand in a list."""
        return self.available and not self.hidden and not self.deleted

    @property
    def findable(self) -> bool:
        """Whether a search may find it."""
        return not self.hidden and not self.deleted

    def with_fields(self, fields: dict[str, Any]) -> "ItemRecord":
        """The same item with some fields changed."""
        categories = fields.get("categories", self.categories)
        return replace(
            self, **fields | {"categories": None if categories is None else tuple(categories)}
        )


class ItemChanges(NamedTuple):
    """How many changes of items there were up to a moment."""

    all: int
    """Also the number of the last of them, if it has one."""
    numbered: int

    def lead_by_numbers_to(self, later: "ItemChanges") -> bool:
        """Whether every change between two moments has a number, by which it is found."""
        since = later.all - self.all
        return since >= 0 and since == later.numbered - self.numbered


class ItemStore:
    """Changed items in the database; safe for several threads, processes and machines at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = (sqlite if database.is_sqlite else postgresql).insert

    def changed(self, since: int | None = None) -> list[ItemRecord]:
        """The items that are otherwise than in the run, in the order of their last changes.

        Args:
            since: a value that the counter `items` had; None reads all. What changes meanwhile may
                be read too, and is read again next time.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        query = sql.select(items).order_by(items.c.changed, items.c.item_id)
        if since is not None:
            query = query.where(items.c.changed > since)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def put(self, records: Sequence[ItemRecord]) -> None:
        """Keeps items as they are now, all or none; of the same item twice, the last one.

        Raises:
            DatabaseAwayError: nothing was kept.
        """
        insert = self._insert(items)
        values = {column.name: column for column in insert.excluded if column.name != "item_id"}
        upsert = insert.on_conflict_do_update(index_elements=["item_id"], set_=values)
        with self._database.writing() as connection:
            last = _numbered(connection, len(records))
            first = last - len(records) + 1
            rows = [_row(record, first + place) for place, record in enumerate(records)]
            # In any order of the items: other writers wait for the counter's row, so that no two
            # of them can each wait for an item that the other holds.
            connection.execute(upsert, rows)

    def patch(self, base: ItemRecord, fields: dict[str, Any]) -> ItemRecord | None:
        """Sets some fields of an item and leaves the others as they are in the database.

        Args:
            base: the item as it is where the database has nothing of it.
            fields: those of an ItemRecord, by name.

        Returns:
            The item as it is now; None for one that was deleted, and stays so.

        Raises:
            DatabaseAwayError: nothing was kept.
        """
        return self._changed_unless_deleted(base.with_fields(fields), list(fields))

    def delete(self, item_id: str) -> bool:
        """Takes an item out, and what was known of it; False for one that was deleted before.

        Raises:
            DatabaseAwayError: nothing was deleted.
        """
        gone = ItemRecord(item_id, deleted=True)
        names = [name for name in vars(gone) if name != "item_id"]
        return self._changed_unless_deleted(gone, names) is not None

    def _changed_unless_deleted(
        self, record: ItemRecord, names: Sequence[str]
    ) -> ItemRecord | None:
        """Inserts the record, or sets the named columns of the row that is there already."""
        with self._database.writing() as connection:
            row = _row(record, _numbered(connection, 1))
            upsert = (
                self._insert(items)
                .values(row)
                .on_conflict_do_update(
                    index_elements=["item_id"],
                    set_={name: row[name] for name in (*names, "changed")},
                    where=items.c.deleted.is_(False),
                )
                .returning(items)
            )
            kept = connection.execute(upsert).mappings().one_or_none()
            if kept is None:
                connection.rollback()
            return None if kept is None else _record(kept)


def _numbered(connection: sql.Connection, n: int) -> int:
    """Gives numbers to n changes, tells all workers of them, and returns the last."""
    last = bump_counter(connection, "items", by=n)
    bump_counter(connection, "numbered_items", by=n)
    return last


def _row(record: ItemRecord, changed: int) -> dict[str, Any]:
    categories = None if record.categories is None else list(record.categories)
    return vars(record) | {"categories": categories, "changed": changed}


def _record(row: sql.RowMapping) -> ItemRecord:
    categories = row["categories"]
    return ItemRecord(**{**row, "categories": None if categories is None else tuple(categories)})
