"""Decides whether the quotes of a text file belong to its format or to its values.

A stray quote, as in `5" disc`, makes a CSV reader read all lines up to the next quote as one value.
"""

import re

import polars as pl

from tastemaker.data.text_lines import TextLines
from tastemaker.errors import DataError

MAX_LINES = 200
"""A value with more lines than this is suspicious, whatever the lines contain."""

KINDS = (
    ("number", r'^\s*"?[-+]?[\d.]+([eE][-+]?\d+)?"?\s*$'),
    ("word", r'^\s*"?\S*"?\s*$'),
    ("text", ""),
)
"""Patterns for the values of a column, from the narrowest to the widest."""

SAMPLED_ROWS = 1_000


def header_is_quoted(line: str, separator: str) -> bool:
    """Returns whether all names in the first line are quoted; some programs quote all text."""
    names = [name.strip() for name in line.split(separator)]
    return all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)


def quotes_are_text(lines: TextLines, width: int, last: int, source_name: str) -> bool:
    """Returns whether quotes must be read as text, because as CSV quotes they would swallow rows.

    Args:
        lines: the lines of the file, with quotes read as CSV quotes.
        width: number of columns.
        last: position of the last column that is needed.
        source_name: name of the file in error messages.

    Returns:
        False if every value with line breaks is plausible. True if some are not, and the needed
        columns can be read without regard to quotes.

    Raises:
        DataError: some are not plausible, and the needed columns cannot be read without regard to
            quotes, for example because they contain quotes themselves.
    """
    patterns = _patterns(lines, width)
    suspect = _suspect(lines, width, patterns)
    if suspect is None:
        return False
    if _readable_without_quoting(lines, last, patterns):
        return True
    number, n_lines, is_closed = suspect
    if not is_closed:
        refuse_open_quote(lines, source_name)
    if n_lines > MAX_LINES:
        problem = f"a quote opens a value of {n_lines:,} lines"
    else:
        problem = f"a quote opens a value of {n_lines:,} lines, which seem to be separate rows"
    raise DataError(
        f"{source_name}: line {number}: {problem}; if the quotes of this file are text, read it "
        'with quoting="none"; if its values do contain line breaks, read it with quoting="csv"'
    )


def refuse_open_quote(lines: TextLines, source_name: str) -> None:
    """Raises an error if a quote is never closed.

    Raises:
        DataError: a quote is never closed; the message gives its line.
    """
    open_rows = lines.rows.filter(pl.col("quotes") % 2 == 1)
    if open_rows.height:
        raise DataError(
            f"{source_name}: line {open_rows['number'][0]}: a quote is opened but never closed; "
            'correct it, or read quotes as text with quoting="none"'
        )


def _suspect(lines: TextLines, width: int, patterns: list[str]) -> tuple[int, int, bool] | None:
    """Returns the first suspicious row: its line, number of lines, and whether its quote closes."""
    rows = lines.with_text(lines.rows.filter((pl.col("lines") > 1) | (pl.col("quotes") % 2 == 1)))
    after_first = ~pl.col("row").is_first_distinct()
    inner = lines.with_text(lines.frame.filter(after_first))
    inner = inner.with_columns(is_row=_matches(patterns, lines.separator, exactly=width))
    fractions = inner.group_by("row").agg(pl.col("is_row").mean().alias("fraction"))
    suspects = rows.join(fractions, on="row", how="left", maintain_order="left").filter(
        (pl.col("fraction") >= 0.5)
        | (pl.col("lines") > MAX_LINES)
        | (pl.col("quotes") % 2 == 1)
        | ~_is_quoted_at_both_ends(lines.separator)
    )
    if suspects.is_empty():
        return None
    first = suspects.row(0, named=True)
    return first["number"], first["lines"], first["quotes"] % 2 == 0


def _is_quoted_at_both_ends(separator: str) -> pl.Expr:
    """Returns whether the value with line breaks begins and ends with a quote, as in CSV."""
    value_lines = pl.col("text").str.split("\n")
    escaped_separator = re.escape(separator)
    begins = (
        value_lines.list.first()
        .str.replace_all('"[^"]*"', "")
        .str.contains(rf'(^|{escaped_separator})\s*"')
    )
    ends = (
        value_lines.list.last()
        .str.replace_all('""', "")
        .str.contains(rf'^[^"]*"\s*({escaped_separator}|$)')
    )
    return begins & ends


def _readable_without_quoting(lines: TextLines, last: int, patterns: list[str]) -> bool:
    """Returns whether each line begins with values that fit the needed columns and lack quotes."""
    first = lines.rows["number"][0]
    file_lines = lines.with_text(lines.frame.filter(pl.col("number") >= first))
    file_lines = file_lines.filter(pl.col("text").str.strip_chars() != "")
    needed = [_value(position, lines.separator) for position in range(last + 1)]
    without_quotes = [~value.str.contains('"', literal=True) for value in needed]
    fits = pl.all_horizontal(_matches(patterns[: last + 1], lines.separator), *without_quotes)
    return bool(file_lines.select(fits.all()).item())


def _patterns(lines: TextLines, width: int) -> list[str]:
    """Returns a pattern for each column, derived from the first rows that are on a single line."""
    single = lines.rows.filter((pl.col("lines") == 1) & ~pl.col("is_blank"))
    rows = lines.with_text(single.head(SAMPLED_ROWS))
    known = rows.filter(_n_values(lines.separator) == width)
    return [
        next(
            pattern
            for _, pattern in KINDS
            if known.select(_value(position, lines.separator).str.contains(pattern).all()).item()
        )
        for position in range(width)
    ]


def _matches(patterns: list[str], separator: str, exactly: int | None = None) -> pl.Expr:
    """Returns an expression for whether the values of a line match the patterns of the columns."""
    fit = [
        _value(position, separator).str.contains(pattern).fill_null(value=False)
        for position, pattern in enumerate(patterns)
    ]
    if exactly is not None:
        fit.append(_n_values(separator) == exactly)
    return pl.all_horizontal(fit)


def _value(position: int, separator: str) -> pl.Expr:
    return pl.col("text").str.split(separator).list.get(position, null_on_oob=True)


def _n_values(separator: str) -> pl.Expr:
    return pl.col("text").str.count_matches(separator, literal=True) + 1
