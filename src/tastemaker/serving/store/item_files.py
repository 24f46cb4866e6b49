"""Item files: export of a catalog's changes to a file, and import from any table of items."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tastemaker.data.catalog import ATTRIBUTES, item_id_column
from tastemaker.data.columns import first_match
from tastemaker.data.dataset import Dataset
from tastemaker.data.id_rows import repeat_notes, unique_rows, used_note
from tastemaker.data.missing import USUAL_VALUES, Values
from tastemaker.data.rows import Rows, read_rows
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import ConfigError, DataError, UnknownIdError
from tastemaker.serving.store.file_rows import validated
from tastemaker.serving.store.item_features import merged_features, read_item_features, read_objects
from tastemaker.serving.store.item_lines import record_of
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.table_files import refuse_unwritable, write_table
from tastemaker.wire import CatalogItem

ITEMS_AT_ONCE = 5_000
"""Number of items in one transaction, for which the writes of a running service wait."""

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


class ImportedItems(NamedTuple):
    """The result of importing a table of items."""

    items: int
    """Number of items that were stored."""
    notes: tuple[str, ...]
    """Decisions made in reading: the columns that were used, and rows left out."""


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
) -> ImportedItems:
    """Imports the items of a file; none of them if the file has an error.

    Each item is stored as by `PUT` of the service, by the same rules. Columns are found by their
    usual names, as in a catalog for training; `hidden`, `available` and `features`, a JSON object
    of features by name, are optional. All other columns are features; a value of the same name in
    the JSON object takes precedence. If an item has several rows, the first is used.

    Args:
        store: the store to which the items are added.
        path: a table with one row per item.
        item_id: the column with the item's id; None to guess it.
        data: the data that the model was trained with, if there is a model. The features are then
            those of its items, and of their kinds; without it, the kinds of all columns are
            guessed.
        how: the format of a text file, as far as it is known.
        values: which texts stand for a missing value, and what to do with rows without an id.

    Raises:
        DataError: the file has an error; names file, column, row and value.
        DatabaseUnavailableError: the database does not answer; what was stored before is kept.
    """
    if data is not None and data.item_vocabulary.is_text and values.ids is None:
        values = replace(values, ids="text")
    name = str(path)

    def key_in(names: list[str]) -> list[str]:
        return [item_id_column(names, name, item_id, None)]

    read = read_rows(path, name, ids=key_in, how=how)
    (key,) = key_in(read.frame.columns)
    table = unique_rows(read, key, "item", values)
    rows, columns = table.rows, {"item_id": key} | _columns_of_fields(table.rows.frame.columns)
    others = [name for name in rows.frame.columns if name not in columns.values()]
    features = read_item_features(rows, others, values, data, tuple(SCHEMA))
    fields = {field: _values(field, rows.frame[name]) for field, name in columns.items()}
    fields["item_id"] = table.ids.cast(pl.String)
    if "features" in columns:
        fields["features"] = read_objects(rows, fields["features"], data)
    if features.columns:
        fields["features"] = merged_features(features, fields.get("features"))
    places = columns | {f"features.{name}": name for name in features.columns}
    records = list(_records_in(pl.DataFrame(fields), rows, places, data))
    for start in range(0, len(records), ITEMS_AT_ONCE):
        store.put(records[start : start + ITEMS_AT_ONCE])
    repeated = repeat_notes(rows, table.n_repeated, "item")
    notes = (*table.notes, used_note(rows, columns), *features.notes, *repeated)
    return ImportedItems(len(records), notes)


def _columns_of_fields(names: list[str]) -> dict[str, str]:
    """Returns field to column, for the fields besides the id that have a column."""
    usual = {field: names_of for field, (names_of, _) in ATTRIBUTES.items()}
    usual |= {name: (name,) for name in ("hidden", "available", "features")}
    found = {field: first_match(names, names_of) for field, names_of in usual.items()}
    return {field: name for field, name in found.items() if name is not None}


def _records_in(
    fields: pl.DataFrame, rows: Rows, places: dict[str, str], data: Dataset | None
) -> Iterator[ItemRecord]:
    vocabulary = None if data is None else data.item_vocabulary
    for row, item in enumerate(validated(CatalogItem, fields, rows, places)):
        try:
            yield record_of(item, vocabulary)
        except UnknownIdError as error:
            raise DataError(f"{rows.at(places['item_id'], row)}: {error}") from None


def _values(field: str, column: pl.Series) -> pl.Series:
    """Returns the values of a field from its column; null where there is no value."""
    if field == "image_url":  # unchanged: an invalid URL is refused, as in a request
        return column.cast(pl.String)
    if field == "categories":
        nothing = pl.lit(None, pl.List(pl.String))
        named = ATTRIBUTES[field][1](column)
        return pl.select(pl.when(column.is_null()).then(nothing).otherwise(named)).to_series()
    return column.cast(pl.String) if field == "title" else column


def _refuse_bars(records: list[ItemRecord], path: Path) -> None:
    for record in records:
        name = next((name for name in record.categories or () if "|" in name), None)
        if name is not None:
            raise ConfigError(
                f'{path}: the category "{name}" of item {record.item_id} contains a |, which '
                "separates categories in CSV; use .parquet or .jsonl"
            )
