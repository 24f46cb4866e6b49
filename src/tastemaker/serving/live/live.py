"""Live: the current model, the current catalog, and users' histories with the latest events."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.data.dataset import Dataset
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.lists import ListRequest, RankedList, make_lists
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.trending import TrendingCache, TrendingScores
from tastemaker.serving.live.user_histories import (
    UserWithHistory,
    digest,
    read_users,
    user_with_history,
)
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.database import ChangeToken, Database
from tastemaker.serving.store.deployments import (
    DeploymentLog,
    DeploymentRecord,
    Reason,
    open_deployment,
)
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.events import EventStore, hashed
from tastemaker.serving.store.items import ItemChanges, ItemStore
from tastemaker.serving.store.keys import NO_KEYS, Keys, KeyStore
from tastemaker.serving.store.outages import DatabaseRefusedError, DatabaseUnavailableError
from tastemaker.serving.store.trending import TrendingStore
from tastemaker.serving.store.users import StoredUser, UsersRead, UserStore
from tastemaker.wire import AskedUser, Listing

JOIN_EVERY_S = 10.0
"""Seconds between a worker's attempts to set up a database that has refused it."""

OPEN_EVERY_S = 5.0
"""Seconds between a worker's attempts to open a deployed model after a failure."""

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
class UserSnapshot:
    """A snapshot, and what is stored about a user (nothing while the database is unavailable)."""

    key: str
    snapshot: Snapshot
    stored: StoredUser

    @property
    def user(self) -> UserWithHistory:
        """The user with the joined history of training data and events."""
        forgotten = hashed(self.key) in self.snapshot.forgotten
        return user_with_history(
            self.snapshot.deployed.everything, self.key, self.stored, forgotten
        )


