"""A real service with pages, and a real browser in front of it."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import tastemaker as tm
from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.testing.worlds import two_tastes

from ..serving.server import Server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")

REQUIRED = "TASTEMAKER_REQUIRE_BROWSER"
"""Set in CI, where a skipped test would pass for a success."""

EVIL = "<script>document.title = 'owned'</script><b>bold</b> & \"quoted\""
"""The title of item 0."""

N_ITEMS = 160

Visit = Callable[..., Page]


def world() -> Dataset:
    """Half of the people are for tides, half for hills: items from 0, and from 80.

    The categories say so too, and a second one says whether an item is odd.
    """
    data = two_tastes(n_users=80, n_items=N_ITEMS, length=30)
    half = N_ITEMS // 2
    titles = [
        f"{'Tide' if i < half else 'Hill'} {i}, The ({1900 + i % 100})" for i in range(N_ITEMS)
    ]
    titles[0] = EVIL
    kinds = [["Sea" if i < half else "Land", "Odd" if i % 2 else "Even"] for i in range(N_ITEMS)]
    pictures = ["/static/icon.svg" if i == 9 else None for i in range(N_ITEMS)]
    known = pl.DataFrame(
        {"item_id": range(N_ITEMS), "title": titles, "categories": kinds, "image_url": pictures},
        schema_overrides={"image_url": pl.String},
    )
    return data.with_catalog(Catalog(known))


@pytest.fixture(scope="session")
def page_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on that world, with its evaluation: personal, explained, and trained in no time."""
    folder = tmp_path_factory.mktemp("page") / "run"
    split = tm.leave_one_out(world())
    model = tm.EASE(regularization=1.0).fit(split)
    tm.save_run(folder, model, tm.evaluate(model, split, tm.FullRanking()))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def site(page_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that all tests share; each is a visitor of its own."""
    folder = tmp_path_factory.mktemp("site")
    with Server(page_run, f"sqlite:///{folder / 'events.db'}", folder) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the distribution has it."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        assert REQUIRED not in os.environ, f"{REQUIRED} is set, but there is no browser"
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is in PATH")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, site: Server) -> Iterator[Visit]:
    """Opens a page as a new visitor: `visit("/", user=…, width=…)`; fails if a script does."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        path: str = "/", *, user: object = None, width: int = 1280, server: Server = site,
        **context: object,
    ) -> Page:  # fmt: skip
        opened = browser.new_context(
            base_url=server.url, viewport={"width": width, "height": 844}, **context
        )
        contexts.append(opened)
        opened.set_default_timeout(15_000)
        if user is not None:
            opened.add_cookies([{"name": "visitor", "value": str(user), "url": server.url}])
        page = opened.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: _note(complaints, message.type, message.text))
        page.goto(path)
        return page

    yield open_page
    for opened in contexts:
        opened.close()
    assert not complaints


def _note(complaints: list[str], kind: str, text: str) -> None:
    # What the network says while a service is away is not a fault of the page.
    if kind == "error" and "Failed to load resource" not in text:
        complaints.append(text)


def titles(page: Page, row: str) -> list[str]:
    """What stands in a row."""
    return page.locator(f"#{row} .card .words h3").all_inner_texts()
