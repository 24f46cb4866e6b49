"""Looks: requests that come at the same time look into the database together."""

import asyncio
from functools import partial
from itertools import islice

from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.problems import TooBusyError
from tastemaker.serving.live.live import Live, Look

USERS_AT_ONCE = 16
"""Most users of one look: the events of each are in memory until its requests are answered."""


class Looks:
    """Looks into the database for one group of users at a time, in a thread of its own.

    Whoever comes while a look is under way waits for the next one, which begins later than the
    request and so sees everything that was written before it.
    """

    def __init__(self, live: Live, max_queued: int, longest_s: float) -> None:
        """Opens nothing yet.

        Args:
            live: looks.
            max_queued: users that may wait for a look.
            longest_s: seconds that a look may take.
        """
        self._live, self._max_queued = live, max_queued
        self._gate = Gate(1, 0, longest_s)
        self._waiting: dict[str, asyncio.Future[Look]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def of(self, key: str) -> Look:
        """What is in memory by now, and what a user did.

        Raises:
            TooBusyError: too many wait already.
            TooSlowError: the look took too long.
        """
        if key not in self._waiting:
            if len(self._waiting) >= self._max_queued:
                raise TooBusyError("too many requests at once; try again in a second")
            self._waiting[key] = asyncio.get_running_loop().create_future()
        look = self._waiting[key]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_in_turn())
        # Of several that wait for the same user, one that goes away leaves the others waiting.
        return await asyncio.shield(look)

    def close(self) -> None:
        """Lets a look that is under way end."""
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
