"""Nothing that is typed, made up or broken into a form, an address or a cookie is an error here."""

from collections.abc import Iterator
from urllib.parse import quote_from_bytes, urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tastemaker.web.pages import PAGES

from ..serving.server import Server

TOKEN = "a" * 32

BAD_IDS = ["", "a" * 300, "1\r\n2", "\x00", "\x1b[31m", "a\u202eb", "5\n"]

FORMS = [path for method, path, _ in PAGES if method == "POST" and path != "/desk/do"]
"""An action of the desk swaps models or begins to learn; its input is one of three words."""

SEEN = [path for method, path, _ in PAGES if method == "GET"]

FIELDS = ["item", "event", "back", "pick", "user", "key", "action", "token", "q"]

PARAMETERS = ["q", "category", "pick", "liked", "unliked", "user", "done", "forgotten", "remains"]

COOKIES = ["visitor", "form_token", "desk_key"]

nasty = st.one_of(
    st.sampled_from(["5", "abc", "-1", "/[", "//[", "/\\x", "é", "9" * 400, *BAD_IDS]),
    st.text(max_size=20),
).map(str.encode) | st.binary(max_size=12)
"""Values, as bytes: not all of them are UTF-8."""

few = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def http(site: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=site.url, headers={"Accept": "text/html"}) as client:
        yield client


def encoded(pairs: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)


def cookies_of(pairs: dict[str, bytes]) -> bytes:
    """A header of cookies with any bytes that a header may have, the token as it must be."""
    kept = {name: value for name, value in pairs.items() if value.isalnum()}
    raw = {name: quote_from_bytes(value).encode() for name, value in pairs.items()} | kept
    return b"; ".join(name.encode() + b"=" + value for name, value in raw.items())


@pytest.mark.parametrize("path", ["/like", "/unlike", "/welcome", "/visitor"])
@pytest.mark.parametrize("bad", BAD_IDS)
def test_a_form_with_an_invalid_id_is_an_error_page(
    http: httpx2.Client, path: str, bad: str
) -> None:
    name = {"/welcome": "pick", "/visitor": "user"}.get(path, "item")
    form = {"token": TOKEN, name: bad, "back": "/"}
    cookies = {"visitor": "9", "form_token": TOKEN}
    answer = http.post(path, data=form, headers={"Cookie": cookies_header(cookies)})
    if path == "/visitor" and bad == "5\n":
        assert answer.status_code == 303  # spaces around the input are ignored
        return
    assert answer.status_code == 422, answer.text
    assert "text/html" in answer.headers["Content-Type"]
    assert f"{name.capitalize()}: " in answer.text


def cookies_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def test_the_desk_refuses_an_invalid_user_id(http: httpx2.Client) -> None:
    for bad in ("%00", "a" * 300, "%1B"):
        page = http.get(f"/desk/models?user={bad}")
        assert (page.status_code, "text/html" in page.headers["Content-Type"]) == (422, True)


@few
@given(
    path=st.sampled_from(FORMS),
    fields=st.lists(st.tuples(st.sampled_from(FIELDS), nasty), max_size=6),
    cookies=st.dictionaries(st.sampled_from(COOKIES), nasty, max_size=3),
)
@example(path="/like", fields=[("item", b"5"), ("event", b"\0")], cookies={"visitor": b"9"})
@example(path="/like", fields=[("item", b"5"), ("back", b"/[")], cookies={"visitor": b"9"})
@example(path="/like", fields=[("item", b"5"), ("back", b"//[")], cookies={"visitor": b"9"})
def test_no_form_causes_a_server_error(
    http: httpx2.Client, path: str, fields: list[tuple[str, bytes]], cookies: dict[str, bytes]
) -> None:
    body = encoded([*fields, ("token", TOKEN.encode())])
    answer = http.post(
        path,
        content=body,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookies_of(cookies | {"form_token": TOKEN.encode()}),
        },
    )
    assert answer.status_code < 500, answer.text


@few
@given(
    path=st.sampled_from(SEEN),
    item=nasty,
    parameters=st.lists(st.tuples(st.sampled_from(PARAMETERS), nasty), max_size=4),
    cookies=st.dictionaries(st.sampled_from(COOKIES), nasty, max_size=3),
)
@example(path="/search", item=b"5", parameters=[("category", b"gone")], cookies={})
@example(path="/desk", item=b"5", parameters=[], cookies={"desk_key": "é".encode()})
@example(path="/welcome", item=b"5", parameters=[("pick", b"a" * 60_000)], cookies={})
def test_no_url_causes_a_server_error(
    http: httpx2.Client,
    path: str,
    item: bytes,
    parameters: list[tuple[str, bytes]],
    cookies: dict[str, bytes],
) -> None:
    path = path.replace("{item_id:path}", quote_from_bytes(item))
    url = httpx2.URL(http.base_url, raw_path=f"{path}?{encoded(parameters)}".encode())
    answer = http.get(url, headers={"Cookie": cookies_of(cookies)})
    assert answer.status_code < 500, answer.text


def test_an_invalid_cookie_causes_no_error(http: httpx2.Client) -> None:
    for raw in (b"visitor=\xff\xfe", b"visitor=%FF", b"desk_key=\xe9", b"form_token=\xe9"):
        for path in ("/", "/desk", "/welcome"):
            assert http.get(path, headers={"Cookie": raw}).status_code in (200, 303, 403)
    assert http.get("/", headers={"Cookie": "visitor=%FF"}).headers["Location"] == "/welcome"


def test_an_item_whose_picture_is_no_url_is_shown_without_it(site: Server) -> None:
    put = site.http.put("/v1/items/7001", json={"title": "Crooked", "image_url": "http://["})
    assert put.status_code == 200
    page = httpx2.get(f"{site.url}/items/7001", headers={"Accept": "text/html"})
    assert (page.status_code, "Crooked" in page.text) == (200, True)
    assert site.http.delete("/v1/items/7001").status_code == 204


def test_a_form_of_very_many_fields_is_refused(http: httpx2.Client) -> None:
    body = "&".join([urlencode({"token": TOKEN}), *["pick=5"] * 2_000])
    answer = http.post(
        "/welcome",
        content=body,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"form_token={TOKEN}",
        },
    )
    assert answer.status_code == 422
    assert "1,000 fields" in answer.text
