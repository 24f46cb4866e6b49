"""Reads the tables that describe the items and the users of a log."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tastemaker.data.catalog import Catalog, item_id_column
from tastemaker.data.file_kinds import is_file, options_for
from tastemaker.data.ids import IdKind
from tastemaker.data.missing import MISSING, Values
from tastemaker.data.notes import reports_notes
from tastemaker.data.rows import Rows, names_of, read_rows
from tastemaker.data.text_format import SHARED_WITH_ITEMS, TextFormat, refuse_unknown
from tastemaker.data.user_table import UserTable, user_id_column
from tastemaker.data.vectors import with_vectors
from tastemaker.errors import ConfigError


def read_tables(
    *,
    user_column: str,
    item_column: str,
    items: Any = None,
    item_id: str | None = None,
    items_query: str | None = None,
    features: Mapping[str, str] | None = None,
    vectors: str | Path | np.ndarray | None = None,
    users: Any = None,
    user_id: str | None = None,
    user_features: Mapping[str, str] | None = None,
    **how: Any,
) -> tuple[Catalog | None, UserTable | None]:
    """Reads the tables of the items and of the users of a log, as far as they are given.

    Args:
        user_column: the column of the log with the user ids; it may have the same name in a table.
        item_column: likewise for the items.
        items: a source of any kind, as for `read`, or a `Catalog`.
        item_id: the column with the item ids.
        items_query: SQL that selects the items, if `items` is a database with several tables.
        features: the kinds of the items' features by column, as for `read`.
        vectors: a vector for each row of `items`, as for `read`.
        users: a source of any kind, or a `UserTable`.
        user_id: the column with the user ids.
        user_features: the kinds of the users' features by column.
        **how: as for `read_catalog`; options on text files that do not apply to a table are left
            out for it.

    Raises:
        ConfigError: an argument is about columns of a table that is not given.
        DataError: as for `read_catalog`.
    """
    _refuse_without_table(
        "items", items, item_id=item_id, items_query=items_query, features=features,
        vectors=vectors is not None,
    )  # fmt: skip
    _refuse_without_table("users", users, user_id=user_id, user_features=user_features)
    if isinstance(items, Catalog) and vectors is not None:
        raise ConfigError(
            "vectors=… belongs to a table of items; add the vectors to the Catalog as a column"
        )
    catalog, user_table = items, users
    if not isinstance(items, Catalog | None):
        catalog = read_catalog(
            items, item_id=item_id, like=item_column, features=features, vectors=vectors,
            query=items_query,
            **_applying_to(items, how),
        )  # fmt: skip
    if not isinstance(users, UserTable | None):
        user_table = read_user_table(
            users, user_id=user_id, like=user_column, features=user_features,
            **_applying_to(users, how),
        )  # fmt: skip
    return catalog, user_table


@reports_notes
def read_catalog(
    source: Any,
    *,
    item_id: str | None = None,
    like: str | None = None,
    features: Mapping[str, str] | None = None,
    vectors: str | Path | np.ndarray | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    query: str | None = None,
    **text: Any,
) -> Catalog:
    """Reads a table of the items: their ids, titles, categories, images and other features.

    Args:
        source: files, a dataframe or a database, as for `read`.
        item_id: the column with the item ids. By default it is the column named `like` if there is
            one, else one with a usual name.
        like: name of the item column of the interactions (`Interactions.item_column`).
        features: the kinds of features by column, as for `read`.
        vectors: a vector for each row of the table, as for `read`.
        missing: texts that stand for a missing id or the missing value of a feature.
        drop_missing: whether to leave out rows without an id.
        ids: type to convert the ids to, "text" or "integer"; by default they keep their type, and
            those of a text file take the type of the ids of the interactions.
        query: SQL that selects the rows of a database; by default those of its only table.
        **text: as for `read_interactions`.

    Raises:
        DataError: there is no column with the ids, an id is missing, a value is not of the kind of
            its feature, or there are not as many vectors as rows.
    """
    rows = _read_rows(
        source,
        "catalog",
        lambda names, source_name: item_id_column(names, source_name, item_id, like),
        text,
        query,
    )
    if vectors is not None:
        rows = with_vectors(rows, vectors)
    values = Values(missing, drop_missing, ids)
    return Catalog.from_rows(
        rows, item_id=item_id, like=like, values=values, features=features or {}
    )


@reports_notes
def read_user_table(
    source: Any,
    *,
    user_id: str | None = None,
    like: str | None = None,
    features: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **text: Any,
) -> UserTable:
    """Reads a table of the users: their ids and features.

    Args:
        source: files, a dataframe or a database, as for `read`.
        user_id: the column with the user ids. By default it is the column named `like` if there is
            one, else one with a usual name.
        like: name of the user column of the interactions (`Interactions.user_column`).
        features: the kinds of features by column, as for `read`.
        missing: texts that stand for a missing id or the missing value of a feature.
        drop_missing: whether to leave out rows without an id.
        ids: type to convert the ids to, as for `read_catalog`.
        **text: as for `read_interactions`.

    Raises:
        DataError: there is no column with the ids, an id is missing, or a value is not of the kind
            of its feature.
    """
    rows = _read_rows(
        source,
        "users",
        lambda names, source_name: user_id_column(names, source_name, user_id, like),
        text,
    )
    values = Values(missing, drop_missing, ids)
    return UserTable.from_rows(
        rows, user_id=user_id, like=like, values=values, features=features or {}
    )


def _read_rows(
    source: Any,
    name: str,
    id_column: Callable[[list[str], str], str],
    text: Mapping[str, Any],
    query: str | None = None,
) -> Rows:
    """Reads the rows of a table; messages call a dataframe `name`."""
    refuse_unknown(text, read_catalog, read_user_table)
    source_name, _ = names_of(source, None if is_file(source) else name)
    return read_rows(
        source,
        source_name,
        ids=lambda names: [id_column(names, source_name)],
        how=TextFormat(**text),
        query=query,
    )


def _applying_to(table: Any, how: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments without the options on text files that do not apply to a table."""
    others = set(SHARED_WITH_ITEMS).difference(options_for(table))
    return {name: value for name, value in how.items() if name not in others}


def _refuse_without_table(argument: str, table: Any, **arguments: Any) -> None:
    """Raises ConfigError if an argument on the columns of a table is given without the table."""
    given = next((name for name, value in arguments.items() if value), None)
    if table is None and given is not None:
        raise ConfigError(
            f"{given}=… is about the table of {argument}; give the table with {argument}=…"
        )
