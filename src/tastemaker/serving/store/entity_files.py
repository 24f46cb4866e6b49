"""Entity files: the items or users of a table, by the rules of the requests that put them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tastemaker.data.columns import first_match
from tastemaker.data.id_rows import EntityKind, repeat_notes, unique_rows, used_note
from tastemaker.data.id_table import IdTable
from tastemaker.data.missing import Values
from tastemaker.data.rows import Rows, read_rows
from tastemaker.data.text_format import TextFormat
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.serving.store.entity_features import (
    merged_features,
    read_feature_columns,
    read_objects,
)

AT_ONCE = 5_000
"""Number of items or users in one transaction, for which the writes of a running service wait."""


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
    """The file's column for each field; `features.NAME` is the column of the feature NAME."""
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

    Columns without another meaning are features: those that the run has as features, or all of them
    if there is no run. A column `features` with JSON objects gives features by name, whose values
    take precedence.

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
    read = read_rows(path, str(path), ids=lambda names: [id_column(names)], how=how)
    names = read.frame.columns
    key, usual = id_column(names), {**usual, "features": ("features",)}
    found = {field: first_match(names, names_of) for field, names_of in usual.items()}
    columns = {f"{kind}_id": key} | {field: name for field, name in found.items() if name}
    rows, ids, n_repeated, notes = unique_rows(read, key, kind, values)
    others = [name for name in names if name not in columns.values()]
    features = read_feature_columns(rows, others, values, table, (f"{kind}_id", *usual))
    objects = None
    if "features" in columns:
        objects = read_objects(rows, rows.frame[columns["features"]], table)
    fields = [ids.cast(pl.String)]
    if features.columns:
        fields.append(merged_features(features, objects))
    elif objects is not None:
        fields.append(objects.alias("features"))
    return EntityRows(
        rows,
        columns | {f"features.{name}": name for name in features.columns},
        pl.DataFrame(fields),
        (
            *notes, used_note(rows, columns), *features.notes,
            *repeat_notes(rows, n_repeated, kind),
        ),
    )  # fmt: skip
