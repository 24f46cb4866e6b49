"""The front door: a name, a path, a dataframe or a query in, a Dataset out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.columns import resolve_columns
from tastemaker.data.dataset import Dataset, Duplicates
from tastemaker.data.download import OnBytes
from tastemaker.data.interactions import Interactions
from tastemaker.data.movielens import ARCHIVES, fetch_archive, find_archive, read_movielens
from tastemaker.data.readers import frame_from_arrow, read_table
from tastemaker.data.synthetic import synthetic
from tastemaker.data.table import Table
from tastemaker.data.text_format import FOR_THE_ITEMS, TextFormat
from tastemaker.errors import DataError, did_you_mean

NAMES = (*ARCHIVES, "synthetic")
"""Data sets that go by a name."""


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
    return Dataset.from_interactions(
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
    items: Any = None,
    untouched_items: bool = False,
    **how: Any,
) -> Dataset:
    """Reads your own interactions.

    Args:
        source: a path (text with separators, Parquet, JSON; "-" for standard input), or any
            dataframe with the Arrow interface.
        min_rating: keep only interactions rated at least this.
        duplicates: which of several interactions of one user with one item to keep.
        items: what is known of the items (a path or a dataframe): the id, and title and categories
            where there are any.
        untouched_items: take in those of them that nobody touched, so that a model that knows
            items by their categories can recommend them.
        **how: as for `read_interactions`: user, item, time, rating, weight, time_format, name, and
            for text files has_header, separator, quoting, encoding, comment. The last three hold
            for the table of the items as well.

    Raises:
        DataError: what is wrong, with file, column, row and value.
    """
    interactions = read_interactions(source, **how)
    text = {name: how[name] for name in FOR_THE_ITEMS if name in how}
    catalog = None if items is None else read_catalog(items, **text)
    return Dataset.from_interactions(
        interactions, catalog, min_rating=min_rating, duplicates=duplicates,
        untouched_items=untouched_items,
    )  # fmt: skip


def read_interactions(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    rating: str | None = None,
    weight: str | None = None,
    time_format: str | None = None,
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

    def wanted(available: list[str]) -> list[str]:
        chosen = resolve_columns(available, shown, **given).by_role().values()
        return list(dict.fromkeys(chosen))

    if is_path:
        table = read_table(Path(source), columns=wanted, how=how)
    else:
        table = Table(frame_from_arrow(source))
    columns = resolve_columns(table.frame.columns, shown, **given)
    interactions = Interactions.from_frame(table.frame, columns, shown, time_format)
    # Results name the data, errors the file.
    return replace(interactions, name=label, notes=(*interactions.notes, *table.notes))


def _label(path: Path) -> str:
    return "stdin" if str(path) == "-" else path.stem


def read_catalog(source: Any, **text: Any) -> Catalog:
    """Reads what is known of the items, from a path or a dataframe.

    Args:
        source: as for `read`.
        **text: as for `read_interactions`.
    """
    how = TextFormat(**text)
    if isinstance(source, str | Path):
        return Catalog.from_frame(read_table(Path(source), how=how).frame, str(source))
    return Catalog.from_frame(frame_from_arrow(source), "catalog")


def read_candidate_lists(source: str | Path, **text: Any) -> pl.DataFrame:
    """Candidate items by user: one row a user with a list, or one row a (user, item) pair.

    Args:
        source: a path.
        **text: as for `read_interactions`.

    Returns:
        user_id, and item_id as a list column.

    Raises:
        DataError: no user column, or no column with the items.
    """
    frame = read_table(Path(source), how=TextFormat(**text)).frame
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    columns = resolve_columns(frame.columns, str(source), item=lists[0] if lists else None)
    renamed = frame.select(user_id=columns.user, item_id=columns.item)
    if lists:
        return renamed
    return renamed.group_by("user_id", maintain_order=True).agg("item_id")
