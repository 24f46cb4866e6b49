"""tastemaker similar: lists similar items."""

from typing import Annotated

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, out, print_json, table_of


def similar(
    run: options.Run,
    items: Annotated[list[str], typer.Argument(help="Ids of items.", show_default=False)],
    k: options.K = 10,
    json: options.Json = False,
) -> None:
    """List the items most similar to the given ones, by the vectors of the model.

    Example: tastemaker similar runs/demo 296
    """
    from tastemaker.bundle.bundle import open_run
    from tastemaker.cli.progress import progress_bar

    with interrupt_message("the run was not changed"), progress_bar() as update_bar:
        model = open_run(run).model
        ids = model.dataset.item_vocabulary.parse(items)
        table = model.similar_items(ids, k, on_progress=update_bar)
    if json:
        print_json({"model": model.name, "similar": list(table)})
    else:
        out.print(table_of(table))
