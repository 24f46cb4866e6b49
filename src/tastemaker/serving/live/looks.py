"""Looks: requests that arrive at the same time share a read of the database (a look)."""

import asyncio
from functools import partial
from itertools import islice

from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.problems import TooBusyError
from tastemaker.serving.live.live import Live, Look

USERS_AT_ONCE = 16
"""Maximum number of users of one look; the events of each are in memory until the responses."""


class Looks:
    """Reads the database for one group of users at a time, in a thread of its own.

    A request that arrives during a look waits for the next one, which begins after the request and
    so sees everything that was written before it.
    """

    def __init__(self, live: Live, max_queued: int, longest_s: float) -> None:
        """Starts no look yet.

        Args:
            live: performs the looks.
            max_queued: maximum number of users that wait for a look.
            longest_s: timeout of a look in seconds.
        """
        self._live, self._max_queued = live, max_queued
        self._gate = Gate(1, 0, longest_s)
        self._waiting: dict[str, asyncio.Future[Look]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def of(self, key: str) -> Look:
        """Returns the current snapshot, and what a user touched.

        Raises:
            TooBusyError: too many users wait already.
            TooSlowError: the look took too long.
        """
        if key not in self._waiting:
            if len(self._waiting) >= self._max_queued:
                raise TooBusyError("too many requests at once; try again in a second")
            self._waiting[key] = asyncio.get_running_loop().create_future()
        look = self._waiting[key]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_in_turn())
        # If one of several requests for the same user is cancelled, the others still get the look.
        return await asyncio.shield(look)

    def close(self) -> None:
        """Waits for a running look to end."""
        self._gate.close()

    async def _look_in_turn(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, USERS_AT_ONCE))
            futures = [self._waiting.pop(key) for key in keys]
            try:
                looks = await self._gate.run(partial(self._live.looks, keys))
            except Exception as error:
                for future in futures:
                    future.set_exception(error)
            else:
                for key, future in zip(keys, futures, strict=True):
                    future.set_result(looks[key])
