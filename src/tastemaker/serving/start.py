"""The start: what can be wrong is found before a process listens."""

from tastemaker.bundle.bundle import open_run
from tastemaker.errors import ConfigError
from tastemaker.serving.database import Database, DatabaseAwayError
from tastemaker.serving.deployments import Deployments
from tastemaker.serving.key_store import Keys, KeyStore
from tastemaker.serving.settings import ServiceSettings


def check(settings: ServiceSettings) -> bool:
    """Opens the run and the database once, brings its tables up to date, and looks for keys.

    Returns:
        Whether the database answers; without it a service on a loopback address begins all the
        same.

    Raises:
        ArtifactError: the run cannot be opened.
        ConfigError: the database's URL is none, or others could reach the service without a key.
    """
    bundle = open_run(settings.run, settings.device)
    if settings.approximate:
        _ = bundle.index
    with Database(settings.database_url) as database:
        try:
            database.migrate()
            log = Deployments(database)
            if all(record.version != bundle.version for record in log.all()):
                log.record(bundle, "start")
            settings.refuse_exposure(bool(Keys.of(KeyStore(database).all()).valid))
        except DatabaseAwayError as error:
            if settings.is_exposed:
                raise ConfigError(
                    f'host="{settings.host}": others could reach the service, and no key can be '
                    f"looked at: {error}"
                ) from None
            return False
    return True
