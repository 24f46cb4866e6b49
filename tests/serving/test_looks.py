"""Looks: requests that come together look together, and none misses what was written before it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import tastemaker as tm
from tastemaker.errors import TastemakerError
from tastemaker.serving.http.problems import TooBusyError
from tastemaker.serving.live.live import Live
from tastemaker.serving.live.looks import USERS_AT_ONCE, Looks
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.tables import NewEvent
from tastemaker.testing.worlds import two_tastes


class CountedLive(Live):
    """Counts its looks; each waits until it may go on."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings)
        self.asked: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def looks(self, keys):
        self.asked.append(list(keys))
        assert self.may_go_on.wait(10)
        return super().looks(keys)


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


async def under_way(live: CountedLive, n: int = 1) -> None:
    """Waits until the n-th look has begun."""
    while len(live.asked) < n:
        await asyncio.sleep(0.001)


def test_whoever_comes_during_a_look_waits_for_the_next_and_all_of_them_for_one(
    live: CountedLive,
) -> None:
    async def main() -> None:
        looks = Looks(live, 100, 10)
        live.may_go_on.clear()
        first = asyncio.create_task(looks.of("0"))
        await under_way(live)
        live.events.append([event(1, "1")])
        others = [asyncio.create_task(looks.of(user)) for user in ("1", "2", "1", "0")]
        await asyncio.sleep(0)
        live.may_go_on.set()
        found = await asyncio.gather(first, *others)
        assert live.asked == [["0"], ["1", "2", "0"]]
        assert [look.key for look in found] == ["0", "1", "2", "1", "0"]
        assert [len(look.touched) for look in found] == [0, 1, 0, 1, 0]
        looks.close()

    asyncio.run(main())


def test_many_users_are_looked_for_in_groups(live: CountedLive) -> None:
    async def main() -> None:
        looks = Looks(live, 100, 10)
        users = [str(number) for number in range(2 * USERS_AT_ONCE + 3)]
        found = await asyncio.gather(*(looks.of(user) for user in users))
        assert [look.key for look in found] == users
        assert [len(keys) for keys in live.asked] == [USERS_AT_ONCE, USERS_AT_ONCE, 3]
        looks.close()

    asyncio.run(main())


def test_one_that_goes_away_leaves_the_others_waiting_for_the_same_user(live: CountedLive) -> None:
    async def main() -> None:
        looks = Looks(live, 100, 10)
        live.may_go_on.clear()
        going, staying = (asyncio.create_task(looks.of("3")) for _ in range(2))
        await under_way(live)
        going.cancel()
        live.may_go_on.set()
        assert (await staying).key == "3"
        assert going.cancelled()
        looks.close()

    asyncio.run(main())


def test_more_than_may_wait_are_sent_away_and_a_look_that_fails_fails_for_all_in_it(
    live: CountedLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        looks = Looks(live, 2, 10)
        live.may_go_on.clear()
        first = asyncio.create_task(looks.of("0"))
        await under_way(live)

        def fails(keys: list[str]) -> None:
            raise TastemakerError("it does not work")

        monkeypatch.setattr(live, "looks", fails)
        waiting = [asyncio.create_task(looks.of(user)) for user in ("1", "2")]
        await asyncio.sleep(0)
        with pytest.raises(TooBusyError, match="too many requests"):
            await looks.of("3")
        live.may_go_on.set()
        assert (await first).key == "0"
        for each in waiting:
            with pytest.raises(TastemakerError, match="it does not work"):
                await each
        monkeypatch.undo()
        assert (await looks.of("1")).key == "1"
        looks.close()

    asyncio.run(main())
