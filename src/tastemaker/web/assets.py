"""Assets: style sheets, scripts and icon, read once; their URLs contain a hash of the content."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

FOREVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A file of static/."""

    body: bytes
    media_type: str
    url: str
    """Changes with the content, so that clients may cache the file forever."""


@cache
def assets() -> dict[str, Asset]:
    """The files of static/, by name."""
    by_name = {}
    for file in files("tastemaker.web").joinpath("static").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:10]
            by_name[file.name] = Asset(body, kind, f"/static/{file.name}?v={digest}")
    return by_name


async def static(request: Request) -> Response:
    """Returns a file; clients may cache it forever if the URL has a version `v`."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        return Response("there is no such file\n", 404, media_type="text/plain")
    headers = {
        # SecurityHeaders replaces neither the policy nor the caching of a response with a policy.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Cache-Control": FOREVER if request.query_params.get("v") else "no-cache",
    }
    return Response(asset.body, headers=headers, media_type=asset.media_type)
