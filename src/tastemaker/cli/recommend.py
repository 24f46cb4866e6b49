"""tastemaker recommend: the best items for known users, or for a history."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, note, out, print_json, table_of
from tastemaker.cli.groups import grouped

if TYPE_CHECKING:
    from tastemaker.bundle.bundle import Bundle
    from tastemaker.cluster.shard import Shard
    from tastemaker.data.user_range import UserRange
    from tastemaker.data.users import UserBatch
    from tastemaker.models.retrieval import ListRules
    from tastemaker.training.run import DeviceName

REASONS = 3
"""Maximum number of items of the history that --because lists."""

ITEMS_PANEL = "Which items"


@grouped
def recommend(
    run: options.Run,
    user: Annotated[
        list[str] | None, typer.Option("--user", help="Id of a user; may be given several times.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option("--users", help="Text file with one user id per line.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users.")] = False,
    history: Annotated[
        str | None,
        typer.Option(
            "--history", help="History of an unseen user: item ids, oldest first, as in 1,50,296."
        ),
    ] = None,
    k: options.K = 10,
    include_seen: Annotated[
        bool | None,
        typer.Option(
            "--include-seen/--exclude-seen", help="Whether lists may contain items that the user "
            "has already touched. (default: only if the data were read with --repeats keep)",
            rich_help_panel=ITEMS_PANEL, show_default=False,
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category", help="Only items in this category; if given several times, in at least "
            "one of the categories.", rich_help_panel=ITEMS_PANEL,
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", help="Only these items, for example those in stock: ids separated by commas, "
            "or a text file with one id per line.", rich_help_panel=ITEMS_PANEL,
        ),
    ] = None,
    never: Annotated[
        list[str] | None,
        typer.Option(
            "--never", help="Leave out these items: ids or a file, as for --only; may be given "
            "several times.", rich_help_panel=ITEMS_PANEL,
        ),
    ] = None,
    diversity: Annotated[
        float,
        typer.Option(
            "--diversity", help="From 0, the items with the best scores, to 1, the items least "
            "similar to each other.", min=0, max=1, rich_help_panel=ITEMS_PANEL,
        ),
    ] = 0.0,
    because: Annotated[
        bool,
        typer.Option("--because", help="Show the items of the history that explain each item."),
    ] = False,
    approximate: Annotated[
        bool,
        typer.Option(
            "--approximate",
            help="Use the approximate index that the command tastemaker index has built.",
        ),
    ] = False,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Write to a .parquet, .csv or .jsonl file, block by block; with --shard "
            "or --ray, to a folder of shards.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", help="With --all, only one part of the users, such as 3/64 for the third of "
            "64 parts, unless it is there already; see the command shards.",
        ),
    ] = None,
    device: options.Device = "auto",
    *,
    on_ray: options.OnRay,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Recommend items to known users, or to an unseen user from a history.

    Examples: tastemaker recommend runs/demo --user 42, tastemaker recommend runs/demo --history
    1,50,296 --because, tastemaker recommend runs/demo --all --out lists.parquet, tastemaker
    recommend runs/demo --all --shard 3/64 --out lists/
    """
    from tastemaker.bundle.bundle import open_run
    from tastemaker.cli.on_ray import own_device
    from tastemaker.cli.selection import (
        eligible_items,
        refuse_on_ray,
        selected_shard,
        selected_users,
    )
    from tastemaker.data.recommendations import refuse_output
    from tastemaker.models.retrieval import ListRules

    if on_ray.ray is not None:
        refuse_on_ray(out_file, shard, everyone=everyone)
    part = selected_shard(shard, out_file, everyone=everyone)
    if out_file is not None and part is None and (on_ray.ray is None or out_file.suffix):
        refuse_output(out_file, because=because)
    bundle = open_run(run, own_device(on_ray, device), memory_map=True)
    selected = selected_users(bundle.model, user or [], users, everyone, history)
    rules = ListRules(
        exclude_seen=None if include_seen is None else not include_seen,
        eligible=eligible_items(bundle.model.dataset, category or [], only, never or []),
        diversity=diversity,
        because=REASONS if because else 0,
        index=bundle.index if approximate else None,
    )
    if out_file is None:
        _show(bundle, selected, k, rules, json=json)
    elif on_ray.ray is not None:
        _write_on_ray(on_ray, bundle, device, k, rules, out_file, json=json)
    elif part is None:
        _write(bundle, selected, k, rules, out_file, json=json)
    else:
        _write_shard(bundle, part, k, rules, out_file, json=json)


