"""Settings of the service, from the command line or from TASTEMAKER_… in the environment."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy import make_url

from tastemaker.config import Config
from tastemaker.errors import ConfigError, did_you_mean
from tastemaker.serving.http.hosts import as_host, as_origin, as_proxy
from tastemaker.serving.http.proxies import is_prefix
from tastemaker.wire import LOOPBACK, EventType

PREFIX = "TASTEMAKER_"
"""Prefix of the environment variables: TASTEMAKER_DATABASE, TASTEMAKER_RATE, …"""

OTHER_VARIABLES = ("DATA", "DEBUG", "KEY", "WRITE_KEY")
"""Variables with the prefix that are no settings of the service."""

LISTS = ("cors", "trusted_hosts", "trusted_proxies")
"""Settings with several values, which are separated by commas in the environment."""


def _as_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if prefix and not is_prefix(prefix):
        raise ValueError(
            "a prefix of paths starts with a slash and contains letters and digits, as in /shop"
        )
    return prefix


class ServiceSettings(Config):
    """Settings of the service; each is also an environment variable, in capitals."""

    run: Path
    """The run folder to serve."""
    host: str = "127.0.0.1"
    """The address to listen on; any but a loopback address needs keys (tastemaker keys)."""
    port: int = Field(8000, ge=0, le=65_535)
    """The port; 0 takes a free one, which is printed."""
    database: SecretStr | None = None
    """The database for events, as a URL of SQLAlchemy. None: a SQLite file beside the run."""
    service: str = Field("default", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    """The name of the service. In a database, each name belongs to one run."""
    workers: int = Field(1, ge=1, le=256)
    """Number of processes that serve requests; they share the port and the database."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """The device on which to compute."""
    approximate: bool = False
    """Search the approximate index of the run (tastemaker index)."""
    learn: bool = False
    """Train on new events in the background, and deploy the result if it is better."""
    learn_every_s: float = Field(3600, gt=0)
    """Seconds between checks whether there are enough new events for a training."""
    learn_from: int = Field(1000, ge=1)
    """Minimum number of new events for a training."""
    require_key: bool = False
    """Require a key on a loopback address too."""
    page_key: SecretStr | None = None
    """The key that the web pages use for their requests, where keys are required; it needs the
    scopes read and write. The cookies of visitors are signed with it."""
    like_type: EventType = "like"
    """The type of the events that the web pages record when a visitor likes an item. If the run was
    trained with kinds of events, it must be one of them."""
    cors: tuple[Annotated[str, AfterValidator(as_origin)], ...] = ()
    """Origins whose pages may call the API, such as https://shop.example; none by default."""
    trusted_hosts: tuple[Annotated[str, AfterValidator(as_host)], ...] = ()
    """Host names, besides those of the loopback addresses, that a service without keys accepts in
    the Host header of a request."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(as_proxy)], ...] = ()
    """Addresses or networks of proxies whose X-Forwarded-For, X-Forwarded-Proto and
    X-Forwarded-Prefix are trusted."""
    root_path: Annotated[str, AfterValidator(_as_prefix)] = ""
    """The prefix of all paths behind a proxy, such as /shop; X-Forwarded-Prefix of a trusted proxy
    overrides it."""
    trending_half_life_h: float = Field(24, gt=0)
    """Hours after which an event counts half as much for trending."""
    rate: float = Field(0, ge=0)
    """Requests a second allowed for each key (or address, without keys) and worker; 0: no limit."""
    burst: int = Field(100, ge=1)
    """Number of requests that a key may send at once before the rate limit applies."""
    max_body_bytes: int = Field(1 << 20, ge=1024)
    """Maximum size of a request body in bytes; a larger one is refused (413)."""
    max_connections: int = Field(2_000, ge=1)
    """Maximum number of connections of a worker; beyond it, the one that waits longest for its
    client is closed."""
    max_headers: int = Field(100, ge=1)
    """Maximum number of headers of a request; more are refused (431)."""
    max_header_bytes: int = Field(1 << 16, ge=1024)
    """Maximum size of the request line and all headers in bytes; more is refused (431)."""
    max_held_bytes: int = Field(1 << 26, ge=1 << 16)
    """Maximum size of all unfinished requests of a worker in bytes; beyond it, the longest
    unfinished ones are refused (503)."""
    headers_timeout_s: float = Field(10, gt=0)
    """Seconds within which the headers of a request must arrive (else 408)."""
    body_timeout_s: float = Field(30, gt=0)
    """Seconds within which the body of a request must arrive (else 408), and after which a
    connection is closed whose client does not read the response."""
    idle_timeout_s: float = Field(75, gt=0)
    """Seconds for which an idle connection is kept open; a proxy's timeout should be shorter."""
    max_queued: int = Field(128, ge=1)
    """Maximum number of requests that wait for a thread; more are refused (429)."""
    threads: int = Field(4, ge=1, le=64)
    """Threads of a worker that compute lists and read the database. Writes have as many threads of
    their own on PostgreSQL, and one on SQLite."""
    request_timeout_s: float = Field(10, gt=0)
    """Seconds after which a request gets 503; what it has begun may still complete. Reloads and
    rollbacks have no limit."""
    shutdown_grace_s: float = Field(10, ge=0)
    """Seconds for which running requests may continue after SIGTERM."""
    logs: Literal["pretty", "json"] = "pretty"
    """The format of log lines."""

    @classmethod
    def gathered(cls, values: dict[str, Any]) -> Self:
        """Takes each setting from the given values, else from the environment, else its default.

        Args:
            values: values by name; None for a setting that was not given.

        Raises:
            ConfigError: an unknown setting, or an invalid value (also of a TASTEMAKER_ variable).
        """
        settings = {name: value for name, value in values.items() if value is not None}
        for name in cls.model_fields:
            text = os.environ.get(PREFIX + name.upper())
            if text is not None and name not in settings:
                settings[name] = tuple(filter(None, text.split(","))) if name in LISTS else text
        return cls.of(settings, "the service")

    @classmethod
    def unknown_variables(cls) -> list[str]:
        """Describes the TASTEMAKER_ variables of the environment that have no effect, one each."""
        known = {name.upper() for name in cls.model_fields}.union(OTHER_VARIABLES)
        given = sorted(name for name in os.environ if name.startswith(PREFIX))
        unknown = [name.removeprefix(PREFIX) for name in given]
        return [
            f"{PREFIX}{name} has no effect, since the service has no such setting; "
            + did_you_mean(name.lower(), cls.model_fields)
            for name in unknown
            if name not in known
        ]

    def export(self) -> None:
        """Puts the settings into the environment, from which the worker processes read them."""
        for name, value in self.model_dump().items():
            if value is not None:
                if isinstance(value, SecretStr):
                    value = value.get_secret_value()
                text = ",".join(value) if isinstance(value, tuple) else str(value)
                os.environ[PREFIX + name.upper()] = text

    @property
    def database_url(self) -> str:
        """URL of the database for events."""
        database = self.database
        return database_url_of(self.run, database.get_secret_value() if database else None)

    @property
    def shown_database(self) -> str:
        """URL of the database without its password."""
        return make_url(self.database_url).render_as_string(hide_password=True)

    @property
    def is_exposed(self) -> bool:
        """Whether other machines could reach the service."""
        return self.host not in LOOPBACK

    def refuse_exposure(self, has_keys: bool) -> None:
        """Raises ConfigError if any client on the network could read and write without a key."""
        if self.is_exposed and not has_keys:
            raise ConfigError(
                f'host="{self.host}": other machines could reach the service, but there are no '
                "keys yet; create one first: tastemaker keys add --scope read --scope write, for "
                "the same database or run"
            )


def database_url_of(run: Path | None, database: str | None) -> str:
    """Returns the given URL of a database, or that of the SQLite file beside a run.

    Raises:
        ConfigError: neither is given.
    """
    if database is not None:
        return database
    if run is None:
        raise ConfigError("give run=… or database=…, the same as for serve")
    beside = run.absolute()
    return f"sqlite:///{beside.with_name(beside.name + '.events.db')}"
