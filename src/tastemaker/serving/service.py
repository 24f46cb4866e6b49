"""The service as an object: what all routes share."""

import gc
import time

from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.rates import Rates
from tastemaker.serving.http.telemetry import Telemetry
from tastemaker.serving.learning.background import Learning
from tastemaker.serving.live.answers import Answers
from tastemaker.serving.live.live import Live, Snapshot
from tastemaker.serving.live.looks import Looks
from tastemaker.serving.live.similar import Similar
from tastemaker.serving.settings import ServiceSettings
from tastemaker.wire import AskedUser, Listing

WARMING = 8
"""Users whose lists are made before the first request."""

AS_OF_NOW_S = 1.0
"""How old what is known of keys may be on a database that must be asked over the network."""


class Service:
    """One worker's."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Opens nothing yet."""
        self.settings = settings
        self.live = Live(settings)
        self.gate = Gate(settings.threads, settings.max_queued, settings.request_timeout_s)
        # Writes wait for each other, and reads are not to wait with them. SQLite has one writer at
        # a time: in line each comes in its turn, while those that contend for its lock sleep and
        # try again, and some of them come last again and again.
        writers = 1 if self.live.database.is_sqlite else settings.threads
        self.writing = Gate(writers, settings.max_queued, settings.request_timeout_s)
        self.rates = Rates(settings.rate, settings.burst)
        self.telemetry = Telemetry()
        self.looks = Looks(self.live, settings.max_queued, settings.request_timeout_s)
        self.answers = Answers(self.live, self.looks, self.gate, self.telemetry)
        self.similar = Similar(self.live)
        self.learning = Learning(settings)
        self._looked_at = 0.0

    def start(self) -> None:
        """Opens the run and the database.

        Raises:
            ArtifactError: the run cannot be opened.
            ConfigError: others could reach the service without a key.
        """
        self.live.start()
        if not self.live.held.degraded:
            # With a database that cannot be read, nobody's key is known, and nobody is let in.
            self.settings.refuse_exposure(bool(self.live.held.keys.valid))
        self._warm_up()

    def stop(self) -> None:
        """Lets what runs end."""
        self.looks.close()
        self.gate.close()
        self.writing.close()
        self.live.stop()

    def _warm_up(self) -> None:
        """Makes some lists, so that the first to ask does not wait for what is made only once."""
        everything = self.live.held.deployed.everything
        users = everything.user_vocabulary.ids[:WARMING]
        items = everything.item_vocabulary.ids[:WARMING]

        def lists() -> None:
            for user in users:
                self.live.recommend([AskedUser(user_id=user)], Listing())
                self.live.recommend([AskedUser(history=items)], Listing())

        self.gate.in_all_threads(lists)
        # What is there by now stays: looking through it for garbage again and again would make
        # somebody wait a tenth of a second each time.
        gc.collect()
        gc.freeze()

    async def recent_snapshot(self) -> Snapshot:
        """What is in memory, looked at a moment ago."""
        if self.live.database.is_sqlite and self.live.joined:
            return self.live.snapshot()  # takes microseconds, and waits for nobody
        now = time.monotonic()
        if now - self._looked_at < AS_OF_NOW_S:
            return self.live.held
        self._looked_at = now
        return await self.gate.run(self.live.snapshot)

    def asks_for_keys(self, snapshot: Snapshot) -> bool:
        """Whether a request needs a key: where others could reach it, or once one was made."""
        return self.settings.is_exposed or self.settings.require_key or snapshot.keys.ever
