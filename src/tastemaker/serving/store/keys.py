"""API keys: shown once, when they are created, and stored as a hash."""

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
    """The stored data of a key."""

    key_id: str
    """The public half of the key: the part before the dot."""
    hash: str
    """SHA-256 of the secret half, which needs no salt, since it has 256 random bits."""
    scopes: frozenset[str]
    label: str
    created_at: int
    revoked_at: int | None

    def has_secret(self, secret: str) -> bool:
        """Whether a text is the secret half of the key; compares in constant time."""
        return hmac.compare_digest(_hash(secret), self.hash)


class KeyStore:
    """Keys in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scopes: frozenset[str], label: str) -> str:
        """Creates a key and returns it in full; it cannot be read again.

        Raises:
            DatabaseUnavailableError: no key was created.
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
        """Revokes a key on all workers.

        Raises:
            ConfigError: there is no such key.
            DatabaseUnavailableError: the key is still valid.
        """
        update = (
            sql.update(keys)
            .where(keys.c.key_id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=int(time.time()))
        )
        with self._database.writing() as connection:
            if connection.execute(update).rowcount == 0:
                raise ConfigError(f"there is no valid key {key_id}; see: tastemaker keys list")
            bump_counter(connection, "keys")

    def all(self) -> list[KeyRecord]:
        """Returns all keys that were ever created, newest last.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            rows = connection.execute(sql.select(keys).order_by(keys.c.created_at)).all()
        return [KeyRecord(row[0], row[1], frozenset(row[2].split()), *row[3:]) for row in rows]


@dataclass(frozen=True)
class Keys:
    """The keys at one moment."""

    valid: dict[str, KeyRecord]
    """Keys that are not revoked, by their public half."""
    any_created: bool
    """Whether any key was ever created; if so, keys are required even if all are revoked."""

    @classmethod
    def of(cls, records: list[KeyRecord]) -> "Keys":
        """Returns the state that follows from all keys that were ever created."""
        valid = {key.key_id: key for key in records if key.revoked_at is None}
        return cls(valid, any_created=bool(records))


NO_KEYS = Keys({}, any_created=False)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
