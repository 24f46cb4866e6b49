"""The item store: the changes of the catalog since the training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.tables import items


@dataclass(frozen=True)
class ItemRecord:
    """The data of an item."""

    item_id: str
    title: str | None = None
    categories: tuple[str, ...] | None = None
    image_url: str | None = None
    hidden: bool = False
    available: bool = True
    deleted: bool = False
    changed: int = 0
    """Number of the last change, unique among changes; 0 for an item that is as in the run."""
    features: dict[str, Any] | None = None
    """Features by name, besides title and categories, that were sent since the training."""

    @property
    def listable(self) -> bool:
        """Whether the item may appear in a list."""
        return self.available and not self.hidden and not self.deleted

    @property
    def findable(self) -> bool:
        """Whether a search may find the item."""
        return not self.hidden and not self.deleted

    def with_fields(self, fields: dict[str, Any]) -> "ItemRecord":
        """Returns the same item with some fields changed."""
        categories = fields.get("categories", self.categories)
        return replace(
            self, **fields | {"categories": None if categories is None else tuple(categories)}
        )


class ItemChanges(NamedTuple):
    """Number of changes of items up to a moment."""

    all: int
    """Count of all changes; also the number of the last change, if that is numbered."""
    numbered: int

    def are_numbered_until(self, later: "ItemChanges") -> bool:
        """Whether every change between two moments is numbered, and so can be found."""
        n_changes = later.all - self.all
        return n_changes >= 0 and n_changes == later.numbered - self.numbered


class ItemStore:
    """Changed items in the database; safe for several threads, processes and machines at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = (sqlite if database.is_sqlite else postgresql).insert

    def changed(self, since: int | None = None) -> list[ItemRecord]:
        """Returns the items that differ from the run, in the order of their last changes.

        Args:
            since: an earlier value of the counter `items`; None reads all. Items that change
                meanwhile may be read too, and are then read again next time.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        query = sql.select(items).order_by(items.c.changed, items.c.item_id)
        if since is not None:
            query = query.where(items.c.changed > since)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def put(self, records: Sequence[ItemRecord]) -> None:
        """Stores items, all or none; if an item occurs twice, the last one is stored.

        Raises:
            DatabaseUnavailableError: nothing was stored.
        """
        insert = self._insert(items)
        values = {column.name: column for column in insert.excluded if column.name != "item_id"}
        upsert = insert.on_conflict_do_update(index_elements=["item_id"], set_=values)
        with self._database.writing() as connection:
            last = _next_numbers(connection, len(records))
            first = last - len(records) + 1
            rows = [_row(record, first + offset) for offset, record in enumerate(records)]
            # The items need no particular order: writers wait for each other at the counter's row,
            # so that they cannot deadlock at the items' rows.
            connection.execute(upsert, rows)

    def patch(self, base: ItemRecord, fields: dict[str, Any]) -> ItemRecord | None:
        """Sets some fields of an item and leaves the others as they are in the database.

        Args:
            base: the item to start from if the database has no row of it.
            fields: fields of an ItemRecord, by name.

        Returns:
            The changed item; None if it is deleted, which it remains.

        Raises:
            DatabaseUnavailableError: nothing was stored.
        """
        return self._changed_unless_deleted(base.with_fields(fields), list(fields))

    def delete(self, item_id: str) -> bool:
        """Deletes an item and its data; returns False if it was deleted before.

        Raises:
            DatabaseUnavailableError: nothing was deleted.
        """
        deleted = ItemRecord(item_id, deleted=True)
        names = [name for name in vars(deleted) if name != "item_id"]
        return self._changed_unless_deleted(deleted, names) is not None

    def _changed_unless_deleted(
        self, record: ItemRecord, names: Sequence[str]
    ) -> ItemRecord | None:
        """Inserts the record, or sets the named columns of its row; None if the item is deleted."""
        with self._database.writing() as connection:
            row = _row(record, _next_numbers(connection, 1))
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
            stored = connection.execute(upsert).mappings().one_or_none()
            if stored is None:
                connection.rollback()
            return None if stored is None else _record(stored)


def _next_numbers(connection: sql.Connection, n: int) -> int:
    """Allocates numbers for n changes, notifies all workers, and returns the last number."""
    last = bump_counter(connection, "items", by=n)
    bump_counter(connection, "numbered_items", by=n)
    return last


def _row(record: ItemRecord, changed: int) -> dict[str, Any]:
    categories = None if record.categories is None else list(record.categories)
    return vars(record) | {"categories": categories, "changed": changed}


def _record(row: sql.RowMapping) -> ItemRecord:
    categories = row["categories"]
    return ItemRecord(**{**row, "categories": None if categories is None else tuple(categories)})