def _show(
    bundle: "Bundle", users: "UserBatch | UserRange", k: int, rules: "ListRules", *, json: bool
) -> None:
    """Prints the lists."""
    from tastemaker.cli.progress import progress_bar

    model = bundle.model
    with interrupt_message("nothing was written"), progress_bar() as update_bar:
        blocks = model.recommend_in_blocks(users, k, rules, update_bar)
        rows = [row for block in blocks for row in block]
    if json:
        print_json({"model": model.name, "recommendations": rows})
    elif rows:
        out.print(table_of(map(_shown, rows)))
    else:
        note("there is nothing to recommend: the users have seen all eligible items")


def _write(
    bundle: "Bundle", users: "UserBatch | UserRange", k: int, rules: "ListRules", path: Path, *,
    json: bool,
) -> None:  # fmt: skip
    """Writes the lists to a file."""
    from tastemaker.cli.progress import progress_bar
    from tastemaker.data.recommendations import write_recommendations

    with interrupt_message(f"{path} was not written"), progress_bar() as update_bar:
        blocks = bundle.model.recommend_in_blocks(users, k, rules, update_bar)
        n_rows = write_recommendations(blocks, path)
    if json:
        print_json({"out": str(path), "n_users": len(users), "n_rows": n_rows})
    else:
        note(f"{n_rows:,} rows for {len(users):,} users written to {path}")


def _write_shard(
    bundle: "Bundle", shard: "Shard", k: int, rules: "ListRules", folder: Path, *, json: bool
) -> None:
    """Writes the lists of one shard, unless they are there already."""
    from tastemaker.cli.progress import progress_bar
    from tastemaker.cluster.lists import write_shard

    with interrupt_message(f"shard {shard} was not written"), progress_bar() as update_bar:
        done = write_shard(bundle, shard, folder, k, rules, update_bar)
    if json:
        print_json(
            {
                "out": str(done.path), "n_users": done.n_users, "n_rows": done.n_rows,
                "was_finished": done.was_finished,
            }
        )  # fmt: skip
    elif done.was_finished:
        note(f"shard {shard} was finished before; {done.path} is not computed again")
    else:
        note(f"{done.n_rows:,} rows for {done.n_users:,} users written to {done.path}")


def _write_on_ray(
    on_ray: options.OnRay, bundle: "Bundle", device: "DeviceName", k: int, rules: "ListRules",
    path: Path, *, json: bool,
) -> None:  # fmt: skip
    """Writes the lists of all users in shards; to a file if the path has an ending."""
    from tastemaker.cli.on_ray import joined_ray
    from tastemaker.cli.progress import progress_bar
    from tastemaker.cluster.ray_lists import write_shards
    from tastemaker.cluster.shard_set import read_shards

    is_file = bool(path.suffix)
    folder = path.with_name(f"{path.name}.shards") if is_file else path
    kept = f"the finished shards are in {folder}; run the same command again to continue"
    with (
        joined_ray(on_ray, device) as cluster,
        interrupt_message(kept),
        progress_bar() as update_bar,
    ):
        assert cluster is not None
        write_shards(cluster, bundle, device, folder, k, rules, update_bar)
        found = read_shards(folder, update_bar)
        if is_file:
            found.merge(path)
            shutil.rmtree(folder)
    if json:
        print_json({"out": str(path), "n_users": found.n_users, "n_rows": found.n_rows})
    else:
        note(f"{found.n_rows:,} rows for {found.n_users:,} users written to {path}")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its reasons as titles in one text."""
    if "because" not in row:
        return row
    names = [str(reason.get("title") or reason["item_id"]) for reason in row.pop("because")]
    return row | {"because of": ", ".join(names) or None}
