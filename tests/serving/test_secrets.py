"""Keys and passwords stay out of logs and of everything else that is printed."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from tastemaker.asgi import with_pages
from tastemaker.serving.app import make_app
from tastemaker.serving.settings import ServiceSettings

from .conftest import Databases, Serving
from .server import KEYS_MADE, tastemaker, until

STYLES = ["pretty", "json"]


def page_key_of(database: str) -> str:
    made = tastemaker("keys", "add", "--database", database, "--scope", "read", "--scope", "write")
    key = made.stdout.split()[-1]
    assert key in KEYS_MADE, "the check of the logs does not know the key"
    return key


@pytest.mark.parametrize("style", STYLES)
def test_no_failure_of_a_page_puts_its_key_into_the_log(
    style: str, ease_run: Path, new_database: Databases, serving: Serving
) -> None:
    database = new_database("sqlite")
    key = page_key_of(database)
    secret = key.partition(".")[2]
    with serving(ease_run, database, "--logs", style, page_key=key) as service:
        for path in ("/search?category=x", "/items/x", "/desk", "/desk/models?user=%00"):
            page = httpx2.get(service.url + path, headers={"Accept": "text/html"})
            assert page.status_code in (403, 404, 422), path
            assert "text/html" in page.headers["Content-Type"]
            assert secret not in page.text
        until(lambda: "/desk/models" in service.process.stderr.read_text(), 5)
        assert secret not in service.output()


FAILING = """
import sys
import structlog
from tastemaker.serving.http.telemetry import configure_logs

configure_logs(sys.argv[1])
key = "a key"
body = bytes(key, "ascii").hex()
try:
    raise ValueError("\x1b[2J")
except ValueError as error:
    structlog.get_logger().error("unforeseen", exc_info=error)
"""


@pytest.mark.parametrize("style", STYLES)
def test_a_traceback_in_the_log_shows_no_variables_and_moves_no_cursor(style: str) -> None:
    ended = subprocess.run([sys.executable, "-c", FAILING, style], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "Traceback" in ended.stderr
    assert "ValueError" in ended.stderr
    assert b"a key".hex() not in ended.stderr
    assert "\x1b[2J" not in ended.stderr


def test_settings_print_no_secret() -> None:
    settings = ServiceSettings(
        run=Path("run"),
        page_key=SecretStr("abc.secret"),
        database=SecretStr("postgresql://app:p%40ss%3Aword@db/events"),
    )
    for text in (repr(settings), str(settings), str(settings.model_dump())):
        assert "secret" not in text
        assert "word@db" not in text
    assert settings.shown_database == "postgresql://app:***@db/events"
    pages = with_pages(make_app(settings), settings)
    assert "secret" not in repr(vars(pages.router.routes[-1]))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:p@ss:Secret@host:5432/db",
        "postgresql://app:p@Secret@host/db",
        "postgresql://app:Secret@host:port/db",
        "mysql://app:Secret@host/db",
    ],
)
def test_an_invalid_database_url_shows_no_part_of_its_password(ease_run: Path, url: str) -> None:
    ended = tastemaker("serve", ease_run, "--port", 0, "--database", url)
    assert ended.returncode == 2
    assert "the database URL cannot be used" in ended.stderr
    assert "Secret" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://"])
def test_a_database_in_memory_is_refused(ease_run: Path, url: str) -> None:
    ended = tastemaker("serve", ease_run, "--port", 0, "--database", url)
    assert ended.returncode == 2
    assert "a database in memory is lost with its connection; name a file" in ended.stderr
