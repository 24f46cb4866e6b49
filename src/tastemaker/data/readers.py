"""Reads tables from files and dataframes: text, Parquet, JSON, Arrow."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from tastemaker.data.contents import Content, read_content, read_head
from tastemaker.data.json_tables import read_json
from tastemaker.data.table import ReadTable
from tastemaker.data.text import read_text
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import DataError
from tastemaker.forking import refuse_forked

TAB_ENDINGS = (".tsv", ".tab", ".inter")
"""Endings of text files whose separator is a tab if they contain one."""

TEXT_ENDINGS = (".csv", *TAB_ENDINGS)
"""Endings of files that are read as text even if they begin like JSON."""

Choose = Callable[[list[str]], Sequence[str]]
"""Selects columns: takes the names of all columns and returns some of them."""


def read_table(
    path: Path,
    *,
    columns: Choose | None = None,
    ids: Choose | None = None,
    how: TextFormat | None = None,
) -> ReadTable:
    """Reads text with separators, JSON Lines, a JSON array or Parquet, also with gzip or zstd.

    The format is given by the file's ending (.csv .tsv .parquet .jsonl …) and, for any other name,
    by its first bytes. A file that begins like Parquet is read as Parquet under any name.

    Args:
        path: the file, a pipe, or - for standard input.
        columns: returns the columns to read, given all column names; None reads all.
        ids: returns the columns that hold ids, given all column names. Ids of a text file that are
            not 64-bit whole numbers stay text, because ids such as 12345678901234567890 and 1.10
            would change if they were read as numbers.
        how: format of a text file, as far as it is given; the rest is detected.

    Raises:
        DataError: there is no such file, it is empty, or its content does not match its ending; the
            message gives the line where possible.
    """
    refuse_forked()
    content, source_name = read_content(path), str(path)
    how = how or TextFormat()
    choose = columns or (lambda names: names)
    ending = _ending(path)
    if ending in (".parquet", ".pq") or read_head(content).startswith(b"PAR1"):
        return _read_parquet(content, source_name, choose)
    if ending not in TEXT_ENDINGS and (
        ending in (".jsonl", ".ndjson", ".json") or _is_json(content)
    ):
        return read_json(content, source_name, choose, how.encoding)
    return read_text(
        content, source_name, choose, how, ids or _no_columns, tab_first=ending in TAB_ENDINGS
    )


def _no_columns(names: list[str]) -> Sequence[str]:
    return ()


def _ending(path: Path) -> str:
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings and endings[-1] in (".gz", ".zst"):
        endings.pop()
    return endings[-1] if endings else ""


def _is_json(content: Content) -> bool:
    head = read_head(content).removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    return head.lstrip(b" \t\r\n\xff\xfe")[:1] in (b"{", b"[")


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
