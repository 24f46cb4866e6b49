"""tastemaker recommend: the best items for known users, or for a history."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.cli.common import note, out, print_json, table_of

if TYPE_CHECKING:
    from tastemaker.data.users import UserBatch
    from tastemaker.models.recommender import Recommender


def recommend(
    run: options.Run,
    user: Annotated[
        list[str] | None, typer.Option("--user", help="A user's id; may be given several times.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option("--users", help="A text file with one user id a line.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user.")] = False,
    history: Annotated[
        str | None,
        typer.Option(
            "--history", help="Item ids that somebody new touched, oldest first: 1,50,296"
        ),
    ] = None,
    k: options.K = 10,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Do not leave out what the user has touched.")
    ] = False,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="Write to a .parquet, .csv or .jsonl file, block by block."),
    ] = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Recommend items to users whom the model knows, or to somebody new by a history.

    Examples: tastemaker recommend runs/demo --user 42, tastemaker recommend runs/demo --history
    1,50,296, tastemaker recommend runs/demo --all --out lists.parquet
    """
    from tastemaker.bundle.bundle import open_run
    from tastemaker.data.recommendations import write_recommendations

    model = open_run(run, device).model
    batch = _question(model, user or [], users, everyone, history)
    if out_file is not None:
        blocks = model.recommend_in_blocks(batch, k, exclude_seen=not include_seen)
        n_rows = write_recommendations(blocks, out_file)
        summary = {"out": str(out_file), "n_users": len(batch), "n_rows": n_rows}
        if json:
            print_json(summary)
        else:
            note(f"{n_rows:,} rows for {len(batch):,} users written to {out_file}")
        return
    lists = model.recommend(batch, k, exclude_seen=not include_seen)
    if json:
        print_json({"model": model.name, "recommendations": list(lists)})
    elif len(lists) == 0:
        note("nothing is left to recommend: everything in the catalog was seen")
    else:
        out.print(table_of(lists))


def _question(
    model: "Recommender", user: list[str], users: Path | None, everyone: bool, history: str | None
) -> "UserBatch":
    import numpy as np

    from tastemaker.data.users import UserBatch
    from tastemaker.errors import ConfigError

    given = [bool(user), users is not None, everyone, history is not None]
    if sum(given) != 1:
        raise ConfigError("say for whom: one of --user, --users FILE, --all or --history")
    vocabulary = model.dataset.user_vocabulary
    if everyone:
        return UserBatch.known(model.split.everything, np.arange(len(vocabulary)))
    if history is not None:
        asked = [part.strip() for part in history.split(",") if part.strip()]
        return model.strangers([model.dataset.item_vocabulary.parse(asked)])
    if users is not None:
        try:
            user = [line.strip() for line in users.read_text().splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise ConfigError(f"{users}: cannot be read: {reason}") from None
        if not user:
            raise ConfigError(f"{users}: holds no user id")
    return model.users(vocabulary.parse(user))
