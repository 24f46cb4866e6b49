"""The schema: tables brought up to date, or used as a newer program has left them.

A release can be rolled back if the program before it can use its tables. Each migration says so by
`additive = True`: it only adds what an older program need neither know nor write. With the tables
stands the revision of the last migration that is not additive: programs older than that refuse.
"""

from pathlib import Path

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tastemaker.serving.store.tables import counters

OLDEST = "oldest_program"
"""Name of the counter that says which revision a program must know to use the tables."""


class NewerTablesError(Exception):
    """A newer program has made the tables, and this one cannot use them."""


def bring_up_to_date(connection: sql.Connection) -> str | None:
    """Brings the tables up to the newest revision that this program knows.

    Returns:
        The revision of the tables where a newer program has made them and this one may use them.

    Raises:
        NewerTablesError: a newer program has made them, and this one may not.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    script = ScriptDirectory.from_config(config)
    migrations = {each.revision: each.module for each in script.walk_revisions()}
    newest = max(migrations)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in migrations:
        oldest = connection.scalar(_OLDEST)
        if oldest is None or oldest > int(newest):
            raise NewerTablesError(f"revision {current}, where this one knows {newest}")
        return current
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    breaking = [each for each, module in migrations.items() if not is_additive(module)]
    _keep_oldest(connection, int(max(breaking)))
    return None


def is_additive(migration: object) -> bool:
    """Whether programs from before a migration may use the tables after it."""
    return getattr(migration, "additive", False)


def _keep_oldest(connection: sql.Connection, oldest: int) -> None:
    kept = connection.scalar(_OLDEST)
    if kept is None:
        connection.execute(sql.insert(counters).values(name=OLDEST, value=oldest))
    elif kept != oldest:
        change = sql.update(counters).where(counters.c.name == OLDEST)
        connection.execute(change.values(value=oldest))


_OLDEST = sql.select(counters.c.value).where(counters.c.name == OLDEST)
