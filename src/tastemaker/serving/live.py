"""Live: the model that serves, the catalog of now, and everybody's history up to this second."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.data.dataset import Dataset
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.database import Database, DatabaseAwayError, Pulse
from tastemaker.serving.deployments import DeploymentRecord, Deployments, Reason
from tastemaker.serving.event_store import EventStore, Touched, hashed
from tastemaker.serving.ids import key_of
from tastemaker.serving.item_store import ItemStore
from tastemaker.serving.key_store import NO_KEYS, Keys, KeyStore
from tastemaker.serving.lists import Asked, MadeList, make_lists
from tastemaker.serving.live_catalog import LiveCatalog
from tastemaker.serving.people import Person, person_of, stranger
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.trending import Trending
from tastemaker.training.run import DeviceName
from tastemaker.wire import AskedUser, Listing


@dataclass(frozen=True, eq=False)
class Deployed:
    """The trained model that serves."""

    bundle: Bundle
    record: DeploymentRecord
    everything: Dataset
    """What the run holds, hold-outs included."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a worker holds in memory; never changes, but is replaced."""

    deployed: Deployed
    catalog: LiveCatalog
    forgotten: frozenset[str]
    keys: Keys
    pulse: Pulse | None
    """Of the database when it was read; None where it was away."""
    degraded: bool = False


