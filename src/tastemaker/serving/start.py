"""The start: what can be wrong is found before a process listens."""

from dataclasses import dataclass, replace
from pathlib import Path

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog, DeploymentRecord, open_deployment
from tastemaker.serving.store.keys import Keys, KeyStore
from tastemaker.serving.store.outages import DatabaseAwayError
from tastemaker.serving.store.trending import TrendingStore


@dataclass(frozen=True)
class Start:
    """What is going to serve."""

    run: Path
    """The folder of the model that answers: the run, or what took its place since."""
    notes: tuple[str, ...] = ()
    """What whoever starts the service should know of it."""


def check(settings: ServiceSettings) -> Start:
    """Opens the run and the database once, brings its tables up to date, and looks for keys.

    Without a database that answers, a service on a loopback address begins all the same.

    Raises:
        ArtifactError: the run cannot be opened.
        ConfigError: the database's URL is none, its tables are newer than this program, it belongs
            to another run, or others could reach the service without a key.
    """
    bundle = open_run(settings.run, settings.device)
    if settings.approximate:
        _ = bundle.index
    with Database(settings.database_url) as database:
        try:
            newer = database.migrate()
            TrendingStore(database).begin(settings.trending_half_life_h * 3600)
            record = DeploymentLog(database, settings.service).begin(bundle)
            settings.refuse_exposure(bool(Keys.of(KeyStore(database).all()).valid))
        except DatabaseAwayError as error:
            if settings.is_exposed:
                raise ConfigError(
                    f'host="{settings.host}": others could reach the service, and no key can be '
                    f"looked at: {error}"
                ) from None
            return Start(
                settings.run,
                (f"{error}; until it answers, events are refused, and lists know of none",),
            )
    start = _start_of(settings, bundle, record)
    return replace(start, notes=(*start.notes, newer)) if newer else start


def _start_of(settings: ServiceSettings, bundle: Bundle, record: DeploymentRecord) -> Start:
    if record.version == bundle.version:
        return Start(settings.run)
    how = {"learned": "was learned from events", "rollback": "was gone back to"}
    then = f"which {how.get(record.reason, 'was deployed')} since"
    try:
        run = open_deployment(record, settings.device).path
    except ArtifactError as error:
        return Start(settings.run, (f"{error}; {settings.run} serves in place of that, {then}",))
    return Start(
        run,
        (
            f"{run}, {then}, serves in place of {settings.run}; "
            "to go back, POST /v1/admin/rollback or, for the run itself, /v1/admin/reload",
        ),
    )
