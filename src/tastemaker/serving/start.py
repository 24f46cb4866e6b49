"""The start: checks the run, the database and the keys before any process listens."""

from dataclasses import dataclass, replace
from pathlib import Path

from tastemaker.bundle.bundle import Bundle, open_run
from tastemaker.errors import ArtifactError, ConfigError
from tastemaker.serving.settings import ServiceSettings
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.deployments import DeploymentLog, DeploymentRecord, open_deployment
from tastemaker.serving.store.keys import Keys, KeyStore
from tastemaker.serving.store.outages import DatabaseUnavailableError


@dataclass(frozen=True)
class Start:
    """The model that is going to serve, and notes on it."""

    run: Path
    """The folder of the model that will serve: the run, or a model deployed after it."""
    notes: tuple[str, ...] = ()
    """Messages for the user who starts the service."""


def check(settings: ServiceSettings) -> Start:
    """Opens the run and the database once, brings the tables up to date, and checks for keys.

    If the database is unavailable, a service on a loopback address starts nevertheless.

    Raises:
        ArtifactError: the run cannot be opened.
        ConfigError: the database's URL is invalid, its tables are newer than this program, it
            belongs to another run, or other machines could reach the service without a key.
    """
    bundle = open_run(settings.run, settings.device)
    if settings.approximate:
        bundle.with_index_read()
    with Database(settings.database_url) as database:
        try:
            newer = database.migrate()
            record = DeploymentLog(database, settings.service).begin(bundle)
            settings.refuse_exposure(bool(Keys.of(KeyStore(database).all()).valid))
        except DatabaseUnavailableError as error:
            if settings.is_exposed:
                raise ConfigError(
                    f'host="{settings.host}": other machines could reach the service, but the keys '
                    f"cannot be read: {error}"
                ) from None
            return Start(
                settings.run,
                (
                    f"{error}; until the database works again, events are refused, and lists do "
                    "not use any events",
                ),
            )
    start = _start_of(settings, bundle, record)
    more = [note for note in (newer, _refusal_of_likes(settings, bundle)) if note]
    return replace(start, notes=(*start.notes, *more))


def _refusal_of_likes(settings: ServiceSettings, bundle: Bundle) -> str | None:
    """Returns why the likes of the pages' visitors would be refused; None if they would not be."""
    kinds = bundle.split.train.rules.kinds
    if kinds is None or kinds.weight_of(settings.like_type) is not None:
        return None
    positive = ", ".join(kind for kind, _ in kinds.weights)
    return (
        "the pages cannot record likes, since the model knows no kind of event "
        f'"{settings.like_type}"; name one that it knows with like_type=…: {positive}'
    )


def _start_of(settings: ServiceSettings, bundle: Bundle, record: DeploymentRecord) -> Start:
    if record.version == bundle.version:
        return Start(settings.run)
    reasons = {"learned": "trained on events", "rollback": "restored by a rollback"}
    how_deployed = reasons.get(record.reason, "deployed")
    try:
        run = open_deployment(record, settings.device, approximate=settings.approximate).path
    except ArtifactError as error:
        note = f"{error}; this model was {how_deployed} later, but {settings.run} serves instead"
        return Start(settings.run, (note,))
    note = (
        f"{run}, which was {how_deployed} later, serves instead of {settings.run}; to return to "
        "the previous model, POST /v1/admin/rollback, or to "
        f"{settings.run}, POST /v1/admin/reload"
    )
    return Start(run, (note,))
