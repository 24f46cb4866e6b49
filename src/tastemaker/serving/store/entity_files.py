"""Entity files: the items or users of a table, by the rules of the requests that put them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl

from tastemaker.data.columns import first_match
from tastemaker.data.feature_columns import read_features
from tastemaker.data.feature_kinds import FeatureKind
from tastemaker.data.feature_values import refuse_wrong_values
from tastemaker.data.id_rows import EntityKind, repeat_notes, used_note
from tastemaker.data.id_table import IdTable
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import Values, complete_rows
from tastemaker.data.rows import Rows, read_rows
from tastemaker.data.text_format import TextFormat
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ConfigError, DataError
from tastemaker.serving.store.file_rows import validated
from tastemaker.wire import CatalogItem, UserFeatures

AT_ONCE = 5_000
"""Number of items or users in one transaction, for which the writes of a running service wait."""

Entity = TypeVar("Entity", CatalogItem, UserFeatures)


class Imported(NamedTuple):
    """The result of importing a table of items or users."""

    n: int
    """Number of items or users that were stored."""
    notes: tuple[str, ...]
    """Decisions made in reading: the columns that were used, and rows left out."""


class EntityRows(NamedTuple):
    """The rows of a file, one for each item or user."""

    rows: Rows
    columns: dict[str, str]
    """The file's column for each field; of several columns with features, the first one."""
    fields: pl.DataFrame
    """The ids as text and, if there are any, the features as objects."""
    notes: tuple[str, ...]


def read_entities(
    path: Path,
    kind: EntityKind,
    id_column: Callable[[list[str]], str],
    usual: Mapping[str, Sequence[str]],
    table: IdTable | None,
    vocabulary: Vocabulary | None,
    how: TextFormat | None,
    values: Values,
) -> EntityRows:
    """Reads a file with one row per item or user; of several rows of one, the first is used.

    The features are columns that the run has as features, and a column `features` with JSON
    objects, whose values replace those of the columns.

    Args:
        path: the file.
        kind: what a row describes.
        id_column: returns the column of the ids, given all names.
        usual: usual names of the column of each further field.
        table: the items or users of the run; None if it is not known.
        vocabulary: their vocabulary; if its ids are text, so are those of the file.
        how: the format of a text file, as far as it is known.
        values: which texts stand for a missing value, and what to do with rows without an id.

    Raises:
        DataError: the file has an error; names file, column, row and value.
    """
    if vocabulary is not None and vocabulary.is_text and values.ids is None:
        values = replace(values, ids="text")
    rows = read_rows(path, str(path), ids=lambda names: [id_column(names)], how=how)
    if rows.frame.is_empty():
        raise DataError(f"{path}: there are no rows; at least one {kind} is needed")
    names = rows.frame.columns
    key = id_column(names)
    usual = {**usual, "features": ("features",)}
    found = {field: first_match(names, names_of) for field, names_of in usual.items()}
    columns = {f"{kind}_id": key} | {field: name for field, name in found.items() if name}
    known = {} if table is None else table.features
    kinds = {name: known[name] for name in names if name in known and name not in columns.values()}
    used = columns | {name: name for name in kinds}
    rows, left_out = complete_rows(rows, {key: f"{kind} id"}, values)
    first = rows.only(read_ids(rows, key, kind, values.ids).is_first_distinct())
    unused = [name for name in names if name not in used.values()]
    notes = [
        *rows.notes,
        *left_out,
        used_note(rows, used),
        *([f"{rows.source}: unused columns: {', '.join(unused)}"] if unused else []),
        *repeat_notes(rows, rows.frame.height - first.frame.height, kind),
    ]
    fields = [read_ids(first, key, kind, values.ids).cast(pl.String).alias(f"{kind}_id")]
    if kinds or "features" in columns:
        fields.append(_features(first, kinds, columns.get("features"), values))
        columns.setdefault("features", next(iter(kinds), ""))
    return EntityRows(first, columns, pl.DataFrame(fields), tuple(notes))


def validated_entities(
    entity: type[Entity], entities: EntityRows, table: IdTable | None
) -> Iterator[Entity]:
    """Yields each row as an object of a request's type.

    Args:
        entity: the type.
        entities: the rows, with all fields.
        table: the items or users of the run, whose features are the only ones; None if it is not
            known.

    Raises:
        DataError: names the first row that is refused, its column and value.
    """
    rows, columns = entities.rows, entities.columns
    for row, each in enumerate(validated(entity, entities.fields, rows, columns)):
        if table is not None and each.features:
            try:
                refuse_wrong_values(table, each.features)
            except ConfigError as error:
                raise DataError(f"{rows.at(columns['features'], row)}: {error}") from None
        yield each


def _features(
    rows: Rows, kinds: Mapping[str, FeatureKind], objects: str | None, values: Values
) -> pl.Series:
    """Returns the features of each row as an object; null for a row without features.

    Args:
        rows: the rows.
        kinds: the columns that are features, and their kinds.
        objects: the column of JSON objects, whose values replace those of the columns.
        values: which texts stand for a missing value.
    """
    features = _objects(rows, objects)
    read = read_features(rows, list(kinds), kinds, values, "features", taken=())
    for name, column in read.columns.items():
        for row, value in zip(features, column.to_list(), strict=True):
            if value is not None:
                row.setdefault(name, value)
    return pl.Series("features", [row or None for row in features], dtype=pl.Object)


def _objects(rows: Rows, name: str | None) -> list[dict[str, Any]]:
    """Returns the objects of a column of JSON texts or structs, without missing values.

    Raises:
        DataError: a text is not a JSON object.
    """
    if name is None:
        return [{} for _ in range(rows.frame.height)]
    objects: list[dict[str, Any]] = []
    for row, value in enumerate(rows.frame[name]):
        found = value
        if isinstance(value, str):
            try:
                found = json.loads(value) if value.strip() else None
            except ValueError:
                found = value
        if found is not None and not isinstance(found, dict):
            raise DataError(
                f'{rows.at(name, row)}: "{value}" is not a JSON object of features, such as '
                '{"price": 3.5}'
            )
        # In a struct, all rows have all fields.
        present = {} if found is None else found
        objects.append({key: each for key, each in present.items() if each is not None})
    return objects
