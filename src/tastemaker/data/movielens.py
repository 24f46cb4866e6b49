"""Finds, downloads and reads the official MovieLens archives by name.

F. Maxwell Harper and Joseph A. Konstan, 2015: The MovieLens Datasets: History and Context.
https://grouplens.org/datasets/movielens/
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.columns import Columns
from tastemaker.data.contents import read_head
from tastemaker.data.download import OnBytes, cache_folder, data_folders, download
from tastemaker.data.interactions import Interactions
from tastemaker.data.zip_files import members, read_member
from tastemaker.errors import DataError, DownloadError
from tastemaker.forking import refuse_forked

BASE_URL = "https://files.grouplens.org/datasets/movielens"

COLUMNS = Columns(user="userId", item="movieId", time="timestamp", rating="rating")

RATING_TYPES = {
    "userId": pl.Int64,
    "movieId": pl.Int64,
    "rating": pl.Float32,
    "timestamp": pl.Int64,
}


@dataclass(frozen=True)
class Layout:
    """The file layout of one generation of archives."""

    ratings: str
    movies: str
    read_ratings: Callable[[Path | bytes], pl.DataFrame]
    read_movies: Callable[[Path | bytes], pl.DataFrame]


def _ratings_csv(source: Path | bytes) -> pl.DataFrame:
    return pl.read_csv(source, schema_overrides=RATING_TYPES, columns=list(RATING_TYPES))


def _movies_csv(source: Path | bytes) -> pl.DataFrame:
    return pl.read_csv(source)


def _ratings_double_colon(source: Path | bytes) -> pl.DataFrame:
    # The separator is "::"; split at single colons, every second of the seven columns is empty.
    names = ["userId", "", "movieId", " ", "rating", "  ", "timestamp"]
    table = pl.read_csv(source, separator=":", has_header=False, new_columns=names)
    return table.select(list(RATING_TYPES))


def _movies_double_colon(source: Path | bytes) -> pl.DataFrame:
    rows = [line.split("::") for line in _decoded(source).splitlines()]
    return pl.DataFrame(
        {
            "movieId": [int(row[0]) for row in rows],
            "title": [row[1] for row in rows],
            "genres": [row[2] for row in rows],
        }
    )


def _ratings_tab(source: Path | bytes) -> pl.DataFrame:
    return pl.read_csv(source, separator="\t", has_header=False, new_columns=list(RATING_TYPES))


GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip


def _movies_flags(source: Path | bytes) -> pl.DataFrame:
    rows = [line.split("|") for line in _decoded(source).splitlines()]
    n_flags = len(GENRES_100K)
    return pl.DataFrame(
        {
            "movieId": [int(row[0]) for row in rows],
            "title": [row[1] for row in rows],
            "genres": [
                [g for g, flag in zip(GENRES_100K, row[-n_flags:], strict=True) if flag == "1"]
                for row in rows
            ],
        }
    )


def _decoded(source: Path | bytes) -> str:
    raw = source.read_bytes() if isinstance(source, Path) else source
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # the encoding of the titles in 100k and 1m


LAYOUTS = (
    Layout("ratings.csv", "movies.csv", _ratings_csv, _movies_csv),
    Layout("ratings.dat", "movies.dat", _ratings_double_colon, _movies_double_colon),
    Layout("u.data", "u.item", _ratings_tab, _movies_flags),
)

ARCHIVES = ("ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small")


def find_archive(name: str) -> Path | None:
    """Returns the archive or its unpacked folder in $TASTEMAKER_DATA or the cache, or None."""
    for folder in data_folders():
        for candidate in (folder / f"{name}.zip", folder / name):
            if candidate.exists():
                return candidate
    return None


def fetch_archive(name: str, on_bytes: OnBytes | None = None, base_url: str = BASE_URL) -> Path:
    """Downloads an archive into the cache.

    Raises:
        DownloadError: the download failed; the message gives the file to obtain and its place.
    """
    target = cache_folder() / f"{name}.zip"
    try:
        return download(f"{base_url}/{name}.zip", target, on_bytes)
    except DownloadError as error:
        raise DownloadError(
            f"{name}: {error}; download {name}.zip from https://grouplens.org/datasets/movielens/ "
            f"and save it as {target} (or in the folder that TASTEMAKER_DATA names)"
        ) from None


def is_movielens(path: str | Path) -> bool:
    """Returns whether a path is a MovieLens archive or folder, and not another table.

    A file named ratings.csv occurs elsewhere too, so its first line must be that of MovieLens.
    """
    source = Path(path)
    if source.is_dir():
        files = _files_in_folder(source)
    elif source.is_file() and zipfile.is_zipfile(source):  # a pipe can be read only once
        files = _files_in_zip(source)
    else:
        return False
    layout = next((layout for layout in LAYOUTS if layout.ratings in files), None)
    if layout is None or layout.ratings != "ratings.csv":
        return layout is not None
    content = files[layout.ratings]()
    header = read_head(content).split(b"\n")[0]
    return header.strip().decode("utf-8", "replace").split(",") == list(RATING_TYPES)


def read_movielens(source: Path, name: str | None = None) -> tuple[Interactions, Catalog]:
    """Reads a MovieLens archive of any generation, or its unpacked folder.

    Raises:
        DataError: the source is neither, or it is damaged.
    """
    refuse_forked()
    name = name or source.stem
    files = _files_in_folder(source) if source.is_dir() else _files_in_zip(source)
    for layout in LAYOUTS:
        if layout.ratings in files:
            break
    else:
        raise DataError(
            f"{source} contains no MovieLens ratings "
            f"({', '.join(layout.ratings for layout in LAYOUTS)}); "
            "give the path of the file with the interactions"
        )
    try:
        ratings = layout.read_ratings(files[layout.ratings]())
        interactions = Interactions.from_frame(ratings, COLUMNS, name)
        del ratings
        if layout.movies not in files:
            return interactions, Catalog(interactions.frame.select("item_id").unique())
        movies = layout.read_movies(files[layout.movies]())
    except (pl.exceptions.PolarsError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{source} has the layout of a MovieLens archive, but is damaged: {reason}"
        ) from None
    return interactions, Catalog.from_frame(movies, f"{name}/{layout.movies}", item="movieId")


def _files_in_folder(folder: Path) -> dict[str, Callable[[], Path | bytes]]:
    inner = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    found = {file.name: file for place in reversed(inner) for file in place.iterdir()}
    return {name: partial(Path, path) for name, path in found.items() if path.is_file()}


def _files_in_zip(source: Path) -> dict[str, Callable[[], Path | bytes]]:
    """Returns functions that read the members, by file name."""
    if not zipfile.is_zipfile(source):
        raise DataError(f"{source} is not a zip archive")
    return {
        PurePosixPath(info.filename).name: partial(read_member, source, str(source), info)
        for info in members(source, str(source))
    }
