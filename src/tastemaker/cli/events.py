"""tastemaker events: exports and imports the event log as a file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, print_json
from tastemaker.cli.groups import grouped


@grouped
def events(
    action: Annotated[
        Literal["import", "export"], typer.Argument(help="What to do.", show_default=False)
    ],
    file: Annotated[
        Path, typer.Argument(help="A .parquet, .csv or .jsonl file.", show_default=False)
    ],
    run: options.ServedRun = None,
    database: options.ServedDatabase = None,
    user: options.User = None,
    item: options.Item = None,
    time: options.Time = None,
    time_format: options.TimeFormat = None,
    layout: options.Layout = None,
    *,
    reading: options.TableReading,
    json: options.Json = False,
) -> None:
    """Export the events of a service to a file, or import events from a file.

    If the service would reject any of the events, nothing is imported. With --run the ids of the
    items must be numbers or text as in the run, and the types of the events among the kinds of its
    data, if it has kinds; without it, neither is checked. The columns type, value, context (JSON)
    and event_id are optional.

    A file can be imported repeatedly: events that are stored already are left out. They are
    identified by the column event_id, or without one by all their values.

    Examples: tastemaker events export log.parquet --run runs/demo,
    tastemaker events import clicks.csv --run runs/demo --user visitor --item sku
    """
    from tastemaker.bundle.bundle import open_split
    from tastemaker.cli.sources import text_options, values_of_table
    from tastemaker.serving.settings import database_url_of
    from tastemaker.serving.store.database import Database
    from tastemaker.serving.store.event_files import export_events, import_events
    from tastemaker.serving.store.events import EventStore

    with Database(database_url_of(run, database)) as opened_database:
        opened_database.migrate()
        store = EventStore(opened_database)
        if action == "export":
            n = export_events(store, file)
            summary, message = {"out": str(file), "events": n}, f"{n:,} events exported to {file}"
        else:
            columns = {"user": user, "item": item, "time": time}
            imported = import_events(
                store,
                file,
                columns,
                time_format=time_format,
                layout=layout,
                values=values_of_table(reading),
                data=None if run is None else open_split(run).train,
                **text_options(reading),
            )
            summary = imported._asdict()
            message = (
                f"{imported.accepted:,} events imported, "
                f"{imported.duplicates:,} were stored already"
            )
            if imported.left_out:
                message += f", {imported.left_out:,} rows with missing values left out"
    if json:
        print_json(summary)
    else:
        note(message)
