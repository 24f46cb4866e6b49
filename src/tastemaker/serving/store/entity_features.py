"""Features of the items or users in a file: its columns, and JSON objects of features by name."""

import json
from typing import Any

import polars as pl

from tastemaker.data.feature_columns import FeatureColumns, read_features
from tastemaker.data.feature_values import refuse_wrong_values, vector_size
from tastemaker.data.id_table import IdTable
from tastemaker.data.missing import Values
from tastemaker.data.rows import Rows
from tastemaker.errors import ConfigError, DataError
from tastemaker.wire import MAX_FEATURES


def read_feature_columns(
    rows: Rows, names: list[str], values: Values, table: IdTable | None, taken: tuple[str, ...]
) -> FeatureColumns:
    """Reads columns as features.

    Args:
        rows: the file.
        names: the columns that can be features.
        values: which texts stand for a missing value.
        table: the items or users of the run. Its features are read as their kinds, and other
            columns are not used, since a service would refuse them. None if there is no run: the
            kinds of all columns are guessed.
        taken: names that a feature may not have.

    Raises:
        DataError: a value is not of the kind of its column, or there are too many features.
    """
    kinds = {} if table is None else table.features
    known = names if table is None else [name for name in names if name in kinds]
    stated = {name: kinds[name] for name in known if name in kinds}
    features = read_features(rows, known, stated, values, "features", taken)
    if len(features.columns) > MAX_FEATURES:
        raise DataError(
            f"{rows.source}: {len(features.columns):,} columns are features, and at most "
            f"{MAX_FEATURES} are stored; leave some columns out"
        )
    if table is not None:
        _refuse_other_sizes(rows, features, table)
    unused = [name for name in names if name not in known]
    lines = [f"{rows.source}: not features of the run: {', '.join(unused)}"] if unused else []
    return FeatureColumns(features.columns, features.kinds, (*features.notes, *lines))


def _refuse_other_sizes(rows: Rows, features: FeatureColumns, table: IdTable) -> None:
    for name, column in features.columns.items():
        if not isinstance(column.dtype, pl.Array):
            continue
        size, expected = column.dtype.size, vector_size(table, name)
        if size != expected:
            raise DataError(
                f'{rows.source}: column "{name}" has vectors of {size:,} numbers, and those of the '
                f"run have {expected:,}; compute them in the same way"
            )


def merged_features(features: FeatureColumns, objects: pl.Series | None) -> pl.Series:
    """Returns the features of each row as an object by name; null for a row without any.

    Args:
        features: the columns.
        objects: objects of features by name, which take precedence, if the file has them.
    """
    rows = pl.DataFrame(features.columns).iter_rows(named=True)
    present = ({name: value for name, value in row.items() if value is not None} for row in rows)
    if objects is not None:
        present = (row | (other or {}) for row, other in zip(present, objects, strict=True))
    return pl.Series("features", [row or None for row in present], dtype=pl.Object)


def read_objects(rows: Rows, column: pl.Series, table: IdTable | None) -> pl.Series:
    """Returns a column of objects by name, given JSON texts or structs.

    Raises:
        DataError: a text is not a JSON object, or a feature is not one of the run or of its kind.
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
        present = {name: each for name, each in (found or {}).items() if each is not None}
        if table is not None:
            try:
                refuse_wrong_values(table, present)
            except ConfigError as error:
                raise DataError(f"{rows.at(column.name, row)}: {error}") from None
        objects.append(present or None)
    return pl.Series(column.name, objects, dtype=pl.Object)
