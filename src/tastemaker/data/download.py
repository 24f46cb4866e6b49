"""Files over HTTPS: checked, resumed, and there only once they are whole."""

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import lazy_loader

from tastemaker.errors import DownloadError

if TYPE_CHECKING:
    import httpx
else:
    # Who reads data waits for this module, and few of them for a download.
    httpx = lazy_loader.load("httpx")

CHUNK_BYTES = 1 << 18

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError)
"""What reading a damaged, encrypted or exotic archive raises."""

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes in all (None where the server does not say)."""


def data_folders() -> list[Path]:
    """Where archives are looked for: $TASTEMAKER_DATA if set, then the cache."""
    given = os.environ.get("TASTEMAKER_DATA")
    return [*([Path(given)] if given else []), cache_folder()]


def cache_folder() -> Path:
    """Where downloads are kept: $XDG_CACHE_HOME/tastemaker or ~/.cache/tastemaker."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tastemaker"


def download(
    url: str, target: Path, on_bytes: OnBytes | None = None, timeout_s: float = 30.0
) -> Path:
    """Fetches a file and checks it against the MD5 sum published beside it (`<url>.md5`).

    The bytes go to `<target>.part`; a later call goes on from what is there. The target appears by
    a rename once the sum is right, so it is whole or absent.

    Raises:
        DownloadError: no network, a refusal by the server, or a wrong checksum (the partial file is
            then removed).
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with httpx.Client(follow_redirects=True, timeout=timeout_s) as client:
            published = _published_md5(client, url)
            _fetch(client, url, part, on_bytes)
    except httpx.HTTPStatusError as error:
        raise DownloadError(f"{url}: the server answered {error.response.status_code}") from None
    except (httpx.HTTPError, OSError) as error:
        raise DownloadError(f"{url} could not be fetched ({_reason(error)})") from None
    _check(part, url, published)
    part.replace(target)
    return target


def _fetch(client: "httpx.Client", url: str, part: Path, on_bytes: OnBytes | None) -> None:
    here = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={here}-"} if here else {}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # every byte is here already; the checksum decides if they are the right ones
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            here = 0
        length = response.headers.get("Content-Length")
        total = here + int(length) if length else None
        with part.open("ab" if here else "wb") as out:
            for chunk in response.iter_raw(CHUNK_BYTES):
                out.write(chunk)
                here += len(chunk)
                if on_bytes is not None:
                    on_bytes(here, total)


def _published_md5(client: "httpx.Client", url: str) -> str | None:
    response = client.get(url + ".md5")
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    response.raise_for_status()
    found = re.search(r"\b[0-9a-fA-F]{32}\b", response.text)
    return found.group().lower() if found else None


def _check(part: Path, url: str, published: str | None) -> None:
    if published is None:
        # Without a published sum the archive's own checksums are the best there is.
        if _is_whole_zip(part):
            return
        part.unlink()
        raise DownloadError(f"{url}: what came is not a whole archive; try again")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != published:
        part.unlink()
        raise DownloadError(
            f"{url}: the checksum is {found}, but {published} is published; "
            "the download was damaged on its way, try again"
        )


def _is_whole_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except DAMAGED_ZIP:
        return False


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
