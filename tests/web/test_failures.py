"""Whatever the service refuses, each page answers with a whole page that says so."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tastemaker import wire
from tastemaker.web.pages import PAGES, pages

TOKEN = "a" * 32

FORM = {"token": TOKEN, "item": "5", "pick": "5", "user": "7", "action": "learn", "key": "k"}

QUERY = {"q": "tide", "category": "Sea", "user": "7"}

WITHOUT_REQUEST = {("POST", "/visitor"), ("POST", "/desk/key")}
"""What asks nothing of the service, and so cannot be refused by it."""


def refusing(status: int) -> Starlette:
    """Pages before a service that answers everything with one problem."""

    async def refuse(_: Request) -> Response:
        problem = wire.Problem(title="No", status=status, detail="the reason is given here")
        return Response(problem.model_dump_json(), status, media_type="application/problem+json")

    api = Starlette(routes=[Route("/{path:path}", refuse, methods=["GET", "POST", "DELETE"])])
    return Starlette(routes=pages(api, key=None, like_type="like"))


def answers(app: Starlette, **headers: str) -> dict[tuple[str, str], httpx2.Response]:
    """The response of each page to a known visitor."""

    async def ask() -> dict[tuple[str, str], httpx2.Response]:
        cookies = {"visitor": "7", "form_token": TOKEN}
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://shop", cookies=cookies, headers=headers
        ) as http:
            return {
                (method, path): await http.request(
                    method, path.replace("{item_id:path}", "5"), params=QUERY,
                    data=FORM if method == "POST" else None,
                )
                for method, path, _ in PAGES
            }  # fmt: skip

    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have a loop in this thread
        return pool.submit(lambda: asyncio.run(ask())).result()


@pytest.mark.parametrize(
    ("refused", "shown"),
    [(401, 403), (403, 403), (404, 404), (413, 413), (422, 422), (429, 429), (503, 503)],
)
def test_every_page_shows_the_error_of_the_service(refused: int, shown: int) -> None:
    found = answers(refusing(refused))
    assert len(found) == len(PAGES) > 15
    for (method, path), answer in found.items():
        if (method, path) in WITHOUT_REQUEST:
            assert answer.status_code == 303
            continue
        # The desk shows in its own place what an action came to, or asks for a key.
        assert answer.status_code == shown, (method, path, answer.text)
        assert "text/html" in answer.headers["content-type"], path
        assert answer.text.count("<!doctype html>") == answer.text.count("</html>") == 1
        assert re.search("(?i)the reason is given here|admin key", answer.text), path


def test_the_script_of_the_page_gets_the_reason_in_one_line() -> None:
    for (method, path), answer in answers(refusing(503), **{"X-Fragment": "1"}).items():
        if (method, path) not in WITHOUT_REQUEST:
            assert (answer.status_code, answer.text) == (503, "the reason is given here"), path


def test_the_search_field_keeps_the_words_of_a_search_that_failed() -> None:
    page = answers(refusing(422))["GET", "/search"]
    assert re.search(r'name="q"[^>]* value="tide"', page.text)


def test_a_response_that_is_not_understood_is_an_error_too() -> None:
    found = answers(succeeding_with_nonsense())
    assert found["GET", "/"].status_code == found["GET", "/history"].status_code == 502
    assert "Service error" in found["GET", "/"].text


def succeeding_with_nonsense() -> Starlette:
    """Pages before a service that answers everything with a success without content."""

    async def succeed(_: Request) -> Response:
        return Response("{}", media_type="application/json")

    api = Starlette(routes=[Route("/v1/{path:path}", succeed, methods=["GET", "POST", "DELETE"])])
    return Starlette(routes=pages(api, key=None, like_type="like"))
