"""Fixtures that many tests share."""

import os
import signal
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each use every core get in each other's way; must be set before torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tastemaker.native import library

# A suite that was started in the background ignores Ctrl-C, and so would the commands that it
# starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Two busy cores make single examples slow at random; a deadline would make tests flaky. The same
# examples in every run: what passes once passes again. `make test-hard` draws others by seed.
settings.register_profile("tastemaker", derandomize=True, deadline=None, database=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("tastemaker")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--plain-forms", action="store_true", help="run as if nothing had been compiled"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--plain-forms"):
        library._library = lambda: None


@pytest.fixture
def data_folder() -> Path:
    """The folder with real data sets, or a skip that says why."""
    given = os.environ.get("TASTEMAKER_DATA")
    if not given:
        pytest.skip("TASTEMAKER_DATA is unset: it names the folder with the real data sets")
    return Path(given)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no data folder, as on a fresh machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TASTEMAKER_DATA", raising=False)
    return tmp_path / "cache" / "tastemaker"


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What trains on "auto" does so on the processor, as figures of its kernels and seeds ask."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
