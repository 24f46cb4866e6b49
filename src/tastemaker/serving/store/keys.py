"""API keys: made once, shown once, kept as a hash."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sql

from tastemaker.errors import ConfigError
from tastemaker.serving.store.database import Database, bump_counter
from tastemaker.serving.store.tables import keys

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


@dataclass(frozen=True)
class KeyRecord:
    """What is kept of a key."""

    key_id: str
    """Its public half: the part before the dot."""
    hash: str
    """SHA-256 of the secret half, which is 256 random bits: nothing to guess, no salt needed."""
    scopes: frozenset[str]
    label: str
    created_at: int
    revoked_at: int | None

    def is_of(self, secret: str) -> bool:
        """Whether that is the secret half; takes as long for any."""
        return hmac.compare_digest(_hash(secret), self.hash)


class KeyStore:
    """Keys in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scopes: frozenset[str], label: str) -> str:
        """Makes a key and gives it in full, this once.

        Raises:
            DatabaseAwayError: none was made.
        """
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        row = {
            "key_id": key_id,
            "hash": _hash(secret),
            "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
            "label": label,
            "created_at": int(time.time()),
        }
        with self._database.writing() as connection:
            connection.execute(sql.insert(keys).values(row))
            bump_counter(connection, "keys")
        return f"{key_id}.{secret}"

    def revoke(self, key_id: str) -> None:
        """Ends a key, at once on every worker.

        Raises:
            ConfigError: there is no such key.
            DatabaseAwayError: it still works.
        """
        update = (
            sql.update(keys)
            .where(keys.c.key_id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=int(time.time()))
        )
        with self._database.writing() as connection:
            if connection.execute(update).rowcount == 0:
                raise ConfigError(f"there is no key {key_id} that works; see: tastemaker keys list")
            bump_counter(connection, "keys")

    def all(self) -> list[KeyRecord]:
        """Every key that was ever made, the newest last.

        Raises:
            DatabaseAwayError: the database does not answer.
        """
        with self._database.reading() as connection:
            rows = connection.execute(sql.select(keys).order_by(keys.c.created_at)).all()
        return [KeyRecord(row[0], row[1], frozenset(row[2].split()), *row[3:]) for row in rows]


@dataclass(frozen=True)
class Keys:
    """The keys at a moment."""

    valid: dict[str, KeyRecord]
    """Those that work, by their public half."""
    ever: bool
    """Whether there ever was one: who has revoked them all does not want an open door."""

    @classmethod
    def of(cls, records: list[KeyRecord]) -> "Keys":
        """What follows from all keys that were ever made."""
        valid = {key.key_id: key for key in records if key.revoked_at is None}
        return cls(valid, ever=bool(records))


NO_KEYS = Keys({}, ever=False)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
