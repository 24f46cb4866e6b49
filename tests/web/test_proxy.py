"""Behind the documented nginx, under a prefix and TLS, everything works, and limits hold."""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from playwright.sync_api import expect

from tastemaker.client import Client
from tastemaker.serving.settings import ServiceSettings
from tastemaker.wire import Event

from ..serving.server import Server, tastemaker
from .conftest import Visit, free_port
from .nginx import DOCUMENTED, Nginx, kept_to, program
from .test_storefront import begin

REQUIRED = "TASTEMAKER_REQUIRE_NGINX"
"""Set in CI, where a skipped test would pass for a success."""

PICTURE = "/static/icon.svg"
"""The address of an item's picture, from its catalog, which knows no prefix."""


class Shop(NamedTuple):
    """A service and the nginx before it."""

    url: str
    key: str
    service: Server
    nginx: Nginx

    def http(self, source: str = "127.0.0.1", **more: object) -> httpx2.Client:
        """A client at an address of this machine."""
        trusted = ssl.create_default_context(cafile=str(self.nginx.certificate))
        transport = httpx2.HTTPTransport(verify=trusted, local_address=source)
        return httpx2.Client(transport=transport, **more)


@pytest.fixture(scope="module")
def shop(page_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    if program() is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set, but there is no nginx"
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("shop")
    database = f"sqlite:///{folder / 'events.db'}"
    scopes = [part for scope in ("read", "write", "admin") for part in ("--scope", scope)]
    key = key_in(tastemaker("keys", "add", "--database", database, *scopes).stdout)
    page_key = key_in(tastemaker("keys", "add", "--database", database, *scopes[:4]).stdout)
    behind = ("--root-path", "/shop", "--trusted-proxy", "127.0.0.1")
    service = Server(page_run, database, folder, *behind, key=key, page_key=page_key)
    with service:
        upstream = service.url.removeprefix("http://")
        with Nginx(folder, upstream, (free_port(), free_port())) as nginx:
            yield Shop(nginx.url, key, service, nginx)


def key_in(output: str) -> str:
    found = re.search(r"\w+\.[\w-]{20,}", output)
    assert found
    return found[0]


def test_a_visit_under_the_prefix_stays_there(visit: Visit, shop: Shop):
    outside: list[str] = []
    page = visit(f"{shop.url}/", server=shop.service, ignore_https_errors=True)
    page.on("request", lambda asked: outside.append(asked.url))
    begin(page, "Tide")
    assert page.url == f"{shop.url}/"
    page.evaluate("window.same = true")
    page.locator("#top .heart").first.click()
    expect(page.locator(".toast")).to_contain_text("was added to your history")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("removed from your history")
    assert page.evaluate("window.same"), "the page was not reloaded"
    page.locator("#q").fill("hill 9")
    expect(page.locator(".grid .card").first).to_be_visible()
    assert page.url.startswith(f"{shop.url}/search?q=")
    page.locator(".grid .card a").first.click()
    page.get_by_role("button", name="I like this").click()
    expect(page.get_by_role("button", name="Remove it")).to_be_visible()
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.locator(".lines li")).to_have_count(6)
    page.get_by_role("link", name="The API").click()
    expect(page.locator("pre").first).to_contain_text(f"{shop.url}/v1/")
    page.get_by_role("link", name="Desk", exact=True).click()
    page.locator("#key").fill(shop.key)
    page.get_by_role("button", name="Open the desk").click()
    page.get_by_role("link", name="Map").click()
    expect(page.locator("#legend button").first).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert {name: cookie["path"] for name, cookie in cookies.items()} == {
        "visitor": "/shop/", "form_token": "/shop/", "desk_key": "/shop/desk",
    }  # fmt: skip
    assert all(cookie["secure"] for cookie in cookies.values())
    page.get_by_role("button", name="Lock the desk").click()
    page.goto(f"{shop.url}/history")
    page.locator("summary", has_text="Forget me").click()
    page.get_by_role("button", name="Forget me now").click()
    expect(page.locator(".done")).to_contain_text("You have been forgotten")
    assert {cookie["name"] for cookie in page.context.cookies()} == {"form_token"}
    assert {url for url in outside if not url.startswith(f"{shop.url}/")} <= {
        shop.url.removesuffix("/shop") + PICTURE
    }


