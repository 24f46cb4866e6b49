"""Where the pages have a key of their own, no cookie gives access to another visitor."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ..serving.server import Server, tastemaker


@pytest.fixture(scope="module")
def keyed(page_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that asks for keys, whose pages have one."""
    folder = tmp_path_factory.mktemp("keyed")
    database = f"sqlite:///{folder / 'events.db'}"
    key = key_for(database)
    with Server(page_run, database, folder, key=key, page_key=key) as server:
        yield server


def key_for(database: str) -> str:
    made = tastemaker("keys", "add", "--database", database, "--scope", "read", "--scope", "write")
    found = re.search(r"\w+\.[\w-]{20,}", made.stdout)
    assert found, made.stderr
    return found[0]


def browser_at(server: Server, cookie: str | None = None) -> httpx2.Client:
    cookies = {} if cookie is None else {"visitor": cookie}
    return httpx2.Client(base_url=server.url, cookies=cookies, headers={"Accept": "text/html"})


def form(page: httpx2.Response, **fields: str) -> dict[str, str]:
    token = re.search(r'name="token" value="(\w+)"', page.text)
    assert token
    return {"token": token[1], **fields}


def new_visitor_cookie(server: Server) -> str:
    """The cookie of a new visitor who likes item 5."""
    with browser_at(server) as http:
        answer = http.post("/welcome", data=form(http.get("/welcome"), pick="5"))
        assert answer.status_code == 303
        return http.cookies["visitor"]


def test_pages_can_have_a_key_where_the_api_needs_one(keyed: Server):
    assert httpx2.get(f"{keyed.url}/welcome").status_code == 200
    assert httpx2.get(f"{keyed.url}/v1/trending").status_code == 401


def test_a_forged_cookie_cannot_read_or_erase_another_visitor(keyed: Server):
    known = keyed.client.history(7).items
    assert known
    visitor = new_visitor_cookie(keyed)
    for cookie in ("7", f"{'0' * 64}.7", f"{visitor.partition('.')[0]}.7", f".{7}", "é.7"):
        with browser_at(keyed) as http:
            page = http.get("/welcome")
            token = http.cookies["form_token"]
            raw = {"Cookie": f"visitor={cookie}; form_token={token}".encode()}
            http.cookies.clear()
            for seen in ("/", "/history"):
                assert http.get(seen, headers=raw).headers["location"] == "/welcome"
            for path in ("/forget", "/like", "/unlike"):
                answer = http.post(path, data=form(page, item="5"), headers=raw)
                assert answer.headers["location"] == "/welcome"
    assert keyed.client.history(7).items == known


def test_visitors_cannot_choose_their_id_where_the_pages_have_a_key(keyed: Server):
    with browser_at(keyed) as http:
        page = http.get("/welcome")
        assert "View as this user" not in page.text
        answer = http.post("/visitor", data=form(page, user="7"))
        assert answer.status_code == 403
        assert "can see the lists of any user on the desk" in answer.text
        assert "visitor" not in http.cookies


def test_a_visitor_keeps_their_id_after_a_restart(keyed: Server):
    cookie = new_visitor_cookie(keyed)
    keyed.stop()
    keyed.start()
    with browser_at(keyed, cookie) as http:
        assert "Remove it" in http.get("/items/5").text


def test_without_keys_any_user_can_be_viewed(site: Server):
    with browser_at(site) as http:
        page = http.get("/welcome")
        assert "View as this user" in page.text
        assert http.post("/visitor", data=form(page, user="7")).headers["location"] == "/"
        assert http.cookies["visitor"] == "7"
