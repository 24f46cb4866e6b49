"""The schema: brings the tables up to date, or uses those of a newer program if it may.

A release can be rolled back if the previous program can use its tables. A migration for which this
holds has `additive = True`: it only adds tables and columns, and an older program can ignore them.
The database stores the revision of the last migration that is not additive; a program older than
this revision refuses to use the tables.
"""

from pathlib import Path

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tastemaker.serving.store.tables import counters

OLDEST = "oldest_program"
"""Name of the counter with the revision that a program must have to use the tables."""


class NewerTablesError(Exception):
    """A newer program made the tables, and this one cannot use them."""


def bring_up_to_date(connection: sql.Connection) -> str | None:
    """Brings the tables up to the newest revision of this program.

    Returns:
        The revision of the tables if a newer program made them and this one may use them, else
        None.

    Raises:
        NewerTablesError: a newer program made the tables, and this one may not use them.
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
            raise NewerTablesError(
                f"revision {current}; this version supports up to revision {newest}"
            )
        return current
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    breaking = [each for each, module in migrations.items() if not is_additive(module)]
    _store_oldest(connection, int(max(breaking)))
    return None


def is_additive(migration: object) -> bool:
    """Whether programs older than a migration may use the tables after it."""
    return getattr(migration, "additive", False)


def _store_oldest(connection: sql.Connection, oldest: int) -> None:
    stored = connection.scalar(_OLDEST)
    if stored is None:
        connection.execute(sql.insert(counters).values(name=OLDEST, value=oldest))
    elif stored != oldest:
        change = sql.update(counters).where(counters.c.name == OLDEST)
        connection.execute(change.values(value=oldest))


_OLDEST = sql.select(counters.c.value).where(counters.c.name == OLDEST)
