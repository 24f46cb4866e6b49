"""UserTable: the features of the users."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import polars as pl

from tastemaker.data.columns import USUAL_NAMES
from tastemaker.data.feature_columns import read_features
from tastemaker.data.id_rows import id_column, repeat_notes, unique_rows, used_note
from tastemaker.data.id_table import IdTable
from tastemaker.data.missing import USUAL_VALUES, Values
from tastemaker.data.rows import Rows
from tastemaker.representation import short_repr

USER_ID_NAMES = (*USUAL_NAMES["user"], "id")
"""Usual names of the column with the ids, in lower case without punctuation."""


@dataclass(frozen=True)
class UserTable(IdTable):
    """One row per user: user_id and the features."""

    name: str = "the table of users"
    """Name of the table in messages: the file's path, if it was read from a file."""
    kind: ClassVar[str] = "user"

    __repr__ = short_repr

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        *,
        user_id: str | None = None,
        like: str | None = None,
        values: Values = USUAL_VALUES,
        features: Mapping[str, str] = MappingProxyType({}),
    ) -> "UserTable":
        """Builds a table of users; all columns but the id are features.

        Of a user that is listed twice, the first row is kept.

        Args:
            rows: one row per user.
            user_id: the column with the user ids. By default it is the column named `like` if there
                is one, else one with a usual name.
            like: name of the user column of the interactions.
            values: which texts stand for a missing value, whether rows without an id are left out,
                and whether ids are text or whole numbers.
            features: column name to kind of feature, or "none" for a column that is not used; the
                kinds of other columns are guessed.

        Raises:
            ConfigError: a kind of feature is unknown.
            DataError: there are no rows or no user column, an id is missing or cannot be converted
                to the requested type, or a value is not of the kind of its feature.
        """
        key = user_id_column(rows.frame.columns, rows.source, user_id, like)
        table = unique_rows(rows, key, "user", values)
        rows = table.rows
        others = [name for name in rows.frame.columns if name != key]
        read = read_features(rows, others, features, values, "user_features", taken=("user_id",))
        notes = (
            *table.notes,
            used_note(rows, {"user_id": key}),
            *read.notes,
            *repeat_notes(rows, table.n_repeated, "user"),
        )
        frame = pl.DataFrame([table.ids, *read.columns.values()])
        return cls(frame, rows.source, rows.is_typed, notes, read.kinds)


def user_id_column(names: list[str], source: str, user_id: str | None, like: str | None) -> str:
    """Returns the column of a table of users that holds the ids; see `id_column`."""
    return id_column(names, source, user_id, like, "user", USER_ID_NAMES)
