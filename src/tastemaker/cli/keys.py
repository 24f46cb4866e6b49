"""tastemaker keys: manages the API keys of a service."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, out, print_json, table_of

if TYPE_CHECKING:
    from tastemaker.serving.store.keys import KeyStore


def keys(
    action: Annotated[
        Literal["add", "list", "revoke"], typer.Argument(help="What to do.", show_default=False)
    ],
    key_id: Annotated[
        str | None,
        typer.Argument(help="Id of the key to revoke: the part of the key before its dot."),
    ] = None,
    run: options.ServedRun = None,
    database: options.ServedDatabase = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="read, write or admin; may be given several times. (default: read)",
            show_default=False,
        ),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Note on who or what uses the key.")] = "",
    json: options.Json = False,
) -> None:  # fmt: skip
    """Create, list and revoke the API keys of a service; a key is shown only when it is created.

    Examples: tastemaker keys add --run runs/demo --scope read --scope write --label shop

    tastemaker keys revoke 3f2a9c1b7d5e --run runs/demo
    """
    from tastemaker.errors import ConfigError
    from tastemaker.serving.settings import database_url_of
    from tastemaker.serving.store.database import Database
    from tastemaker.serving.store.keys import KeyStore

    if action != "revoke" and key_id is not None:
        raise ConfigError(
            f'keys {action} takes no KEY_ID; leave out "{key_id}", '
            "or describe a new key with --label"
        )
    with Database(database_url_of(run, database)) as opened_database:
        opened_database.migrate()
        store = KeyStore(opened_database)
        if action == "add":
            _add(store, scope or ["read"], label, json)
        elif action == "list":
            _list(store, json)
        elif key_id is None:
            raise ConfigError("give the id of the key to revoke: tastemaker keys revoke KEY_ID")
        else:
            store.revoke(key_id)
            note(f"key {key_id} was revoked")


def _add(store: "KeyStore", scopes: list[str], label: str, json: bool) -> None:
    from tastemaker.errors import ConfigError, did_you_mean
    from tastemaker.serving.store.keys import SCOPES

    for scope in scopes:
        if scope not in SCOPES:
            raise ConfigError(f'there is no scope "{scope}"; {did_you_mean(scope, SCOPES)}')
    key = store.add(frozenset(scopes), label)
    if json:
        print_json({"key": key, "key_id": key.partition(".")[0], "scopes": scopes, "label": label})
        return
    out.print(key, markup=False, soft_wrap=True)
    note("store this key, which is not shown again; send it as Authorization: Bearer KEY")


def _list(store: "KeyStore", json: bool) -> None:
    from datetime import UTC, datetime

    def day(seconds: int | None) -> str | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()

    rows: list[dict[str, Any]] = [
        {
            "key_id": record.key_id,
            "scopes": " ".join(sorted(record.scopes)),
            "label": record.label,
            "created": day(record.created_at),
            "revoked": day(record.revoked_at),
        }
        for record in store.all()
    ]
    if json:
        print_json({"keys": rows})
    elif rows:
        out.print(table_of(rows))
    else:
        note("there are no keys yet; create one with: tastemaker keys add")
