"""The service object, which all routes share."""

import asyncio
import gc
import time

from tastemaker.serving.http.gate import Gate
from tastemaker.serving.http.rates import Rates
from tastemaker.serving.http.telemetry import Telemetry
from tastemaker.serving.learning.background import Learning
from tastemaker.serving.live.list_responses import ListResponses
from tastemaker.serving.live.live import Live, Snapshot
from tastemaker.serving.live.shared_reads import SharedReads
from tastemaker.serving.live.similar import SimilarItemsCache
from tastemaker.serving.settings import ServiceSettings
from tastemaker.wire import AskedUser, Listing

N_WARM_UP_USERS = 2
"""Number of users whose lists each thread computes before the first request."""

MEASURE_EVERY_S = 1.0
"""Seconds between updates of a worker's gauges."""

MAX_SNAPSHOT_AGE_S = 1.0
"""Maximum age, in seconds, of the API keys in memory, for a database on the network."""


class Service:
    """The parts of the service in one worker process."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Creates the parts; opens neither the run nor the database."""
        self.settings = settings
        self.live = Live(settings)
        self.gate = Gate(settings.threads, settings.max_queued, settings.request_timeout_s)
        # Writes wait for each other, so they have a gate of their own, and reads do not wait with
        # them. SQLite allows one writer at a time: a single thread writes in order of arrival,
        # whereas threads that contend for the lock sleep and retry, and some wait very long.
        writers = 1 if self.live.database.is_sqlite else settings.threads
        self.write_gate = Gate(writers, settings.max_queued, settings.request_timeout_s)
        # Opening a large model takes minutes. If such a request were cut off, the client would send
        # it again, and the model would be deployed several times.
        self.deploy_gate = Gate(1, settings.max_queued, timeout_s=None)
        self.rates = Rates(settings.rate, settings.burst)
        self.telemetry = Telemetry()
        self.shared_reads = SharedReads(self.live, settings.max_queued, settings.request_timeout_s)
        self.list_responses = ListResponses(self.live, self.shared_reads, self.gate, self.telemetry)
        self.similar = SimilarItemsCache(self.live)
        self.learning = Learning(settings)
        self._snapshot_read_at = 0.0

    def start(self) -> None:
        """Opens the run and the database.

        Raises:
            ArtifactError: the run cannot be opened.
            ConfigError: other machines could reach the service without a key.
        """
        self.live.start()
        if not self.live.last_snapshot.degraded:
            # While the database cannot be read no key is valid, so an exposed service admits no
            # request.
            self.settings.refuse_exposure(bool(self.live.last_snapshot.keys.valid))
        self._warm_up()

    def stop(self) -> None:
        """Cancels waiting work, waits for running work, and closes the database."""
        self.shared_reads.close()
        self.gate.close()
        self.write_gate.close()
        self.deploy_gate.close()
        self.live.stop()

    def _warm_up(self) -> None:
        """Computes some lists, so that the first request need not wait for one-time set-up."""
        everything = self.live.last_snapshot.deployed.everything
        users = everything.user_vocabulary.ids[:N_WARM_UP_USERS]
        items = everything.item_vocabulary.ids[:N_WARM_UP_USERS].to_list()
        # Not validated, since the training data may contain ids that no request can.
        requests = [AskedUser.model_construct(user_id=user) for user in users]
        requests.append(AskedUser.model_construct(history=items))

        def compute_lists() -> None:
            for user in requests:
                self.live.recommend([user], Listing())

        self.gate.in_all_threads(compute_lists)
        # Nearly all objects that exist by this time stay alive. Freezing them keeps the garbage
        # collector from scanning them repeatedly, which would delay a request by a tenth of a
        # second each time. A collection before it would delay the start as long, and free little.
        gc.freeze()

    def measure(self) -> None:
        """Sets the gauges of this worker to its current state."""
        gates = self.gate, self.write_gate, self.deploy_gate
        snapshot = self.live.last_snapshot
        self.telemetry.inside.set(sum(gate.n_calls for gate in gates))
        self.telemetry.degraded.set(snapshot.degraded)
        self.telemetry.model_missing.set(snapshot.deployed.missing is not None)

    async def measure_periodically(self) -> None:
        """Keeps the gauges current, since another worker may answer the request for the metrics."""
        while True:
            self.measure()
            await asyncio.sleep(MEASURE_EVERY_S)

    async def recent_snapshot(self) -> Snapshot:
        """Returns the snapshot in memory; with a database on the network it may be a second old."""
        if self.live.database.is_sqlite and self.live.joined:
            snapshot = self.live.current_snapshot()
            return await self.gate.run(self.live.snapshot) if snapshot is None else snapshot
        now = time.monotonic()
        if now - self._snapshot_read_at < MAX_SNAPSHOT_AGE_S:
            return self.live.last_snapshot
        self._snapshot_read_at = now
        return await self.gate.run(self.live.snapshot)

    def requires_key(self, snapshot: Snapshot) -> bool:
        """Whether requests need a key: if exposed, if set so, or once any key was created."""
        return self.settings.is_exposed or self.settings.require_key or snapshot.keys.any_created
