"""Takes the pictures of docs/images from the real pages, in a real browser.

    make screenshots                                    # of runs/demo, as `make demo` leaves it
    python docs/make_screenshots.py RUN [FOLDER]        # of another run

The service is started on an empty database. So that the desk has something to show, people of the
data are replayed as visitors of the last hour, with what they touched in its order; where models
are compared beside the run, one of those has served before it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import tastemaker as tm

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}

LARGEST = 300_000
"""Bytes of a picture."""

KEPT_BITS = (0xFF, 0xFE, 0xFC, 0xF8)
"""Of a colour: the last ones are hardly seen, but are half of a file."""

REPLAYED, KNOWN, FOLLOWING = 150, 10, 3
"""Visitors, and of each so many items of long ago and so many of the last hour."""

PICKED = ("Matrix", "Star Wars", "Alien", "Terminator", "Jurassic")
"""What the new visitor of the pictures likes, where the catalog has it; else whatever comes."""


@contextmanager
def served(run: Path, database: Path) -> Iterator[str]:
    """The service as a process of its own; gives its URL."""
    command = [sys.executable, "-m", "tastemaker.cli.main", "serve", str(run), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database", f"sqlite:///{database}"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(" at ")[2].strip()
        for _ in range(600):
            try:
                if httpx2.get(f"{url}/readyz", trust_env=False).is_success:
                    break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def replay(run: Path, url: str) -> None:
    """People of the data as visitors of the last hour."""
    data = tm.open_run(run).split.everything
    random = np.random.default_rng(0)
    now = int(time.time())
    items = data.item_vocabulary.ids.to_list()
    events = []
    for user in range(min(REPLAYED, data.n_users)):
        own = data.items[data.indptr[user] : data.indptr[user + 1]][: KNOWN + FOLLOWING]
        came_at = now - 3400 + int(3300 * random.beta(1.6, 1.1))
        for place, item in enumerate(own.tolist()):
            later = place - KNOWN
            at = now - 7200 if later < 0 else came_at + 20 * later
            events.append(
                {"user_id": f"visitor-{user}", "item_id": items[item], "timestamp": min(at, now)}
            )
    events.sort(key=lambda event: event["timestamp"])
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        for start in range(0, len(events), 500):
            http.post("/v1/events", json={"events": events[start : start + 500]}).raise_for_status()
        for user in range(REPLAYED):
            http.get(f"/v1/users/visitor-{user}/recommendations").raise_for_status()


def begin(page: Page) -> None:
    """A new visitor picks five."""
    page.goto("/welcome")
    for word in PICKED:
        found = page.locator(".pick:not(:has(:checked))", has_text=word)
        (found if found.count() else page.locator(".pick:not(:has(:checked))")).first.click()
    page.get_by_role("button", name="Show my page").click()
    page.wait_for_selector(".row")


def keep(page: Page, name: str, folder: Path) -> None:
    """The picture of what is in sight."""
    page.wait_for_timeout(700)  # motion comes to rest
    path = folder / f"{name}.png"
    with Image.open(BytesIO(page.screenshot())) as shot:
        for mask in KEPT_BITS:
            shot.convert("RGB").point([i & mask for i in range(256)] * 3).save(path, optimize=True)
            if path.stat().st_size <= LARGEST:
                break
    sys.stdout.write(f"{path}  {path.stat().st_size / 1000:.0f} kB\n")


def storefront(page: Page, scheme: str, folder: Path) -> None:
    """What a visitor sees."""
    page.goto("/welcome")
    for place in (1, 4, 6):
        page.locator(".pick").nth(place).click()
    if scheme == "light":
        keep(page, "welcome", folder)
    begin(page)
    page.locator("#top .heart").nth(2).click()
    page.wait_for_selector(".toast")
    page.locator("#top .card").nth(1).hover()
    keep(page, f"storefront-{scheme}", folder)
    page.locator("#top .poster").first.click()
    page.wait_for_selector(".item")
    page.mouse.move(640, 40)
    keep(page, f"item-{scheme}", folder)


def desk(page: Page, scheme: str, folder: Path) -> None:
    """What the people see who run the service."""
    page.goto("/desk")
    keep(page, f"desk-{scheme}", folder)
    page.goto("/desk/map")
    page.wait_for_selector("#legend button")
    keep(page, f"map-{scheme}", folder)
    if scheme == "light":
        page.goto("/desk/models?user=visitor-7")
        keep(page, "models", folder)
        page.goto("/desk/drift")
        keep(page, "drift", folder)


def take(browser: Browser, url: str, scheme: str, folder: Path) -> None:
    """All pictures in light or dark."""
    context = browser.new_context(base_url=url, viewport=DESKTOP, color_scheme=scheme)
    page = context.new_page()
    page.on("pageerror", lambda error: sys.exit(f"a script failed: {error}"))
    storefront(page, scheme, folder)
    desk(page, scheme, folder)
    cookies = context.cookies()
    context.close()
    if scheme == "dark":
        phone = browser.new_context(
            base_url=url, viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True
        )
        phone.add_cookies(cookies)
        page = phone.new_page()
        page.goto("/")
        keep(page, "phone", folder)
        phone.close()


def main(run: Path, folder: Path) -> None:
    """Everything."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit(f"no browser: none of {', '.join(BROWSERS)} is in PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        beside = run.with_name(f"{run.name}-comparison")
        for each in (run, beside):
            if each.exists():
                shutil.copytree(each, Path(temporary, each.name))
        database = Path(temporary, "events.db")
        for manifest in sorted(Path(temporary, beside.name).glob("models/*/manifest.json")):
            if tm.open_run(manifest.parent).version != tm.open_run(run).version:
                with served(manifest.parent, database):
                    break
        with served(Path(temporary, run.name), database) as url, sync_playwright() as playwright:
            replay(run, url)
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                take(browser, url, scheme, folder)
            browser.close()


if __name__ == "__main__":
    given = [*map(Path, sys.argv[1:])]
    main(*(given + [Path("runs/demo"), IMAGES][len(given) :]))