@dataclass(frozen=True, eq=False)
class LiveLists:
    """Lists, and what they rest on."""

    snapshot: Snapshot
    lists: list[MadeList]
    touched: dict[str, list[Touched]] = field(default_factory=dict)


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
        self.deployments = Deployments(self.database)
        self.keys = KeyStore(self.database)
        self.trending = Trending(self.events, settings.trending_half_life_h * 3600)
        self._swapping, self._refreshing = threading.Lock(), threading.Lock()
        self._snapshot: Snapshot | None = None
        self._joined = False

    def start(self) -> None:
        """Opens the model that is to serve, and reads what the database has.

        That is the last deployed one, unless the run is one that never served. With the database
        away it is the run, and the rest is read once the database is there.

        Raises:
            ArtifactError: the run cannot be opened.
        """
        bundle = open_run(self.settings.run, self.settings.device)
        deployed = Deployed(bundle, _unrecorded(bundle), bundle.split.everything)
        nothing = LiveCatalog(bundle.model, [])
        self._snapshot = Snapshot(deployed, nothing, frozenset(), NO_KEYS, None, degraded=True)
        self.snapshot()

    def stop(self) -> None:
        """Closes the database's connections."""
        self.database.dispose()

    @property
    def held(self) -> Snapshot:
        """What is in memory, however old."""
        assert self._snapshot is not None, "start() comes first"
        return self._snapshot

    def snapshot(self) -> Snapshot:
        """What is in memory, after a look whether the database has something newer."""
        held = self.held
        try:
            if not self._joined:
                self._join()
            pulse = self.database.pulse()
            if held.pulse == pulse and not held.degraded:
                return held
            with self._refreshing:
                return self._refreshed(pulse)
        except DatabaseAwayError:
            if not held.degraded:
                self._snapshot = held = replace(held, degraded=True)
            return held

    def recommend(self, users: Sequence[AskedUser], listing: Listing) -> LiveLists:
        """A list for each.

        Raises:
            ConfigError: no item is in one of the categories.
            UnknownIdError: an item of a history or a list is not of the kind of ids there are.
            UnsupportedError: diversity or reasons are asked of a model that has none.
        """
        snapshot = self.snapshot()
        catalog, deployed = snapshot.catalog, snapshot.deployed
        asked = Asked.of(listing, catalog)
        vocabulary = deployed.everything.user_vocabulary
        keys = {
            key_of(vocabulary, user.user_id)
            for user in users
            if user.user_id is not None and user.history is None
        }
        snapshot, touched = self._touched(snapshot, sorted(keys))
        people = [self._person(snapshot, user, touched) for user in users]
        index = deployed.bundle.index if self.settings.approximate else None
        lists = make_lists(
            deployed.bundle.model, catalog, people, asked,
            lambda: self.trending_counts(snapshot), index,
        )  # fmt: skip
        return LiveLists(snapshot, lists, touched)

    def person(self, key: str) -> tuple[Snapshot, Person]:
        """What is known of a user by now."""
        snapshot, touched = self._touched(self.snapshot(), [key])
        return snapshot, self._person_by_key(snapshot, key, touched[key])

    def trending_counts(self, snapshot: Snapshot) -> dict[str, float]:
        """How many events each item had of late; nothing while the database is away."""
        try:
            return self.trending.counts(snapshot.pulse.token if snapshot.pulse else None)
        except DatabaseAwayError:
            return {}

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
        current, *earlier = self.deployments.all()
        before = next((each for each in earlier if each.version != current.version), None)
        if before is None:
            raise ConfigError("no other model served before this one; there is nothing to go to")
        with self._swapping:
            bundle = _reopened(before, self.settings.device)
            return self._serve(bundle, "rollback", before.figures)

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
            self.database.migrate()
            bundle, log = self.held.deployed.bundle, self.deployments.all()
            if all(record.version != bundle.version for record in log):
                log = [self.deployments.record(bundle, "start")]
            self._take(self._opened(log[0], bundle))
            self._joined = True

    def _take(self, deployed: Deployed) -> None:
        """Puts a model in the place of the one that serves."""
        with self._refreshing:
            held = self.held
            catalog = LiveCatalog(deployed.bundle.model, held.catalog.changed)
            self._snapshot = replace(held, deployed=deployed, catalog=catalog, pulse=None)

    def _refreshed(self, pulse: Pulse) -> Snapshot:
        """What is in memory, brought up to the pulse; a new model comes when it is open."""
        held, known = self.held, self.held.pulse
        if known is not None and known.counters == pulse.counters:
            self._snapshot = replace(held, pulse=pulse, degraded=False)
            return self.held

        def changed(name: str) -> bool:
            return known is None or known[name] != pulse[name]

        catalog = held.catalog
        if changed("items"):
            catalog = LiveCatalog(held.deployed.bundle.model, self.items.changed())
        self._snapshot = replace(
            held,
            catalog=catalog,
            forgotten=self.events.forgotten() if changed("forgotten") else held.forgotten,
            keys=Keys.of(self.keys.all()) if changed("keys") else held.keys,
            pulse=pulse,
            degraded=False,
        )
        if changed("deployments") and not self._swapping.locked():
            threading.Thread(target=self._follow, daemon=True, name="follow").start()
        return self.held

    def _follow(self) -> None:
        """Opens the model that another worker has deployed."""
        with self._swapping:
            try:
                latest = self.deployments.latest()
                if latest is not None and latest.seq != self.held.deployed.record.seq:
                    self._take(self._opened(latest, self.held.deployed.bundle))
            except (ArtifactError, DatabaseAwayError):
                return  # the model that serves goes on; the log of the other worker says why

    def _opened(self, record: DeploymentRecord, bundle: Bundle) -> Deployed:
        """The deployment, with the bundle at hand if it is the same."""
        if record.version != bundle.version:
            try:
                bundle = _reopened(record, self.settings.device)
            except ArtifactError:
                # It is gone: the bundle at hand serves, under its own name.
                record = replace(_unrecorded(bundle), seq=record.seq)
        return Deployed(bundle, record, bundle.split.everything)

    def _touched(
        self, snapshot: Snapshot, keys: Sequence[str]
    ) -> tuple[Snapshot, dict[str, list[Touched]]]:
        """What users touched in events, or nothing and a degraded snapshot."""
        nothing: dict[str, list[Touched]] = {key: [] for key in keys}
        if not keys or snapshot.degraded:
            return snapshot, nothing
        try:
            return snapshot, self.events.touched(keys)
        except DatabaseAwayError:
            self._snapshot = degraded = replace(snapshot, degraded=True)
            return degraded, nothing

    def _person(
        self, snapshot: Snapshot, user: AskedUser, touched: dict[str, list[Touched]]
    ) -> Person:
        everything = snapshot.deployed.everything
        if user.history is not None:
            item_keys = [key_of(everything.item_vocabulary, item) for item in user.history]
            return stranger(everything, item_keys)
        assert user.user_id is not None
        key = key_of(everything.user_vocabulary, user.user_id)
        return self._person_by_key(snapshot, key, touched[key])

    def _person_by_key(self, snapshot: Snapshot, key: str, touched: list[Touched]) -> Person:
        is_forgotten = hashed(key) in snapshot.forgotten
        return person_of(snapshot.deployed.everything, key, touched, is_forgotten)


def _reopened(record: DeploymentRecord, device: DeviceName) -> Bundle:
    """The bundle of a deployment, from its folder or from where a later training has put it.

    Raises:
        ArtifactError: neither holds that version any more.
    """
    run = Path(record.run)
    for folder in (run, run.with_name(run.name + ".previous")):
        with suppress(ArtifactError):
            bundle = open_run(folder, device)
            if bundle.version == record.version:
                return bundle
    raise ArtifactError(
        f"{run}: version {record.version} is not there any more, nor in {run.name}.previous"
    )


def _unrecorded(bundle: Bundle) -> DeploymentRecord:
    """What stands for a deployment while there is no database to write it to."""
    return DeploymentRecord(
        0, bundle.version, str(bundle.path.absolute()), bundle.model.name,
        bundle.manifest["created_at"], 0, "start", bundle.evaluation,
    )  # fmt: skip
