"""The front door: a name, a path, a dataframe or a query in, a Dataset out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.catalog import Catalog, id_column
from tastemaker.data.columns import Columns, resolve_columns
from tastemaker.data.dataset import Dataset
from tastemaker.data.download import OnBytes
from tastemaker.data.folding import DuplicateWeights
from tastemaker.data.ids import IdKind
from tastemaker.data.interactions import Interactions
from tastemaker.data.missing import MISSING, Values
from tastemaker.data.movielens import ARCHIVES, fetch_archive, find_archive, read_movielens
from tastemaker.data.notes import telling
from tastemaker.data.ordering import Duplicates
from tastemaker.data.rows import read_rows
from tastemaker.data.synthetic import synthetic
from tastemaker.data.text_format import FOR_THE_ITEMS, TextFormat
from tastemaker.errors import ConfigError, DataError, did_you_mean

NAMES = (*ARCHIVES, "synthetic")
"""Data sets that go by a name."""

_encode = telling(Dataset.from_interactions)


def load(
    name: str | Path,
    *,
    min_rating: float | None = None,
    duplicates: Duplicates = "latest",
    untouched_items: bool = False,
    on_bytes: OnBytes | None = None,
) -> Dataset:
    """Loads a data set that goes by a name, or a MovieLens archive or folder by its path.

    Args:
        name: one of NAMES; an archive is looked for in $TASTEMAKER_DATA, then in the cache, then
            fetched from GroupLens. Or the path of a MovieLens .zip or folder.
        min_rating: keep only interactions rated at least this; every rating counts otherwise.
        duplicates: which of several interactions of one user with one item to keep.
        untouched_items: take in the items of the catalog that nobody touched.
        on_bytes: hears of a download's progress.

    Raises:
        DataError: no such name or path.
        DownloadError: the archive could not be fetched; says which file to bring, and where.
    """
    if name == "synthetic":
        interactions, catalog = synthetic()
    elif name in ARCHIVES:
        source = find_archive(str(name)) or fetch_archive(str(name), on_bytes)
        interactions, catalog = read_movielens(source, str(name))
    elif is_movielens_path(name):
        interactions, catalog = read_movielens(Path(name))
    else:
        raise DataError(
            f'"{name}" is neither a data set nor a path that exists; '
            + did_you_mean(str(name), NAMES)
        )
    return _encode(
        interactions, catalog, min_rating=min_rating, duplicates=duplicates,
        untouched_items=untouched_items,
    )  # fmt: skip


def is_movielens_path(name: str | Path) -> bool:
    """Whether this is an archive or a folder rather than a single table."""
    path = Path(name)
    return path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")


def read(
    source: Any,
    *,
    min_rating: float | None = None,
    duplicates: Duplicates = "latest",
    duplicate_weights: DuplicateWeights = "kept",
    items: Any = None,
    item_id: str | None = None,
    untouched_items: bool = False,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **how: Any,
) -> Dataset:
    """Reads your own interactions.

    Args:
        source: a path (text with separators, Parquet, JSON; "-" for standard input), or any
            dataframe with the Arrow interface.
        min_rating: keep only interactions rated at least this.
        duplicates: which of several interactions of one user with one item to keep in each part
            of a split.
        duplicate_weights: the weight of such a pair: "kept", that of the kept row, or the "sum" or
            the "max" of its rows.
        items: what is known of the items (a path or a dataframe): the id, and title and categories
            where there are any.
        item_id: the column of `items` with the item's id; by default it is the one that has the
            name of the interactions' column of items, or else one with a usual name.
        untouched_items: take in those of them that nobody touched, so that a model that knows
            items by their categories can recommend them.
        missing: texts that stand for a missing value in columns of ids, times, ratings and weights.
        drop_missing: whether to leave out rows that lack an id, a time or a weight; by default they
            are an error.
        ids: what the ids become, "text" or "integer"; by default they keep their type, and those of
            a text file are whole numbers where all of them can be.
        **how: as for `read_interactions`: user, item, time, rating, weight, time_format, name, and
            for text files has_header, separator, quoting, encoding, comment. The last three hold
            for the table of the items as well.

    What is guessed and which rows are left out is told by the logger `tastemaker`, and kept in the
    `notes` of the result.

    Raises:
        DataError: what is wrong, with file, column, row and value.
    """
    values: dict[str, Any] = {"missing": missing, "drop_missing": drop_missing, "ids": ids}
    interactions = read_interactions(source, **values, **how)
    catalog = None
    if items is not None:
        values |= {name: how[name] for name in FOR_THE_ITEMS if name in how}
        catalog = read_catalog(items, item_id=item_id, like=interactions.item_column, **values)
    elif item_id is not None:
        raise ConfigError(
            f'item_id="{item_id}" names a column of the items; give them with items=…'
        )
    return _encode(
        interactions, catalog, min_rating=min_rating, duplicates=duplicates,
        duplicate_weights=duplicate_weights, untouched_items=untouched_items,
    )  # fmt: skip


@telling
def read_interactions(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    rating: str | None = None,
    weight: str | None = None,
    time_format: str | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    name: str | None = None,
    **text: Any,
) -> Interactions:
    """Reads and validates a table of interactions, not yet encoded.

    Args:
        source: a path or a dataframe.
        user: the column with the user's id; guessed from the usual names where None. So are the
            others, except the weight, which is used only where it is named.
        item: the column with the item's id.
        time: the column with the time.
        rating: the column with the rating.
        weight: the column that says how much an interaction counts, 0 or above.
        time_format: a strftime pattern, for times as text that are not ISO 8601.
        missing: texts that stand for a missing value; an empty one, a null and a float NaN always
            do.
        drop_missing: whether to leave out rows that lack an id, a time or a weight.
        ids: what the ids become, "text" or "integer"; by default they keep their type.
        name: what the data are called in results; the file's name by default.
        **text: how a text file is to be read, by the fields of `TextFormat`: has_header (True),
            separator, quoting ("csv" or "none"), encoding and comment.

    Raises:
        DataError: what is wrong, with file, column, line and value.
        ConfigError: a text file cannot be read in such a way.
    """
    given = {"user": user, "item": item, "time": time, "rating": rating, "weight": weight}
    how = TextFormat(**text)
    is_path = isinstance(source, str | Path)
    label = name or (_label(Path(source)) if is_path else "dataframe")
    shown = str(source) if is_path else label

    def columns_of(available: list[str]) -> Columns:
        return resolve_columns(available, shown, **given)

    rows = read_rows(
        source,
        shown,
        wanted=lambda names: list(dict.fromkeys(columns_of(names).by_role().values())),
        ids=lambda names: columns_of(names).of_ids,
        how=how,
    )
    columns = columns_of(rows.frame.columns)
    values = Values(missing, drop_missing, ids)
    interactions = Interactions.from_rows(rows, columns, time_format=time_format, values=values)
    return replace(interactions, name=label)  # results name the data, errors the file


def _label(path: Path) -> str:
    return "stdin" if str(path) == "-" else path.stem


def read_catalog(
    source: Any,
    *,
    item_id: str | None = None,
    like: str | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **text: Any,
) -> Catalog:
    """Reads what is known of the items.

    Args:
        source: a path or a dataframe.
        item_id: the column with the item's id. By default it is the one that `like` names, if it is
            there, else one with a usual name.
        like: what the interactions call their column of items (`Interactions.item_column`).
        missing: texts that stand for a missing id.
        drop_missing: whether to leave out rows without an id.
        ids: what the ids become, "text" or "integer"; by default they keep their type, and those of
            a text file become of the kind that the ids of the interactions are.
        **text: as for `read_interactions`.

    Raises:
        DataError: there is no column with the ids, or an id is missing.
    """
    shown = str(source) if isinstance(source, str | Path) else "catalog"
    rows = read_rows(
        source,
        shown,
        ids=lambda names: [id_column(names, shown, item_id, like)],
        how=TextFormat(**text),
    )
    values = Values(missing, drop_missing, ids)
    return Catalog.from_rows(rows, item_id=item_id, like=like, values=values)


def read_candidate_lists(
    source: str | Path,
    *,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **text: Any,
) -> Interactions:
    """Reads candidate items by user: one row a user with a list, or one row a (user, item) pair.

    Args:
        source: the path of a file.
        missing: texts that stand for a missing id.
        drop_missing: whether to leave out candidates without an id.
        ids: what the ids become, "text" or "integer"; by default they keep their type.
        **text: as for `read_interactions`.

    Returns:
        One row for each pair of a user and a candidate, with user_id and item_id.

    Raises:
        DataError: no user column, or no column with the items, or an id is missing.
    """
    shown = str(source)

    def columns_of(names: list[str], item: str | None = None) -> Columns:
        found = resolve_columns(names, shown, item=item)
        return Columns(found.user, found.item, guessed=("user", "item")[: 1 + (item is None)])

    rows = read_rows(
        source, shown, ids=lambda names: columns_of(names).of_ids, how=TextFormat(**text)
    )
    lists = [name for name, dtype in rows.frame.schema.items() if isinstance(dtype, pl.List)]
    if lists:
        rows = rows.exploded(lists[0])
    columns = columns_of(rows.frame.columns, lists[0] if lists else None)
    return Interactions.from_rows(rows, columns, values=Values(missing, drop_missing, ids))
