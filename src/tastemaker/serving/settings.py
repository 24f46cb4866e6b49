"""What the service can be told: from the command line, or from TASTEMAKER_… in the environment."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy import make_url

from tastemaker.config import Config
from tastemaker.errors import ConfigError
from tastemaker.serving.http.proxies import is_prefix

PREFIX = "TASTEMAKER_"
"""Prefix of the environment variables: TASTEMAKER_DATABASE, TASTEMAKER_RATE, …"""

LISTS = ("cors", "trusted_hosts", "trusted_proxies")
"""Settings of several values, which a comma separates in the environment."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _as_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if prefix and not is_prefix(prefix):
        raise ValueError(
            "a prefix of paths begins with a slash and has letters and digits, as /shop"
        )
    return prefix


class ServiceSettings(Config):
    """Settings of the service; each is also a variable of the environment, in capitals."""

    run: Path
    """The run folder to serve."""
    host: str = "127.0.0.1"
    """The address to listen on; any but a loopback address needs keys (tastemaker keys)."""
    port: int = Field(8000, ge=0, le=65_535)
    """The port; 0 takes a free one and says which."""
    database: SecretStr | None = None
    """Where events go: a URL of SQLAlchemy. None: a SQLite file beside the run."""
    service: str = Field("default", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    """The name of the service. A database belongs to one run, or to one for each name."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that answer; they share the port and the database."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where to compute."""
    approximate: bool = False
    """Search the approximate index of the run (tastemaker index)."""
    learn: bool = False
    """Train on fresh events in the background, and swap the result in where it is better."""
    learn_every_s: float = Field(3600, gt=0)
    """How often it looks whether there is something to learn."""
    learn_from: int = Field(1000, ge=1)
    """New events that are worth it."""
    require_key: bool = False
    """Ask for a key on a loopback address too."""
    page_key: SecretStr | None = None
    """With which the pages ask, where keys are needed: one with the scopes read and write. The
    cookies of visitors are signed with it."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call the API, as https://shop.example; none by default."""
    trusted_hosts: tuple[str, ...] = ()
    """Names, besides those of the loopback addresses, by which a service without keys may be
    asked (the Host of a request)."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and
    X-Forwarded-Prefix are believed."""
    root_path: Annotated[str, AfterValidator(_as_prefix)] = ""
    """The prefix of all paths behind a proxy, as /shop; X-Forwarded-Prefix of a trusted proxy goes
    before it."""
    trending_half_life_h: float = Field(24, gt=0)
    """Hours after which an event counts half in what is trending."""
    rate: float = Field(0, ge=0)
    """Requests a second for each key (or address, without keys) and worker; 0: no limit."""
    burst: int = Field(100, ge=1)
    """Requests that a key may send at once before the rate counts."""
    max_body_bytes: int = Field(1 << 20, ge=1024)
    """Larger requests are refused unread."""
    max_connections: int = Field(2_000, ge=1)
    """Connections of a worker; beyond, the one that waits longest for its client is closed."""
    max_headers: int = Field(100, ge=1)
    """Headers of a request; more are refused (431)."""
    max_header_bytes: int = Field(1 << 16, ge=1024)
    """Bytes of a request's line and headers together; more are refused (431)."""
    max_held_bytes: int = Field(1 << 26, ge=1 << 16)
    """Bytes of unfinished requests that a worker holds; beyond, the longest unfinished ones are
    refused (503)."""
    headers_timeout_s: float = Field(10, gt=0)
    """Seconds in which the headers of a request must arrive (408)."""
    body_timeout_s: float = Field(30, gt=0)
    """Seconds in which the body of a request must arrive (408), and in which a client that stops
    reading a response must go on."""
    idle_timeout_s: float = Field(75, gt=0)
    """Seconds that a connection is kept open between requests; a proxy's should be shorter."""
    max_queued: int = Field(128, ge=1)
    """Requests that may wait for a thread; more are told to come again (429)."""
    threads: int = Field(4, ge=1, le=64)
    """Threads of a worker that compute lists and read the database; as many again write to it."""
    request_timeout_s: float = Field(10, gt=0)
    """A request that takes longer is given up (503)."""
    shutdown_grace_s: float = Field(10, ge=0)
    """Seconds that requests under way are given to end after SIGTERM."""
    logs: Literal["pretty", "json"] = "pretty"
    """How log lines look."""

    @classmethod
    def gathered(cls, given: dict[str, Any]) -> Self:
        """What is given, then what the environment says, then the defaults.

        Args:
            given: by name; None stands for what was not given.

        Raises:
            ConfigError: a value out of its range, or an unknown TASTEMAKER_ variable's value.
        """
        settings = {name: value for name, value in given.items() if value is not None}
        for name in cls.model_fields:
            text = os.environ.get(PREFIX + name.upper())
            if text is not None and name not in settings:
                settings[name] = tuple(filter(None, text.split(","))) if name in LISTS else text
        return cls.of(settings, "the service")

    def export(self) -> None:
        """Puts the settings into the environment, where the processes of the service find them."""
        for name, value in self.model_dump().items():
            if value is not None:
                if isinstance(value, SecretStr):
                    value = value.get_secret_value()
                text = ",".join(value) if isinstance(value, tuple) else str(value)
                os.environ[PREFIX + name.upper()] = text

    @property
    def database_url(self) -> str:
        """Where events go."""
        given = self.database
        return database_url_of(self.run, given.get_secret_value() if given else None)

    @property
    def shown_database(self) -> str:
        """The same without a password."""
        return make_url(self.database_url).render_as_string(hide_password=True)

    @property
    def is_exposed(self) -> bool:
        """Whether others than this machine's own programs could reach the service."""
        return self.host not in LOOPBACK

    def refuse_exposure(self, has_keys: bool) -> None:
        """Raises ConfigError where anybody on the network could read and write without a key."""
        if self.is_exposed and not has_keys:
            raise ConfigError(
                f'host="{self.host}": others could reach the service, and there are no keys yet; '
                "make one first: tastemaker keys add --scope read --scope write, for the same "
                "database or run"
            )


def database_url_of(run: Path | None, database: str | None) -> str:
    """The database of that URL, or the SQLite file beside a run.

    Raises:
        ConfigError: neither is given.
    """
    if database is not None:
        return database
    if run is None:
        raise ConfigError("say which database: run=… or database=…, as given to serve")
    beside = run.absolute()
    return f"sqlite:///{beside.with_name(beside.name + '.events.db')}"
