"""Parses the columns of a text file of known format, or gives the reason why that fails."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tastemaker.data.contents import Content, as_utf8, read_all, read_head
from tastemaker.data.quotes import header_is_quoted, refuse_open_quote
from tastemaker.data.ragged import differ_by_last_separator, refuse_uneven, uneven_rows
from tastemaker.data.separators import find_separator, with_one_character
from tastemaker.data.text_format import TextFormat
from tastemaker.data.text_lines import Counts, TextLines, count
from tastemaker.errors import DataError

SAMPLED_ROWS = 1_000
"""Number of rows from which the type of a column is inferred."""

UNQUOTED = ("\t", "::")
"""Separators with which quotes are text, unless all column names are quoted."""

ATOMIC = re.compile(r"(.+):(token|token_seq|float|float_seq)")
"""A column name with its type, as in RecBole's atomic files."""


@dataclass(frozen=True)
class TextFile:
    """A text file whose format is known."""

    source_name: str
    lines: TextLines
    body: Content
    """The lines from the header on, without comments."""
    counts: Counts
    """Counts of the characters in the body."""
    how: TextFormat
    """The options that were given."""
    ragged: bool = False
    """Whether lines may have more values than the first."""

    @classmethod
    def of(
        cls,
        content: Content,
        source_name: str,
        how: TextFormat,
        *,
        tab_first: bool,
        first_line: int = 1,
    ) -> "TextFile":
        """Detects what `how` leaves open; `first_line` is the number of the content's first line.

        Raises:
            DataError: the bytes are not text.
        """
        content = as_utf8(content, how.encoding, source_name)
        if how.separator is not None:
            found = how.separator.replace("\\t", "\t")
        else:
            found = find_separator(content, tab_first=tab_first, comment=how.comment)
        content, separator = with_one_character(content, found)
        body = _body(content, how.comment)
        counts = count(body, separator)
        if counts.nul_bytes:
            line = read_all(content).partition(b"\0")[0].count(b"\n") + first_line
            raise DataError(
                f"{source_name}: line {line} contains a NUL byte, so the file is not text or is "
                'damaged; if it is UTF-16, read it with encoding="utf-16"'
            )
        quoted = counts.quotes > 0 and is_quoted(how, found, _first_line(body), separator)
        lines = TextLines(content, separator, quoted, how.comment, how.has_header, first_line)
        return cls(source_name, lines, body, counts, how)

    @property
    def options(self) -> dict[str, Any]:
        """The format as keyword arguments of Polars' CSV readers."""
        return {
            "separator": self.lines.separator,
            "quote_char": '"' if self.lines.quoted else None,
            "has_header": self.lines.has_header,
            "truncate_ragged_lines": self.ragged,
            "glob": False,
        }

    def names(self) -> list[str]:
        """Returns the names of all columns.

        Raises:
            DataError: the file is empty, there is only one column, or the first line is a comment.
        """
        line = _first_line(self.body)
        if not line.strip():
            raise DataError(f"{self.source_name}: the file is empty")
        header = pl.read_csv(self.body, n_rows=0, infer_schema=False, **self.options)
        names = header.columns
        if (
            self.lines.comment is None
            and line.startswith("#")
            and self._differs_from_second_line(len(names))
        ):
            raise DataError(
                f'{self.source_name}: the first line ("{line}") does not name the columns; '
                'if it is a comment, leave such lines out with comment="#"'
            )
        if len(names) == 1:
            raise DataError(
                f'{self.source_name}: there is only one column ("{names[0]}"); a user and an item '
                "are needed, separated by a comma, a tab, a semicolon, |, :: or spaces "
                "(separator=… names another)"
            )
        if self.how.names:
            return self._names_of_layout(len(names))
        if not self.lines.has_header:
            return [f"column_{number}" for number in range(1, len(names) + 1)]
        atomic = [ATOMIC.fullmatch(name) for name in names]
        return [match[1] for match in atomic if match] if all(atomic) else names

    def _names_of_layout(self, width: int) -> list[str]:
        names = list(self.how.names)
        if len(names) != width:
            raise DataError(
                f"{self.source_name}: there are {width} columns, but this layout has {len(names)} "
                f"({', '.join(names)}); leave out layout=… and name the columns"
            )
        return names

    def _differs_from_second_line(self, n_names: int) -> bool:
        """Returns whether the second line does not have the first line's number of values."""
        following_lines = read_head(self.body).decode("utf-8", "replace").split("\n")[1:]
        second = next((line for line in following_lines if line.strip()), None)
        return second is not None and second.count(self.lines.separator) + 1 != n_names

    def parse(
        self, columns: dict[str, int], exact: Sequence[str], *, as_text: bool = False
    ) -> pl.DataFrame | None:
        """Parses columns, given by name and position; returns None if the file cannot be read.

        Columns in `exact` are returned as 64-bit integers or text, and with `as_text` all as text.
        """
        if as_text:
            return self._parsed(columns, list(columns))
        # Polars would take 1.234 for a number, which it is not if the decimal separator is a comma.
        commas = [name for name in columns if name not in exact] if self.how.decimal == "," else ()
        frame = self._parsed(columns, commas)
        if frame is None:
            return None
        inexact = [name for name in exact if frame[name].dtype not in (pl.Int64, pl.String)]
        return self._parsed(columns, [*commas, *inexact]) if inexact else frame

    def _parsed(self, columns: dict[str, int], as_text: Sequence[str]) -> pl.DataFrame | None:
        positions = list(columns.values())
        try:
            frame = pl.read_csv(
                self.body,
                columns=positions,
                schema_overrides=self._columns_to_read_as_text(
                    positions, [columns[name] for name in as_text]
                ),
                infer_schema_length=SAMPLED_ROWS,
                **self.options,
            )
        except pl.exceptions.PolarsError:
            # A later value does not have the type inferred from the first rows. As text every
            # value can be read, and the error message of the validation then gives the row.
            try:
                frame = pl.read_csv(
                    self.body, columns=positions, infer_schema=False, **self.options
                )
            except pl.exceptions.PolarsError:
                return None
        frame.columns = list(columns)
        return frame

    def _columns_to_read_as_text(
        self, positions: list[int], as_text: list[int]
    ) -> dict[str, type[pl.String]]:
        """Returns the columns to read as text: those given, and those with values like 007.

        As a number, 007 would lose its zeros and be equal to 7, and so would +7; -0 would be 0.
        """
        table = pl.scan_csv(self.body, infer_schema=False, **self.options)
        names = table.collect_schema().names()
        if len(as_text) == len(positions):
            return dict.fromkeys((names[position] for position in as_text), pl.String)
        values = pl.col([names[position] for position in positions])
        padded = values.filter(values.str.starts_with("0")).str.contains(r"^0\d").any()
        signed = (values.str.starts_with("+") | values.str.starts_with("-0")).any()
        found = table.select(padded | signed).collect(engine="streaming")
        padded_names = [name for name in found.columns if found[name].item()]
        return dict.fromkeys([*padded_names, *(names[position] for position in as_text)], pl.String)

    def may_have_lost_rows(self, frame: pl.DataFrame | None) -> bool:
        """Returns whether line breaks may have been read as parts of values."""
        return frame is None or (
            frame.height + self.lines.has_header != self.counts.lines or self.counts.quotes % 2 == 1
        )

    def without_quoting(self) -> "TextFile":
        """Returns the same file with quotes as text; surplus values of a line may be cut off."""
        lines = self.lines
        return replace(self, lines=replace(lines, quoted=False), ragged=True)

    def uneven_lines(self, frame: pl.DataFrame, columns: dict[str, int], width: int) -> list[str]:
        """Returns a note if lines have more or fewer values than the first; Polars may accept them.

        Raises:
            DataError: there are such lines, and a needed column comes after one that is not needed,
                so that its values may be those of another column.
        """
        only_first_columns = max(columns.values()) < len(columns)
        if self.lines.quoted and only_first_columns:
            return []  # values after the needed ones are not used, so quotes in them do not matter
        n_rows = frame.height + self.lines.has_header - int(is_null(frame).sum())
        separators = self.lines.n_separators if self.lines.quoted else self.counts.separators
        if separators == (width - 1) * n_rows:
            return []
        rows = uneven_rows(self.lines, width)
        if not only_first_columns:
            refuse_uneven(rows, width, self.source_name)
        if rows.is_empty():
            return []
        return [
            f"{rows.height:,} line(s) do not have {width} values as the first line does "
            f"(the first of them is line {rows['number'][0]})"
        ]

    def lines_end_in_separators(self, width: int) -> bool:
        """Returns whether lines differ from the first only by a separator at their end."""
        quotes_are_closed = not self.lines.quoted or self.counts.quotes % 2 == 0
        return quotes_are_closed and differ_by_last_separator(self.lines, width)

    def parse_error(self, width: int) -> DataError:
        """Returns an error with the reason why Polars refuses the file."""
        try:
            read_all(self.lines.content).decode()
        except UnicodeDecodeError as error:
            before = read_all(self.lines.content)[: error.start]
            line = before.count(b"\n") + self.lines.first_line
            return DataError(
                f"{self.source_name}: line {line} is not UTF-8 text; save the file as UTF-8, or "
                'name its encoding, for example encoding="latin-1"'
            )
        if self.lines.quoted:
            refuse_open_quote(self.lines, self.source_name)
        refuse_uneven(uneven_rows(self.lines, width), width, self.source_name)
        try:
            pl.read_csv(self.body, infer_schema=False, **self.options)
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
        remedy = '; if its quotes are text, read it with quoting="none"' * self.lines.quoted
        return DataError(f"{self.source_name} cannot be read as a table: {reason}{remedy}")


def is_quoted(how: TextFormat, found: str, first_line: str, separator: str) -> bool:
    """Returns whether quotes around a value belong to the format of a file.

    Args:
        how: the options that were given.
        found: the separator as it is in the file.
        first_line: the header.
        separator: the separator in the header, of one character.
    """
    if how.quoting is not None:
        return how.quoting == "csv"
    return found not in UNQUOTED or header_is_quoted(first_line, separator)


def _body(content: Content, comment: str | None) -> Content:
    if comment is not None:
        pattern = rb"^" + re.escape(comment.encode()) + rb".*\n?"
        content = re.sub(pattern, b"", read_all(content), flags=re.MULTILINE)
    blank = re.match(rb"(?:[ \t]*\r?\n)+", read_head(content))
    return read_all(content)[blank.end() :] if blank else content


def _first_line(body: Content) -> str:
    return read_head(body).partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")


def is_null(frame: pl.DataFrame) -> pl.Series:
    """Returns for each row whether all of its values are missing."""
    return frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
