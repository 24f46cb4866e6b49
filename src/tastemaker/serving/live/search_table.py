"""The search table: all items that may be found, the most popular first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from tastemaker.serving.store.items import ItemRecord

SCHEMA: dict[str, Any] = {
    "rank": pl.Int64,
    "key": pl.String,
    "folded": pl.String,
    "categories": pl.List(pl.String),
}


@dataclass(frozen=True, eq=False)
class SearchTable:
    """A table and what has changed since it was made; both are joined once somebody searches."""

    _before: Callable[[], pl.DataFrame]
    _changes: Mapping[str, tuple[int, ItemRecord]]

    def with_changes(self, changes: Mapping[str, tuple[int, ItemRecord]]) -> "SearchTable":
        """The table with other items, by key, each with its rank by popularity."""
        if "frame" in vars(self):
            frame = self.frame
            return SearchTable(lambda: frame, changes)
        return SearchTable(self._before, {**self._changes, **changes})

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Columns rank, key, folded (the title in lower case) and categories."""
        before = self._before()
        if not self._changes:
            return before
        unchanged = before.filter(~pl.col("key").is_in(list(self._changes)))
        found = [(rank, record) for rank, record in self._changes.values() if record.findable]
        return pl.concat([unchanged, rows_of(found)]).sort("rank", "key")

    def search(self, text: str, categories: Sequence[str]) -> list[str]:
        """Keys of the items whose titles hold all words of the text, in any order and case.

        The best matches first, of equal ones the most popular; without a text, all items.
        """
        words = text.casefold().split()
        table = self.frame
        for word in words:
            table = table.filter(pl.col("folded").str.contains(word, literal=True))
        if categories:
            wanted = pl.element().is_in(list(categories))
            table = table.filter(pl.col("categories").list.eval(wanted).list.any())
        if not words:
            return table["key"].to_list()
        whole = " ".join(words)
        fit = (
            pl.when(pl.col("folded") == whole).then(0)
            .when(pl.col("folded").str.starts_with(whole)).then(1)
            .when(pl.col("folded").str.contains(whole, literal=True)).then(2)
            .otherwise(3)
        )  # fmt: skip
        return table.sort(fit, maintain_order=True)["key"].to_list()

    def alike(self, item: ItemRecord) -> Iterable[tuple[str, float]]:
        """Keys of the items that share categories with one, and the fraction of all in both.

        The largest fraction first, of equal ones the most popular.
        """
        own = pl.lit(list(item.categories or ()), dtype=pl.List(pl.String))
        both = pl.col("categories").list.set_intersection(own).list.len()
        either = pl.col("categories").list.set_union(own).list.len()
        # Filtered by what is in both: of two without categories the fraction is not a number.
        table = self.frame.filter((both > 0) & (pl.col("key") != item.item_id))
        table = table.select("key", fraction=both / either)
        return table.sort("fraction", descending=True, maintain_order=True).iter_rows()


def rows_of(ranked: Sequence[tuple[int, ItemRecord]]) -> pl.DataFrame:
    """Items with their ranks as rows of the table."""
    records = [record for _, record in ranked]
    columns = {
        "rank": [rank for rank, _ in ranked],
        "key": [record.item_id for record in records],
        "folded": [(record.title or record.item_id).casefold() for record in records],
        "categories": [list(record.categories or ()) for record in records],
    }
    return pl.DataFrame(columns, schema=SCHEMA)
