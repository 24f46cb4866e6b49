"""The kinds of files that can be read, how they are recognized, and which options apply to them."""

from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any, Literal

from tastemaker.data.contents import COMPRESSION_ENDINGS, Content, read_head
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import ConfigError, DataError

Kind = Literal["text", "json", "parquet", "arrow", "excel", "sqlite", "duckdb"]
"""The kinds of files."""

TAB_ENDINGS = (".tsv", ".tab", ".inter")
"""Endings of text files whose separator is a tab if they contain one."""

ENDINGS: dict[str, Kind] = {
    **dict.fromkeys((".csv", *TAB_ENDINGS), "text"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".xlsx", ".xlsm"), "excel"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "sqlite"),
    ".duckdb": "duckdb",
}
"""Endings that tell the kind of a file. A file of any other name is recognized by its content."""

NAMES = {
    "text": "a text file",
    "json": "JSON",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "excel": "an Excel workbook",
    "sqlite": "a database",
    "duckdb": "a database",
    "database": "a database",
    "dataframe": "a dataframe",
}

TEXT_OPTIONS = ("has_header", "separator", "quoting", "encoding", "comment", "decimal", "layout")
"""Options that describe the format of a text file."""

_OPTIONS: dict[str, tuple[str, ...]] = {
    "text": TEXT_OPTIONS,
    "json": ("encoding",),
    "excel": ("has_header",),
}


def kind_of(name: str, content: Content) -> Kind:
    """Returns the kind of a file, given its name without the ending of a compression."""
    head = read_head(content)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if head[8:12] == b"DUCK":
        return "duckdb"
    known = ENDINGS.get(Path(name).suffix.lower())
    return known or ("json" if _is_json(head) else "text")


def is_database_url(source: Any) -> bool:
    """Returns whether the source is a URL such as postgresql://host/shop."""
    return isinstance(source, str) and "://" in source


def is_file(source: Any) -> bool:
    """Returns whether the source is a path, a folder or a pattern rather than a URL or a frame."""
    return isinstance(source, str | Path) and not is_database_url(source)


def refuse_impossible_path(source: Any) -> None:
    """Raises DataError for a path that no file can have: empty, too long, or with a NUL character.

    Args:
        source: any argument of `read`.
    """
    for path in source if isinstance(source, list | tuple) else [source]:
        if not is_file(path):
            continue
        if path == "":
            raise DataError("the path of the data is empty; give the path of a file")
        try:
            Path(path).stat()
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno != ENAMETOOLONG:
                continue
            reason = error.strerror if isinstance(error, OSError) else error
            shown = ascii(str(path)[:40])
            raise DataError(f"{shown}… cannot be the path of a file: {reason}") from None


def options_for(source: Any) -> tuple[str, ...]:
    """Returns the options of text files that apply to a source, as far as its name tells.

    Of several files and of a folder, the first file with an ending of a table is decisive.
    """
    if is_database_url(source):
        return ()
    if isinstance(source, list | tuple) and source:
        source = source[0]
    if not isinstance(source, str | Path):
        return ()
    path = Path(source)
    if path.is_dir():
        path = next((file for file in sorted(path.rglob("*")) if table_ending(file)), path)
    ending = table_ending(path)
    if ending is None and path.is_file():
        return _OPTIONS.get(kind_of(path.name, path), ())
    return _OPTIONS.get(ENDINGS.get(ending or "", "text"), ())


def table_ending(path: Path) -> str | None:
    """Returns the ending that tells the kind of a file, or None if none does."""
    endings = [suffix.lower() for suffix in path.suffixes]
    while endings and endings[-1] in COMPRESSION_ENDINGS:
        endings.pop()
    return endings[-1] if endings and endings[-1] in ENDINGS else None


def refuse_text_options(how: TextFormat, kind: str, source_name: str) -> None:
    """Refuses options of text files that have no effect on a source of this kind.

    Args:
        how: the options.
        kind: one of the keys of NAMES.
        source_name: name of the source in the message.

    Raises:
        ConfigError: such an option is given.
    """
    given = next((name for name in how.given() if name not in _OPTIONS.get(kind, ())), None)
    if given is not None:
        mention = "has_header=False" if given == "has_header" else f"{given}=…"
        raise ConfigError(
            f"{mention} applies to text files only, and {source_name} is {NAMES[kind]}; leave it "
            "out"
        )


def refuse_query(query: str | None, source_name: str) -> None:
    """Refuses a query for a source that is not a database.

    Raises:
        ConfigError: there is a query.
    """
    if query is not None:
        raise ConfigError(
            f"query=… selects rows of a database, such as sqlite:///shop.db or shop.duckdb, and "
            f"{source_name} is none; leave it out"
        )


def _is_json(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    return text.lstrip(b" \t\r\n\xff\xfe")[:1] in (b"{", b"[")
