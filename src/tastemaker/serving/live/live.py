"""Live: the model that serves, the catalog of now, and everybody's history up to this second."""

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
"""So often a worker tries to join a database that has refused it."""

FOLLOW_EVERY_S = 5.0
"""So often a worker tries to open a deployed model that it could not open."""

log = structlog.get_logger("tastemaker.service")


@dataclass(frozen=True, eq=False)
class Deployed:
    """The trained model that serves."""

    bundle: Bundle
    record: DeploymentRecord
    everything: Dataset
    """What the run holds, hold-outs included."""
    missing: DeploymentRecord | None = None
    """What was deployed in its place, where that cannot be opened here."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a worker holds in memory; never changes, but is replaced."""

    deployed: Deployed
    catalog: LiveCatalog
    forgotten: frozenset[str]
    keys: Keys
    token: ChangeToken | None
    """State of the database when it was read; None where it could not be reached."""
    degraded: bool = False


@dataclass(frozen=True, eq=False)
class Look:
    """What is in memory, and beside it what one user did; nothing while the database is away."""

    key: str
    snapshot: Snapshot
    touched: list[Touched]

    @property
    def person(self) -> Person:
        """What is known of the user by now."""
        forgotten = hashed(self.key) in self.snapshot.forgotten
        return person_of(self.snapshot.deployed.everything, self.key, self.touched, forgotten)


@dataclass(frozen=True, eq=False)
class LiveLists:
    """Lists, and what they rest on."""

    snapshot: Snapshot
    lists: list[RankedList]
    digests: dict[str, int]
    """By key, of what each user touched in events."""


class Live:
    """Answers for everybody. Its methods may be called from several threads at once."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Opens nothing yet.

        Raises:
            ConfigError: the database's URL is none.
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
        """Opens the model that is to serve, and reads what the database has.

        That is the last deployed one, unless the run is one that never served. With the database
        away it is the run, and the rest is read once the database is there.

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
        """Whether the database was there once, so that a look at it is short."""
        return self._joined

    @property
    def held(self) -> Snapshot:
        """What is in memory, however old."""
        assert self._snapshot is not None, "start() comes first"
        return self._snapshot

    def snapshot(self) -> Snapshot:
        """What is in memory, after a look whether the database has something newer."""
        return self._looking(lambda: Looked(self.database.change_token(), {}))[0]

    def look(self, key: str) -> Look:
        """The same, and what a user touched in events until then."""
        return self.looks([key])[key]

    def looks(self, keys: Sequence[str]) -> dict[str, Look]:
        """A look for each of several users, from one moment."""
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
                # Asked again, since another thread may have read something newer meanwhile.
                return self._refreshed(self.database.change_token()), touched
        except DatabaseAwayError:
            if not held.degraded:
                self._snapshot = held = replace(held, degraded=True)
            return held, {}

    def readiness(self) -> Snapshot:
        """What is in memory; degraded also while the database refuses what lists are made of."""
        snapshot = self.snapshot()
        try:
            self.events.probe()
        except DatabaseAwayError:
            return replace(snapshot, degraded=True)
        return replace(snapshot, degraded=snapshot.degraded or self.database.refused_lately)

    def recommend(self, users: Sequence[AskedUser], listing: Listing) -> LiveLists:
        """A list for each.

        Raises:
            ConfigError: no item is in one of the categories.
            UnknownIdError: an item of a history or a list is not of the kind of ids there are.
            UnsupportedError: diversity or reasons are asked of a model that has none.
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
        """The list of the user whom a look was for.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are asked of a model that has none.
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
        """What is trending of a catalog, as of when the database last answered."""
        token = self.held.token
        return self._trending.scores(catalog, token.data_version if token else None)

    def deploy(
        self, run: Path, reason: Reason, figures: dict[str, object] | None = None
    ) -> DeploymentRecord:
        """Opens a run and lets it serve from now on; the one before answers until it is ready.

        Raises:
            ArtifactError: it cannot be opened; the one before goes on.
            DatabaseAwayError: the other workers cannot be told; the one before goes on.
        """
        with self._swapping:
            return self._serve(open_run(run, self.settings.device), reason, figures)

    def roll_back(self) -> DeploymentRecord:
        """Lets the model serve that served before the current one.

        Raises:
            ConfigError: there was none.
            ArtifactError: it cannot be opened any more.
            DatabaseAwayError: the log of deployments cannot be read.
        """
        current = self.deployments.latest()
        before = self.deployments.others(current.version, 1) if current else []
        if not before:
            raise ConfigError("no other model served before this one; there is nothing to go to")
        with self._swapping:
            bundle = open_deployment(before[0], self.settings.device)
            return self._serve(bundle, "rollback", before[0].figures)

    def _serve(
        self, bundle: Bundle, reason: Reason, figures: dict[str, object] | None
    ) -> DeploymentRecord:
        if self.settings.approximate:
            _ = bundle.index  # raises here rather than at the first question
        record = self.deployments.record(bundle, reason, figures)
        self._take(Deployed(bundle, record, bundle.split.everything))
        return record

    def _join(self) -> None:
        """Brings the database up to date once it is there, and finds out what is to serve."""
        with self._swapping:
            if self._joined:
                return
            if self._refused is not None and time.monotonic() < self._join_again_at:
                raise self._refused
            try:
                self._begin()
            except (ConfigError, DatabaseRefusedError) as error:
                # Another run's database, or one that does not let itself be used: not for each
                # request anew.
                log.error("database refused", why=str(error))
                self._join_again_at = time.monotonic() + JOIN_EVERY_S
                self._refused = DatabaseRefusedError(str(error))
                raise self._refused from error
            self._joined = True

    def _begin(self) -> None:
        """Brings the tables up to date, and takes what is to serve."""
        newer = self.database.migrate()
        if newer:
            log.warning("newer tables", why=newer)
        self._trending_store.begin(self.half_life_s)
        record = self.deployments.begin(self.held.deployed.bundle)
        self._take(self._opened(record, self.held.deployed))

    def _take(self, deployed: Deployed) -> None:
        """Puts a model in the place of the one that serves."""
        with self._refreshing:
            held = self.held
            catalog = held.catalog
            if catalog.run_items.model is not deployed.bundle.model:
                run_items = RunItems(deployed.bundle.model)
                catalog = LiveCatalog.of(run_items, catalog.changed, catalog.as_of)
            self._snapshot = replace(held, deployed=deployed, catalog=catalog, token=None)

    def _refreshed(self, token: ChangeToken) -> Snapshot:
        """What is in memory, brought up to the token; a new model comes when it is open."""
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
        """The catalog as of the token; only what has changed is read, where that can be told."""
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
                log.warning("deployed model cannot be followed", why=str(error))

    def _opened(self, record: DeploymentRecord, held: Deployed) -> Deployed:
        """The deployment; where it cannot be opened what is held goes on, and says so."""
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
    """What stands for a deployment while there is no database to write it to."""
    return DeploymentRecord(
        0, bundle.version, str(bundle.path.absolute()), bundle.model.name,
        bundle.manifest["created_at"], 0, "start", bundle.evaluation,
    )  # fmt: skip
