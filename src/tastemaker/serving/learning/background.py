"""Training beside the service, in a separate process, so that requests do not wait for it."""

import asyncio
import contextlib
import os
import sys

import structlog
from filelock import FileLock, Timeout

from tastemaker.bundle.store import Store
from tastemaker.errors import ConfigError
from tastemaker.serving.settings import ServiceSettings

log = structlog.get_logger("tastemaker.service")

COMMAND = (sys.executable, "-m", "tastemaker.cli.main", "learn")


class Learning:
    """Starts `tastemaker learn` at intervals, and never two at a time."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._store = Store(settings.run)
        self._leadership = FileLock(self._store.folder / "leader.lock")
        # Held from before the process starts until it has ended. The process takes the lock of its
        # training itself, but only seconds later, when all is imported.
        self._reservation = FileLock(self._store.folder / "background.lock")
        self._starting = asyncio.Lock()
        self._periodic_task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._result_tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether a training is running."""
        return self._process is not None and self._process.returncode is None

    def begin(self) -> None:
        """Starts checking for new events at intervals, if the settings enable it."""
        if self._settings.learn:
            self._periodic_task = asyncio.create_task(self._start_periodically())

    async def end(self) -> None:
        """Stops the checks, and ends a running training."""
        if self._periodic_task is not None:
            self._periodic_task.cancel()
        self._leadership.release()
        if self._process is not None and self.running:
            self._process.terminate()
            await self._process.wait()
        self._reservation.release()

    async def start(self, least: int) -> bool:
        """Starts a training; returns False if one is running already, of another worker or program.

        Args:
            least: smallest number of fresh events; with fewer nothing is trained.

        Raises:
            ConfigError: the folder of the versions cannot be written to.
        """
        async with self._starting:
            if self.running or not self._reserve():
                return False
            try:
                self._process = await self._started(least)
            except BaseException:
                self._reservation.release()
                raise
        task = asyncio.create_task(self._log_result(self._process))
        self._result_tasks.add(task)
        task.add_done_callback(self._result_tasks.discard)
        return True

    def _reserve(self) -> bool:
        """Reserves the training for this worker; returns False if another one or a program trains.

        Raises:
            ConfigError: the folder of the versions cannot be written to.
        """
        try:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            with self._store.training_lock():
                self._reservation.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise ConfigError(
                f"{self._store.folder} cannot be written to ({error.strerror}), but a training "
                "stores its result there"
            ) from None
        return True

    async def _started(self, least: int) -> asyncio.subprocess.Process:
        settings = self._settings
        return await asyncio.create_subprocess_exec(
            *COMMAND, str(settings.run),
            "--service", settings.service, "--least", str(least), "--json",
            # Every user of the machine can read a command line; the URL may hold a password.
            env=os.environ | {"TASTEMAKER_DATABASE": settings.database_url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def _start_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._settings.learn_every_s)
            with contextlib.suppress(OSError, ConfigError):
                if self._is_leader():
                    await self.start(self._settings.learn_from)

    def _is_leader(self) -> bool:
        """Whether this worker, of several, does the checks; another takes over if it ends."""
        if not self._leadership.is_locked:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(Timeout):
                self._leadership.acquire(timeout=0)
        return self._leadership.is_locked

    async def _log_result(self, process: asyncio.subprocess.Process) -> None:
        out, err = await process.communicate()
        self._reservation.release()
        if process.returncode == 0:
            log.info("learned", result=out.decode().strip())
        else:
            log.warning("learning failed", why=err.decode().strip()[-500:])
