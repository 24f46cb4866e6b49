"""Reads a Dataset from a name, a path or a dataframe; the entry points for all kinds of data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tastemaker.data.columns import Columns
from tastemaker.data.dataset import Dataset
from tastemaker.data.download import OnBytes
from tastemaker.data.file_kinds import is_file, options_for, refuse_impossible_path
from tastemaker.data.ids import IdKind
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_format import LogFormat
from tastemaker.data.log_rules import Repeats
from tastemaker.data.missing import MISSING
from tastemaker.data.movielens import (
    ARCHIVES,
    fetch_archive,
    find_archive,
    is_movielens,
    read_movielens,
)
from tastemaker.data.notes import reports_notes
from tastemaker.data.prepared.folder import (
    id_columns,
    is_prepared,
    open_prepared,
    refuse_options,
)
from tastemaker.data.rows import names_of, read_rows
from tastemaker.data.shop import shop
from tastemaker.data.synthetic import synthetic
from tastemaker.data.tables import read_tables
from tastemaker.data.text_format import SHARED_WITH_ITEMS, refuse_unknown
from tastemaker.errors import ConfigError, DataError, did_you_mean

NAMES = (*ARCHIVES, "synthetic", "shop")
"""Data sets that can be loaded by name."""

_encode = reports_notes(Dataset.from_interactions)
_opened = reports_notes(open_prepared)
_described = reports_notes(Dataset.with_tables)


def load(
    name: str | Path,
    *,
    min_rating: float | None = None,
    repeats: Repeats | None = None,
    repeat_targets: bool | None = None,
    untouched_items: bool = False,
    on_bytes: OnBytes | None = None,
) -> Dataset:
    """Loads a data set by name, or by the path of a MovieLens archive or a prepared data set.

    Args:
        name: "synthetic", "shop" or the name of a MovieLens archive, such as "ml-1m" or
            "ml-latest-small"; or the path of a MovieLens .zip or folder, or of the folder of a
            prepared data set (see `prepare`). A named archive is searched for in $TASTEMAKER_DATA,
            then in the cache, and otherwise downloaded from GroupLens.
        min_rating: keep only interactions with at least this rating; by default all are kept.
        repeats: how the rows of a (user, item) pair are merged, as for `read`.
        repeat_targets: whether repeats may be held out and recommended, as for `read`.
        untouched_items: include the items of the catalog that no user touched.
        on_bytes: called with the progress of a download.

    Raises:
        DataError: there is no such name or path, or the data cannot be used.
        ConfigError: an option cannot be applied to prepared data.
        ArtifactError: a prepared data set is damaged.
        DownloadError: the archive could not be downloaded; the message gives the file to obtain and
            its place.
    """
    refuse_impossible_path(name)
    user_table = None
    if name == "synthetic":
        interactions, catalog = synthetic()
    elif name == "shop":
        tables = shop()
        interactions, catalog = tables.interactions(), tables.catalog()
        user_table = tables.user_table()
    elif name in ARCHIVES:
        source = find_archive(str(name)) or fetch_archive(str(name), on_bytes)
        interactions, catalog = read_movielens(source, str(name))
    elif is_prepared(name):
        refuse_options(Path(name), repeats=repeats, repeat_targets=repeat_targets)
        if untouched_items:
            raise ConfigError(
                f"{name}: prepared data have no table of items, which untouched_items=True needs; "
                "read them with tastemaker.read and items=…"
            )
        return _opened(Path(name), min_rating)
    elif is_movielens_path(name):
        interactions, catalog = read_movielens(Path(name))
    else:
        raise DataError(
            f'"{name}" is neither the name of a data set nor an existing path; '
            + did_you_mean(str(name), NAMES)
        )
    return _encode(
        interactions, catalog, user_table=user_table, min_rating=min_rating, repeats=repeats,
        repeat_targets=repeat_targets, untouched_items=untouched_items,
    )  # fmt: skip


def is_movielens_path(name: str | Path) -> bool:
    """Returns whether the path is an archive or a folder rather than a single file."""
    path = Path(name)
    return path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")


def read(
    source: Any,
    *,
    min_rating: float | None = None,
    repeats: Repeats | None = None,
    repeat_targets: bool | None = None,
    items: Any = None,
    item_id: str | None = None,
    items_query: str | None = None,
    features: Mapping[str, str] | None = None,
    vectors: str | Path | np.ndarray | None = None,
    untouched_items: bool = False,
    users: Any = None,
    user_id: str | None = None,
    user_features: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    **how: Any,
) -> Dataset:
    """Reads interactions from files, a dataframe or a database.

    Guesses and left-out rows are reported by the logger `tastemaker`, and kept in the `notes` of
    the result.

    Args:
        source: a path (text with separators, Parquet, Arrow, JSON, Excel, SQLite, DuckDB; "-" for
            standard input); a list of paths, a folder or a pattern such as `logs/2026-*.csv`, whose
            files are one table, with the columns that folders such as day=2026-01-01 name; the
            folder of a prepared data set (see `prepare`); the URL of a database; or any dataframe
            with the Arrow interface.
        min_rating: keep only interactions with at least this rating.
        repeats: how the rows of a (user, item) pair are merged, always after the split: "first" or
            "latest", into that row; "sum", "max" or "count", into the latest row with the sum or
            the maximum of the weights or the number of rows as its weight; "keep": models of
            sequences learn from every row, others from the sum of the weights. The default is
            "latest", with kinds of events "max", and otherwise with weights "sum".
        repeat_targets: whether an item that a user had before may be held out, evaluated and
            recommended again; by default only with repeats="keep".
        items: a table of the items (a source of any of these kinds, or a `Catalog`): their ids and,
            if available, titles, categories, images and other features.
        item_id: the column of `items` with the item ids; by default the column with the same name
            as the item column of the interactions, or else one with a usual name.
        items_query: SQL that selects the items, if `items` is a database with several tables.
        features: the kind of a feature by its column in `items`: "category", "categories",
            "number", "text", "date" or "vector", or "none" for a column that is not used. The kinds
            of all other columns are guessed.
        vectors: a NumPy file (.npy) or array of the shape (rows of `items`, numbers in a vector),
            in the order of the rows. It becomes the feature "vectors".
        untouched_items: include the items of that table that no user touched, so that a model that
            represents items by their features can recommend them.
        users: a table of the users (a path, a dataframe or a `UserTable`): their ids and features.
        user_id: the column of `users` with the user ids; by default the column with the same name
            as the user column of the interactions, or else one with a usual name.
        user_features: the kind of a feature by its column in `users`, as for `features`.
        missing: texts that stand for a missing value in columns of ids, times, ratings and weights.
        drop_missing: whether to leave out rows that lack an id, a time or a weight; by default they
            are an error.
        ids: type to convert the ids to, "text" or "integer"; by default they keep their type, and
            those of a text file become whole numbers if all of them can.
        **how: as for `read_interactions`: user, item, time, rating, event, event_weights, targets,
            negative, weight, weight_transform, time_format, name, query, layout, and for text files
            has_header, separator, quoting, encoding, comment, decimal. The last four apply to the
            tables of the items and users as well.

    Raises:
        DataError: the data cannot be used; the message gives file, column, row and value.
        ConfigError: an argument is unknown or invalid, or does not apply to this kind of source.
    """
    refuse_unknown(how, read, read_interactions)
    values: dict[str, Any] = {"missing": missing, "drop_missing": drop_missing, "ids": ids}
    tables = [table for table in (items, users) if table is not None]
    for each in (source, *tables):
        refuse_impossible_path(each)
    shared = {name: how[name] for name in SHARED_WITH_ITEMS if name in how and tables}
    of_tables = {name for table in tables for name in options_for(table)}
    only_of_tables = of_tables.intersection(shared).difference(options_for(source))
    how = {name: value for name, value in how.items() if name not in only_of_tables}
    if is_prepared(source):
        refuse_options(
            Path(source), repeats=repeats, repeat_targets=repeat_targets,
            **(values if not tables else {}), **how,
        )  # fmt: skip
        log: Interactions | Dataset = _opened(Path(source), min_rating)
        columns = id_columns(Path(source))
    else:
        log = read_interactions(source, **values, **how)
        columns = {"user_column": log.user_column, "item_column": log.item_column}
    catalog, user_table = read_tables(
        **columns, items=items, item_id=item_id, items_query=items_query, features=features,
        vectors=vectors, users=users, user_id=user_id, user_features=user_features, **values,
        **shared,
    )  # fmt: skip
    if isinstance(log, Dataset):
        return _described(log, catalog, user_table, untouched_items=untouched_items)
    return _encode(
        log, catalog, user_table=user_table, min_rating=min_rating, repeats=repeats,
        repeat_targets=repeat_targets, untouched_items=untouched_items,
    )  # fmt: skip


@reports_notes
def read_interactions(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    rating: str | None = None,
    event: str | None = None,
    event_weights: Mapping[str, float] | None = None,
    targets: Sequence[str] = (),
    negative: Sequence[str] = (),
    weight: str | None = None,
    weight_transform: str = "auto",
    time_format: str | None = None,
    missing: Sequence[str] = MISSING,
    drop_missing: bool = False,
    ids: IdKind | None = None,
    name: str | None = None,
    query: str | None = None,
    layout: str | None = None,
    **text: Any,
) -> Interactions:
    """Reads and validates a table of interactions, without encoding it.

    Args:
        source: files, a dataframe or a database, as for `read`.
        user: the column with the user ids. If it is None, it is guessed from the usual names, and
            so are the others, except event and weight, which are used only if they are named.
        item: the column with the item ids.
        time: the column with the times.
        rating: the column with the ratings.
        event: the column with the kinds of events, such as view and purchase.
        event_weights: the weight of each kind; "*" stands for all kinds that are not named. By
            default each kind has the weight 1. Rows with the weight 0 are left out.
        targets: the kinds that are held out and predicted; by default all that are not negative.
            Events of other kinds belong to the histories.
        negative: the kinds that say no, such as dislike or return. A no cancels the earlier events
            of the user with the item, and until a later positive event the item is never
            recommended to the user.
        weight: the column with a value of each interaction, 0 or above, such as its weight, the
            number of plays or the seconds watched. With kinds of events, a row's weight is that of
            its kind times its transformed value, and a row without a value has that of its kind.
        weight_transform: how these values become weights: "none"; "log1p", ln(1 + value); "sqrt";
            "threshold:X", 1 for a value of at least X, else 0; or "auto", which is log1p for values
            with a heavy tail and none for others.
        time_format: a strftime pattern, for times as text that are not ISO 8601.
        missing: texts that stand for a missing value; an empty text, a null and a float NaN always
            do.
        drop_missing: whether to leave out rows that lack an id, a time or a weight.
        ids: type to convert the ids to, "text" or "integer"; by default they keep their type.
        name: name of the data in results; by default the file's name without its ending.
        query: SQL that selects the rows of a database; by default those of its only table.
        layout: a name in `data.layouts.LAYOUTS`, for a published file that does not name its
            columns.
        **text: how to read a text file, by the fields of `TextFormat`: has_header (True),
            separator, quoting ("csv" or "none"), encoding, comment and decimal ("." or ",").

    Raises:
        DataError: the data cannot be used; the message gives file, column, line and value.
        ConfigError: an option is invalid, or does not apply to this kind of source.
    """
    log = LogFormat.of(
        user=user, item=item, time=time, rating=rating, event=event, event_weights=event_weights,
        targets=targets, negative=negative, weight=weight, weight_transform=weight_transform,
        time_format=time_format, missing=missing, drop_missing=drop_missing, ids=ids,
        layout=layout, **text,
    )  # fmt: skip
    source_name, label = names_of(source, name)
    _refuse_data_sets(source)
    is_text = "has_header" in options_for(source)

    def columns_of(available: list[str]) -> Columns:
        return log.columns(available, source_name, is_text=is_text)

    rows = read_rows(
        source,
        source_name,
        wanted=lambda names: list(dict.fromkeys(columns_of(names).by_role().values())),
        ids=lambda names: columns_of(names).as_written(log.time_format),
        how=log.text,
        query=query,
    )
    columns = columns_of(rows.frame.columns)
    interactions = Interactions.from_rows(
        log.layout.events(rows), columns, time_format=log.time_format, values=log.values,
        weighting=log.weighting,
    )  # fmt: skip
    return replace(interactions, name=label)  # results show the data's name, errors the file's


def _refuse_data_sets(source: Any) -> None:
    """Raises DataError for a folder or an archive that is a whole data set, not a table."""
    if not is_file(source):
        return
    if is_prepared(source):
        raise DataError(f"{source} holds prepared data; read it with tastemaker.read")
    if is_movielens(source):
        raise DataError(f"{source} holds a MovieLens data set; load it with tastemaker.load")
