"""TextFormat: how a text file is to be read, where its reader should not decide by itself."""

import codecs
from dataclasses import dataclass
from typing import Literal

from tastemaker.errors import ConfigError

Quoting = Literal["csv", "none"]

FOR_THE_ITEMS = ("quoting", "encoding", "comment")
"""Fields that hold for the table of the items as well, where they are given for a log. The table
has a header and a separator of its own."""


@dataclass(frozen=True)
class TextFormat:
    """How a text file is to be read. What is None is found out from the file.

    The fields are the keyword arguments of `read`, `read_interactions` and `read_catalog`, and the
    command line has an option for each.

    Raises:
        ConfigError: a value that no file could be read with.
    """

    has_header: bool = True
    """Whether the first line names the columns; without it they are column_1, column_2, …"""
    separator: str | None = None
    """The text between two values, of one character or more. A space stands for one or more, and
    \\t, as one types it in a shell, for a tab."""
    quoting: Quoting | None = None
    """"csv": quotes around a value belong to the format. "none": a quote is text like any other.
    None: none between tabs and ::, csv otherwise, and a quote that swallows rows is an error."""
    encoding: str | None = None
    """A name that Python's codecs have, such as latin-1. None: UTF-8, or what a byte order mark
    says."""
    comment: str | None = None
    """Lines that begin with this text are left out. None: there are no such lines."""

    def __post_init__(self) -> None:
        if self.quoting not in ("csv", "none", None):
            raise ConfigError(f'quoting="{self.quoting}" is unknown; use "csv" or "none"')
        for name in ("separator", "comment"):
            value = getattr(self, name)
            if value is not None and (not value or "\n" in value or "\r" in value):
                raise ConfigError(f"{name}={value!r} must be a text of one line, and not empty")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ConfigError(
                    f'encoding="{self.encoding}" is unknown; usual ones are "utf-8", "latin-1", '
                    '"cp1252" and "utf-16"'
                ) from None
