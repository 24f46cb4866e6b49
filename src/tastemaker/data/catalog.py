"""Catalog: what is known of the items besides who touched them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, DataError, did_you_mean
from tastemaker.shown import short_repr

TITLE_NAMES = ("title", "name", "item_name", "product_name")
CATEGORY_NAMES = ("categories", "genres", "category", "genre", "tags")
IMAGE_NAMES = ("image_url", "image", "poster_url", "poster", "thumbnail")
ITEM_NAMES = ("item_id", "movieId", "itemId", "item", "product_id", "sku", "asin", "id")


@dataclass(frozen=True)
class Catalog:
    """One row an item: item_id, and where known title, categories (a list) and image_url."""

    frame: pl.DataFrame

    __repr__ = short_repr

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, source: str, item: str | None = None) -> "Catalog":
        """A catalog from any table with an item id; what else is known is found by usual names.

        Categories may be a list or text with `|` between them; "(no genres listed)", as MovieLens
        has it, is none. Pictures are URLs of http or https, or paths that begin with /; other text
        is none. An item listed twice keeps its first row.

        Raises:
            DataError: no item column, or items without an id.
        """
        key = item if item in frame.columns else _first(frame, ITEM_NAMES)
        if key is None:
            raise DataError(
                f"{source}: a catalog needs a column with the item's id (for example item_id); "
                f"the columns are {', '.join(frame.columns)}"
            )
        ids = frame[key]
        if ids.null_count():
            row = int(ids.is_null().arg_max() or 0) + 1
            raise DataError(f'{source}: column "{key}", row {row}: the item id is missing')
        out = {"item_id": ids.cast(pl.Int64 if ids.dtype.is_integer() else pl.String)}
        title, category = _first(frame, TITLE_NAMES), _first(frame, CATEGORY_NAMES)
        if title is not None:
            out["title"] = frame[title].cast(pl.String)
        if category is not None:
            out["categories"] = _categories(frame[category])
        image = _first(frame, IMAGE_NAMES)
        if image is not None:
            out["image_url"] = _images(frame[image])
        table = pl.DataFrame({name: column.alias(name) for name, column in out.items()})
        return cls(table.unique("item_id", keep="first", maintain_order=True))

    @property
    def columns(self) -> list[str]:
        """What is known of the items, the id left out."""
        return [name for name in self.frame.columns if name != "item_id"]

    @property
    def categories(self) -> list[str]:
        """Every category that an item is in, in order."""
        if "categories" not in self.columns:
            return []
        return self.frame["categories"].explode().drop_nulls().unique().sort().to_list()

    def in_categories(self, names: Sequence[str]) -> np.ndarray:
        """(n_items,) bool: which items are in any of the categories.

        Raises:
            ConfigError: no item is in one of them; gives the nearest name.
        """
        known = self.categories
        if not known:
            raise ConfigError(
                "no categories of the items are known; train with a table of the items that has a "
                "column of categories"
            )
        for name in names:
            if name not in known:
                raise ConfigError(
                    f'no item is of the category "{name}"; {did_you_mean(name, known)}'
                )
        wanted = self.frame["categories"].list.eval(pl.element().is_in(list(names))).list.any()
        return wanted.fill_null(value=False).to_numpy()

    def aligned_to(self, items: Vocabulary) -> "Catalog":
        """The same catalog with exactly one row for each member of the vocabulary, in code order.

        Members that the catalog does not list get nulls; items nobody knows of are left out.
        """
        if self.frame["item_id"].equals(items.ids):
            return self
        if self.frame["item_id"].dtype != items.ids.dtype:
            raise DataError(
                "the catalog's item ids are "
                f"{'text' if items.ids.dtype != pl.String else 'whole numbers'}, those of the "
                "interactions are not; store them alike"
            )
        wanted = pl.DataFrame({"item_id": items.ids})
        return Catalog(wanted.join(self.frame, on="item_id", how="left", maintain_order="left"))


def _first(frame: pl.DataFrame, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in frame.columns), None)


def _categories(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List):
        return column.cast(pl.List(pl.String))
    text = column.cast(pl.String).fill_null("").replace("(no genres listed)", "")
    return text.str.split("|").list.eval(pl.element().filter(pl.element() != ""))


def _images(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String, strict=False).str.strip_chars()
    return pl.select(pl.when(text.str.contains(r"^(https?://|/)")).then(text)).to_series()
