"""Live: the current model, the current catalog, and users' histories with the latest events."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.data.dataset import Dataset
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.lists import ListRequest, RankedList, make_lists
from tastemaker.serving.live.people import Person, digest, gather, person_of
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.trending import TrendingCache, TrendingScores
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.database import ChangeToken, Database
from tastemaker.serving.store.deployments import (
    DeploymentLog,
    DeploymentRecord,
    Reason,
    open_deployment,
)
from tastemaker.serving.store.events import EventStore, Looked, hashed
from tastemaker.serving.store.items import ItemChanges, ItemStore
from tastemaker.serving.store.keys import NO_KEYS, Keys, KeyStore
from tastemaker.serving.store.outages import DatabaseAwayError, DatabaseRefusedError
from tastemaker.serving.store.touches import Touched
from tastemaker.serving.store.trending import TrendingStore
from tastemaker.wire import AskedUser, Listing

JOIN_EVERY_S = 10.0
"""Seconds between a worker's attempts to set up a database that has refused it."""

FOLLOW_EVERY_S = 5.0
"""Seconds between a worker's attempts to open a deployed model that it could not open."""

log = structlog.get_logger("tastemaker.service")


@dataclass(frozen=True, eq=False)
class Deployed:
    """The current model, with its deployment and data."""

    bundle: Bundle
    record: DeploymentRecord
    everything: Dataset
    """All data of the run, hold-outs included."""
    missing: DeploymentRecord | None = None
    """The deployment that should serve instead, but cannot be opened by this worker, if any."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a worker in memory; immutable, and replaced after changes."""

    deployed: Deployed
    catalog: LiveCatalog
    forgotten: frozenset[str]
    keys: Keys
    token: ChangeToken | None
    """State of the database when it was read; None if it must be read again."""
    degraded: bool = False


@dataclass(frozen=True, eq=False)
class Look:
    """A snapshot, and what a user touched in events (empty while the database is unavailable)."""

    key: str
    snapshot: Snapshot
    touched: list[Touched]

    @property
    def person(self) -> Person:
        """The user with the joined history of training data and events."""
        forgotten = hashed(self.key) in self.snapshot.forgotten
        return person_of(self.snapshot.deployed.everything, self.key, self.touched, forgotten)


@dataclass(frozen=True, eq=False)
class LiveLists:
    """Lists, and the data on which they depend."""

    snapshot: Snapshot
    lists: list[RankedList]
    digests: dict[str, int]
    """For the key of each user, a digest of what the user touched in events."""


