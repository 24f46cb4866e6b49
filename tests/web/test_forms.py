"""What is written comes from our own pages, and from nowhere else."""

import re
from pathlib import Path

import httpx2
import pytest

from ..serving.server import Server, tastemaker

WRITING = ("/like", "/unlike", "/welcome", "/visitor", "/forget")


@pytest.fixture
def http(site: Server):
    """A visitor without a browser."""
    with httpx2.Client(base_url=site.url, cookies={"visitor": "visitor-form"}) as client:
        yield client


def token_of(page: httpx2.Response) -> str:
    return re.search(r'name="token" value="(\w+)"', page.text)[1]


@pytest.mark.parametrize("path", WRITING)
def test_a_form_without_the_token_is_refused(http: httpx2.Client, path: str):
    http.get("/")
    for form in ({"item": "5"}, {"item": "5", "token": "0" * 32}, {"item": "5", "token": ""}):
        assert http.post(path, data=form).status_code == 403


@pytest.mark.parametrize("path", WRITING)
def test_a_form_of_another_site_is_refused_even_with_the_token(http: httpx2.Client, path: str):
    form = {"item": "5", "token": token_of(http.get("/welcome"))}
    answer = http.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "another site" in answer.text


def test_an_empty_token_and_no_cookie_do_not_match(site: Server):
    assert httpx2.post(f"{site.url}/like", data={"item": "5", "token": ""}).status_code == 403


def test_a_form_returns_to_our_own_pages_alone(http: httpx2.Client):
    token = token_of(http.get("/welcome"))
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"):
        answer = http.post("/like", data={"item": "5", "token": token, "back": back})
        assert answer.headers["location"] == "/?liked=5"


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(site: Server):
    with httpx2.Client(base_url=site.url) as new:
        page = new.get("/welcome")
        assert "HttpOnly" in page.headers["set-cookie"]
        assert "SameSite=strict" in page.headers["set-cookie"]
        answer = new.post("/welcome", data={"token": token_of(page), "pick": "5"})
        assert answer.status_code == 303
        assert "HttpOnly" in answer.headers["set-cookie"]


def test_the_policy_is_strict_and_static_files_are_kept(http: httpx2.Client):
    page = http.get("/welcome")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", page.text)
    url = re.search(r'href="(/static/page.css\?v=\w+)"', page.text)[1]
    assert "immutable" in http.get(url).headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"


def test_the_first_page_is_small(site: Server):
    total = 0
    with httpx2.Client(base_url=site.url, cookies={"visitor": "2"}) as http:
        page = http.get("/")
        total += len(page.content)
        for url in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
            total += len(http.get(url).content)
    assert total < 100_000


def test_a_missing_page_is_a_404_in_the_requested_format(http: httpx2.Client):
    page = http.get("/no/such/page", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "Not found" in page.text
    machine = http.get("/no/such/page")
    assert machine.headers["content-type"] == "application/problem+json"
    api = http.get("/v1/no", headers={"Accept": "text/html"})
    assert api.headers["content-type"] == "application/problem+json"
    item = http.get("/items/99999", headers={"Accept": "text/html"})
    assert item.status_code == 404
    assert "99999 is not in the catalog" in item.text


def test_where_keys_are_needed_the_pages_need_one(page_run: Path, tmp_path: Path):
    database = f"sqlite:///{tmp_path / 'events.db'}"
    made = tastemaker("keys", "add", "--database", database, "--scope", "read", "--scope", "write")
    assert made.returncode == 0, made.stderr
    with Server(page_run, database, tmp_path) as closed:
        page = httpx2.get(f"{closed.url}/welcome")
        assert page.status_code == 403
        assert "--page-key" in page.text
