"""The gate: a thread pool with a bounded queue and a timeout."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from tastemaker.serving.http.problems import TooBusyError, TooSlowError

Result = TypeVar("Result")


class Gate:
    """Runs computations and database access in threads, off the event loop.

    A longer queue would only delay every request, so a request that arrives when the queue is full
    is rejected.

    Args:
        threads: number of threads.
        max_queued: maximum number of calls that wait for a thread.
        timeout_s: timeout of a call in seconds, including the wait; None for no limit.
    """

    def __init__(self, threads: int, max_queued: int, timeout_s: float | None) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="serve")
        self._max_calls, self._timeout_s = threads + max_queued, timeout_s
        self.n_calls = 0
        """Number of calls that are running or waiting."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Runs `work` in a thread and returns its result.

        Raises:
            TooBusyError: the queue is full.
            TooSlowError: it took too long; work that has begun may nevertheless be done.
        """
        if self.n_calls >= self._max_calls:
            raise TooBusyError("too many requests at once; try again in a second")
        self.n_calls += 1
        future = self._pool.submit(work)
        future.add_done_callback(self._count_down)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            outcome = (
                "and was aborted before it began; try again"
                if future.cancel()
                else "and may still complete; check the result before trying again"
            )
            raise TooSlowError(
                f"the request took longer than {self._timeout_s:g} seconds {outcome}"
            ) from None

    def in_all_threads(self, work: Callable[[], object]) -> None:
        """Runs `work` once in every thread, for set-up that each thread needs."""
        barrier = Barrier(self._threads)

        def wait_and_work() -> None:
            barrier.wait()
            work()

        for future in [self._pool.submit(wait_and_work) for _ in range(self._threads)]:
            future.result()

    def close(self) -> None:
        """Cancels waiting work, and waits for running work to end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _count_down(self, _: object) -> None:
        # Usually called in the worker thread, so the event loop may see the lower count a moment
        # late.
        self.n_calls -= 1
