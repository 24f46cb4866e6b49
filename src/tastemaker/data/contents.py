"""Reads the content of a file: decompresses it if necessary, and reads a pipe only once."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import zstandard

from tastemaker.data.zip_files import members, read_member
from tastemaker.errors import DataError

HEAD_BYTES = 1 << 16
"""Number of bytes at the beginning of a file from which its format is detected."""

CHUNK_BYTES = 1 << 24

EXCEL_ENDINGS = (".xlsx", ".xlsm")
"""Endings of Excel workbooks, which are zip archives of many files."""

COMPRESSION_ENDINGS = (".gz", ".zst", ".bz2", ".xz", ".zip")
"""Endings of compressed files; the ending before it, as in log.csv.gz, tells the format."""

DAMAGED = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
"""Exceptions raised by decompressing a damaged file."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by byte order mark. UTF-32 comes first, since its mark begins with that of UTF-16."""

Content = bytes | Path
"""Bytes in memory, or an uncompressed file that can be read more than once."""


def read_content(path: Path) -> tuple[Content, str]:
    """Returns the decompressed content of a file; an uncompressed file is left on disk.

    Args:
        path: a file, a pipe, or - for standard input. A zip archive must hold a single file.

    Returns:
        The content, and the file's name without the ending of a compression: clicks.csv for
        clicks.csv.gz, and the name of the file in a zip archive.

    Raises:
        DataError: there is no such file, it is empty, it cannot be decompressed, or it is an
            archive of several files.
    """
    content, name = _read_or_path(path), path.name
    head = read_head(content)
    if not head:
        raise DataError(f"{path}: the file is empty")
    if head.startswith(b"PK\x03\x04") and not name.lower().endswith(EXCEL_ENDINGS):
        return _only_member(content, path)
    decompress = next((f for magic, f in DECOMPRESS.items() if head.startswith(magic)), None)
    if decompress is None:
        return content, name
    try:
        content = decompress(read_all(content))
    except DAMAGED as error:
        raise DataError(f"{path}: the compressed file is damaged ({error})") from None
    return content, path.stem if path.suffix.lower() in COMPRESSION_ENDINGS else name


def _only_member(content: Content, path: Path) -> tuple[Content, str]:
    """Returns the content and the name of the single file in a zip archive.

    Raises:
        DataError: it holds no file or several, or it is a workbook under another name.
    """
    archive = content if isinstance(content, Path) else io.BytesIO(content)
    found = members(archive, str(path))
    names = [info.filename for info in found]
    if "xl/workbook.xml" in names:
        raise DataError(f"{path} is an Excel workbook; give its name the ending .xlsx")
    if len(found) != 1:
        listed = ", ".join(names[:5]) + ", …" * (len(names) > 5)
        raise DataError(
            f"{path} is an archive of {len(found)} files ({listed}), which cannot be read as a "
            "table; unpack it and give the file with the table"
        )
    return read_member(archive, str(path), found[0]), PurePosixPath(names[0]).name


def _from_zstd(data: bytes) -> bytes:
    frames = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("it ends before its end-of-frame marker")
        data = frame.unused_data
    return b"".join(frames)


DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"\x28\xb5\x2f\xfd": _from_zstd,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
"""First bytes of compressed files, and the function that decompresses each kind."""


def _read_or_path(path: Path) -> Content:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file")
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    # A pipe can be read only once, so all of it is read into memory.
    return path if path.is_file() else path.read_bytes()


def read_head(content: Content) -> bytes:
    """Returns the first HEAD_BYTES bytes."""
    if isinstance(content, bytes):
        return content[:HEAD_BYTES]
    with content.open("rb") as file:
        return file.read(HEAD_BYTES)


def read_all(content: Content) -> bytes:
    """Returns all bytes, in memory."""
    return content if isinstance(content, bytes) else content.read_bytes()


def as_utf8(content: Content, encoding: str | None, source_name: str) -> Content:
    """Returns the text as UTF-8 with line feeds; a file in that form already is left on disk.

    Args:
        content: the text.
        encoding: as in `TextFormat`.
        source_name: name of the file in error messages.

    Raises:
        DataError: the bytes are not text in that encoding.
    """
    head = read_head(content)
    if encoding is None:
        marks = (name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark))
        encoding = next(marks, "utf-8")
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "ascii"):
        content = _decoded(read_all(content), encoding, source_name).encode()
        head = read_head(content)
    if head.startswith(codecs.BOM_UTF8):
        content = read_all(content).removeprefix(codecs.BOM_UTF8)
    if b"\r" in head and b"\n" not in head:  # as old Macintosh programs write
        content = read_all(content).replace(b"\r", b"\n")
    return content


def _decoded(data: bytes, encoding: str, source_name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        position = getattr(error, "start", 0)
        line = data[:position].count(b"\n") + 1
        raise DataError(
            f"{source_name}: line {line} is not {encoding} text; name the file's encoding with "
            "encoding=…"
        ) from None
