"""The lines of a text file: which of them begin a row, and where quotes and separators are."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tastemaker.data.contents import CHUNK_BYTES, Content, read_all


@dataclass(frozen=True)
class Counts:
    """Numbers of occurrences of some bytes in a file."""

    lines: int
    """Number of lines, including a last line that does not end in a line break."""
    quotes: int
    separators: int
    nul_bytes: int
    """NUL bytes, which do not occur in text."""


def count(content: Content, separator: str) -> Counts:
    """Counts lines, quotes, separators and NUL bytes in one pass over the file."""
    counted_bytes = (b"\n", b'"', separator.encode(), b"\0")
    totals, last = [0] * len(counted_bytes), b""
    for chunk in _chunks(content):
        totals = [
            total + chunk.count(byte) for total, byte in zip(totals, counted_bytes, strict=True)
        ]
        last = chunk[-1:]
    return Counts(totals[0] + (last != b"\n"), *totals[1:])


def _chunks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]
        return
    with content.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


@dataclass(frozen=True)
class TextLines:
    """The lines of a text file, for checks that the parsed rows alone do not allow."""

    content: Content
    """UTF-8 text with the same lines as the file."""
    separator: str
    """One character."""
    quoted: bool
    """Whether a line break within quotes belongs to a value."""
    comment: str | None
    has_header: bool
    first_line: int = 1
    """Number of the first line, which is above 1 for a part of a larger file."""

    @cached_property
    def _data(self) -> bytes:
        return read_all(self.content)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row per line, without comments: number, start, end, quotes and row.

        start and end are byte positions in the content, quotes is the number of quotes in the line,
        and row is the number of the row that the line belongs to.

        A line break is within quotes if an odd number of quotes precedes it. This is the rule by
        which Polars splits a file into rows.
        """
        codes = np.frombuffer(self._data, np.uint8)
        ends = np.flatnonzero(codes == ord("\n"))
        if not self._data.endswith(b"\n"):
            ends = np.append(ends, len(codes))
        starts = np.append(0, ends[:-1] + 1)
        quotes = np.zeros(len(ends), dtype=np.int64)
        if self.quoted:
            quotes_before = np.searchsorted(np.flatnonzero(codes == ord('"')), ends)
            quotes = np.diff(quotes_before, prepend=0)
        frame = pl.DataFrame(
            {
                "number": self.first_line + np.arange(len(ends)),
                "start": starts,
                "end": ends,
                "quotes": quotes,
            }
        )
        if self.comment is not None:
            prefix = self.comment.encode()
            frame = frame.filter(
                [not self._data.startswith(prefix, start) for start in starts.tolist()]
            )
        in_quotes = (pl.col("quotes").cum_sum() - pl.col("quotes")) % 2 == 1
        return frame.with_columns(row=(~in_quotes).cum_sum())

    @cached_property
    def rows(self) -> pl.DataFrame:
        """One row for each row that Polars reads: number, start, end, quotes, row, lines, is_blank.

        The header and the blank lines before it are left out. number is the number of the row's
        first line, lines is its number of lines, and is_blank is whether it holds no value at all.
        """
        begins = self.frame["row"].is_first_distinct()
        first = self.frame.filter(begins)
        first_lines = np.flatnonzero(begins.to_numpy())
        next_first_lines = np.append(first_lines[1:], self.frame.height)
        ends = self.frame["end"].gather(next_first_lines - 1)
        rows = first.with_columns(
            end=ends,
            quotes=np.add.reduceat(self.frame["quotes"].to_numpy(), first_lines),
            lines=next_first_lines - first_lines,
            is_blank=~self._hold_values(first["start"].to_numpy(), ends.to_numpy()),
        )
        header = int((~rows["is_blank"]).arg_max() or 0)
        return rows.slice(header + self.has_header)

    @property
    def n_separators(self) -> int:
        """Number of separators in the whole file that are not within quotes."""
        codes = np.frombuffer(self._data, np.uint8)
        separators = np.flatnonzero(codes == ord(self.separator))
        quotes_before = np.searchsorted(np.flatnonzero(codes == ord('"')), separators)
        return int((quotes_before % 2 == 0).sum())

    def _hold_values(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Returns whether the spans hold more than separators, blanks and quotes of the format."""
        counts = np.ones(256, dtype=bool)
        counts[list((" \t\r\n" + self.separator + '"' * self.quoted).encode())] = False
        # The line break after the last line may be missing.
        is_value = counts[np.frombuffer(self._data + b"\n", np.uint8)]
        spans = np.column_stack([starts, ends]).ravel()
        return np.logical_or.reduceat(is_value, spans)[::2]

    def with_text(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Returns lines or rows with their text, without the line break at the end."""
        spans = zip(lines["start"].to_list(), lines["end"].to_list(), strict=True)
        text = [self._data[start:end].decode("utf-8", "replace") for start, end in spans]
        return lines.with_columns(pl.Series("text", text, dtype=pl.String).str.strip_suffix("\r"))

    def place_of(self, row: int) -> str:
        """Returns the first line of a row in words (`line 3`); `row` does not count blank rows."""
        return f"line {self.rows.filter(~pl.col('is_blank'))['number'][row]}"
