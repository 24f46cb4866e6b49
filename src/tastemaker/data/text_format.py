"""TextFormat: settings for reading a text file whose format should not be detected."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from typing import Any, Literal

from tastemaker.errors import ConfigError, did_you_mean

Quoting = Literal["csv", "none"]
Decimal = Literal[".", ","]

SHARED_WITH_ITEMS = ("quoting", "encoding", "comment", "decimal")
"""Fields that apply to the table of the items as well if they are given for a log. The table has a
header and a separator of its own."""


@dataclass(frozen=True)
class TextFormat:
    """How to read a text file. A separator, quoting or encoding of None is detected from the file.

    The fields are the keyword arguments of `read`, `read_interactions` and `read_catalog`, and the
    command line has an option for each.

    Raises:
        ConfigError: a value is invalid for any file.
    """

    has_header: bool = True
    """Whether the first line names the columns; otherwise they are column_1, column_2, …"""
    separator: str | None = None
    """The text between two values, of one or more characters. A space stands for one or more
    spaces, and \\t (a backslash and a t, as typed in a shell) for a tab."""
    quoting: Quoting | None = None
    """"csv": quotes around a value belong to the format. "none": a quote is text like any other.
    None: "none" for tabs and :: unless all column names are quoted, otherwise "csv"; quotes that
    would swallow rows are then read as text or, if that is impossible, are an error."""
    encoding: str | None = None
    """The name of a Python codec, such as latin-1. None: UTF-8, or the encoding of a byte order
    mark."""
    comment: str | None = None
    """Lines that begin with this text are left out. None: no line is a comment."""
    decimal: Decimal = "."
    """The decimal separator of numbers: a point or a comma."""
    names: tuple[str, ...] = ()
    """The names of the columns of a file without a header, as given by a layout."""

    def __post_init__(self) -> None:
        if self.quoting not in ("csv", "none", None):
            raise ConfigError(f'quoting="{self.quoting}" is unknown; use "csv" or "none"')
        if self.decimal not in (".", ","):
            raise ConfigError(f'decimal="{self.decimal}" is unknown; use "." or ","')
        for name in ("separator", "comment"):
            value = getattr(self, name)
            if value is not None and (not value or "\n" in value or "\r" in value):
                raise ConfigError(f"{name}={value!r} must be one line of text, and not empty")
        if self.encoding is not None:
            try:
                "a".encode(self.encoding)
            except (LookupError, ValueError):  # no codec, one that is not of text, or no name
                raise ConfigError(
                    f'encoding="{self.encoding}" is unknown; common ones are "utf-8", "latin-1", '
                    '"cp1252" and "utf-16"'
                ) from None

    def given(self) -> list[str]:
        """Returns the names of the options that are given; `layout` stands for all that it sets."""
        if self.names:
            return ["layout"]
        options = [field.name for field in fields(self) if field.name != "names"]
        return [name for name in options if getattr(self, name) != getattr(TextFormat, name)]


def refuse_unknown(names: Iterable[str], *functions: Callable[..., Any]) -> None:
    """Raises ConfigError if a name is neither a field of `TextFormat` nor an argument of functions.

    Args:
        names: names of keyword arguments.
        *functions: functions that take such arguments.
    """
    known = [field.name for field in fields(TextFormat) if field.name != "names"]
    for function in functions:
        arguments = signature(function).parameters.values()
        known += [each.name for each in arguments if each.kind is Parameter.KEYWORD_ONLY]
    for name in names:
        if name not in known:
            nearest = did_you_mean(name, dict.fromkeys(known))
            raise ConfigError(f"{name}=… is not an argument; {nearest}")
