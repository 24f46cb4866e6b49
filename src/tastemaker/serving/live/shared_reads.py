"""Shared reads: requests that arrive at the same time share one read of the database."""

import asyncio
from functools import partial
from itertools import islice

from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.problems import TooBusyError
from tastemaker.serving.live.live import Live, UserSnapshot

USERS_AT_ONCE = 16
"""Maximum number of users in one read; the events of each are in memory until the responses."""


class SharedReads:
    """Reads the database for one group of users at a time, in a thread of its own.

    A request that arrives during a read waits for the next one, which begins after the request and
    so includes everything that was written before it.
    """

    def __init__(self, live: Live, max_queued: int, timeout_s: float) -> None:
        """Starts no read yet.

        Args:
            live: performs the reads.
            max_queued: maximum number of users that wait for a read.
            timeout_s: timeout of a read in seconds.
        """
        self._live, self._max_queued = live, max_queued
        self._gate = Gate(1, 0, timeout_s)
        self._waiting: dict[str, asyncio.Future[UserSnapshot]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def read(self, key: str) -> UserSnapshot:
        """Returns the current snapshot, and what a user touched.

        Raises:
            TooBusyError: too many users wait already.
            TooSlowError: the read took too long.
        """
        if key not in self._waiting:
            if len(self._waiting) >= self._max_queued:
                raise TooBusyError("too many requests at once; try again in a second")
            self._waiting[key] = asyncio.get_running_loop().create_future()
        user_snapshot = self._waiting[key]
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_waiting())
        # If one of several requests for the same user is cancelled, the others still get it.
        return await asyncio.shield(user_snapshot)

    def close(self) -> None:
        """Waits for a running read to end."""
        self._gate.close()

    async def _read_waiting(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, USERS_AT_ONCE))
            futures = [self._waiting.pop(key) for key in keys]
            try:
                user_snapshots = await self._gate.run(partial(self._live.user_snapshots, keys))
            except Exception as error:
                for future in futures:
                    future.set_exception(error)
            else:
                for key, future in zip(keys, futures, strict=True):
                    future.set_result(user_snapshots[key])
