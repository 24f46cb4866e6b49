"""tastemaker prepare: encodes data beyond memory once, for every other verb."""

from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, note, out, print_json
from tastemaker.cli.groups import grouped


@grouped
def prepare(
    data: Annotated[
        str,
        typer.Argument(
            help="A file (.csv .tsv .parquet .jsonl, compressed or not), a folder or a pattern in "
            'quotes ("logs/2026-*.csv") of several, or a URL (s3://, gs://, https://).',
            show_default=False,
        ),
    ],
    out_folder: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder to create; prepared data there are replaced.", show_default=False
        ),
    ],
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            help="About how much memory to use; at least 512MiB. By default 8GiB, or half of what "
            "is available if that is less.",
            show_default=False,
        ),
    ] = None,
    *,
    reading: options.Reading,
    json: options.Json = False,
) -> None:
    """Prepare data that may be larger than memory, in a folder that every verb takes as DATA.

    Example: tastemaker prepare "logs/*.parquet" --out data/big --memory 4GiB

    Then: tastemaker train data/big --items items.parquet

    The data are read, encoded and sorted once, with disk space beside --out in place of memory
    (about 50 bytes a row with short ids). Options on items and users and --min-rating are given to
    the verb that uses the folder.
    """
    from tastemaker.cli.progress import progress_bar
    from tastemaker.cli.sources import DataOptions
    from tastemaker.data.prepared.prepare import prepare as prepare_data

    arguments = DataOptions(**vars(reading)).to_prepare(data)
    with interrupt_message("nothing was written"), progress_bar() as update_bar:
        prepared = prepare_data(
            data, out_folder, memory=memory, on_progress=update_bar, **arguments
        )
    n_bytes = sum(path.stat().st_size for path in out_folder.iterdir())
    if json:
        print_json(
            {
                "folder": str(out_folder), "n_interactions": len(prepared),
                "n_users": prepared.n_users, "n_items": prepared.n_items, "n_bytes": n_bytes,
                "fingerprint": prepared.fingerprint, "notes": prepared.notes,
            }
        )  # fmt: skip
        return
    for line in prepared.notes:
        note(line)
    out.print(
        f"{out_folder}: {len(prepared):,} interactions of {prepared.n_users:,} users and "
        f"{prepared.n_items:,} items, {n_bytes / 1e6:,.1f} MB",
        markup=False, soft_wrap=True,
    )  # fmt: skip
