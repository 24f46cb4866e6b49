"""Reads tables from files and dataframes of any kind."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from tastemaker.data.contents import Content, read_all, read_content
from tastemaker.data.databases import READ_FILE
from tastemaker.data.excel import read_excel
from tastemaker.data.file_kinds import (
    TAB_ENDINGS,
    Kind,
    kind_of,
    refuse_query,
    refuse_text_options,
)
from tastemaker.data.json_tables import read_json
from tastemaker.data.table import ReadTable
from tastemaker.data.text import read_text
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked

Choose = Callable[[list[str]], Sequence[str]]
"""Selects columns: takes the names of all columns and returns some of them."""


def read_table(
    path: Path,
    *,
    columns: Choose | None = None,
    ids: Choose | None = None,
    how: TextFormat | None = None,
    query: str | None = None,
) -> ReadTable:
    """Reads a file: text with separators, JSON, Parquet, Arrow, Excel, SQLite or DuckDB.

    The kind is given by the file's first bytes or its ending (.csv .parquet .arrow .jsonl .xlsx …).
    All but workbooks and databases may be compressed (gzip, zstd, bzip2, xz, or zip with one file).

    Args:
        path: the file, a pipe, or - for standard input.
        columns: returns the columns to read, given all column names; None reads all.
        ids: returns the columns that hold ids, given all column names. Ids of a text file that are
            not 64-bit whole numbers stay text, because ids such as 12345678901234567890 and 1.10
            would change if they were read as numbers.
        how: format of a text file, as far as it is given; the rest is detected.
        query: SQL that selects rows from a SQLite or DuckDB file; by default the only table.

    Raises:
        DataError: there is no such file, it is empty, or its content does not match its ending; the
            message gives the line where possible.
        ConfigError: an option does not apply to this kind of file.
    """
    refuse_forked()
    content, name = read_content(path)
    source_name = str(path)
    how = how or TextFormat()
    choose = columns or (lambda names: names)
    kind = kind_of(name, content)
    refuse_text_options(how, kind, source_name)
    if kind in READ_FILE:
        return _read_database_file(content, kind, source_name, choose, query)
    refuse_query(query, source_name)
    if kind == "parquet":
        return _read_parquet(content, source_name, choose)
    if kind == "arrow":
        return _read_arrow(content, source_name, choose)
    if kind == "excel":
        return read_excel(content, source_name, choose, has_header=how.has_header)
    if kind == "json":
        return read_json(content, source_name, choose, how.encoding)
    tab_first = name.lower().endswith(TAB_ENDINGS)
    return read_text(content, source_name, choose, how, ids or _no_columns, tab_first=tab_first)


def _no_columns(names: list[str]) -> Sequence[str]:
    return ()


def frame_from_arrow(source: Any) -> pl.DataFrame:
    """Converts any dataframe with the Arrow interface (pandas, PyArrow, DuckDB, …) to Polars.

    Raises:
        DataError: the source does not have the Arrow interface, or cannot be read.
    """
    refuse_forked()
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        try:
            return pl.DataFrame(source)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise DataError(f"the dataframe cannot be read: {error}") from None
    raise DataError(
        f"a {type(source).__name__} is neither a path nor a dataframe with the Arrow interface "
        "(Polars, pandas, PyArrow, …)"
    )


def _read_parquet(content: Content, source_name: str, choose: Choose) -> ReadTable:
    try:
        names = list(pl.scan_parquet(content, glob=False).collect_schema())
        table = pl.scan_parquet(content, glob=False).select(list(choose(names)))
        # Ids become 64-bit anyway; casting while reading never keeps both widths in memory.
        frame = table.cast({cs.signed_integer(): pl.Int64}).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source_name} is not a readable Parquet file ({reason})") from None
    return ReadTable(frame)


def _read_arrow(content: Content, source_name: str, choose: Choose) -> ReadTable:
    """Reads the file format of Arrow (also called Feather, version 2) or its stream format."""
    data = read_all(content)
    try:
        if data.startswith(b"ARROW1"):
            names = list(pl.read_ipc_schema(io.BytesIO(data)))
            frame = pl.read_ipc(io.BytesIO(data), columns=list(choose(names)))
        else:
            frame = pl.read_ipc_stream(io.BytesIO(data))
            frame = frame.select(list(choose(frame.columns)))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source_name} is not a readable Arrow file ({reason})") from None
    return ReadTable(frame)


def _read_database_file(
    content: Content, kind: Kind, source_name: str, choose: Choose, query: str | None
) -> ReadTable:
    if not isinstance(content, Path):
        raise DataError(f"{source_name} is a compressed database; unpack it")
    frame = READ_FILE[kind](content, query)
    return ReadTable(frame.select(list(choose(frame.columns))))
