"""The start: what can be wrong is found before a process listens."""

from tastemaker.bundle.bundle import open_run
from tastemaker.serving.database import Database, DatabaseAwayError
from tastemaker.serving.deployments import Deployments
from tastemaker.serving.key_store import Keys, KeyStore
from tastemaker.serving.settings import ServiceSettings


def check(settings: ServiceSettings) -> None:
    """Opens the run and the database once, brings its tables up to date, and looks for keys.

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
        except DatabaseAwayError:
            settings.refuse_exposure(has_keys=False)
