"""Fixtures that many tests share."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers that each use every core get in each other's way; must be set before torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# Two busy cores make single examples slow at random; a deadline would make tests flaky.
settings.register_profile("tastemaker", deadline=None)
settings.load_profile("tastemaker")


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
