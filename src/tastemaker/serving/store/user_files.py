"""User files: export of the features of users to a file, and import from any table of users."""

import json
from pathlib import Path

import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.missing import USUAL_VALUES, Values
from tastemaker.data.text_format import TextFormat
from tastemaker.data.user_table import user_id_column
from tastemaker.errors import DataError
from tastemaker.serving.store.entity_files import (
    AT_ONCE,
    Imported,
    read_entities,
)
from tastemaker.serving.store.file_rows import validated
from tastemaker.serving.store.table_files import refuse_unwritable, write_table
from tastemaker.serving.store.users import UserRecord, UserStore
from tastemaker.wire import UserFeatures

SCHEMA = {"user_id": pl.String, "features": pl.String}
"""The columns of an exported file; the features are a JSON object."""


def export_users(store: UserStore, path: Path) -> int:
    """Writes the features of users that were sent since the training.

    Returns:
        The number of users.

    Raises:
        ConfigError: the file's ending is not supported, or its folder does not exist.
        DatabaseUnavailableError: the database does not answer.
    """
    refuse_unwritable(path)
    rows = [
        (user_id, json.dumps(features))
        for page in store.pages()
        for user_id, features in page
        if features
    ]
    write_table(pl.DataFrame(rows, schema=SCHEMA, orient="row"), path)
    return len(rows)


def import_users(
    store: UserStore,
    path: Path,
    user_id: str | None = None,
    data: Dataset | None = None,
    how: TextFormat | None = None,
    values: Values = USUAL_VALUES,
) -> Imported:
    """Imports the features of users from a file; none of them if the file has an error.

    Each user is stored as by `PUT` of the service, by the same rules. If a user has several rows,
    the first is used.

    Args:
        store: the store to which the features are added.
        path: a table with one row per user; see `read_entities`.
        user_id: the column with the user's id; None to guess it.
        data: the data that the model was trained with, if there is a model.
        how: the format of a text file, as far as it is known.
        values: which texts stand for a missing value, and what to do with rows without an id.

    Raises:
        DataError: the file has an error, or no column has features; or the data have no features of
            users.
        DatabaseUnavailableError: the database does not answer; what was stored before is kept.
    """
    vocabulary = None if data is None else data.user_vocabulary
    table = None if data is None else data.user_table
    if data is not None and table is None:
        raise DataError(
            f"{path}: the model was trained without features of users; train with a table of users "
            "first (users=…)"
        )

    def id_column(names: list[str]) -> str:
        return user_id_column(names, str(path), user_id, None)

    entities = read_entities(path, "user", id_column, {}, table, vocabulary, how, values)
    if "features" not in entities.fields:
        known = "" if table is None else f" of the run: {', '.join(table.features)}"
        raise DataError(
            f"{path}: no column has features{known}; add columns, or write a JSON object such as "
            '{"age": 30} into a column "features"'
        )
    records = [
        UserRecord(str(user.user_id), user.features)
        for user in validated(UserFeatures, entities.fields, entities.rows, entities.columns)
    ]
    for start in range(0, len(records), AT_ONCE):
        store.put(records[start : start + AT_ONCE])
    return Imported(len(records), entities.notes)
