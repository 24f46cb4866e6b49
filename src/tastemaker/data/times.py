"""Reads times in any usual format as whole seconds since 1970 (UTC)."""

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from tastemaker.data.rows import Rows
from tastemaker.errors import ConfigError, DataError
from tastemaker.representation import short_repr

LARGEST_RANK = 10**8
"""Times that are all at most this (early 1973 in seconds) are ranks rather than clock times."""

UNITS_PER_SECOND = {
    "seconds": 1,
    "milliseconds": 10**3,
    "microseconds": 10**6,
    "nanoseconds": 10**9,
}


@dataclass(frozen=True)
class Times:
    """A column of times as it was parsed."""

    seconds: pl.Series
    """Int64, seconds since 1970 UTC."""
    exact: pl.Series
    """The times at the resolution of the source, for sorting events within one second."""
    unit: str
    """The unit or format of the source: seconds, milliseconds, …, ISO 8601, a given time_format,
    datetime, or order (ranks rather than clock times)."""

    __repr__ = short_repr


@dataclass(frozen=True)
class TimesSeen:
    """What determines how a column of times is read. Those of its parts can be added."""

    n: int = 0
    """Number of times."""
    n_whole: int = 0
    """Number of times that are whole numbers, or text of one."""
    n_numbers: int = 0
    """Number of times that are numbers, or text of one."""
    largest: int = 0
    """Largest absolute value of the numbers, rounded down."""

    @classmethod
    def of(cls, column: pl.Series) -> "TimesSeen":
        """Returns what is seen in a column without missing times."""
        if not (column.dtype.is_numeric() or column.dtype == pl.String):
            return cls(len(column))
        whole = pl.Series([], dtype=pl.Int64)
        if not column.dtype.is_float():
            whole = column.cast(pl.Int64, strict=False).drop_nulls()
        if len(whole) == len(column):
            extremes = (int(whole.min() or 0), int(whole.max() or 0))  # type: ignore[arg-type]
            largest = max(-extremes[0], extremes[1])
            return cls(len(column), len(column), len(column), largest)
        numbers = column.cast(pl.Float64, strict=False).drop_nulls()
        finite = numbers.filter(numbers.is_finite()).abs()
        largest = int(finite.max() or 0)  # type: ignore[arg-type]
        return cls(len(column), len(whole), len(numbers), largest)

    def __add__(self, other: "TimesSeen") -> "TimesSeen":
        return TimesSeen(
            self.n + other.n,
            self.n_whole + other.n_whole,
            self.n_numbers + other.n_numbers,
            max(self.largest, other.largest),
        )


def read_times(
    rows: Rows, name: str, time_format: str | None = None, seen: TimesSeen | None = None
) -> Times:
    """Reads a column of seconds, milliseconds, ISO 8601 text, dates or datetimes.

    Args:
        rows: a table without missing times.
        name: the column with the times.
        time_format: a strftime pattern for text that is not ISO 8601.
        seen: what determines how the times are read, if the rows are a part of a larger table; by
            default it is found in these rows.

    Raises:
        DataError: a value is not a time or differs in unit from the rest (the message gives row and
            value), or the column has a type that cannot hold times.
        ConfigError: there is a `time_format`, but the column holds datetimes.
    """
    column = rows.frame[name]
    if time_format is not None:
        column = _as_text(column, rows, time_format)
    seen = seen or TimesSeen.of(column)
    if column.dtype == pl.String:
        return _from_text(column, rows, time_format, seen)
    if column.dtype.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count():
            raise _not_a_time(column, whole.is_null(), rows)
        return _from_numbers(whole, rows, seen)
    if column.dtype.is_float():
        return _from_floats(column, rows, seen)
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return _from_datetimes(column.cast(pl.Datetime("us")), "datetime")
    raise DataError(
        f'{rows.source}: column "{name}" holds {column.dtype}, which is not a time; '
        "use seconds, milliseconds, ISO 8601 or a datetime column"
    )


def _as_text(column: pl.Series, rows: Rows, time_format: str) -> pl.Series:
    """Returns times as text to be parsed by a format: days like 20200131 look like numbers.

    Raises:
        DataError: a number is not whole.
        ConfigError: the column holds datetimes.
    """
    if column.dtype.is_temporal():
        raise ConfigError(
            f'{rows.source}: time_format="{time_format}" is about times as text, but column '
            f'"{column.name}" holds {column.dtype}; leave it out'
        )
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        differs = (whole != column).fill_null(value=True)
        if differs.any():
            raise _not_a_time(column, differs, rows, time_format)
        column = whole
    return column.cast(pl.String) if column.dtype.is_integer() else column


def _from_text(column: pl.Series, rows: Rows, time_format: str | None, seen: TimesSeen) -> Times:
    if time_format is None:
        if seen.n_numbers == seen.n > seen.n_whole:
            return _from_floats(column.cast(pl.Float64), rows, seen)
        if seen.n - seen.n_whole <= seen.n / 2:
            numbers = column.cast(pl.Int64, strict=False)
            if numbers.null_count():
                raise _not_a_time(column, numbers.is_null(), rows)
            return _from_numbers(numbers, rows, seen)
    return _from_datetimes(_parse_text(column, rows, time_format), time_format or "ISO 8601")


