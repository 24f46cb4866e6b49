"""The data sets as they are read, and the splits that the papers of NCF and LightGCN give."""

from pathlib import Path

import numpy as np
import polars as pl

import tastemaker as tm
from tastemaker.data.interactions import Interactions
from tastemaker.data.split import Targets

HELD_OUT = 3
"""Interactions of each user that settings are chosen on. The file has no times, so that which ones
is a random draw; three rather than one make differences between settings easier to see."""


def published(data: Path) -> tm.Split:
    """All of the training file, each user's latest rating for the test, the paper's candidates."""
    train = data / "ncf-ml-1m" / "train.parquet"
    return _with_published_test(data, tm.read_interactions(train, name="ncf-ml-1m"))


def published_for_tuning(data: Path, seed: int = 0) -> tm.Split:
    """The training file alone, without three random interactions of each user: the validation part.

    Nothing of the test file is read.
    """
    interactions = tm.read(data / "ncf-ml-1m" / "train.parquet", name="ncf-ml-1m")
    held = tm.leave_k_out(interactions, HELD_OUT, validation=False, by="random", seed=seed)
    return _to_tune_on(held)


def published_in_order(data: Path) -> tm.Split:
    """As `published`, with the place of each training row in its user's history as its time."""
    return _with_published_test(data, tm.read_interactions(_ordered(data), name="ncf-ml-1m-order"))


def in_order_for_tuning(data: Path) -> tm.Split:
    """The training file alone, without the latest interaction of each user: the validation part.

    Nothing of the test file is read.
    """
    interactions = tm.read(_ordered(data), name="ncf-ml-1m-order")
    held = tm.leave_one_out(interactions, validation=False)
    return _to_tune_on(held)


def _with_published_test(data: Path, train: Interactions) -> tm.Split:
    """Training rows, and the test and the candidates of the paper."""
    folder = data / "ncf-ml-1m"
    return tm.predefined_split(
        train,
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
        catalog=tm.read_catalog(folder / "items.parquet"),
    )


def _to_tune_on(held: tm.Split) -> tm.Split:
    """A split whose test becomes the validation part."""
    assert held.test is not None
    validation = Targets(held.test.users, held.test.items)
    return tm.Split(held.train, validation=validation, histories=held.histories, method=held.method)


def _ordered(data: Path) -> pl.DataFrame:
    """The training rows in order; the 593 rows whose place is unknown are the oldest."""
    rows = pl.read_parquet(data / "ncf-ml-1m" / "train_order.parquet")
    return rows.select("user_id", "item_id", timestamp=pl.col("rank").fill_null(0).cast(pl.Int64))


def by_order(data: Path, name: str) -> tm.Dataset:
    """Interactions whose time is their place in their user's history."""
    return tm.read(data / name / "interactions.parquet", name=name)


def described(data: Path) -> tm.Dataset:
    """Amazon Beauty, with the items' attributes as categories and their words as a feature."""
    folder = data / "amazon-beauty"
    items = pl.read_parquet(folder / "items.parquet").rename({"attributes": "categories"})
    words = pl.read_parquet(folder / "words.parquet").select("item_id", "words")
    catalog = tm.Catalog.from_frame(items.join(words, on="item_id", how="left"), "items.parquet")
    return by_order(data, "amazon-beauty").with_catalog(catalog)


def lightgcn(data: Path, name: str) -> tm.Split:
    """The training file and the test file that came with LightGCN."""
    train, test = (data / name / f"{part}.parquet" for part in ("train", "test"))
    return tm.predefined_split(
        tm.read_interactions(train, name=name), tm.read_interactions(test, name=name)
    )


def lightgcn_for_tuning(data: Path, name: str, seed: int = 0) -> tm.Split:
    """The training file alone, without a random tenth of each user's items: the validation part.

    At least one item of each user is held out. Nothing of the test file is read.
    """
    log = tm.read(data / name / "train.parquet", name=name)
    counts = np.diff(log.indptr)
    in_random_order = np.lexsort((np.random.default_rng(seed).random(len(log)), log.users))
    places = np.arange(len(log)) - np.repeat(log.indptr[:-1], counts)
    held = np.zeros(len(log), dtype=bool)
    held[in_random_order] = places < np.repeat(np.maximum(np.rint(counts / 10), 1), counts)
    return tm.Split(
        log.rows(~held),
        validation=Targets.of(log.rows(held)),
        method=f"a tenth of each user, seed {seed}",
    )


HELD_OUT_SESSIONS = 18_667
"""The latest tenth of Diginetica's training sessions, whose order is that of their dates."""


def diginetica_sessions(data: Path) -> tm.Split:
    """All training sessions, and the published prefixes of test sessions with what came next."""
    return _next_of_prefixes(_sessions(data), pl.read_parquet(data / "diginetica" / "test.parquet"))


def diginetica_for_tuning(data: Path) -> tm.Split:
    """The training sessions without the latest tenth, whose prefixes are the validation part.

    As in the published test, items that occur in no earlier session are left out of the prefixes.
    Nothing of the test file is read.
    """
    sessions = _sessions(data)
    train, latest = sessions[:-HELD_OUT_SESSIONS], sessions[-HELD_OUT_SESSIONS:]
    known = train.select(pl.col("items").explode().unique())
    rows = latest.explode("items").join(known, on="items", how="semi", maintain_order="left")
    place = pl.int_range(pl.len()).over("session_id")
    rest = rows.group_by("session_id", maintain_order=True).agg(history="items")
    prefixes = (
        rows.with_columns(place=place)
        .join(rest, on="session_id", maintain_order="left")
        .filter(pl.col("place") > 0)
        .select(prefix=pl.col("history").list.head("place"), target="items")
    )
    return _to_tune_on(_next_of_prefixes(train, prefixes))


def _sessions(data: Path) -> pl.DataFrame:
    """The training sessions of Diginetica in order: session_id, and items as a list in order."""
    return pl.read_parquet(data / "diginetica" / "train.parquet")


def _next_of_prefixes(sessions: pl.DataFrame, prefixes: pl.DataFrame) -> tm.Split:
    """Sessions to train on, and each prefix as the history of a user of its own with one target.

    Items occur repeatedly, and a target may be an item of its prefix.
    """
    users = prefixes.with_row_index("user_id", offset=len(sessions))
    return tm.predefined_split(
        _in_order(sessions.select(user_id="session_id", item_id="items"), "diginetica"),
        _in_order(users.select("user_id", item_id=pl.concat_list("target")), "targets"),
        histories=_in_order(users.select("user_id", item_id="prefix"), "prefixes"),
        repeats="keep",
    )


def _in_order(lists: pl.DataFrame, name: str) -> Interactions:
    """The items of lists as interactions whose time is their place in their list."""
    rows = lists.with_columns(pl.col("user_id").cast(pl.Int64)).explode("item_id")
    place = pl.int_range(pl.len()).over("user_id")
    return tm.read_interactions(rows.with_columns(timestamp=place), name=name)
