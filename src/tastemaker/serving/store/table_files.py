"""Table files: writes a table in the format given by the ending of the file's name."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from tastemaker.errors import ConfigError
from tastemaker.folders import replacing

_WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".jsonl": pl.DataFrame.write_ndjson,
}


def refuse_unwritable(path: Path) -> None:
    """Checks that a table can be written to a path.

    Raises:
        ConfigError: the ending is not supported, or the folder does not exist.
    """
    if path.suffix not in _WRITERS:
        raise ConfigError(
            f'{path}: the format "{path.suffix}" is not supported; use {", ".join(_WRITERS)}'
        )
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist")


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Writes Parquet, CSV or JSON Lines; the file appears once it is complete.

    Raises:
        ConfigError: the ending is not supported, or the folder does not exist.
    """
    refuse_unwritable(path)
    with replacing(path) as temporary:
        _WRITERS[path.suffix](frame, temporary)
