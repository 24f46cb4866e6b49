"""Catalog: titles, categories, images and features of the items."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import polars as pl

from tastemaker.data.columns import ITEM_KEYS, ITEM_NOUNS, first_match
from tastemaker.data.feature_columns import read_features
from tastemaker.data.feature_kinds import FeatureKind
from tastemaker.data.id_rows import id_column, repeat_notes, unique_rows, used_note
from tastemaker.data.id_table import IdTable
from tastemaker.data.missing import USUAL_VALUES, Values
from tastemaker.data.rows import Rows
from tastemaker.errors import ConfigError, did_you_mean
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
class Catalog(IdTable):
    """One row per item: item_id, the features and, if known, title, categories and image_url.

    The features are the categories and all other columns, except title and image_url, which are
    for display unless they are stated to be features.
    """

    name: str = "the catalog"
    """Name of the catalog in messages: the file's path, if it was read from a file."""
    kind: ClassVar[str] = "item"

    __repr__ = short_repr

    @classmethod
    def from_frame(
        cls,
        frame: pl.DataFrame,
        source: str,
        item: str | None = None,
        features: Mapping[str, str] = MappingProxyType({}),
    ) -> "Catalog":
        """Builds a catalog from a dataframe; see `from_rows`.

        Args:
            frame: one row per item.
            source: name of the table in messages.
            item: the column with the item ids, if the table has it; otherwise it is guessed.
            features: column name to kind of feature; the kinds of other columns are guessed.
        """
        return cls.from_rows(Rows(frame, source), like=item, features=features)

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        *,
        item_id: str | None = None,
        like: str | None = None,
        values: Values = USUAL_VALUES,
        features: Mapping[str, str] = MappingProxyType({}),
    ) -> "Catalog":
        """Builds a catalog from a table with item ids.

        Title, categories and image are found by usual names; all other columns are features.
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
            features: column name to kind of feature, or "none" for a column that is not used; the
                kinds of other columns are guessed.

        Raises:
            ConfigError: a kind of feature is unknown, or is not possible for its column.
            DataError: there are no rows or no item column, an id is missing or cannot be converted
                to the requested type, or a value is not of the kind of its feature.
        """
        key = item_id_column(rows.frame.columns, rows.source, item_id, like)
        table = unique_rows(rows, key, "item", values)
        rows = table.rows
        used = {"item_id": key} | _attribute_columns(rows.frame.columns)
        kinds = _kinds_of_attributes(used, features, rows.source)
        others = [name for name in rows.frame.columns if name not in used.values()]
        stated = {name: kind for name, kind in features.items() if name not in used.values()}
        read = read_features(
            rows, others, stated, values, "features", taken=("item_id", *ATTRIBUTES)
        )
        columns = [
            read_attribute(rows.frame[used[name]]).alias(name)
            for name, (_, read_attribute) in ATTRIBUTES.items()
            if name in used
        ]
        notes = (
            *table.notes,
            used_note(rows, used),
            *read.notes,
            *repeat_notes(rows, table.n_repeated, "item"),
        )
        frame = pl.DataFrame([table.ids, *columns, *read.columns.values()])
        return cls(frame, rows.source, rows.is_typed, notes, kinds | read.kinds)

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


def item_id_column(names: list[str], source: str, item_id: str | None, like: str | None) -> str:
    """Returns the column of a table of items that holds the ids; see `id_column`."""
    return id_column(names, source, item_id, like, "item", ID_NAMES)


def _attribute_columns(names: Sequence[str]) -> dict[str, str]:
    """Returns attribute to column name, for the attributes that have a column."""
    found = {name: first_match(names, usual) for name, (usual, _) in ATTRIBUTES.items()}
    return {name: column for name, column in found.items() if column is not None}


def _kinds_of_attributes(
    used: Mapping[str, str], stated: Mapping[str, str], source: str
) -> dict[str, FeatureKind]:
    """Returns the attributes that are features: the categories, and a title that is stated.

    Raises:
        ConfigError: a kind is stated that the attribute cannot have.
    """
    kinds: dict[str, FeatureKind] = {}
    possible = {"title": ("text", "category"), "categories": ("categories",)}
    for name, column in used.items():
        kind = stated.get(column, "categories" if name == "categories" else "none")
        if kind == "none":
            continue
        if kind not in possible.get(name, ()):
            allowed = " or ".join(f'"{each}"' for each in (*possible.get(name, ()), "none"))
            raise ConfigError(
                f'features=…: column "{column}" of {source} is the {name} of the items and cannot '
                f'be of the kind "{kind}"; use {allowed}'
            )
        kinds[name] = kind  # type: ignore[assignment]
    return kinds


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
