"""Whatever a service says on standard error is a line of its log."""

import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from tastemaker.serving.http.telemetry import configure_logs


@pytest.fixture
def _logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging.getLogger(), "handlers", logging.getLogger().handlers)
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs_as_before")
def test_an_error_that_ends_a_thread_is_logged_in_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json")
    thread = threading.Thread(target=lambda: 1 // 0, name="follow")
    thread.start()
    thread.join()
    line = json.loads(capfd.readouterr().err)
    assert line["event"] == "thread ended with an error"
    assert (line["thread"], line["level"]) == ("follow", "error")
    assert "ZeroDivisionError" in line["exception"]


@pytest.mark.usefixtures("_logs_as_before")
def test_a_warning_of_a_library_is_logged_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("some.library").warning("%s was lost\x1b[2J", "it", exc_info=True)
    line = json.loads(capfd.readouterr().err)
    assert (line["logger"], line["level"]) == ("some.library", "warning")
    assert line["event"].startswith("it was lost")
    assert "\x1b" not in line["event"]
    assert "OSError: gone" in line["exception"]
