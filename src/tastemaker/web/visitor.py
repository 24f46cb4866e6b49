"""The visitor: who looks at the pages, and whether a form really came from them."""

import secrets
from hmac import compare_digest
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from tastemaker.errors import TastemakerError
from tastemaker.web.inputs import Form, id_in_cookie

VISITOR, TOKEN = "visitor", "form_token"
"""Cookies. The token goes out with no request that another site begins."""

A_YEAR_S = 365 * 24 * 3600


class ForgedFormError(TastemakerError):
    """A form that did not come from our own page, or from one that is too old."""


def visitor_of(request: Request) -> str | None:
    """The user id that the visitor goes by; None before there is one."""
    return id_in_cookie(request, VISITOR)


def new_visitor() -> str:
    """An id that nobody has yet."""
    return f"visitor-{secrets.token_hex(6)}"


def remember(response: Response, request: Request, user: str) -> None:
    """Lets the visitor go by that id from now on."""
    _set(response, request, VISITOR, quote(user, safe=""), "lax")


def leave(response: Response) -> None:
    """Lets the visitor go by no id."""
    response.delete_cookie(VISITOR)


def token_of(request: Request) -> str:
    """What every form of the page must bring back; the same for all forms of a request."""
    if not hasattr(request.state, "token"):
        given = request.cookies.get(TOKEN, "")
        request.state.token = given if len(given) == 32 else secrets.token_hex(16)
    token: str = request.state.token
    return token


def keep_token(response: Response, request: Request) -> None:
    """Puts the token into its cookie."""
    if request.cookies.get(TOKEN) != token_of(request):
        _set(response, request, TOKEN, token_of(request), "strict")


async def form_of(request: Request) -> Form:
    """The form of a request that was sent by one of our own pages.

    Raises:
        ForgedFormError: it was not, as far as can be told.
        InputError: it is no form that can be read.
    """
    # Browsers say who began a request; other clients must know the token all the same.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForgedFormError("this form was sent by another site; nothing was done")
    form = Form(await request.body())
    kept = request.cookies.get(TOKEN, "")
    if not kept or not compare_digest(kept.encode(), form["token"].encode()):
        raise ForgedFormError("this form is too old; nothing was done. Go back and load it anew")
    return form


def _set(response: Response, request: Request, name: str, value: str, same_site: str) -> None:
    response.set_cookie(
        name, value, max_age=A_YEAR_S, httponly=True, secure=request.url.scheme == "https",
        samesite="strict" if same_site == "strict" else "lax",
    )  # fmt: skip
