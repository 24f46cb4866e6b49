"""Reads the candidates of a ready-made split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.columns import Columns, resolve_columns
from tastemaker.data.ids import IdKind
from tastemaker.data.interactions import Interactions
from tastemaker.data.missing import MISSING, Values
from tastemaker.data.rows import read_rows
from tastemaker.data.text_format import TextFormat, refuse_unknown


def read_candidate_lists(
    source: str | Path,
    *,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **text: Any,
) -> Interactions:
    """Reads candidate items: one row per user with a list, or one row per (user, item) pair.

    Args:
        source: the path of a file.
        missing: texts that stand for a missing id.
        drop_missing: whether to leave out candidates without an id.
        ids: type to convert the ids to, "text" or "integer"; by default they keep their type.
        **text: as for `read_interactions`.

    Returns:
        One row for each pair of a user and a candidate, with user_id and item_id.

    Raises:
        DataError: there is no user column or no column with the items, or an id is missing.
    """
    refuse_unknown(text, read_candidate_lists)
    source_name = str(source)

    def columns_of(names: list[str], item: str | None = None) -> Columns:
        found = resolve_columns(names, source_name, item=item)
        return Columns(found.user, found.item, guessed=("user", "item")[: 1 + (item is None)])

    rows = read_rows(
        source, source_name, ids=lambda names: columns_of(names).id_columns, how=TextFormat(**text)
    )
    lists = [name for name, dtype in rows.frame.schema.items() if isinstance(dtype, pl.List)]
    if lists:
        rows = rows.exploded(lists[0])
    columns = columns_of(rows.frame.columns, lists[0] if lists else None)
    return Interactions.from_rows(rows, columns, values=Values(missing, drop_missing, ids))
