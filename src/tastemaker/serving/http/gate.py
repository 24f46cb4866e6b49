"""The gate: so many threads, so many who may wait for one, and no longer than so long."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from tastemaker.serving.http.problems import TooBusyError, TooSlowError

Result = TypeVar("Result")


class Gate:
    """Runs what computes or waits for the database, off the event loop.

    A growing queue would only make everybody late: beyond its length, whoever comes is sent away.
    """

    def __init__(self, threads: int, max_queued: int, longest_s: float) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="serve")
        self._most, self._longest_s = threads + max_queued, longest_s
        self.inside = 0
        """Running and waiting."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` gives.

        Raises:
            TooBusyError: too many wait already.
            TooSlowError: it took too long; it may have been done nevertheless.
        """
        if self.inside >= self._most:
            raise TooBusyError("too many requests at once; try again in a second")
        self.inside += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(self._longest_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise TooSlowError(
                f"this took longer than {self._longest_s:g} seconds and was given up; "
                "try again, or ask for less at once"
            ) from None

    def in_all_threads(self, work: Callable[[], object]) -> None:
        """Does something once in every thread, as what each of them does for its first time."""
        together = Barrier(self._threads)

        def at_once() -> None:
            together.wait()
            work()

        for future in [self._pool.submit(at_once) for _ in range(self._threads)]:
            future.result()

    def close(self) -> None:
        """Lets what runs end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: object) -> None:
        # Called in the thread that did the work: a subtraction that a reader may see a moment late.
        self.inside -= 1
