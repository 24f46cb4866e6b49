"""tastemaker shards: which shards of lists are finished, and their lists as one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, note, out, print_json, table_of

if TYPE_CHECKING:
    from tastemaker.cluster.shard_set import ShardSet


def shards(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder that recommend --shard has written to.", show_default=False),
    ],
    merge: Annotated[
        Path | None,
        typer.Option(
            "--merge", help="Write the lists of all shards to a .parquet, .csv or .jsonl file, in "
            "the order of the users.",
        ),
    ] = None,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Show which shards of a folder are finished, missing or damaged, and merge them.

    Examples: tastemaker shards lists/, tastemaker shards lists/ --merge lists.parquet
    """
    from tastemaker.cli.progress import progress_bar
    from tastemaker.cluster.shard_set import read_shards

    with interrupt_message("nothing was written"), progress_bar() as update_bar:
        found = read_shards(folder, update_bar)
    if merge is not None:
        with interrupt_message(f"{merge} was not written"):
            found.merge(merge)
    if json:
        print_json(_as_json(found) | ({} if merge is None else {"out": str(merge)}))
    elif merge is not None:
        note(f"{found.n_rows:,} rows for {found.n_users:,} users written to {merge}")
    else:
        _print(found)


def _print(found: "ShardSet") -> None:
    from tastemaker.cluster.shard_set import in_ranges

    states = {
        "finished": found.finished_numbers,
        "missing": found.missing,
        "damaged": found.damaged,
    }
    rows = [
        {"state": state, "shards": len(numbers), "numbers": in_ranges(numbers) or None}
        for state, numbers in states.items()
    ]
    out.print(table_of(rows))
    lists = found.lists
    if lists is not None:
        note(
            f"{found.n_rows:,} rows for {found.n_users:,} users, lists of {lists.k} items by "
            f"{lists.model} (run {lists.run})"
        )


def _as_json(found: "ShardSet") -> dict[str, Any]:
    return {
        "n_shards": found.n_shards,
        "finished": found.finished_numbers,
        "missing": found.missing,
        "damaged": found.damaged,
        "n_users": found.n_users,
        "n_rows": found.n_rows,
        "lists": None if found.lists is None else found.lists.model_dump(),
    }
