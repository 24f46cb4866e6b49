"""tastemaker items: imports and exports the catalog of a service as a file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, print_json
from tastemaker.cli.groups import grouped


@grouped
def items(
    action: Annotated[
        Literal["import", "export"], typer.Argument(help="What to do.", show_default=False)
    ],
    file: Annotated[
        Path, typer.Argument(help="A .parquet, .csv or .jsonl file.", show_default=False)
    ],
    run: options.ServedRun = None,
    database: options.ServedDatabase = None,
    item_id: options.CatalogItemId = None,
    ids: options.Ids = None,
    *,
    reading: options.TableReading,
    json: options.Json = False,
) -> None:
    """Import the items of a file into the catalog of a service, or export them to a file.

    Only the items that were added or changed since the training are exported.

    In an import, each row replaces all fields of its item, as a PUT request to the service does. If
    the service would reject any of the items, nothing is imported; with --run the ids are checked
    against those of the run. Columns are found by their usual names: title, categories (a list, or
    text separated by |), image_url, hidden, available and features (a JSON object). All other
    columns are features of the items; with --run, those that the items of the run have, and of the
    same kinds. A running service uses the items from its next response on.

    Examples: tastemaker items import products.csv --run runs/demo --item-id sku,
    tastemaker items export items.parquet --run runs/demo
    """
    from tastemaker.bundle.bundle import open_split
    from tastemaker.cli.sources import text_options, values_of_table
    from tastemaker.data.text_format import TextFormat
    from tastemaker.serving.settings import database_url_of
    from tastemaker.serving.store.database import Database
    from tastemaker.serving.store.item_files import export_items, import_items
    from tastemaker.serving.store.items import ItemStore

    with Database(database_url_of(run, database)) as opened_database:
        opened_database.migrate()
        store = ItemStore(opened_database)
        if action == "export":
            n = export_items(store, file)
            summary = {"out": str(file), "items": n}
            message = f"{n:,} items exported to {file}"
        else:
            data = None if run is None else open_split(run).train
            text_format = TextFormat(**text_options(reading))
            value_rules = values_of_table(reading, ids)
            imported = import_items(store, file, item_id, data, text_format, value_rules)
            for line in imported.notes:
                note(line)
            summary = {"items": imported.items}
            message = f"{imported.items:,} items imported into the catalog"
    if json:
        print_json(summary)
    else:
        note(message)
