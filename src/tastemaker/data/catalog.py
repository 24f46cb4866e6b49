"""Catalog: titles, categories and images of the items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tastemaker.data.columns import ITEM_KEYS, ITEM_NOUNS, first_match, normalized_name
from tastemaker.data.ids import as_whole_numbers, read_ids
from tastemaker.data.missing import USUAL_VALUES, Values, complete_rows
from tastemaker.data.rows import Rows
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, DataError, did_you_mean
from tastemaker.representation import short_repr

ID_NAMES = (*ITEM_KEYS, "id", *ITEM_NOUNS)
TITLE_NAMES = (
    "title", "name", "itemname", "productname", "prodname", "itemtitle", "producttitle",
    "movietitle", "booktitle", "trackname", "songname",
)  # fmt: skip
CATEGORY_NAMES = ("categories", "genres", "category", "genre", "tags")
IMAGE_NAMES = ("imageurl", "image", "posterurl", "poster", "thumbnail")
"""Usual names of the columns, in lower case without punctuation; the first one present is used."""


@dataclass(frozen=True)
class Catalog:
    """One row per item: item_id and, if known, title, categories (a list) and image_url."""

    frame: pl.DataFrame
    name: str = "the catalog"
    """Name of the catalog in messages: the file's path, if it was read from a file."""
    is_typed: bool = True
    """Whether the source distinguishes numbers from text. Text files do not, so their ids take the
    type of the ids of the interactions."""
    notes: tuple[str, ...] = ()
    """Decisions made in reading: the columns that were used, rows left out."""

    __repr__ = short_repr

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, source: str, item: str | None = None) -> "Catalog":
        """Builds a catalog from a dataframe; see `from_rows`.

        Args:
            frame: one row per item.
            source: name of the table in messages.
            item: the column with the item ids, if the table has it; otherwise it is guessed.
        """
        return cls.from_rows(Rows(frame, source), like=item)

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        *,
        item_id: str | None = None,
        like: str | None = None,
        values: Values = USUAL_VALUES,
    ) -> "Catalog":
        """Builds a catalog from a table with item ids; other columns are found by usual names.

        Categories are a list, or text separated by `|`; the "(no genres listed)" of MovieLens means
        none. Images are http or https URLs, or paths that begin with /; other text is ignored. Of
        an item that is listed twice, the first row is kept.

        Args:
            rows: one row per item.
            item_id: the column with the item ids. By default it is the column named `like` if there
                is one, else one with a usual name.
            like: name of the item column of the interactions.
            values: which texts stand for a missing id, whether rows without an id are left out, and
                whether ids are text or whole numbers.

        Raises:
            DataError: there are no rows or no item column, an id is missing, or an id cannot be
                converted to the requested type.
        """
        key = id_column(rows.frame.columns, rows.source, item_id, like)
        if rows.frame.height == 0:
            raise DataError(f"{rows.source}: there are no rows; at least one item is needed")
        rows, left_out = complete_rows(rows, {key: "item id"}, values)
        columns = {"item_id": key}
        out = {"item_id": read_ids(rows, key, "item", values.ids)}
        for name, (usual, read) in ATTRIBUTES.items():
            column = first_match(rows.frame.columns, usual)
            if column is not None:
                columns[name] = column
                out[name] = read(rows.frame[column])
        all_rows = pl.DataFrame({name: column.alias(name) for name, column in out.items()})
        frame = all_rows.unique("item_id", keep="first", maintain_order=True)
        notes = (
            *rows.notes,
            *left_out,
            *column_notes(rows, columns, all_rows.height - frame.height),
        )
        return cls(frame, rows.source, rows.is_typed, notes)

    @property
    def columns(self) -> list[str]:
        """The columns of the catalog, without item_id."""
        return [name for name in self.frame.columns if name != "item_id"]

    @property
    def categories(self) -> list[str]:
        """All categories of the items, in ascending order."""
        if "categories" not in self.columns:
            return []
        return self.frame["categories"].explode().drop_nulls().unique().sort().to_list()

    def in_categories(self, names: Sequence[str]) -> np.ndarray:
        """Returns (n_items,) bool: whether each item is in any of the given categories.

        Raises:
            ConfigError: the catalog has no categories, or one of the given ones is unknown; the
                message then suggests the nearest name.
        """
        known = self.categories
        if not known:
            raise ConfigError(
                "the items have no categories; train with a table of items that has a column of "
                "categories"
            )
        for name in names:
            if name not in known:
                raise ConfigError(f'no item has the category "{name}"; {did_you_mean(name, known)}')
        wanted = self.frame["categories"].list.eval(pl.element().is_in(list(names))).list.any()
        return wanted.fill_null(value=False).to_numpy()

    def aligned_to(self, items: Vocabulary) -> "Catalog":
        """Returns the catalog with exactly one row per member of the vocabulary, in code order.

        Members that the catalog does not list get nulls; items that are not members are left out.

        Raises:
            DataError: as for `matching`.
        """
        if self.frame["item_id"].equals(items.ids):
            return self
        wanted = pl.DataFrame({"item_id": items.ids})
        known = self.matching(items).frame
        joined = wanted.join(known, on="item_id", how="left", maintain_order="left")
        return replace(self, frame=joined)

    def matching(self, items: Vocabulary, *, keep_all: bool = False) -> "Catalog":
        """Returns the catalog with its ids converted to the vocabulary's type.

        Ids from a source without types are converted to that type. Ids that cannot be converted to
        whole numbers are left out, since they cannot be members.

        Args:
            items: the vocabulary.
            keep_all: whether every item must be kept.

        Raises:
            DataError: the ids are of another type and their source is typed; or `keep_all` is
                set and an id cannot be converted; or no id is in the vocabulary.
        """
        converted = self._with_id_type_of(items, keep_all)
        if not converted.frame["item_id"].is_in(items.ids.implode()).any():
            raise DataError(
                f"{self.name} describes 0 of {len(items):,} items: none of its ids (for example "
                f"{_examples(self.frame['item_id'])}) occurs in the interactions (for example "
                f"{_examples(items.ids)}); name the column with the ids with item_id=…, or write "
                "the ids in the same way in both"
            )
        return converted

    def _with_id_type_of(self, items: Vocabulary, keep_all: bool) -> "Catalog":
        ids = self.frame["item_id"]
        if ids.dtype == items.ids.dtype:
            return self
        if self.is_typed:
            catalog_type, item_type = (
                ("whole numbers", "text") if items.is_text else ("text", "whole numbers")
            )
            raise DataError(
                f"{self.name}: the item ids are {catalog_type} here and {item_type} in the "
                'interactions; store both as the same type, or read all of them with ids="text"'
            )
        if items.is_text:
            return replace(self, frame=self.frame.with_columns(item_id=ids.cast(pl.String)))
        numbers = as_whole_numbers(ids)
        if keep_all and numbers.null_count():
            raise DataError(
                f'{self.name}: the item id "{ids.filter(numbers.is_null())[0]}" is text, but those '
                'of the interactions are whole numbers; read all of them with ids="text"'
            )
        frame = self.frame.with_columns(item_id=numbers).filter(numbers.is_not_null())
        return replace(self, frame=frame)

    def coverage(self, items: Vocabulary) -> str:
        """Describes in one line how many of the items that users touched are in the catalog."""
        ids = self.matching(items).frame["item_id"]
        known = ids.is_in(items.ids.implode()).sum()
        line = f"{self.name} describes {known:,} of {len(items):,} items"
        if known < self.frame.height:
            line += f", and {self.frame.height - known:,} more without interactions"
        if ids.dtype != self.frame["item_id"].dtype:
            kind = "text" if items.is_text else "whole numbers"
            line += f"; its ids were read as {kind}, like those of the interactions"
        return line


