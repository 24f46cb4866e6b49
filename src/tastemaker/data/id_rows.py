"""The rows of a table of items or users: the column of their ids, and one row for each id."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import polars as pl

from tastemaker.data.columns import first_match, normalized_name
from tastemaker.data.ids import read_ids
from tastemaker.data.missing import Values, complete_rows
from tastemaker.data.rows import Rows
from tastemaker.errors import DataError, did_you_mean

EntityKind = Literal["item", "user"]
"""What the rows describe."""


class UniqueRows(NamedTuple):
    """The first row of each item or user of a table."""

    rows: Rows
    ids: pl.Series
    """Their ids, named item_id or user_id."""
    n_repeated: int
    """Number of rows left out because an earlier row has the same id."""
    notes: list[str]
    """Notes on how the table was read, and on rows without an id."""


def unique_rows(rows: Rows, key: str, kind: EntityKind, values: Values) -> UniqueRows:
    """Returns the first row of each id.

    Args:
        rows: a table of items or users.
        key: the column of the ids.
        kind: what a row describes.
        values: which texts stand for a missing value, whether rows without an id are left out, and
            whether ids are text or whole numbers.

    Raises:
        DataError: there are no rows, or an id is missing or cannot be converted to the type.
    """
    if rows.frame.height == 0:
        raise DataError(f"{rows.source}: there are no rows; at least one {kind} is needed")
    complete, left_out = complete_rows(rows, {key: f"{kind} id"}, values)
    ids = read_ids(complete, key, kind, values.ids)
    first = complete.only(ids.is_first_distinct())
    return UniqueRows(
        first,
        ids.unique(maintain_order=True).alias(f"{kind}_id"),
        complete.frame.height - first.frame.height,
        [*first.notes, *left_out],
    )


def id_column(
    names: Sequence[str],
    source: str,
    given: str | None,
    like: str | None,
    kind: EntityKind,
    usual: Sequence[str],
) -> str:
    """Returns the column of a table of items or users that holds their ids.

    Args:
        names: all columns of the table.
        source: name of the table in messages.
        given: the column, if it is named.
        like: name of the column of the ids in the interactions.
        kind: "item" or "user".
        usual: usual names of the column, in lower case without punctuation.

    Raises:
        DataError: the given column does not exist, or no column has a usual name.
    """
    if given is not None:
        if given not in names:
            raise DataError(
                f'{source}: there is no column "{given}" with the {kind}\'s id; '
                + did_you_mean(given, names)
            )
        return given
    if like is not None and like in names:
        return like
    normalized = normalized_name(like or "")
    found = first_match(names, [normalized, *usual] if normalized else usual)
    if found is None:
        raise DataError(
            f"{source}: a table of {kind}s needs a column with the {kind}'s id (for example "
            f"{kind}_id); name it with {kind}_id=…; the columns are {', '.join(names)}"
        )
    return found


def used_note(rows: Rows, columns: dict[str, str]) -> str:
    """Returns a note on the columns that were used, given field to column name."""
    used = ", ".join(f"{field} = {column}" for field, column in columns.items())
    return f"{rows.source}: {used}"


def repeat_notes(rows: Rows, n_repeated: int, kind: EntityKind) -> list[str]:
    """Returns a note on the rows left out because an earlier row has the same id, if any are."""
    if not n_repeated:
        return []
    one = "an item" if kind == "item" else "a user"
    return [
        f"{rows.source}: {n_repeated:,} rows that repeat {one} are left out; the first row of each "
        f"{kind} is kept"
    ]