class Live:
    """Makes the lists of all users, and keeps the snapshot up to date; thread-safe."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Creates the stores; opens neither the run nor the database.

        Raises:
            ConfigError: the database's URL is invalid.
        """
        self.settings = settings
        self.database = Database(settings.database_url)
        self.events = EventStore(self.database)
        self.items = ItemStore(self.database)
        self.deployments = DeploymentLog(self.database, settings.service)
        self.keys = KeyStore(self.database)
        self.half_life_s = settings.trending_half_life_h * 3600
        self._trending_store = TrendingStore(self.database)
        self._trending = TrendingCache(self._trending_store)
        self._swapping, self._refreshing = threading.Lock(), threading.Lock()
        self._snapshot: Snapshot | None = None
        self._joined = False
        self._refused: DatabaseRefusedError | None = None
        self._join_again_at = self._follow_again_at = 0.0

    def start(self) -> None:
        """Opens the model that is to serve, and reads the state of the database.

        The model is the last deployed one, or the run's if that was never deployed. While the
        database is unavailable the run's model serves; the rest is read once it is available.

        Raises:
            ArtifactError: the run cannot be opened.
        """
        bundle = open_run(self.settings.run, self.settings.device)
        deployed = Deployed(bundle, _unrecorded(bundle), bundle.split.everything)
        nothing = LiveCatalog.of(RunItems(bundle.model))
        self._snapshot = Snapshot(deployed, nothing, frozenset(), NO_KEYS, None, degraded=True)
        self.snapshot()

    def stop(self) -> None:
        """Closes the database's connections."""
        self.database.dispose()

    @property
    def joined(self) -> bool:
        """Whether the worker has joined the database (`_join`), so that reads of it are quick."""
        return self._joined

    @property
    def held(self) -> Snapshot:
        """The snapshot in memory, which may be outdated."""
        assert self._snapshot is not None, "start() was not called"
        return self._snapshot

    def snapshot(self) -> Snapshot:
        """Returns the snapshot in memory, which is updated first if the database has changed."""
        return self._looking(lambda: Looked(self.database.change_token(), {}))[0]

    def look(self, key: str) -> Look:
        """Returns the updated snapshot, and what a user touched in events."""
        return self.looks([key])[key]

    def looks(self, keys: Sequence[str]) -> dict[str, Look]:
        """Returns a look for each of several users, with the same snapshot."""
        snapshot, touched = self._looking(lambda: self.events.look(keys))
        return {key: Look(key, snapshot, touched.get(key, [])) for key in keys}

    def _looking(self, look: Callable[[], Looked]) -> tuple[Snapshot, dict[str, list[Touched]]]:
        held = self.held
        try:
            if not self._joined:
                self._join()
            token, touched = look()
            held = self.held
            if held.deployed.missing and time.monotonic() > self._follow_again_at:
                self._begin_to_follow()
            if held.token == token and not held.degraded:
                return held, touched
            with self._refreshing:
                # Read again, since another thread may have read a newer state meanwhile.
                return self._refreshed(self.database.change_token()), touched
        except DatabaseAwayError:
            if not held.degraded:
                self._snapshot = held = replace(held, degraded=True)
            return held, {}

    def readiness(self) -> Snapshot:
        """Returns the snapshot.

        It is degraded also if events cannot be read, or the database refused a statement recently.
        """
        snapshot = self.snapshot()
        try:
            self.events.probe()
        except DatabaseAwayError:
            return replace(snapshot, degraded=True)
        return replace(snapshot, degraded=snapshot.degraded or self.database.refused_lately)

    def recommend(self, users: Sequence[AskedUser], listing: Listing) -> LiveLists:
        """Returns a list for each user.

        Raises:
            ConfigError: no item is in one of the categories.
            UnknownIdError: an id in a history or in `exclude` is text where ids are whole numbers.
            UnsupportedError: diversity or reasons are requested of a model that has none.
        """
        snapshot = self.snapshot()
        asked = ListRequest.of(listing, snapshot.catalog)
        events = None if snapshot.degraded else self.events
        gathered = gather(users, snapshot.deployed.everything, snapshot.forgotten, events)
        lists = self._lists(snapshot, asked, gathered.people)
        if not gathered.complete:
            snapshot = replace(snapshot, degraded=True)
        return LiveLists(snapshot, lists, gathered.digests)

    def recommend_to(self, look: Look, listing: Listing) -> LiveLists:
        """Returns the list for the user of a look.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are requested of a model that has none.
        """
        snapshot = look.snapshot
        asked = ListRequest.of(listing, snapshot.catalog)
        lists = self._lists(snapshot, asked, [look.person])
        return LiveLists(snapshot, lists, {look.key: digest(look.touched)})

    def _lists(
        self, snapshot: Snapshot, asked: ListRequest, people: Sequence[Person]
    ) -> list[RankedList]:
        catalog, bundle = snapshot.catalog, snapshot.deployed.bundle
        index = bundle.index if self.settings.approximate else None
        return make_lists(
            bundle.model, catalog, people, asked, lambda: self.trending_scores(catalog), index
        )

    def trending_scores(self, catalog: LiveCatalog) -> TrendingScores:
        """Returns the trending scores of a catalog, as of the last response of the database."""
        token = self.held.token
        return self._trending.scores(catalog, token.data_version if token else None)

    def deploy(
        self, run: Path, reason: Reason, figures: dict[str, object] | None = None
    ) -> DeploymentRecord:
        """Opens a run and deploys its model; the previous model serves until it is ready.

        Raises:
            ArtifactError: the run cannot be opened; the previous model continues to serve.
            DatabaseAwayError: the other workers cannot be notified; the previous model continues
                to serve.
        """
        with self._swapping:
            return self._serve(open_run(run, self.settings.device), reason, figures)

    def roll_back(self) -> DeploymentRecord:
        """Deploys the model that served before the current one.

        Raises:
            ConfigError: no other model served before.
            ArtifactError: the model cannot be opened any more.
            DatabaseAwayError: the log of deployments cannot be read.
        """
        current = self.deployments.latest()
        before = self.deployments.others(current.version, 1) if current else []
        if not before:
            raise ConfigError("no other model served before this one, so a rollback is impossible")
        with self._swapping:
            bundle = open_deployment(before[0], self.settings.device)
            return self._serve(bundle, "rollback", before[0].figures)

    def _serve(
        self, bundle: Bundle, reason: Reason, figures: dict[str, object] | None
    ) -> DeploymentRecord:
        if self.settings.approximate:
            _ = bundle.index  # raises here rather than at the first request
        record = self.deployments.record(bundle, reason, figures)
        self._take(Deployed(bundle, record, bundle.split.everything))
        return record

    def _join(self) -> None:
        """Joins the database: brings it up to date, and takes the model that is deployed in it."""
        with self._swapping:
            if self._joined:
                return
            if self._refused is not None and time.monotonic() < self._join_again_at:
                raise self._refused
            try:
                self._begin()
            except (ConfigError, DatabaseRefusedError) as error:
                # The database belongs to another run, or cannot be used: it is not tried again for
                # each request.
                log.error("database cannot be used", why=str(error))
                self._join_again_at = time.monotonic() + JOIN_EVERY_S
                self._refused = DatabaseRefusedError(str(error))
                raise self._refused from error
            self._joined = True

    def _begin(self) -> None:
        """Brings the tables up to date, and takes the model that is to serve."""
        newer = self.database.migrate()
        if newer:
            log.warning("tables of a newer version", why=newer)
        self._trending_store.begin(self.half_life_s)
        record = self.deployments.begin(self.held.deployed.bundle)
        self._take(self._opened(record, self.held.deployed))

    def _take(self, deployed: Deployed) -> None:
        """Replaces the current model."""
        with self._refreshing:
            held = self.held
            catalog = held.catalog
            if catalog.run_items.model is not deployed.bundle.model:
                run_items = RunItems(deployed.bundle.model)
                catalog = LiveCatalog.of(run_items, catalog.changed, catalog.as_of)
            self._snapshot = replace(held, deployed=deployed, catalog=catalog, token=None)

    def _refreshed(self, token: ChangeToken) -> Snapshot:
        """Returns the snapshot, updated to the token; a new model is opened in the background."""
        held, known = self.held, self.held.token
        if known is not None and known.counters == token.counters:
            self._snapshot = replace(held, token=token, degraded=False)
            return self.held

        def changed(name: str) -> bool:
            return known is None or known[name] != token[name]

        self._snapshot = replace(
            held,
            catalog=self._caught_up(held.catalog, token),
            forgotten=self.events.forgotten() if changed("forgotten") else held.forgotten,
            keys=Keys.of(self.keys.all()) if changed("keys") else held.keys,
            token=token,
            degraded=False,
        )
        if changed("deployments") and not self._swapping.locked():
            self._begin_to_follow()
        return self.held

    def _caught_up(self, catalog: LiveCatalog, token: ChangeToken) -> LiveCatalog:
        """Returns the catalog as of the token; reads only the changes if they are all numbered."""
        before, now = catalog.as_of, ItemChanges(token["items"], token["numbered_items"])
        if before == now:
            return catalog
        if before is not None and before.lead_by_numbers_to(now):
            return catalog.with_changes(self.items.changed(since=before.all), now)
        return LiveCatalog.of(catalog.run_items, self.items.changed(), now)

    def _begin_to_follow(self) -> None:
        self._follow_again_at = time.monotonic() + FOLLOW_EVERY_S
        threading.Thread(target=self._follow, daemon=True, name="follow").start()

    def _follow(self) -> None:
        """Opens the model that another worker has deployed."""
        with self._swapping:
            try:
                latest = self.deployments.latest()
                if latest is not None and latest.seq != self.held.deployed.record.seq:
                    self._take(self._opened(latest, self.held.deployed))
            except (ArtifactError, DatabaseAwayError) as error:
                log.warning("newly deployed model cannot be loaded", why=str(error))

    def _opened(self, record: DeploymentRecord, held: Deployed) -> Deployed:
        """Opens a deployment; if that fails, returns the held one, with `missing` set."""
        bundle = held.bundle
        if record.version != bundle.version:
            try:
                bundle = open_deployment(record, self.settings.device)
            except ArtifactError as error:
                if held.missing is None or held.missing.seq != record.seq:
                    serving = held.bundle.version
                    log.error("deployed model cannot be opened", why=str(error), serving=serving)
                return replace(held, missing=record)
        return Deployed(bundle, record, bundle.split.everything)


def _unrecorded(bundle: Bundle) -> DeploymentRecord:
    """Returns a record for a run that is served without a database to store its deployment."""
    return DeploymentRecord(
        0, bundle.version, str(bundle.path.absolute()), bundle.model.name,
        bundle.manifest["created_at"], 0, "start", bundle.evaluation,
    )  # fmt: skip