def test_every_address_in_a_page_is_below_the_prefix(shop: Shop):
    with shop.http(headers={"Accept": "text/html"}) as http:
        for path in ("/welcome", "/search?q=tide", "/items/3", "/docs", "/desk", "/no/such"):
            page = http.get(shop.url + path).text
            found = re.findall(r'(?:href|src|action|formaction)="(/[^"]*)"', page)
            assert len(found) > 8
            assert {a for a in found if not a.startswith("/shop/")} <= {PICTURE}
        first = http.get(shop.url)
        assert (first.status_code, first.headers["location"]) == (308, "/shop/")


def test_the_api_and_its_schema_are_below_the_prefix(shop: Shop):
    transport = httpx2.HTTPTransport(
        verify=ssl.create_default_context(cafile=str(shop.nginx.certificate))
    )
    with Client(shop.url, key=shop.key, transport=transport) as client:
        client.record(Event(user_id="a/b c%2Fd", item_id=3, event_id="behind"))
        assert [item.item_id for item in client.history("a/b c%2Fd").items] == [3]
        assert client.history("a").items == []
    with shop.http() as http:
        assert http.get(f"{shop.url}/openapi.json").json()["servers"] == [{"url": "/shop"}]
        refused = http.post(f"{shop.url}/v1/events", json={"user_id": 1, "item_id": 1})
        assert refused.status_code == 401


def test_a_proxy_may_also_cut_the_prefix_or_name_another(shop: Shop):
    def seen(source: str, path: str, **headers: str) -> httpx2.Response:
        with shop.http(source, base_url=shop.service.url, headers=headers) as http:
            return http.get(path)

    assert '"/shop/search"' in seen("127.0.0.1", "/welcome").text
    named = {"X-Forwarded-Prefix": "/a/b/", "X-Forwarded-Proto": "https"}
    assert '"/a/b/search"' in seen("127.0.0.1", "/welcome", **named).text
    assert "; Secure" in seen("127.0.0.1", "/a/b/welcome", **named).headers["set-cookie"]
    for made_up in ("//evil.example", "/a?b", '/"><script>', "x", "/" + "a" * 300):
        page = seen("127.0.0.1", "/welcome", **{"X-Forwarded-Prefix": made_up})
        assert '"/shop/search"' in page.text
    # Only the named proxy is trusted.
    page = seen("127.0.0.2", "/welcome", **named)
    assert '"/shop/search"' in page.text
    assert "; Secure" not in page.headers["set-cookie"]


def test_connections_to_the_service_are_kept_for_less_time_than_it_keeps_them(shop: Shop):
    port = int(shop.service.url.rpartition(":")[2])
    with shop.http() as http:
        http.get(f"{shop.url}/healthz")
        kept = kept_to(port)
        assert all(http.get(f"{shop.url}/healthz").is_success for _ in range(20))
        assert kept & kept_to(port)
    found = re.search(r"keepalive_timeout (\d+)s;", DOCUMENTED.read_text())
    assert found
    assert int(found[1]) < ServiceSettings(run=Path("run")).idle_timeout_s


def test_requests_without_tls_are_redirected(shop: Shop):
    answer = httpx2.get(f"http://127.0.0.1:{shop.nginx.plain_port}/shop/desk?x=1")
    assert answer.status_code == 308
    assert answer.headers["location"] == "https://127.0.0.1/shop/desk?x=1"


def test_requests_of_one_address_are_rate_limited(shop: Shop):
    with shop.http("127.0.0.3") as client, shop.http("127.0.0.4") as other:
        statuses = [client.get(f"{shop.url}/healthz").status_code for _ in range(300)]
        assert statuses[:100] == [200] * 100
        assert 429 in statuses
        assert other.get(f"{shop.url}/healthz").status_code == 200


def test_unfinished_requests_of_one_address_are_limited_by_the_proxy(shop: Shop):
    context = ssl.create_default_context(cafile=str(shop.nginx.certificate))
    unfinished = b"POST /shop/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
    before = len(kept_to(int(shop.service.url.rpartition(":")[2])))
    opened: list[ssl.SSLSocket] = []
    try:
        for _ in range(51):
            plain = socket.create_connection(
                ("127.0.0.1", shop.nginx.port), 10, source_address=("127.0.0.5", 0)
            )
            opened.append(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            opened[-1].sendall(unfinished)
        assert b" 429 " in opened[-1].recv(100)
        assert len(kept_to(int(shop.service.url.rpartition(":")[2]))) <= before + 1
    finally:
        for each in opened:
            each.close()


@pytest.mark.parametrize("wrong", ["shop", "/a b", "/a//b", "/../x"])
def test_an_invalid_prefix_is_refused(page_run: Path, wrong: str):
    refused = tastemaker("serve", page_run, "--port", 0, "--root-path", wrong)
    assert refused.returncode == 2
    assert "as in /shop" in refused.stderr
