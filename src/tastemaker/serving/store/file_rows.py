"""File rows: validates the rows of a table with the types of requests."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import polars as pl
from pydantic import ValidationError

from tastemaker.data.rows import Rows
from tastemaker.errors import DataError
from tastemaker.serving.http.problems import describe_error
from tastemaker.wire import Wire

Kind = TypeVar("Kind", bound=Wire)


def validated(
    kind: type[Kind], frame: pl.DataFrame, rows: Rows, columns: Mapping[str, str]
) -> Iterator[Kind]:
    """Yields each row as an object of a request's type, with the same rules for every value.

    Args:
        kind: the type of a row.
        frame: the fields as columns; null values are left out.
        rows: the rows as they were read, to locate errors.
        columns: name of the file's column for each field or, if columns are entries of a field, for
            each entry, as in `features.price`.

    Raises:
        DataError: names the first row that is refused, its column and value.
    """
    for row, values in enumerate(frame.iter_rows(named=True)):
        present = {name: value for name, value in values.items() if value is not None}
        try:
            yield kind.model_validate(present)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0])
            entry = ".".join(map(str, first["loc"][:2]))
            column = columns.get(entry) or columns[field]
            raise DataError(f"{rows.at(column, row)}: {describe_error(first)}") from None
