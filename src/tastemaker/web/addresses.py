"""Addresses: the root of the site, which may lie below the prefix of a proxy, and what is in it."""

from urllib.parse import quote

from starlette.requests import Request


def root_of(request: Request) -> str:
    """The prefix of all addresses of the site, as /shop; empty without one."""
    root: str = request.scope.get("root_path", "")
    return root


def path_of(request: Request) -> str:
    """The path of a request below the root."""
    path: str = request.scope["path"]
    return path.removeprefix(root_of(request))


def address_of(request: Request) -> str:
    """The address of a request within its host, to return to after a form was sent."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"]) + (f"?{query}" if query else "")


def own_path(request: Request, url: str) -> str:
    """The path below the root of a URL of this site; of any other the first page's."""
    root = root_of(request)
    path = url.removeprefix(root)
    ours = url.startswith(f"{root}/") and not path.startswith(("//", "/\\"))
    return path if ours and path.isprintable() else "/"
