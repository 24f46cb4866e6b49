"""Tables from files and dataframes: CSV, TSV, Parquet, JSON Lines, Arrow."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from tastemaker.errors import DataError

SNIFFED_ROWS = 1_000
"""Rows looked at to tell what kind of values a column holds."""

TEXT_SEPARATORS = {".csv": None, ".txt": None, ".tsv": "\t", ".tab": "\t", ".data": None}


def read_table(
    path: Path,
    *,
    columns: Callable[[list[str]], Sequence[str]] | None = None,
    has_header: bool = True,
) -> pl.DataFrame:
    """Reads a file by its ending: .csv .tsv .txt (also .gz and .zst), .parquet, .jsonl .ndjson.

    Args:
        path: the file.
        columns: given all column names, answers which to read; None reads all.
        has_header: whether the first line of a text file names the columns; without it they are
            column_1, column_2, …

    Raises:
        DataError: no such file, nothing in it, an unknown ending, or a file that is not what its
            ending says; with the line where that can be told.
    """  # fmt: skip
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file, or the folder of a MovieLens archive")
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty")
    endings = [suffix.lower() for suffix in path.suffixes]
    if endings and endings[-1] in (".gz", ".zst"):
        endings.pop()
    ending = endings[-1] if endings else ""
    choose = columns or (lambda names: names)
    if ending in TEXT_SEPARATORS:
        return _read_text(path, choose, has_header, TEXT_SEPARATORS[ending])
    if ending in (".parquet", ".pq"):
        return _read_parquet(path, choose)
    if ending in (".jsonl", ".ndjson"):
        return _read_json_lines(path, choose)
    raise DataError(
        f'{path}: "{ending or path.name}" is not a known kind of table; '
        "use .csv, .tsv, .txt, .parquet or .jsonl"
    )


def frame_from_arrow(source: Any) -> pl.DataFrame:
    """A Polars table of any dataframe that speaks the Arrow interface: pandas, PyArrow, DuckDB, …

    Raises:
        DataError: it does not.
    """
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        try:
            return pl.DataFrame(source)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise DataError(f"the dataframe cannot be read: {error}") from None
    raise DataError(
        f"a {type(source).__name__} is neither a path nor a dataframe with the Arrow interface "
        "(Polars, pandas, PyArrow, …)"
    )


def _read_text(
    path: Path,
    choose: Callable[[list[str]], Sequence[str]],
    has_header: bool,
    separator: str | None,
) -> pl.DataFrame:
    separator = separator or _sniff_separator(path)
    options: dict[str, Any] = {"separator": separator, "has_header": has_header}
    head = _parse_text(path, n_rows=SNIFFED_ROWS, infer_schema=False, **options)
    if head.width == 1:
        raise DataError(
            f'{path}: there is only one column ("{head.columns[0]}"); a user and an item are '
            "needed, separated by a comma, a tab, a semicolon or |"
        )
    chosen = list(choose(head.columns))
    if has_header:
        try:
            table = pl.read_csv(
                path,
                columns=chosen,
                schema_overrides=_padded(path, chosen, options),
                infer_schema_length=SNIFFED_ROWS,
                glob=False,
                **options,
            )
            return _tidied(table)
        except pl.exceptions.PolarsError:
            # A value further down is not of the kind that the first rows promised. As text
            # everything can be read, and validation then names the row.
            pass
    return _tidied(_parse_text(path, infer_schema=False, **options).select(chosen))


def _tidied(table: pl.DataFrame) -> pl.DataFrame:
    """Without blank lines, and without blanks around values, which may be numbers after all."""
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    stripped = table.with_columns(pl.col(texts).str.strip_chars().replace("", None))
    full = stripped.filter(~pl.all_horizontal(pl.all().is_null()))
    return full.with_columns(_as_numbers(full[name]) for name in texts)


def _padded(path: Path, names: list[str], options: dict[str, Any]) -> dict[str, type[pl.String]]:
    """Columns with values like 007: as numbers they would lose their zeros and meet the id 7."""
    as_text = dict.fromkeys(names, pl.String)
    table = pl.scan_csv(path, schema_overrides=as_text, glob=False, **options)
    values = pl.col(names).str
    found = table.select((values.starts_with("0") & values.contains(r"^0\d")).any()).collect(
        engine="streaming"
    )
    return {name: pl.String for name in names if found[name].item()}


def _parse_text(path: Path, **options: Any) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, glob=False, **options)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: {_plain_reason(error)}") from None
    if not options["has_header"]:
        frame.columns = [f"column_{number}" for number in range(1, frame.width + 1)]
    return frame


def _plain_reason(error: Exception) -> str:
    text = str(error)
    if "invalid utf" in text.lower():
        return "is not UTF-8 text; save it as UTF-8"
    if "found more fields" in text:
        return (
            "some line has more fields than the first; "
            "quote values that contain the separator, or remove the line"
        )
    return f"cannot be read as a table: {text.splitlines()[0]}"


def _as_numbers(text: pl.Series) -> pl.Series:
    if text.str.contains(r"^0\d").any():
        return text
    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return text


def _sniff_separator(path: Path) -> str:
    head = _parse_text(
        path, n_rows=1, infer_schema=False, has_header=False, separator="\x01", quote_char=None
    )
    line = str(head.item(0, 0)) if head.height else ""
    return max(",\t;|", key=line.count)


def _read_parquet(path: Path, choose: Callable[[list[str]], Sequence[str]]) -> pl.DataFrame:
    try:
        with path.open("rb") as file:
            names = list(pl.read_parquet_schema(file))
        table = pl.scan_parquet(path, glob=False).select(list(choose(names)))
        # Ids get 64 bits anyway; done while reading, both widths are never there at once.
        return table.cast({cs.signed_integer(): pl.Int64}).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: is not a readable Parquet file ({reason})") from None


def _read_json_lines(path: Path, choose: Callable[[list[str]], Sequence[str]]) -> pl.DataFrame:
    try:
        frame = pl.read_ndjson(path.read_bytes(), infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError):
        raise DataError(f"{path}: {_bad_json_line(path)}") from None
    return frame.select(choose(frame.columns))


def _bad_json_line(path: Path) -> str:
    with path.open(errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line) if line.strip() else {}
            except json.JSONDecodeError as error:
                return f"line {number} is not JSON: {error.msg} at character {error.pos + 1}"
            if not isinstance(entry, dict):
                return f"line {number} is not a JSON object with a name for each value"
    return "the lines are JSON objects, but their values are of different kinds; make them alike"
