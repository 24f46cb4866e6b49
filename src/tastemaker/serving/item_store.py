"""The item store: what the catalog says otherwise than at the time of training."""

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.database import Database, raised
from tastemaker.serving.tables import items


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

    @property
    def listable(self) -> bool:
        """Whether it may stand in a list."""
        return self.available and not self.hidden and not self.deleted

    @property
    def findable(self) -> bool:
        """Whether a search may find it."""
        return not self.hidden and not self.deleted

    def with_fields(self, fields: dict[str, Any]) -> "ItemRecord":
        """The same item with some fields changed; it is there again if it was deleted."""
        categories = fields.get("categories", self.categories)
        fields = fields | {"categories": None if categories is None else tuple(categories)}
        return replace(self, **fields, deleted=False)


class ItemStore:
    """Changed items in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changed(self) -> list[ItemRecord]:
        """All items that are otherwise than in the run.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        with self._database.reading() as connection:
            rows = connection.execute(sql.select(items)).mappings().all()
        return [
            ItemRecord(**row | {"categories": row["categories"] and tuple(row["categories"])})
            for row in map(dict, rows)
        ]

    def put(self, item: ItemRecord) -> None:
        """Keeps an item as it is now.

        Raises:
            DatabaseAwayError: nothing was kept.
        """
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = vars(item) | {"categories": item.categories and list(item.categories)}
        values = {name: value for name, value in row.items() if name != "item_id"}
        upsert = (
            dialect.insert(items)
            .values(row)
            .on_conflict_do_update(index_elements=["item_id"], set_=values)
        )
        with self._database.writing() as connection:
            connection.execute(upsert)
            raised(connection, "items")
