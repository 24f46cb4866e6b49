"""Reads tables from JSON: one object per line, or one array of objects."""

import json
import re
from collections.abc import Callable, Sequence

import polars as pl

from tastemaker.data.contents import Content, as_utf8, read_all
from tastemaker.data.table import ReadTable, row_number
from tastemaker.errors import DataError


def read_json(
    content: Content,
    source_name: str,
    choose: Callable[[list[str]], Sequence[str]],
    encoding: str | None = None,
    first_line: int = 1,
) -> ReadTable:
    """Reads JSON Lines, or a JSON array of objects.

    Args:
        content: the unpacked file.
        source_name: name of the file in error messages.
        choose: returns the names to read, given all names.
        encoding: as in `TextFormat`.
        first_line: number of the first line, which is above 1 for a part of a larger file.

    Raises:
        DataError: the file is not JSON (the message gives the line), has no rows, or has values of
            different types under one name.
    """
    data = read_all(as_utf8(content, encoding, source_name))
    if not data.strip():
        raise DataError(f"{source_name}: the file is empty")
    is_array = data.lstrip()[:1] == b"["
    try:
        if is_array:
            frame = pl.read_json(data, infer_schema_length=None)
        else:
            frame = pl.read_ndjson(data, infer_schema_length=None)
    except pl.exceptions.PolarsError:
        reason = _bad_array(data) if is_array else _bad_line(data, first_line)
        raise DataError(f"{source_name}: {reason}") from None
    if frame.is_empty():
        raise DataError(f"{source_name}: there are no rows")
    frame = frame.select(choose(frame.columns))
    return ReadTable(frame, row_number if is_array else lambda row: _line_of(data, row, first_line))


def _line_of(data: bytes, row: int, first_line: int) -> str:
    lines = enumerate(data.split(b"\n"), first_line)
    numbers = [number for number, line in lines if line.strip()]
    return f"line {numbers[row]}"


def _bad_line(data: bytes, first_line: int) -> str:
    for number, line in enumerate(data.decode(errors="replace").split("\n"), first_line):
        try:
            entry = json.loads(line, parse_constant=_refuse_constant) if line.strip() else {}
        except json.JSONDecodeError as error:
            return _syntax_error(number, error)
        except _NotJsonError as error:
            return f"line {number} is not JSON: {error}"
        if not isinstance(entry, dict):
            return f"line {number} is not a JSON object with the column names as its keys"
    return (
        "the lines are JSON objects, but the types of their values differ between lines; give all "
        "values of a column the same type"
    )


def _bad_array(data: bytes) -> str:
    text = data.decode(errors="replace")
    try:
        entries = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return _syntax_error(error.lineno, error)
    except _NotJsonError as error:
        found = re.search(r"[:\[,]\s*(?:NaN|-?Infinity)\s*[,\]}]", text)
        line = text.count("\n", 0, found.end() if found else 0) + 1
        return f"line {line} is not JSON: {error}"
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            return (
                f"entry {number} of the array is not a JSON object with the column names as its "
                "keys"
            )
    return (
        "the types of the values differ between the entries of the array; give all values of a "
        "column the same type"
    )


class _NotJsonError(ValueError):
    """A value that Python's JSON reads, but that is not one of JSON."""


def _refuse_constant(name: str) -> None:
    raise _NotJsonError(f"{name} is not a value of JSON; write null for a missing number")


def _syntax_error(line: int, error: json.JSONDecodeError) -> str:
    # Some messages of Python end with "starting at".
    return f"line {line} is not JSON: {error.msg.removesuffix(' at')} at character {error.colno}"