@dataclass(frozen=True, eq=False)
class LiveLists:
    """Lists, and the data on which they depend."""

    snapshot: Snapshot
    lists: list[RankedList]
    digests: dict[str, int]
    """For the key of each user, a digest of what is stored about the user."""


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
        self.users = UserStore(self.database)
        self.deployments = DeploymentLog(self.database, settings.service)
        self.keys = KeyStore(self.database)
        self.half_life_s = settings.trending_half_life_h * 3600
        self._trending_store = TrendingStore(self.database)
        self._trending = TrendingCache(self._trending_store)
        self._swapping, self._refreshing = threading.Lock(), threading.Lock()
        self._setting = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._deployments_opened: int | None = None
        self._joined = False
        self._refused: DatabaseRefusedError | None = None
        self._join_again_at = self._open_again_at = 0.0

    def start(self) -> None:
        """Opens the model that is to serve, and reads the state of the database.

        The model is the last deployed one, or the run's if that was never deployed. While the
        database is unavailable the run's model serves; the rest is read once it is available.

        Raises:
            ArtifactError: the run cannot be opened.
        """
        bundle = self._open_run(self.settings.run)
        deployed = Deployed(bundle, _unrecorded(bundle), bundle.split.everything)
        catalog = LiveCatalog.of(RunItems(bundle.model))
        self._snapshot = Snapshot(deployed, catalog, frozenset(), NO_KEYS, None, degraded=True)
        self.snapshot()

    def stop(self) -> None:
        """Closes the database's connections."""
        self.database.dispose()

    @property
    def joined(self) -> bool:
        """Whether the worker has joined the database (`_join`), so that reads of it are quick."""
        return self._joined

    @property
    def last_snapshot(self) -> Snapshot:
        """The snapshot in memory, which may be outdated."""
        assert self._snapshot is not None, "start() was not called"
        return self._snapshot

    def snapshot(self) -> Snapshot:
        """Returns the snapshot in memory, which is updated first if the database has changed."""
        return self._read_with(lambda: UsersRead(self.database.change_token(), {}))[0]

    def current_snapshot(self) -> Snapshot | None:
        """Returns the snapshot in memory if it is up to date, else None.

        On SQLite this takes microseconds, since it reads nothing that would have to be read again.
        """
        try:
            token = self.database.change_token()
        except DatabaseUnavailableError:
            return None
        if not self._refreshing.acquire(blocking=False):
            return None
        try:
            snapshot = self.last_snapshot
            last_token = snapshot.token
            if snapshot.degraded or last_token is None or last_token.counters != token.counters:
                return None
            if last_token != token:
                snapshot = self._set(token=token)
        finally:
            self._refreshing.release()
        self._follow_deployments(snapshot)
        return snapshot

    def user_snapshot(self, key: str) -> UserSnapshot:
        """Returns the updated snapshot, and what is stored about a user."""
        return self.user_snapshots([key])[key]

    def user_snapshots(self, keys: Sequence[str]) -> dict[str, UserSnapshot]:
        """Returns the same updated snapshot for each of several users."""
        snapshot, users = self._read_with(lambda: self.users.read(keys))
        return {key: UserSnapshot(key, snapshot, users.get(key, StoredUser())) for key in keys}

    def _read_with(self, read: Callable[[], UsersRead]) -> tuple[Snapshot, dict[str, StoredUser]]:
        try:
            if not self._joined:
                self._join()
            token, users = read()
            snapshot = self.last_snapshot
            if snapshot.token != token or snapshot.degraded:
                with self._refreshing:
                    # Read again, since another thread may have read a newer state meanwhile.
                    snapshot = self._refreshed(self.database.change_token())
            self._follow_deployments(snapshot)
            return snapshot, users
        except DatabaseUnavailableError:
            return self._set(degraded=True), {}

    def _set(self, **fields: Any) -> Snapshot:
        """Replaces fields of the snapshot in memory; other threads may replace others meanwhile."""
        with self._setting:
            self._snapshot = replace(self.last_snapshot, **fields)
            return self._snapshot

    def readiness(self) -> Snapshot:
        """Returns the snapshot.

        It is degraded also if events cannot be read, or the database refused a statement recently.
        """
        snapshot = self.snapshot()
        try:
            self.events.probe()
        except DatabaseUnavailableError:
            return replace(snapshot, degraded=True)
        return replace(snapshot, degraded=snapshot.degraded or self.database.refused_recently)

    def recommend(self, users: Sequence[AskedUser], listing: Listing) -> LiveLists:
        """Returns a list for each user.

        Raises:
            ConfigError: no item is in one of the categories.
            UnknownIdError: an id in a history or in `exclude` is text where ids are whole numbers.
            UnsupportedError: diversity or reasons are requested of a model that has none.
        """
        snapshot = self.snapshot()
        request = ListRequest.of(listing, snapshot.catalog)
        store = None if snapshot.degraded else self.users
        requested = read_users(users, snapshot.deployed.everything, snapshot.forgotten, store)
        lists = self._lists(snapshot, request, requested.users)
        if not requested.complete:
            snapshot = replace(snapshot, degraded=True)
        return LiveLists(snapshot, lists, requested.digests)

    def recommend_to(self, user_snapshot: UserSnapshot, listing: Listing) -> LiveLists:
        """Returns the list for the user of a snapshot.

        Raises:
            ConfigError: no item is in one of the categories.
            UnsupportedError: diversity or reasons are requested of a model that has none.
        """
        snapshot = user_snapshot.snapshot
        request = ListRequest.of(listing, snapshot.catalog)
        lists = self._lists(snapshot, request, [user_snapshot.user])
        return LiveLists(snapshot, lists, {user_snapshot.key: digest(user_snapshot.stored)})

    def _lists(
        self, snapshot: Snapshot, request: ListRequest, users: Sequence[UserWithHistory]
    ) -> list[RankedList]:
        catalog, bundle = snapshot.catalog, snapshot.deployed.bundle
        index = bundle.index if self.settings.approximate else None
        return make_lists(
            bundle.model, catalog, users, request, lambda: self.trending_scores(catalog), index
        )

    def trending_scores(self, catalog: LiveCatalog) -> TrendingScores:
        """Returns the trending scores of a catalog, as of the last response of the database."""
        token = self.last_snapshot.token
        return self._trending.scores(catalog, token.data_version if token else None)

    def deploy(
        self, run: Path, reason: Reason, figures: dict[str, object] | None = None
    ) -> DeploymentRecord:
        """Opens a run and deploys its model; the previous model serves until it is ready.

        Raises:
            ArtifactError: the run cannot be opened; the previous model continues to serve.
            DatabaseUnavailableError: the other workers cannot be notified; the previous
                model continues to serve.
        """
        with self._swapping:
            return self._deploy_bundle(self._open_run(run), reason, figures)

    def roll_back(self) -> DeploymentRecord:
        """Deploys the model that served before the current one.

        Raises:
            ConfigError: no other model served before.
            ArtifactError: the model cannot be opened any more.
            DatabaseUnavailableError: the log of deployments cannot be read.
        """
        current = self.deployments.latest()
        previous = self.deployments.of_other_versions(current.version, 1) if current else []
        if not previous:
            raise ConfigError("no other model served before this one, so a rollback is impossible")
        with self._swapping:
            bundle = self._open_deployment(previous[0])
            return self._deploy_bundle(bundle, "rollback", previous[0].figures)

    def _deploy_bundle(
        self, bundle: Bundle, reason: Reason, figures: dict[str, object] | None
    ) -> DeploymentRecord:
        record = self.deployments.record(bundle, reason, figures)
        deployed = Deployed(bundle, record, bundle.split.everything)
        self._count_trending(deployed)
        self._replace_model(deployed)
        return record

    def _open_run(self, run: Path) -> Bundle:
        """Opens a run with all that serving needs, so that no request fails for lack of it."""
        bundle = open_run(run, self.settings.device)
        return bundle.with_index_read() if self.settings.approximate else bundle

    def _open_deployment(self, record: DeploymentRecord) -> Bundle:
        """Opens the run of a deployment with all that serving needs."""
        settings = self.settings
        return open_deployment(record, settings.device, approximate=settings.approximate)

    def _join(self) -> None:
        """Joins the database: brings it up to date, and opens the model that is deployed in it."""
        with self._swapping:
            if self._joined:
                return
            if self._refused is not None and time.monotonic() < self._join_again_at:
                raise self._refused
            try:
                self._set_up()
            except (ConfigError, DatabaseRefusedError) as error:
                # The database belongs to another run, or cannot be used: it is not tried again for
                # each request.
                log.error("database cannot be used", why=str(error))
                self._join_again_at = time.monotonic() + JOIN_EVERY_S
                self._refused = DatabaseRefusedError(str(error))
                raise self._refused from error
            self._joined = True

    def _set_up(self) -> None:
        """Brings the tables up to date, and opens the model that is to serve."""
        newer = self.database.migrate()
        if newer:
            log.warning("tables of a newer version", why=newer)
        record = self.deployments.begin(self.last_snapshot.deployed.bundle)
        deployed = self._opened(record, self.last_snapshot.deployed)
        self._count_trending(deployed)
        self._replace_model(deployed)

    def _count_trending(self, deployed: Deployed) -> None:
        """Lets trending items be counted by the weights of a model's data."""
        weights = EventWeights.of(deployed.everything.rules)
        self._trending_store.begin(self.half_life_s, weights)

    def _replace_model(self, deployed: Deployed) -> None:
        """Replaces the current model."""
        with self._refreshing:
            catalog = self.last_snapshot.catalog
            if catalog.run_items.model is not deployed.bundle.model:
                run_items = RunItems(deployed.bundle.model)
                catalog = LiveCatalog.of(run_items, catalog.changed, catalog.as_of)
            self._set(deployed=deployed, catalog=catalog, token=None)

    def _refreshed(self, token: ChangeToken) -> Snapshot:
        """Returns the snapshot, updated to the token."""
        last_snapshot, last_token = self.last_snapshot, self.last_snapshot.token
        if last_token is not None and last_token.counters == token.counters:
            return self._set(token=token, degraded=False)

        def changed(name: str) -> bool:
            return last_token is None or last_token[name] != token[name]

        return self._set(
            catalog=self._updated_catalog(last_snapshot.catalog, token),
            forgotten=self.events.forgotten() if changed("forgotten") else last_snapshot.forgotten,
            keys=Keys.of(self.keys.all()) if changed("keys") else last_snapshot.keys,
            token=token,
            degraded=False,
        )

    def _updated_catalog(self, catalog: LiveCatalog, token: ChangeToken) -> LiveCatalog:
        """Returns the catalog as of the token; reads only the changes if they are all numbered."""
        known, latest = catalog.as_of, ItemChanges(token["items"], token["numbered_items"])
        if known == latest:
            return catalog
        if known is not None and known.are_numbered_until(latest):
            return catalog.with_changes(self.items.changed(since=known.all), latest)
        return LiveCatalog.of(catalog.run_items, self.items.changed(), latest)

    def _follow_deployments(self, snapshot: Snapshot) -> None:
        """Opens the latest deployment in the background, unless it serves or is being opened.

        After a failure it is tried again every OPEN_EVERY_S seconds.
        """
        if snapshot.token is None or self._swapping.locked():
            return
        is_latest = snapshot.token["deployments"] == self._deployments_opened
        if is_latest and not snapshot.deployed.missing:
            return
        if time.monotonic() > self._open_again_at:
            self._open_again_at = time.monotonic() + OPEN_EVERY_S
            threading.Thread(target=self._open_latest, daemon=True, name="open-deployment").start()

    def _open_latest(self) -> None:
        """Opens the model that another worker has deployed."""
        with self._swapping:
            try:
                n_deployments = self.database.change_token()["deployments"]
                latest = self.deployments.latest()
                if latest is not None and latest.seq != self.last_snapshot.deployed.record.seq:
                    self._replace_model(self._opened(latest, self.last_snapshot.deployed))
            except (ArtifactError, DatabaseUnavailableError) as error:
                log.warning("newly deployed model cannot be loaded", why=str(error))
                return
            self._deployments_opened = n_deployments
            if not self.last_snapshot.deployed.missing:
                self._open_again_at = 0.0  # the next deployment is opened at once

    def _opened(self, record: DeploymentRecord, current: Deployed) -> Deployed:
        """Opens a deployment; if that fails, returns the current one, with `missing` set."""
        bundle = current.bundle
        if record.version != bundle.version:
            try:
                bundle = self._open_deployment(record)
            except ArtifactError as error:
                if current.missing is None or current.missing.seq != record.seq:
                    serving = current.bundle.version
                    log.error("deployed model cannot be opened", why=str(error), serving=serving)
                return replace(current, missing=record)
        return Deployed(bundle, record, bundle.split.everything)


def _unrecorded(bundle: Bundle) -> DeploymentRecord:
    """Returns a record for a run that is served without a database to store its deployment."""
    return DeploymentRecord(
        0, bundle.version, str(bundle.path.absolute()), bundle.model.name,
        bundle.manifest["created_at"], 0, "start", bundle.evaluation,
    )  # fmt: skip
