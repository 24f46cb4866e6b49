"""Item files: export of a catalog's changes to a file, and import from any table of items."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tastemaker.data.catalog import ATTRIBUTES, item_id_column
from tastemaker.data.columns import first_match
from tastemaker.data.id_rows import repeat_notes, used_note
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import USUAL_VALUES, Values, complete_rows
from tastemaker.data.rows import Rows, read_rows
from tastemaker.data.text_format import TextFormat
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, DataError, UnknownIdError
from tastemaker.serving.store.file_rows import validated
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
    vocabulary: Vocabulary | None = None,
    how: TextFormat | None = None,
    values: Values = USUAL_VALUES,
) -> ImportedItems:
    """Imports the items of a file; none of them if the file has an error.

    Each item is stored as by `PUT` of the service, by the same rules. Columns are found by their
    usual names, as in a catalog for training; `hidden`, `available` and `features`, a JSON object
    of features by name, are optional. If an item has several rows, the first is used.

    Args:
        store: the store to which the items are added.
        path: a table with one row per item.
        item_id: the column with the item's id; None to guess it.
        vocabulary: vocabulary of the items that the model was trained with, if it is known.
        how: the format of a text file, as far as it is known.
        values: which texts stand for a missing id, and what to do with its row.

    Raises:
        DataError: the file has an error; names file, column, row and value.
        DatabaseUnavailableError: the database does not answer; what was stored before is kept.
    """
    if vocabulary is not None and vocabulary.is_text and values.ids is None:
        values = replace(values, ids="text")
    rows, columns, notes = _rows_in(path, item_id, how, values)
    fields = pl.DataFrame({field: _values(rows, field, columns, values) for field in columns})
    records = list(_records_in(fields, rows, columns, vocabulary))
    for start in range(0, len(records), ITEMS_AT_ONCE):
        store.put(records[start : start + ITEMS_AT_ONCE])
    return ImportedItems(len(records), notes)


def _rows_in(
    path: Path, item_id: str | None, how: TextFormat | None, values: Values
) -> tuple[Rows, dict[str, str], tuple[str, ...]]:
    """Returns the rows, one per item; the file's column for each field; and the decisions made."""
    name = str(path)

    def key_in(names: list[str]) -> list[str]:
        return [item_id_column(names, name, item_id, None)]

    rows = read_rows(path, name, ids=key_in, how=how)
    if rows.frame.is_empty():
        raise DataError(f"{path}: there are no rows; at least one item is needed")
    names = rows.frame.columns
    (key,) = key_in(names)
    usual = {field: names_of for field, (names_of, _) in ATTRIBUTES.items()}
    usual |= {name: (name,) for name in ("hidden", "available", "features")}
    found = {field: first_match(names, names_of) for field, names_of in usual.items()}
    columns = {"item_id": key} | {field: name for field, name in found.items() if name is not None}
    rows, left_out = complete_rows(rows, {key: "item id"}, values)
    first = rows.only(read_ids(rows, key, "item", values.ids).is_first_distinct())
    n_repeated = rows.frame.height - first.frame.height
    unused = [name for name in names if name not in columns.values()]
    lines = [f"{rows.source}: unused columns: {', '.join(unused)}"] if unused else []
    lines = [used_note(rows, columns), *lines, *repeat_notes(rows, n_repeated, "item")]
    return first, columns, (*rows.notes, *left_out, *lines)


def _records_in(
    fields: pl.DataFrame, rows: Rows, columns: dict[str, str], vocabulary: Vocabulary | None
) -> Iterator[ItemRecord]:
    for row, item in enumerate(validated(CatalogItem, fields, rows, columns)):
        try:
            yield record_of(item, vocabulary)
        except UnknownIdError as error:
            raise DataError(f"{rows.at(columns['item_id'], row)}: {error}") from None


def _values(rows: Rows, field: str, columns: dict[str, str], values: Values) -> pl.Series:
    """Returns the values of a field from its column; null where there is no value."""
    column = rows.frame[columns[field]]
    if field == "item_id":
        return read_ids(rows, column.name, "item", values.ids).cast(pl.String)
    if field == "image_url":  # unchanged: an invalid URL is refused, as in a request
        return column.cast(pl.String)
    if field == "categories":
        nothing = pl.lit(None, pl.List(pl.String))
        named = ATTRIBUTES[field][1](column)
        return pl.select(pl.when(column.is_null()).then(nothing).otherwise(named)).to_series()
    if field == "features":
        return _features(rows, column)
    return column.cast(pl.String) if field == "title" else column


def _features(rows: Rows, column: pl.Series) -> pl.Series:
    """Returns a column of objects by name, given JSON texts or structs.

    Raises:
        DataError: a text is not a JSON object.
    """
    objects: list[dict[str, Any] | None] = []
    for row, value in enumerate(column):
        found = value
        if isinstance(value, str):
            try:
                found = json.loads(value) if value.strip() else None
            except ValueError:
                found = value
        if found is not None and not isinstance(found, dict):
            raise DataError(
                f'{rows.at(column.name, row)}: "{value}" is not a JSON object of features, such as '
                '{"price": 3.5}'
            )
        # In a struct, all rows have all fields.
        objects.append(found and {name: each for name, each in found.items() if each is not None})
    return pl.Series(column.name, objects, dtype=pl.Object)


def _refuse_bars(records: list[ItemRecord], path: Path) -> None:
    for record in records:
        name = next((name for name in record.categories or () if "|" in name), None)
        if name is not None:
            raise ConfigError(
                f'{path}: the category "{name}" of item {record.item_id} contains a |, which '
                "separates categories in CSV; use .parquet or .jsonl"
            )
