"""The visitor: their user id, and the check that a form came from the pages."""

import hashlib
import hmac
import secrets
from urllib.parse import quote

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from tastemaker.errors import TastemakerError
from tastemaker.web.addresses import root_of
from tastemaker.web.inputs import Form, id_in_text

VISITOR, TOKEN = "visitor", "form_token"
"""Cookies. Browsers do not send the token with requests that another site starts."""

COOKIE_MAX_AGE_S = 365 * 24 * 3600


class ForgedFormError(TastemakerError):
    """A form did not come from one of the pages, or came from one that is too old."""


class Visitors:
    """Identifies visitors by a cookie with their user id.

    Pages with an API key sign the cookie with it, since a forged cookie would otherwise let a
    visitor read and erase the history of any user. Pages without a key can do nothing that their
    visitors could not do with the API directly, and accept an unsigned cookie.

    Args:
        key: API key of the pages, if they have one.
    """

    def __init__(self, key: SecretStr | None = None) -> None:
        self._key = None if key is None else key.get_secret_value().encode()

    @property
    def may_choose(self) -> bool:
        """Whether a visitor may view the site as any user."""
        return self._key is None

    def of(self, request: Request) -> str | None:
        """The visitor's user id; None without a valid cookie."""
        cookie = request.cookies.get(VISITOR, "")
        if self._key is None:
            return id_in_text(cookie)
        signature, _, quoted = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(quoted).encode()):
            return None
        return id_in_text(quoted)

    def set_user_id(self, response: Response, request: Request, user: str) -> None:
        """Sets the cookie with the visitor's user id."""
        quoted = quote(user, safe="")
        signed = quoted if self._key is None else f"{self._signature(quoted)}.{quoted}"
        _set(response, request, VISITOR, signed, "lax")

    def clear_user_id(self, response: Response, request: Request) -> None:
        """Deletes the cookie with the visitor's user id."""
        response.delete_cookie(VISITOR, path=_path(request))

    def _signature(self, quoted: str) -> str:
        signed = f"tastemaker visitor {quoted}".encode()
        return hmac.new(self._key or b"", signed, hashlib.sha256).hexdigest()


def new_visitor() -> str:
    """A random id for a new visitor."""
    return f"visitor-{secrets.token_hex(6)}"


def token_of(request: Request) -> str:
    """The token that every form of a page must send; the same for all forms of a request."""
    if not hasattr(request.state, "token"):
        cookie = request.cookies.get(TOKEN, "")
        request.state.token = cookie if len(cookie) == 32 else secrets.token_hex(16)
    token: str = request.state.token
    return token


def set_token_cookie(response: Response, request: Request) -> None:
    """Sets the cookie with the token, unless it has it already."""
    if request.cookies.get(TOKEN) != token_of(request):
        _set(response, request, TOKEN, token_of(request), "strict")


async def form_of(request: Request) -> Form:
    """The form in a request that was sent by one of the pages.

    Raises:
        ForgedFormError: another site sent it, or its token is not that of the cookie.
        InputError: the form cannot be parsed.
    """
    # Browsers send Sec-Fetch-Site; the token is checked for all clients.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForgedFormError("this form was sent by another site; nothing was done")
    form = Form(await request.body())
    cookie = request.cookies.get(TOKEN, "")
    if not cookie or not hmac.compare_digest(cookie.encode(), form["token"].encode()):
        raise ForgedFormError(
            "this form has expired; nothing was done. Go back and reload the page"
        )
    return form


def _set(response: Response, request: Request, name: str, value: str, same_site: str) -> None:
    response.set_cookie(
        name, value, max_age=COOKIE_MAX_AGE_S, path=_path(request), httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict" if same_site == "strict" else "lax",
    )  # fmt: skip


def _path(request: Request) -> str:
    """Path of the cookies, since another site may share the host with this one."""
    return f"{root_of(request)}/"
