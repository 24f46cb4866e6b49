"""tastemaker index: builds an approximate index of a run, and measures it."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, note, out, print_json, table_of

if TYPE_CHECKING:
    from tastemaker.models.recommender import Recommender
    from tastemaker.ranking.comparison import IndexComparison
    from tastemaker.ranking.index import Index


def index(
    run: options.Run,
    k: options.K = 10,
    users: Annotated[
        int, typer.Option("--users", help="Number of random users to measure with.", min=1)
    ] = 1000,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Build the approximate index for recommend --approximate, and measure its recall and speed.

    Example: tastemaker index runs/demo
    """
    from tastemaker.bundle.bundle import open_run
    from tastemaker.cli.progress import progress_bar
    from tastemaker.ranking.approximate import MIN_INDEX_ITEMS

    with interrupt_message("the run was not changed"), progress_bar() as update_bar:
        bundle = open_run(run)
        started_at = time.monotonic()
        built_index = bundle.make_index(update_bar)
        build_s = time.monotonic() - started_at
    with interrupt_message("the index was built and saved, but not measured"):
        n_users, comparison = _measure(bundle.model, built_index, k, users, seed or 0)
    n_items = len(built_index.keys)
    result = {
        "model": bundle.model.name,
        "run": str(run),
        "n_items": n_items,
        "n_users": n_users,
        "build_s": build_s,
        f"recall@{k}": comparison.recall,
        "latency_ms": comparison.latency_ms,
        "exact_latency_ms": comparison.exact_latency_ms,
    }
    if json:
        print_json(result)
        return
    out.print(table_of(_rows(comparison, k)))
    note(
        f"{n_items:,} items, recall of {n_users:,} users drawn at random, time of up to 200 of "
        f"them; built in {build_s:.1f} s"
    )
    if n_items < MIN_INDEX_ITEMS:
        note(
            f"up to about {MIN_INDEX_ITEMS:,} items, exact search is fast enough for most purposes"
        )


def _measure(
    model: "Recommender", built_index: "Index", k: int, n_users: int, seed: int
) -> tuple[int, "IndexComparison"]:
    """The number of users measured with, and the index compared with exact search."""
    import numpy as np

    from tastemaker.data.users import UserBatch
    from tastemaker.ranking.comparison import compare
    from tastemaker.ranking.exclusion import Exclusion
    from tastemaker.ranking.index import ExactIndex

    users_with_items = np.flatnonzero(model.dataset.user_counts)
    user_codes = np.random.default_rng(seed).permutation(users_with_items)[:n_users]
    batch = UserBatch.known(model.split.everything, user_codes)
    exact = ExactIndex(built_index.keys)
    queries = model.queries(batch).cpu()
    exclusion = Exclusion(batch.excluded(seen=not model.dataset.rules.repeat_targets))
    return len(user_codes), compare(built_index, exact, queries, k, exclusion)


def _rows(comparison: "IndexComparison", k: int) -> list[dict[str, Any]]:
    return [
        {"search": "exact", f"recall@{k}": 1.0, "ms a user": comparison.exact_latency_ms},
        {
            "search": "approximate",
            f"recall@{k}": comparison.recall,
            "ms a user": comparison.latency_ms,
        },
    ]
