"""The search table: all findable items, most popular first."""

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
    """A table and the changes since it was made, which the first search merges into it."""

    _base: Callable[[], pl.DataFrame]
    _changes: Mapping[str, tuple[int, ItemRecord]]

    def with_changes(self, changes: Mapping[str, tuple[int, ItemRecord]]) -> "SearchTable":
        """Returns the table with changed items, by key, each with its rank by popularity."""
        if "frame" in vars(self):
            frame = self.frame
            return SearchTable(lambda: frame, changes)
        return SearchTable(self._base, {**self._changes, **changes})

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Columns rank, key, folded (the case-folded title, else the key) and categories."""
        base = self._base()
        if not self._changes:
            return base
        unchanged = base.filter(~pl.col("key").is_in(list(self._changes)))
        findable = [(rank, record) for rank, record in self._changes.values() if record.findable]
        return pl.concat([unchanged, rows_of(findable)]).sort("rank", "key")

    def search(self, text: str, categories: Sequence[str]) -> list[str]:
        """Returns keys of items whose titles contain all words of a text, in any order and case.

        The best matches come first, equal ones by popularity; an empty text finds all items.
        """
        words = text.casefold().split()
        table = self.frame
        for word in words:
            table = table.filter(pl.col("folded").str.contains(word, literal=True))
        if categories:
            is_requested = pl.element().is_in(list(categories))
            table = table.filter(pl.col("categories").list.eval(is_requested).list.any())
        if not words:
            return table["key"].to_list()
        phrase = " ".join(words)
        match_rank = (
            pl.when(pl.col("folded") == phrase).then(0)
            .when(pl.col("folded").str.starts_with(phrase)).then(1)
            .when(pl.col("folded").str.contains(phrase, literal=True)).then(2)
            .otherwise(3)
        )  # fmt: skip
        return table.sort(match_rank, maintain_order=True)["key"].to_list()

    def similar(self, item: ItemRecord) -> Iterable[tuple[str, float]]:
        """Returns the keys of items that share categories with one, and their Jaccard similarity.

        The most similar items come first, equal ones by popularity.
        """
        categories = pl.lit(list(item.categories or ()), dtype=pl.List(pl.String))
        n_common = pl.col("categories").list.set_intersection(categories).list.len()
        n_total = pl.col("categories").list.set_union(categories).list.len()
        # Filtered by the intersection: for two items without categories the fraction is NaN.
        table = self.frame.filter((n_common > 0) & (pl.col("key") != item.item_id))
        table = table.select("key", fraction=n_common / n_total)
        return table.sort("fraction", descending=True, maintain_order=True).iter_rows()


def rows_of(ranked: Sequence[tuple[int, ItemRecord]]) -> pl.DataFrame:
    """Returns items with their ranks as rows of the table."""
    records = [record for _, record in ranked]
    columns = {
        "rank": [rank for rank, _ in ranked],
        "key": [record.item_id for record in records],
        "folded": [(record.title or record.item_id).casefold() for record in records],
        "categories": [list(record.categories or ()) for record in records],
    }
    return pl.DataFrame(columns, schema=SCHEMA)
