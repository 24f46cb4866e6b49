"""The image: what its Dockerfile says, and what the result does on a read-only file system."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tastemaker.client import Client
from tastemaker.wire import Event

from ..serving.conftest import cluster_or_skip
from ..serving.postgres import Cluster
from ..serving.server import LONGEST_START_S, until
from .container import REPOSITORY, Image, inside, instructions, is_in_context, last, stop

FOUND = instructions(REPOSITORY / "Dockerfile")

needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("unshare"),
    reason="only root can mount a file system read-only and become the user of the image",
)


def test_all_that_is_copied_is_in_the_context_and_nothing_else() -> None:
    copied = {
        source
        for name, value in FOUND
        if name == "COPY" and not value.startswith("--from")
        for source in value.split()[:-1]
    }
    assert copied == {path.name for path in REPOSITORY.iterdir() if is_in_context(path.name)}


def test_the_user_is_a_number_other_than_that_of_root() -> None:
    user, group = map(int, last(FOUND, "USER").value.split(":"))
    assert user > 0
    assert group > 0


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD", "HEALTHCHECK"])
def test_commands_are_started_without_a_shell(name: str) -> None:
    assert last(FOUND, name).command


def test_one_port_is_exposed() -> None:
    assert [value for name, value in FOUND if name == "EXPOSE"] == ["8000"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"), REPOSITORY / "Dockerfile")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty volume, owned by the image's user as /runs of the image."""
    folder = tmp_path_factory.mktemp("runs")
    os.chown(folder, *map(int, last(FOUND, "USER").value.split(":")))
    return folder


@pytest.fixture(scope="module")
def database() -> Iterator[tuple[Path, str]]:
    """A folder to mount at /database, and the URL of a database through it."""
    for cluster in cluster_or_skip():
        yield _reachable(cluster)


def _reachable(cluster: Cluster) -> tuple[Path, str]:
    cluster.folder.chmod(0o755)  # the image's user must get to the socket
    return cluster.folder, cluster.new_database().replace(str(cluster.folder), "/database")


@contextmanager
def running(command: list[str], output: Path) -> Iterator[subprocess.Popen]:
    """A container, which is killed at the end unless it has ended."""
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            yield process
        finally:
            if process.poll() is None:
                stop(process)


@pytest.mark.slow
@needs_root
def test_the_image_trains_and_serves_on_a_read_only_file_system(
    image: Image, runs: Path, database: tuple[Path, str], tmp_path: Path
) -> None:
    user, entrypoint = last(FOUND, "USER").value, last(FOUND, "ENTRYPOINT").command
    folder, url = database

    def tastemaker(*arguments: str, how: str = "rw", **environment: object) -> list[str]:
        variables = {
            f"TASTEMAKER_{name.upper()}": str(value) for name, value in environment.items()
        }
        return image.command(
            [*entrypoint, *arguments], user=user, environment={"OMP_NUM_THREADS": "1", **variables},
            mounts={"/runs": (runs, how), "/database": (folder, "ro")},
        )  # fmt: skip

    finished(tastemaker("train", "synthetic", "--set", "epochs=1", "--out", "/runs/model"))
    assert {path.name for path in runs.iterdir()} == {"model"}

    exposed = subprocess.run(
        tastemaker(*last(FOUND, "CMD").command, how="ro", database=url),
        capture_output=True,
        text=True,
    )
    assert exposed.returncode == 2
    assert "tastemaker keys add" in exposed.stderr

    scopes = ("--scope", "read", "--scope", "write")
    key = finished(tastemaker("keys", "add", *scopes, database=url)).strip()

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = tastemaker(
        *last(FOUND, "CMD").command, how="ro", database=url, page_key=key, port=port
    )
    with running(started, tmp_path / "log") as process:
        log = (tmp_path / "log").read_text
        until(lambda: process.poll() is not None or "serving" in log(), LONGEST_START_S, log)
        assert process.poll() is None, log()
        check = last(FOUND, "HEALTHCHECK").command
        until(lambda: is_healthy(process, check), LONGEST_START_S, log)
        with Client(f"http://127.0.0.1:{port}", key=key) as client:
            before = client.recommend(1, k=5).items
            client.record(Event(user_id=1, item_id=before[0].item_id))
            assert before[0].item_id not in {item.item_id for item in client.recommend(1).items}
        page = httpx2.get(f"http://127.0.0.1:{port}/", follow_redirects=True)
        assert page.status_code == 200
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/trending").status_code == 401
        files = ["find", "/tmp", "-xdev", "!", "-type", "d"]  # not in this machine's folders
        assert subprocess.check_output(inside(process, files), text=True) == ""
        assert stop(process) == 0
    assert {path.name for path in runs.iterdir()} == {"model"}


def finished(command: list[str]) -> str:
    """Runs a container to its end, and returns what it prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_healthy(process: subprocess.Popen, check: list[str]) -> bool:
    return subprocess.run(inside(process, check), capture_output=True).returncode == 0
