"""The lines of a text file: which of them begin a row, and how many values they have."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from tastemaker.data.contents import CHUNK_BYTES, Content, all_of


@dataclass(frozen=True)
class Counts:
    """How often some bytes occur in a file."""

    lines: int
    """Lines, the last counted whether or not it ends in a line break."""
    quotes: int
    separators: int
    zeros: int
    """NUL bytes, which no text has."""


def count(content: Content, separator: str) -> Counts:
    """Counts in one pass over the file."""
    sought = (b"\n", b'"', separator.encode(), b"\0")
    totals, last = [0] * len(sought), b""
    for chunk in _chunks(content):
        totals = [total + chunk.count(byte) for total, byte in zip(totals, sought, strict=True)]
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
    """The lines of a text file, for the cases in which the rows alone do not say enough.

    Reading them costs several times what reading the table costs.
    """

    content: Content
    """UTF-8, line for line as in the file."""
    separator: str
    """One character."""
    quoted: bool
    """Whether a line break within quotes belongs to a value."""
    comment: str | None
    has_header: bool

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row a line, comments left out: number, text, quotes and row.

        number counts from 1, quotes is how many there are, and row the number of the row that the
        line belongs to.

        A line break is within quotes where an odd number of quotes stands before it. That is the
        rule by which Polars splits a file into rows.
        """
        text = all_of(self.content).decode("utf-8", "replace")
        lines = pl.Series("text", text.removesuffix("\n").split("\n"), dtype=pl.String)
        frame = pl.DataFrame({"number": pl.int_range(1, len(lines) + 1, eager=True), "text": lines})
        if self.comment is not None:
            frame = frame.filter(~pl.col("text").str.starts_with(self.comment))
        quotes = pl.col("text").str.count_matches('"', literal=True).cast(pl.Int64)
        frame = frame.with_columns(
            pl.col("text").str.strip_suffix("\r"), quotes=quotes if self.quoted else pl.lit(0)
        )
        within = (pl.col("quotes").cum_sum() - pl.col("quotes")) % 2 == 1
        return frame.with_columns(row=(~within).cum_sum())

    @cached_property
    def rows(self) -> pl.DataFrame:
        """One row for each row that Polars reads: number, lines, quotes, text and is_blank.

        The header and the blank lines before it are left out. number is that of its first line,
        lines how many there are, and is_blank whether it holds no value at all.
        """
        rows = self.frame.group_by("row", maintain_order=True).agg(
            pl.col("number").first(),
            pl.len().alias("lines"),
            pl.col("quotes").sum(),
            pl.col("text").str.join("\n"),
        )
        nothing = ' \t\n"' if self.quoted else " \t"
        rows = rows.with_columns(
            is_blank=pl.col("text").str.strip_chars(nothing + self.separator) == ""
        )
        first = int((~rows["is_blank"]).arg_max() or 0)
        return rows.slice(first + self.has_header)

    def place_of(self, row: int) -> str:
        """The first line of a row of values, in the words of an error."""
        return f"line {self.rows.filter(~pl.col('is_blank'))['number'][row]}"
