"""Reads the files of a zip archive into memory; a path in the archive is never used on disk."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from tastemaker.data.download import DAMAGED_ZIP
from tastemaker.errors import DataError

LARGEST_MEMBER_BYTES = 8 << 30
"""Limit on the size of a file in an archive."""

IGNORED_FOLDER = "__MACOSX"
"""Folder that macOS adds to archives; it holds no data."""

Archive = Path | IO[bytes]
"""A zip archive on disk or in memory."""


def members(archive: Archive, source_name: str) -> list[zipfile.ZipInfo]:
    """Returns the files of an archive, without folders and hidden files.

    Raises:
        DataError: the file is not a zip archive.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [info for info in opened.infolist() if not info.is_dir()]
    except DAMAGED_ZIP:
        raise DataError(
            f"{source_name} is a damaged zip archive, which cannot be read as a table"
        ) from None
    return [info for info in found if not _is_hidden(PurePosixPath(info.filename))]


def read_member(archive: Archive, source_name: str, info: zipfile.ZipInfo) -> bytes:
    """Returns the content of one file of an archive.

    Raises:
        DataError: the file is too large, or the archive is damaged or encrypted.
    """
    if info.file_size > LARGEST_MEMBER_BYTES:
        raise DataError(
            f"{source_name}: {info.filename} is said to have {info.file_size:,} bytes; at most "
            f"{LARGEST_MEMBER_BYTES:,} bytes are read"
        )
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(info) as member:
            return member.read(info.file_size)
    except DAMAGED_ZIP as error:
        raise DataError(f"{source_name}: the archive is damaged: {error}") from None


def _is_hidden(path: PurePosixPath) -> bool:
    return path.name.startswith(".") or path.parts[0] == IGNORED_FOLDER
