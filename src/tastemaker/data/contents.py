"""Reads the content of a file: decompresses it if necessary, and reads a pipe only once."""

import codecs
import gzip
import sys
import zlib
from pathlib import Path

import zstandard

from tastemaker.errors import DataError

HEAD_BYTES = 1 << 16
"""Number of bytes at the beginning of a file from which its format is detected."""

CHUNK_BYTES = 1 << 24

ARCHIVES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
}
"""First bytes of archives and compressed files that are not supported, and what they are."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by byte order mark. UTF-32 comes first, since its mark begins with that of UTF-16."""

Content = bytes | Path
"""Bytes in memory, or an uncompressed file that can be read more than once."""


def read_content(path: Path) -> Content:
    """Returns the decompressed content of a file; an uncompressed file is left on disk.

    Args:
        path: a file, a pipe, or - for standard input.

    Raises:
        DataError: there is no such file, it is empty, or it cannot be decompressed.
    """
    content = _read_or_path(path)
    head = read_head(content)
    if not head:
        raise DataError(f"{path}: the file is empty")
    for magic, kind in ARCHIVES.items():
        if head.startswith(magic):
            raise DataError(
                f"{path} is {kind}, which cannot be read as a table; unpack it or save it as CSV"
            )
    try:
        if head.startswith(b"\x1f\x8b"):
            return gzip.decompress(read_all(content))
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            return _from_zstd(read_all(content))
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise DataError(f"{path}: the compressed file is damaged ({error})") from None
    return content


def _from_zstd(data: bytes) -> bytes:
    frames = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("it ends before its end-of-frame marker")
        data = frame.unused_data
    return b"".join(frames)


def _read_or_path(path: Path) -> Content:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file, or the folder of a MovieLens archive")
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
