"""Downloads files over HTTPS: verified, resumable, and in place only once they are complete."""

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from tastemaker.deferred import DeferredModule
from tastemaker.errors import DownloadError

if TYPE_CHECKING:
    import httpx2
else:
    # Every program that reads data imports this module, but few of them download anything.
    httpx2 = DeferredModule("httpx2")

CHUNK_BYTES = 1 << 18

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError)
"""Exceptions raised by reading a damaged, encrypted or unsupported archive."""

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes downloaded so far and in total (None if the server does not give it)."""


def data_folders() -> list[Path]:
    """Returns the folders to search for archives: $TASTEMAKER_DATA if set, then the cache."""
    given = os.environ.get("TASTEMAKER_DATA")
    return [*([Path(given)] if given else []), cache_folder()]


def cache_folder() -> Path:
    """Returns the folder for downloads: $XDG_CACHE_HOME/tastemaker, or that of the platform.

    The platform's is `~/.cache/tastemaker` on Linux.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "tastemaker" if base else user_cache_path("tastemaker", appauthor=False)


def download(
    url: str, target: Path, on_bytes: OnBytes | None = None, timeout_s: float = 30.0
) -> Path:
    """Downloads a file and checks it against the MD5 sum published beside it (`<url>.md5`).

    If no sum is published, the file must be an intact zip archive. The bytes are written to
    `<target>.part`, from which a later call resumes. That file is renamed to the target once the
    sum is right, so the target is complete or absent.

    Raises:
        DownloadError: there is no network, the server refuses, or the checksum is wrong (the
            partial file is then removed).
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with httpx2.Client(follow_redirects=True, timeout=timeout_s) as client:
            published_md5 = _published_md5(client, url)
            _fetch(client, url, part, on_bytes)
    except httpx2.HTTPStatusError as error:
        code = error.response.status_code
        raise DownloadError(f"{url}: the server responded with status {code}") from None
    except (httpx2.HTTPError, OSError) as error:
        raise DownloadError(f"{url} could not be downloaded ({_reason(error)})") from None
    _verify_checksum(part, url, published_md5)
    part.replace(target)
    return target


def _fetch(client: "httpx2.Client", url: str, part: Path, on_bytes: OnBytes | None) -> None:
    n_downloaded = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={n_downloaded}-"} if n_downloaded else {}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
            return  # all bytes are downloaded already; the checksum decides if they are right
        response.raise_for_status()
        if response.status_code != httpx2.codes.PARTIAL_CONTENT:
            n_downloaded = 0
        length = response.headers.get("Content-Length")
        total = n_downloaded + int(length) if length else None
        with part.open("ab" if n_downloaded else "wb") as out:
            for chunk in response.iter_raw(CHUNK_BYTES):
                out.write(chunk)
                n_downloaded += len(chunk)
                if on_bytes is not None:
                    on_bytes(n_downloaded, total)


def _published_md5(client: "httpx2.Client", url: str) -> str | None:
    response = client.get(url + ".md5")
    if response.status_code == httpx2.codes.NOT_FOUND:
        return None
    response.raise_for_status()
    found = re.search(r"\b[0-9a-fA-F]{32}\b", response.text)
    return found.group().lower() if found else None


def _verify_checksum(part: Path, url: str, published_md5: str | None) -> None:
    if published_md5 is None:
        # Without a published sum, only the archive's own checksums can be verified.
        if _is_whole_zip(part):
            return
        part.unlink()
        raise DownloadError(f"{url}: the downloaded file is not a complete zip archive; try again")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != published_md5:
        part.unlink()
        raise DownloadError(
            f"{url}: the checksum of the downloaded file is {found}, but the published one is "
            f"{published_md5}; the file was damaged in transit, so try again"
        )


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except DAMAGED_ZIP:
        return False


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
