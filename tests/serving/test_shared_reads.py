"""Shared reads: concurrent requests share a read, and each read includes all earlier writes."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tastemaker as tm
from tastemaker.errors import TastemakerError
from tastemaker.serving.http.problems import TooBusyError
from tastemaker.serving.live.live import Live
from tastemaker.serving.live.shared_reads import USERS_AT_ONCE, SharedReads
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.tables import NewEvent
from tastemaker.testing.worlds import two_tastes


class CountedLive(Live):
    """Records the users of each read, which waits until `may_go_on` is set."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings)
        self.requested: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def user_snapshots(self, keys):
        self.requested.append(list(keys))
        assert self.may_go_on.wait(10)
        return super().user_snapshots(keys)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[CountedLive]:
    tm.save_run(tmp_path / "run", tm.EASE().fit(tm.no_holdout(two_tastes())))
    live = CountedLive(ServiceSettings(run=tmp_path / "run"))
    live.start()
    yield live
    live.may_go_on.set()
    live.stop()


def event(number: int, user: str) -> NewEvent:
    return NewEvent(f"e{number}", user, "5", 1_700_000_000, "view")


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have a loop in this thread
        pool.submit(lambda: asyncio.run(main())).result()


async def under_way(live: CountedLive, n: int = 1) -> None:
    """Waits until the n-th read has begun."""
    while len(live.requested) < n:
        await asyncio.sleep(0.001)


def test_requests_during_a_read_share_the_next_one(
    live: CountedLive,
) -> None:
    async def main() -> None:
        shared_reads = SharedReads(live, 100, 10)
        live.may_go_on.clear()
        first = asyncio.create_task(shared_reads.read("0"))
        await under_way(live)
        live.events.append([event(1, "1")])
        others = [asyncio.create_task(shared_reads.read(user)) for user in ("1", "2", "1", "0")]
        await asyncio.sleep(0)
        live.may_go_on.set()
        snapshots = await asyncio.gather(first, *others)
        assert live.requested == [["0"], ["1", "2", "0"]]
        assert [snapshot.key for snapshot in snapshots] == ["0", "1", "2", "1", "0"]
        assert [len(snapshot.stored.touched) for snapshot in snapshots] == [0, 1, 0, 1, 0]
        shared_reads.close()

    run(main)


def test_many_users_are_looked_up_in_groups(live: CountedLive) -> None:
    async def main() -> None:
        shared_reads = SharedReads(live, 100, 10)
        users = [str(number) for number in range(2 * USERS_AT_ONCE + 3)]
        snapshots = await asyncio.gather(*(shared_reads.read(user) for user in users))
        assert [snapshot.key for snapshot in snapshots] == users
        assert [len(keys) for keys in live.requested] == [USERS_AT_ONCE, USERS_AT_ONCE, 3]
        shared_reads.close()

    run(main)


def test_a_cancelled_request_does_not_cancel_others_for_the_same_user(live: CountedLive) -> None:
    async def main() -> None:
        shared_reads = SharedReads(live, 100, 10)
        live.may_go_on.clear()
        cancelled, remaining = (asyncio.create_task(shared_reads.read("3")) for _ in range(2))
        await under_way(live)
        cancelled.cancel()
        live.may_go_on.set()
        assert (await remaining).key == "3"
        assert cancelled.cancelled()
        shared_reads.close()

    run(main)


def test_requests_over_the_limit_are_refused_and_a_failed_read_fails_all_its_requests(
    live: CountedLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        shared_reads = SharedReads(live, 2, 10)
        live.may_go_on.clear()
        first = asyncio.create_task(shared_reads.read("0"))
        await under_way(live)

        def fails(keys: list[str]) -> None:
            raise TastemakerError("it does not work")

        monkeypatch.setattr(live, "user_snapshots", fails)
        waiting = [asyncio.create_task(shared_reads.read(user)) for user in ("1", "2")]
        await asyncio.sleep(0)
        with pytest.raises(TooBusyError, match="too many requests"):
            await shared_reads.read("3")
        live.may_go_on.set()
        assert (await first).key == "0"
        for each in waiting:
            with pytest.raises(TastemakerError, match="it does not work"):
                await each
        monkeypatch.undo()
        assert (await shared_reads.read("1")).key == "1"
        shared_reads.close()

    run(main)
