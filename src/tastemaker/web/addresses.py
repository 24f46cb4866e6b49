"""Addresses: the root of the site, which may be below a proxy's prefix, and paths within it."""

from urllib.parse import quote

from starlette.requests import Request


def root_of(request: Request) -> str:
    """The prefix of all paths of the site, such as /shop; empty without one."""
    root: str = request.scope.get("root_path", "")
    return root


def path_of(request: Request) -> str:
    """The path of a request below the root."""
    path: str = request.scope["path"]
    return path.removeprefix(root_of(request))


def address_of(request: Request) -> str:
    """The path and query of a request, to return to after a form was sent."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"]) + (f"?{query}" if query else "")


def own_path(request: Request, url: str) -> str:
    """The path below the root of a URL of this site; that of the first page for any other URL."""
    root = root_of(request)
    path = url.removeprefix(root)
    is_own = url.startswith(f"{root}/") and not path.startswith(("//", "/\\"))
    return path if is_own and path.isprintable() else "/"