def id_column(names: Sequence[str], source: str, item_id: str | None, like: str | None) -> str:
    """Returns the column of a catalog that holds the ids of the items.

    Args:
        names: all columns of the catalog.
        source: name of the catalog in messages.
        item_id: the column, if it is given.
        like: name of the item column of the interactions.

    Raises:
        DataError: the given column does not exist, or no column has a usual name.
    """
    if item_id is not None:
        if item_id not in names:
            raise DataError(
                f'{source}: there is no column "{item_id}" with the item\'s id; '
                + did_you_mean(item_id, names)
            )
        return item_id
    if like is not None and like in names:
        return like
    normalized = normalized_name(like or "")
    found = first_match(names, [normalized, *ID_NAMES] if normalized else ID_NAMES)
    if found is None:
        raise DataError(
            f"{source}: a catalog needs a column with the item's id (for example item_id); "
            f"name it with item_id=…; the columns are {', '.join(names)}"
        )
    return found


def column_notes(rows: Rows, columns: dict[str, str], n_repeated: int) -> list[str]:
    """Returns notes on the columns that were used, those that were not, and items listed twice.

    Args:
        rows: the rows of a table of items.
        columns: field to column name, for the fields that were read.
        n_repeated: number of rows left out because an earlier row has the same item.
    """
    used = ", ".join(f"{field} = {column}" for field, column in columns.items())
    lines = [f"{rows.source}: {used}"]
    unused = [name for name in rows.frame.columns if name not in columns.values()]
    if unused:
        lines.append(f"{rows.source}: unused columns: {', '.join(unused)}")
    if n_repeated:
        lines.append(
            f"{rows.source}: {n_repeated:,} rows that repeat an item are left out; the first row "
            "of each item is kept"
        )
    return lines


def _examples(ids: pl.Series) -> str:
    return ", ".join(map(str, ids.head(2)))


def _categories(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List):
        return column.cast(pl.List(pl.String))
    text = column.cast(pl.String).fill_null("").replace("(no genres listed)", "")
    return text.str.split("|").list.eval(pl.element().filter(pl.element() != ""))


def _images(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String, strict=False).str.strip_chars()
    return pl.select(pl.when(text.str.contains(r"^(https?://|/)")).then(text)).to_series()


def _text(column: pl.Series) -> pl.Series:
    return column.cast(pl.String)


ATTRIBUTES: dict[str, tuple[tuple[str, ...], Callable[[pl.Series], pl.Series]]] = {
    "title": (TITLE_NAMES, _text),
    "categories": (CATEGORY_NAMES, _categories),
    "image_url": (IMAGE_NAMES, _images),
}
"""The optional columns of a catalog: usual names of each, and the function that reads it."""