def _from_numbers(numbers: pl.Series, rows: Rows, seen: TimesSeen) -> Times:
    unit = _unit_of(seen.largest)
    per_second = UNITS_PER_SECOND.get(unit, 1)
    if per_second == 1:
        return Times(numbers.cast(pl.Int64), numbers, unit)
    coarser = (numbers > LARGEST_RANK) & (numbers < 10**8 * per_second)
    if coarser.any():
        row = int(coarser.arg_max() or 0)
        raise DataError(
            f"{rows.at(numbers.name, row)}: {numbers[row]} is in a different unit from the other "
            f"times, which are in {unit}; use the same unit for all of them"
        )
    return Times((numbers // per_second).cast(pl.Int64), numbers, unit)


def _from_floats(column: pl.Series, rows: Rows, seen: TimesSeen) -> Times:
    bad = ~(column.abs() < 2.0**62)  # not a number, infinite, or beyond 64 bits
    if bad.any():
        raise _not_a_time(column, bad, rows)
    unit = _unit_of(seen.largest)
    seconds = (column / UNITS_PER_SECOND.get(unit, 1)).floor().cast(pl.Int64)
    return Times(seconds, column, unit)


def _unit_of(largest: int) -> str:
    if largest <= LARGEST_RANK:
        return "order"
    # Each bound is the year 5138 in this unit and 1973 in the next finer one, so that the units
    # cannot be confused for times between these years.
    for unit, per_second in UNITS_PER_SECOND.items():
        if largest < 10**11 * per_second:
            return unit
    return "nanoseconds"


def _parse_text(column: pl.Series, rows: Rows, time_format: str | None) -> pl.Series:
    parsed = _parse_iso(column) if time_format is None else _parse_format(column, time_format)
    bad = parsed.is_null()
    if bad.any():
        raise _not_a_time(column, bad, rows, time_format)
    return parsed.dt.replace_time_zone(None) if _zone(parsed) is None else _to_utc(parsed)


def _parse_format(text: pl.Series, time_format: str) -> pl.Series:
    parsed = text.str.to_datetime(time_format, strict=False, time_unit="us")
    if parsed.null_count() == len(parsed):
        # to_datetime refuses a pattern without hours, so parse it as a date.
        parsed = text.str.to_date(time_format, strict=False).cast(pl.Datetime("us"))
    if parsed.null_count() == len(parsed) and text.str.contains(r"^\d+\.0+$").any():
        # Days like 20200131 that a program stored as floats.
        return _parse_format(text.str.replace(r"\.0+$", ""), time_format)
    return parsed


def _parse_iso(column: pl.Series) -> pl.Series:
    """Parses ISO 8601 with or without a zone, a fraction or a time of day; rows may differ."""
    text = column.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
    text = text.str.replace(r"[zZ]$", "+00:00")
    parsed = _parse_extended_iso(text)
    if parsed.null_count():
        days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
        parsed = parsed.zip_with(parsed.is_not_null(), days)
    if parsed.null_count():
        parsed = parsed.zip_with(parsed.is_not_null(), _parse_extended_iso(_extended_iso(text)))
    return parsed


def _parse_extended_iso(text: pl.Series) -> pl.Series:
    """Parses 2020-01-31T12:00:00, with or without a fraction and a zone; else null."""
    zoned = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us")
    parsed = _to_utc(zoned)
    if parsed.null_count():
        plain = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        parsed = parsed.zip_with(parsed.is_not_null(), plain)
    return parsed


def _extended_iso(text: pl.Series) -> pl.Series:
    """Returns the other forms of ISO 8601, and those of databases, in the form of most times."""
    for pattern, usual in (
        (r"(?i) ?(?:utc|gmt)$", "+00:00"),
        (r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)", "${1}-${2}-${3}T${4}:${5}"),
        (r"^(\S{10}T\d\d:\d\d)(\d\d)", "${1}:${2}"),
        (r"^(\S{10}T\d\d:\d\d)(?: ?([+-].*))?$", "${1}:00${2}"),
        (r"^(\S{10}T\S+?) ?([+-]\d\d)$", "${1}${2}:00"),
        (r"^(\S{10}T\S+) ([+-]\S+)$", "${1}${2}"),
    ):
        text = text.str.replace(pattern, usual)
    return text


def _zone(times: pl.Series) -> str | None:
    return times.dtype.time_zone if isinstance(times.dtype, pl.Datetime) else None


def _to_utc(times: pl.Series) -> pl.Series:
    if _zone(times) is None:
        return times
    return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _from_datetimes(times: pl.Series, unit: str) -> Times:
    exact = _to_utc(times).dt.timestamp("us")
    return Times((exact // 10**6).cast(pl.Int64), exact, unit)


def _not_a_time(
    column: pl.Series, bad: pl.Series, rows: Rows, time_format: str | None = None
) -> DataError:
    row = int(bad.arg_max() or 0)
    where = f'{rows.at(column.name, row)}: "{column[row]}"'
    if time_format is not None:
        return DataError(f'{where} is not a time in the format time_format="{time_format}"')
    return DataError(
        f"{where} is not a time; use seconds, milliseconds or ISO 8601, or give the format with "
        "time_format=…"
    )


def iso_time(seconds: int) -> str:
    """Formats seconds since 1970 UTC as ISO 8601, or as a number outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
