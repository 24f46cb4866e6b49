"""The visitor: who looks at the pages, and whether a form really came from them."""

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
"""Cookies. The token goes out with no request that another site begins."""

A_YEAR_S = 365 * 24 * 3600


class ForgedFormError(TastemakerError):
    """A form that did not come from our own page, or from one that is too old."""


class Visitors:
    """Who looks at the pages, by a cookie.

    Pages with a key of their own sign the cookie with it, since through them a cookie written by
    hand would read and erase the history of anybody. Pages without a key can do nothing that their
    visitors could not do at the API, and take the cookie as it is.

    Args:
        key: with which the pages ask the service, if they have one.
    """

    def __init__(self, key: SecretStr | None = None) -> None:
        self._key = None if key is None else key.get_secret_value().encode()

    @property
    def may_choose(self) -> bool:
        """Whether a visitor may look as anybody."""
        return self._key is None

    def of(self, request: Request) -> str | None:
        """The user id that the visitor goes by; None before there is one that is theirs."""
        kept = request.cookies.get(VISITOR, "")
        if self._key is None:
            return id_in_text(kept)
        signature, _, quoted = kept.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(quoted).encode()):
            return None
        return id_in_text(quoted)

    def remember(self, response: Response, request: Request, user: str) -> None:
        """Lets the visitor go by that id from now on."""
        quoted = quote(user, safe="")
        signed = quoted if self._key is None else f"{self._signature(quoted)}.{quoted}"
        _set(response, request, VISITOR, signed, "lax")

    def leave(self, response: Response, request: Request) -> None:
        """Lets the visitor go by no id."""
        response.delete_cookie(VISITOR, path=_path(request))

    def _signature(self, quoted: str) -> str:
        signed = f"tastemaker visitor {quoted}".encode()
        return hmac.new(self._key or b"", signed, hashlib.sha256).hexdigest()


def new_visitor() -> str:
    """An id that nobody has yet."""
    return f"visitor-{secrets.token_hex(6)}"


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
    if not kept or not hmac.compare_digest(kept.encode(), form["token"].encode()):
        raise ForgedFormError("this form is too old; nothing was done. Go back and load it anew")
    return form


def _set(response: Response, request: Request, name: str, value: str, same_site: str) -> None:
    response.set_cookie(
        name, value, max_age=A_YEAR_S, path=_path(request), httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict" if same_site == "strict" else "lax",
    )  # fmt: skip


def _path(request: Request) -> str:
    """Path of the cookies, since another site may share the host with this one."""
    return f"{root_of(request)}/"
