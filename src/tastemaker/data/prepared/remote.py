"""Fetches files at s3://, gs:// and https:// to the disk, by DuckDB's extension httpfs."""

import re
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from tastemaker.data.file_sets import FileSet
from tastemaker.data.prepared.engine import connect
from tastemaker.deferred import DeferredModule
from tastemaker.errors import DataError, UnsupportedError
from tastemaker.progress import Meter, OnProgress

# Imported when a remote file is first fetched.
duckdb = DeferredModule("duckdb")

REMOTE = re.compile(r"(s3|gs|gcs|r2|https?)://")


def is_remote(source: Any) -> bool:
    """Returns whether a source is the URL of files, or a list of such URLs."""
    urls = source if isinstance(source, list | tuple) else [source]
    return bool(urls) and all(isinstance(url, str) and REMOTE.match(url) for url in urls)


def fetch(
    source: str | list[str] | tuple[str, ...], folder: Path, on_progress: OnProgress | None
) -> FileSet:
    """Copies remote files into a folder, below which they keep their paths.

    A Parquet file is streamed. Any other file must fit into memory while it is fetched.

    Args:
        source: the URL of a file, a pattern of s3:// or gs://, or a list of URLs.
        folder: an empty folder.
        on_progress: called after each file.

    Raises:
        UnsupportedError: the extension httpfs cannot be loaded.
        DataError: no file matches, a file cannot be fetched, or its copy would be outside the
            folder or in the place of another.
    """
    with connect() as connection:
        _load_httpfs(connection)
        copies = places_of(_urls(connection, source), folder)
        meter = Meter(on_progress, "fetching", len(copies))
        for path, url in copies.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            copy_file(connection, url, path)
            meter.advance()
    root = _place(source, folder) if isinstance(source, str) else next(iter(copies))
    while root != folder and (has_magic(str(root.relative_to(folder))) or not root.is_dir()):
        root = root.parent
    return FileSet(tuple(copies), root)


def places_of(urls: list[str], folder: Path) -> dict[Path, str]:
    """Returns the URL of each file by the path of its copy below a folder.

    Raises:
        DataError: a path leads out of the folder, or two URLs have the same path.
    """
    places: dict[Path, str] = {}
    for url in urls:
        path = _place(url, folder)
        if path in places:
            raise DataError(
                f"{url} has the same path as {places[path]}; list each file once, or download them "
                "and prepare the copies"
            )
        places[path] = url
    return places


def _place(url: str, folder: Path) -> Path:
    """Returns the path of the copy of a file, or that of a pattern of files."""
    path = PurePosixPath(REMOTE.sub("", url).partition("?")[0])
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"{url}: a URL with .. in its path, or without a host, is not fetched; download the "
            "file and prepare the copy"
        )
    return folder / path


def _load_httpfs(connection: Any) -> None:
    try:
        connection.execute("LOAD httpfs")
    except duckdb.Error:
        try:
            connection.execute("INSTALL httpfs")
            connection.execute("LOAD httpfs")
        except duckdb.Error as error:
            raise UnsupportedError(
                "reading remote files needs DuckDB's extension httpfs, which cannot be loaded "
                f"({str(error).splitlines()[0]}); install it where there is a network, with "
                "python -c \"import duckdb; duckdb.sql('INSTALL httpfs')\", or download the files"
            ) from None


def _urls(connection: Any, source: str | list[str] | tuple[str, ...]) -> list[str]:
    if not isinstance(source, str):
        return list(source)
    if not has_magic(source) or source.startswith("http"):
        return [source]
    try:
        rows = connection.execute("SELECT file FROM glob(?) ORDER BY file", [source]).fetchall()
    except duckdb.Error as error:
        raise _not_fetched(source, error) from None
    if not rows:
        raise DataError(f"{source}: no file matches this pattern")
    return [url for (url,) in rows]


def copy_file(connection: Any, url: str, path: Path) -> None:
    """Copies one file; its rows keep their order.

    Raises:
        DataError: it cannot be fetched.
    """
    is_parquet = url.partition("?")[0].lower().endswith((".parquet", ".pq"))
    table = "read_parquet" if is_parquet else "read_blob"
    columns, form = ("*", "PARQUET") if is_parquet else ("content", "BLOB")
    source, target = (str(place).replace("'", "''") for place in (url, path))
    try:
        connection.execute(
            f"COPY (SELECT {columns} FROM {table}('{source}')) TO '{target}' (FORMAT {form})"
        )
    except duckdb.Error as error:
        raise _not_fetched(url, error) from None


def _not_fetched(url: str, error: Exception) -> DataError:
    return DataError(f"{url} cannot be fetched: {str(error).splitlines()[0]}")
