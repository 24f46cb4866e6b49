"""Reads the first sheet of an Excel workbook with fastexcel, which is optional."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import polars as pl

from tastemaker.data.contents import Content, read_all
from tastemaker.data.table import ReadTable
from tastemaker.deferred import DeferredModule
from tastemaker.errors import DataError

fastexcel = DeferredModule("fastexcel")

SEARCHED_ROWS = 1_000
"""Number of rows at the top of a sheet among which the first row with values is searched for."""


def read_excel(
    content: Content,
    source_name: str,
    choose: Callable[[list[str]], Sequence[str]],
    *,
    has_header: bool,
) -> ReadTable:
    """Reads the first sheet of a workbook; a note names the others.

    Args:
        content: the file.
        source_name: name of the file in error messages.
        choose: returns the columns to read, given all column names.
        has_header: whether the first row that is not empty names the columns; otherwise they are
            column_1, column_2, …

    Raises:
        DataError: fastexcel is not installed, the file is not a workbook, or the sheet is empty.
    """
    if find_spec("fastexcel") is None:
        raise DataError(
            f'reading {source_name} needs fastexcel: pip install "tastemaker[excel]"; or save it '
            "as CSV"
        )
    try:
        workbook = fastexcel.read_excel(read_all(content))
        # Without skip_rows, fastexcel leaves out the empty rows at the top of a sheet.
        whole = {"header_row": None, "skip_rows": 0}
        top = workbook.load_sheet(0, n_rows=SEARCHED_ROWS, **whole).to_polars()
        sheet = workbook.load_sheet(0, **({} if has_header else whole)).to_polars()
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source_name} is not a readable Excel workbook ({reason})") from None
    if sheet.is_empty():
        raise DataError(
            f'{source_name}: the first sheet ("{workbook.sheet_names[0]}") has no rows; move the '
            "sheet with the table to the front, or save it as CSV"
        )
    if not has_header:
        sheet.columns = [f"column_{number}" for number in range(1, sheet.width + 1)]
    above = int((~_is_empty(top)).arg_max() or 0) + 1 if has_header else 0
    filled = ~_is_empty(sheet)
    numbers = (filled.arg_true() + above + 1).to_list()
    others = workbook.sheet_names[1:]
    notes = (
        [f'the sheet "{workbook.sheet_names[0]}" is read; not used: {", ".join(others)}']
        if others
        else []
    )
    frame = sheet.filter(filled).select(list(choose(sheet.columns)))
    return ReadTable(frame, lambda row: f"row {numbers[row]}", notes=tuple(notes))


def _is_empty(frame: pl.DataFrame) -> pl.Series:
    return frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
