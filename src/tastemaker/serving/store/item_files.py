"""Item files: export of a catalog's changes to a file, and import from any table of items."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.catalog import ATTRIBUTES, Catalog, item_id_column
from tastemaker.data.dataset import Dataset
from tastemaker.data.id_table import IdTable
from tastemaker.data.missing import USUAL_VALUES, Values
from tastemaker.data.text_format import TextFormat
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, DataError, UnknownIdError
from tastemaker.serving.store.entity_files import (
    AT_ONCE,
    EntityRows,
    Imported,
    read_entities,
)
from tastemaker.serving.store.file_rows import validated
from tastemaker.serving.store.item_lines import record_of
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.table_files import refuse_unwritable, write_table
from tastemaker.wire import CatalogItem

SCHEMA: dict[str, Any] = {
    "item_id": pl.String,
    "title": pl.String,
    "categories": pl.List(pl.String),
    "image_url": pl.String,
    "hidden": pl.Boolean,
    "available": pl.Boolean,
    "features": pl.String,
}
"""The columns of an exported file; the features are a JSON object."""


def export_items(store: ItemStore, path: Path) -> int:
    """Writes the items that were added or changed since the training and are not deleted.

    Returns:
        The number of items.

    Raises:
        ConfigError: the file's ending is not supported, its folder does not exist, or CSV cannot
            represent a category.
        DatabaseUnavailableError: the database does not answer.
    """
    refuse_unwritable(path)
    records = [record for record in store.changed() if not record.deleted]
    rows = [
        {name: getattr(record, name) for name in SCHEMA}
        | {"features": json.dumps(record.features) if record.features else None}
        for record in records
    ]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    if path.suffix == ".csv":
        _refuse_bars(records, path)
        frame = frame.with_columns(pl.col("categories").list.join("|"))
    write_table(frame, path)
    return frame.height


def import_items(
    store: ItemStore,
    path: Path,
    item_id: str | None = None,
    data: Dataset | None = None,
    how: TextFormat | None = None,
    values: Values = USUAL_VALUES,
) -> Imported:
    """Imports the items of a file; none of them if the file has an error.

    Each item is stored as by `PUT` of the service, by the same rules. Columns are found by their
    usual names, as in a catalog for training; `hidden`, `available` and features (see
    `read_entities`) are optional. If an item has several rows, the first is used.

    Args:
        store: the store to which the items are added.
        path: a table with one row per item.
        item_id: the column with the item's id; None to guess it.
        data: the data that the model was trained with, if there is a model.
        how: the format of a text file, as far as it is known.
        values: which texts stand for a missing value, and what to do with rows without an id.

    Raises:
        DataError: the file has an error; names file, column, row and value.
        DatabaseUnavailableError: the database does not answer; what was stored before is kept.
    """
    vocabulary = None if data is None else data.item_vocabulary
    table = None if data is None else _without_attributes(data.catalog)
    usual = {field: names for field, (names, _) in ATTRIBUTES.items()}
    usual |= {name: (name,) for name in ("hidden", "available")}

    def id_column(names: list[str]) -> str:
        return item_id_column(names, str(path), item_id, None)

    entities = read_entities(path, "item", id_column, usual, table, vocabulary, how, values)
    fields = [
        _values(entities.rows.frame[column], field).alias(field)
        for field, column in entities.columns.items()
        if field in usual
    ]
    entities = entities._replace(fields=entities.fields.with_columns(fields))
    records = list(_records_in(entities, vocabulary))
    for start in range(0, len(records), AT_ONCE):
        store.put(records[start : start + AT_ONCE])
    return Imported(len(records), entities.notes)


def _without_attributes(catalog: Catalog) -> IdTable:
    """Returns the items with those features alone that are no fields of an item themselves."""
    kinds = {name: kind for name, kind in catalog.features.items() if name not in ATTRIBUTES}
    return replace(catalog, kinds=kinds)


def _records_in(entities: EntityRows, vocabulary: Vocabulary | None) -> Iterator[ItemRecord]:
    items = validated(CatalogItem, entities.fields, entities.rows, entities.columns)
    for row, item in enumerate(items):
        try:
            yield record_of(item, vocabulary)
        except UnknownIdError as error:
            place = entities.rows.at(entities.columns["item_id"], row)
            raise DataError(f"{place}: {error}") from None


def _values(column: pl.Series, field: str) -> pl.Series:
    """Returns the values of a field from its column; null where there is no value."""
    if field == "categories":
        nothing = pl.lit(None, pl.List(pl.String))
        named = ATTRIBUTES[field][1](column)
        return pl.select(pl.when(column.is_null()).then(nothing).otherwise(named)).to_series()
    # An invalid URL is kept, so that it is refused as in a request.
    return column.cast(pl.String) if field in ("title", "image_url") else column


def _refuse_bars(records: list[ItemRecord], path: Path) -> None:
    for record in records:
        name = next((name for name in record.categories or () if "|" in name), None)
        if name is not None:
            raise ConfigError(
                f'{path}: the category "{name}" of item {record.item_id} contains a |, which '
                "separates categories in CSV; use .parquet or .jsonl"
            )
