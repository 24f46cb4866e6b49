"""What the verbs share that import items or users into a service's database, or export them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, print_json

if TYPE_CHECKING:
    from tastemaker.serving.store.database import Database
    from tastemaker.serving.store.entity_files import Imported

Action = Annotated[
    Literal["import", "export"], typer.Argument(help="What to do.", show_default=False)
]
File = Annotated[Path, typer.Argument(help="A .parquet, .csv or .jsonl file.", show_default=False)]


def import_or_export(
    action: str,
    path: Path,
    how: options.EntityFile,
    noun: str,
    import_: Callable[..., "Imported"],
    export: Callable[["Database", Path], int],
) -> None:
    """Imports a file, or exports to it, and prints the number of items or users.

    Args:
        action: "import" or "export".
        path: the file.
        how: where the database is, and how to read the file.
        noun: "items" or "users".
        import_: imports the file, given the database, the path, and `data`, `how` and `values` as
            for `import_items`.
        export: writes the file, and returns the number of items or users.
    """
    from tastemaker.bundle.bundle import open_split
    from tastemaker.cli.sources import text_options, values_of_table
    from tastemaker.data.text_format import TextFormat
    from tastemaker.serving.settings import database_url_of
    from tastemaker.serving.store.database import Database

    summary: dict[str, object]
    with Database(database_url_of(how.run, how.database)) as database:
        database.migrate()
        if action == "export":
            n = export(database, path)
            summary, message = {"out": str(path), noun: n}, f"{n:,} {noun} exported to {path}"
        else:
            imported = import_(
                database,
                path,
                data=None if how.run is None else open_split(how.run).train,
                how=TextFormat(**text_options(how)),
                values=values_of_table(how, how.ids),
            )
            for line in imported.notes:
                note(line)
            summary, message = {noun: imported.n}, f"{imported.n:,} {noun} imported"
    if how.json:
        print_json(summary)
    else:
        note(message)
