"""Pieces of files: each is small enough to be read into memory, whatever the size of its file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl
import polars.selectors as cs

from tastemaker.data.contents import read_head
from tastemaker.data.file_kinds import TAB_ENDINGS, Kind, kind_of, refuse_text_options
from tastemaker.data.json_tables import read_json
from tastemaker.data.readers import Choose
from tastemaker.data.separators import find_separator, with_one_character
from tastemaker.data.table import ReadTable, row_number
from tastemaker.data.text import read_text
from tastemaker.data.text_file import is_quoted
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import DataError

LONGEST_ROW = 16
"""Maximum size of one row of a text file, as a multiple of the size of a piece."""


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a file, which can be read on their own and more than once."""

    path: Path
    """An uncompressed file."""
    source_name: str
    """Name of the file in messages: that of the compressed or remote file, if it was one."""
    kind: Kind
    start: int
    """Position of the first row in a Parquet file, or of the first byte of a text file."""
    end: int
    """Position after the last row or byte."""
    how: TextFormat
    """Format of a text file, with its separator."""
    header: bytes = b""
    """The lines of a text file up to the names of its columns."""
    first_line: int = 1
    """Number of the first line of a text file in this piece."""

    def read(self, *, columns: Choose, ids: Choose) -> ReadTable:
        """Reads the rows; all columns of text files are text.

        Args:
            columns: returns the columns to read, given all column names.
            ids: returns the columns that hold ids, given all column names.

        Raises:
            DataError: the rows cannot be read.
        """
        if self.kind == "parquet":
            return self._read_parquet(columns)
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.end - self.start)
        if self.kind == "json":
            return read_json(content, self.source_name, columns, first_line=self.first_line)
        first_line = self.first_line - self.header.count(b"\n")
        return read_text(
            self.header + content, self.source_name, columns, self.how, ids,
            part_from_line=first_line,
        )  # fmt: skip

    def _read_parquet(self, columns: Choose) -> ReadTable:
        try:
            table = pl.scan_parquet(self.path, glob=False)
            table = table.select(list(columns(list(table.collect_schema()))))
            rows = table.slice(self.start, self.end - self.start)
            frame = rows.cast({cs.signed_integer(): pl.Int64}).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _not_parquet(self.source_name, error) from None
        return ReadTable(frame, lambda row: row_number(self.start + row))


def pieces_of(
    path: Path, source_name: str, name: str, how: TextFormat, *, n_rows: int, n_bytes: int
) -> list[Piece]:
    """Divides a file into pieces.

    Args:
        path: an uncompressed file; text is in UTF-8.
        source_name: name of the file in messages.
        name: the file's name without the ending of a compression, which tells its kind.
        how: format of a text file, as far as it is given.
        n_rows: maximum number of rows of a piece of a Parquet file.
        n_bytes: size of a piece of a text file, about.

    Raises:
        DataError: the file is of a kind that cannot be read in pieces, or a row is very long.
        ConfigError: an option does not apply to this kind of file.
    """
    kind = kind_of(name, path)
    refuse_text_options(how, kind, source_name)
    size = path.stat().st_size
    whole = Piece(path, source_name, kind, 0, size, replace(how, encoding=None))
    if kind == "parquet":
        return _of_parquet(whole, n_rows)
    if kind == "json":
        if read_head(path).lstrip()[:1] == b"[":
            raise DataError(
                f"{source_name} is one JSON array, which can only be read as a whole; write one "
                "object per line (JSON Lines) to prepare it"
            )
        return _of_lines(whole, n_bytes, quoted=False)
    if kind != "text":
        raise DataError(
            f"{source_name} cannot be prepared in pieces; write the table as Parquet, CSV or JSON "
            "Lines first"
        )
    return _of_text(whole, n_bytes, tab_first=name.lower().endswith(TAB_ENDINGS))


def _of_parquet(whole: Piece, n_rows: int) -> list[Piece]:
    try:
        n = pl.scan_parquet(whole.path, glob=False).select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _not_parquet(whole.source_name, error) from None
    starts = range(0, max(n, 1), n_rows)
    return [replace(whole, start=start, end=min(start + n_rows, n)) for start in starts]


def _not_parquet(source_name: str, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"{source_name} is not a readable Parquet file ({reason})")


def _of_text(whole: Piece, n_bytes: int, *, tab_first: bool) -> list[Piece]:
    """Divides a text file; every piece gets its header, and the separator found in the file."""
    how = whole.how
    separator = how.separator or find_separator(
        whole.path, tab_first=tab_first, comment=how.comment
    )
    found = separator.replace("\\t", "\t")
    head = read_head(whole.path)
    begin, end = _first_line(head, how.comment)
    line, one_character = with_one_character(head[begin:end], found)
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else ""
    quoted = is_quoted(how, found, text.strip("\r\n"), one_character)
    header = head[:end] if how.has_header else b""
    whole = replace(
        whole, start=len(header), how=replace(how, separator=found), header=header,
        first_line=1 + header.count(b"\n"),
    )  # fmt: skip
    return _of_lines(whole, n_bytes, quoted=quoted)


def _first_line(head: bytes, comment: str | None) -> tuple[int, int]:
    """Returns where the first line that is neither blank nor a comment begins and ends."""
    begin = 0
    for line in head.splitlines(keepends=True):
        end = begin + len(line)
        is_comment = comment is not None and line.startswith(comment.encode())
        if line.strip() and not is_comment:
            return begin, end
        begin = end
    return 0, 0


def _of_lines(whole: Piece, n_bytes: int, *, quoted: bool) -> list[Piece]:
    """Divides a file at line breaks, which with `quoted` must not be within quotes."""
    pieces, start, line = [], whole.start, whole.first_line
    with whole.path.open("rb") as file:
        file.seek(start)
        for size, n_lines in _spans(partial(file.read, n_bytes), quoted, n_bytes, whole):
            pieces.append(replace(whole, start=start, end=start + size, first_line=line))
            start, line = start + size, line + n_lines
    return pieces or [replace(whole, end=whole.start)]


def _spans(
    read: "partial[bytes]", quoted: bool, n_bytes: int, whole: Piece
) -> Iterator[tuple[int, int]]:
    """Yields the number of bytes and of line breaks of each piece; none has only blank lines."""
    rest = b""
    while chunk := read():
        rest += chunk
        end = _last_row_end(rest, quoted)
        if end and not rest[:end].isspace():
            yield end, rest.count(b"\n", 0, end)
            rest = rest[end:]
        elif len(rest) > LONGEST_ROW * n_bytes:
            remedy = '; if its quotes are text, give quoting="none"' if quoted else ""
            raise DataError(
                f"{whole.source_name}: a row is longer than {len(rest):,} bytes{remedy}"
            )
    if rest.strip():
        yield len(rest), rest.count(b"\n")


def _last_row_end(data: bytes, quoted: bool) -> int:
    """Returns the position after the last line break that ends a row; 0 if there is none."""
    end = data.rfind(b"\n") + 1
    n_quotes = data.count(b'"', 0, end) if quoted else 0
    while end and n_quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        n_quotes -= data.count(b'"', before, end)
        end = before
    return end
