"""Unpacks compressed files and other encodings to files on disk, in bounded memory."""

import bz2
import codecs
import gzip
import lzma
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import zstandard

from tastemaker.data.contents import (
    BYTE_ORDER_MARKS,
    CHUNK_BYTES,
    COMPRESSION_ENDINGS,
    DAMAGED,
    EXCEL_ENDINGS,
    read_head,
)
from tastemaker.data.file_kinds import kind_of
from tastemaker.data.zip_files import members
from tastemaker.errors import DataError

Unpack = Callable[[IO[bytes]], Iterator[bytes]]


def _chunks_of(open_stream: Callable[..., Any]) -> Unpack:
    """Returns a function that yields the unpacked content of a file from a stream."""

    def chunks(file: IO[bytes]) -> Iterator[bytes]:
        with open_stream(file) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    return chunks


def _from_zstd(file: IO[bytes]) -> Iterator[bytes]:
    frame = None
    while data := file.read(CHUNK_BYTES):
        while data:
            if frame is None or frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
    if frame is not None and not frame.eof:
        raise EOFError("it ends before its end-of-frame marker")


UNPACK: dict[bytes, Unpack] = {
    b"\x1f\x8b": _chunks_of(gzip.open),
    b"\x28\xb5\x2f\xfd": _from_zstd,
    b"BZh": _chunks_of(bz2.open),
    b"\xfd7zXZ\x00": _chunks_of(lzma.open),
}
"""Yields the unpacked content of a compressed file, by its first bytes."""


def unpacked(path: Path, source_name: str, folder: Path, encoding: str | None) -> tuple[Path, str]:
    """Returns an uncompressed file in UTF-8, or of a format that has no encoding, and its name.

    Args:
        path: a file; it is returned itself if nothing needs to be changed.
        source_name: name of the file in messages.
        folder: an empty folder for new files.
        encoding: the encoding of text, if it is given.

    Returns:
        The file, and its name without the ending of a compression, which tells its kind.

    Raises:
        DataError: there is no such file, it is empty, it cannot be unpacked, or it is not text in
            the given encoding.
    """
    if not path.is_file():
        raise DataError(f"{source_name}: there is no such file")
    plain, name = _decompressed(path, source_name, folder)
    head = read_head(plain)
    if not head:
        raise DataError(f"{source_name}: the file is empty")
    if encoding is None:
        marks = (codec for mark, codec in BYTE_ORDER_MARKS.items() if head.startswith(mark))
        encoding = next(marks, None)
    has_mark = head.startswith(codecs.BOM_UTF8)
    old_lines = b"\r" in head and b"\n" not in head and b"\0" not in head
    is_usual = not (has_mark or old_lines) and (encoding is None or _is_utf8(encoding))
    if is_usual or kind_of(name, plain) not in ("text", "json"):
        return plain, name
    return _as_utf8(plain, folder / "utf8", encoding or "utf-8-sig", source_name, old_lines), name


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _decompressed(path: Path, source_name: str, folder: Path) -> tuple[Path, str]:
    head = read_head(path)
    target = folder / "unpacked"
    if head.startswith(b"PK\x03\x04") and not path.name.lower().endswith(EXCEL_ENDINGS):
        found = members(path, source_name)
        if len(found) != 1:
            raise DataError(
                f"{source_name} is an archive of {len(found)} files, which cannot be read as a "
                "table; unpack it and give the file with the table"
            )
        with zipfile.ZipFile(path) as archive:
            _write(_chunks_of(lambda _: archive.open(found[0])), target, path, source_name)
        return target, PurePosixPath(found[0].filename).name
    unpack = next((f for magic, f in UNPACK.items() if head.startswith(magic)), None)
    if unpack is None:
        return path, path.name
    _write(unpack, target, path, source_name)
    return target, path.stem if path.suffix.lower() in COMPRESSION_ENDINGS else path.name


def _write(unpack: Unpack, target: Path, path: Path, source_name: str) -> None:
    """Writes the unpacked content of a file."""
    with path.open("rb") as file, target.open("wb") as out:
        for chunk in _undamaged(unpack(file), source_name):
            out.write(chunk)


def _undamaged(chunks: Iterable[bytes], source_name: str) -> Iterator[bytes]:
    """Yields the same chunks; raises DataError if the file turns out to be damaged."""
    try:
        yield from chunks
    except (*DAMAGED, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{source_name}: the compressed file is damaged ({error})") from None


def _as_utf8(plain: Path, target: Path, encoding: str, source_name: str, old_lines: bool) -> Path:
    """Writes the text as UTF-8 without a mark; with `old_lines`, carriage returns end lines."""
    encoding = "utf-8-sig" if _is_utf8(encoding) else encoding
    newline = None if old_lines else ""
    with (
        plain.open(encoding=encoding, newline=newline) as text,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        try:
            shutil.copyfileobj(text, out, CHUNK_BYTES)
        except UnicodeError as error:
            raise DataError(
                f"{source_name} is not {encoding} text ({error}); name the file's encoding with "
                "encoding=…"
            ) from None
    return target
