"""Events as data: the data of a run and the events since, as one data set."""

from collections.abc import Sequence

import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import column_of, usable_features, vector_size
from tastemaker.data.sources import read
from tastemaker.data.user_table import UserTable
from tastemaker.errors import DataError
from tastemaker.serving.store.events import SCHEMA, EventStore, hashed
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.trending import RETRACT

PAIR = ["user_id", "item_id"]


def with_events(base: Dataset | None, store: EventStore, items: ItemStore) -> Dataset:
    """The data of a run and all events, without retracted events and forgotten users.

    Ids stay integers if all of them are integers; otherwise all become text.

    Args:
        base: the data of a run; None for the events alone.
        store: the events.
        items: the changes to the catalog; a new item is included if a user has touched it.

    Raises:
        DataError: there are no interactions, or the data of the run have weights, which events do
            not have.
        DatabaseUnavailableError: the database does not answer.
    """
    if base is not None:
        refuse_weights(base)
    events = pl.concat([pl.DataFrame(schema=SCHEMA), *store.rows()])
    known = _without_forgotten(base, store.forgotten())
    events = events.with_row_index("arrival")
    # A retraction removes what arrived before it, interactions of the run included.
    retractions = (
        events.filter(pl.col("type") == RETRACT)
        .group_by(PAIR)
        .agg(pl.col("arrival").max().alias("retraction"))
    )
    kept_events = (
        events.filter(pl.col("type") != RETRACT)
        .join(retractions, on=PAIR, how="left", maintain_order="left")
        .filter(pl.col("retraction").is_null() | (pl.col("arrival") > pl.col("retraction")))
        .select(*PAIR, "timestamp")
    )
    known = known.join(retractions, on=PAIR, how="anti", maintain_order="left")
    rows = pl.concat([known, kept_events])
    if rows.is_empty():
        raise DataError("there are no events yet, so there is nothing to learn from")
    typed = rows.with_columns(_as_numbers(rows[name]) for name in PAIR)
    catalog = _catalog(base, items.changed(), typed["item_id"])
    # The service accepts every text as an id, even one that looks like a missing value.
    return read(
        typed, items=catalog, users=_users(base, typed["user_id"]),
        name="events" if base is None else base.name, user="user_id",
        item="item_id", time="timestamp", missing=(),
    )  # fmt: skip


def refuse_weights(trained: Dataset) -> None:
    """Raises DataError if the data have weights."""
    if trained.weights is not None:
        raise DataError(
            f"{trained.name}: the interactions have weights, but the events of a service have "
            "none, so a model cannot learn from both; train without weight=…"
        )


def _without_forgotten(base: Dataset | None, forgotten: frozenset[str]) -> pl.DataFrame:
    schema = pl.Schema({name: SCHEMA[name] for name in (*PAIR, "timestamp")})
    if base is None:
        return pl.DataFrame(schema=schema)
    rows = base.to_frame()
    if "timestamp" not in rows.columns:
        # Interactions without times count as earlier than all events, in their own order.
        rows = rows.with_columns(timestamp=pl.lit(0, pl.Int64))
    rows = rows.select(*PAIR, "timestamp").cast(schema)
    if not forgotten:
        return rows
    users = rows["user_id"].unique()
    forgotten_users = [user for user in users if hashed(user) in forgotten]
    return rows.filter(~pl.col("user_id").is_in(forgotten_users))


def _as_numbers(ids: pl.Series) -> pl.Series:
    """The ids as integers if all are written as integers; otherwise unchanged."""
    numbers = ids.cast(pl.Int64, strict=False)
    return numbers if (numbers.cast(pl.String) == ids).fill_null(value=False).all() else ids


def _catalog(
    base: Dataset | None, changed: Sequence[ItemRecord], touched: pl.Series
) -> Catalog | None:
    """The current data of the touched items that are not deleted."""
    rows = pl.DataFrame(
        {
            "item_id": [record.item_id for record in changed if not record.deleted],
            "title": [record.title for record in changed if not record.deleted],
            "categories": [
                list(record.categories or ()) for record in changed if not record.deleted
            ],
        },
        schema={"item_id": pl.String, "title": pl.String, "categories": pl.List(pl.String)},
    )
    if base is not None:
        rows = rows.with_columns(_sent_features(base.catalog, changed))
    if base is not None and base.catalog.columns:
        trained = base.catalog.frame.cast({"item_id": pl.String})
        rows = pl.concat([rows, trained], how="diagonal")
    rows = rows.filter(pl.col("item_id").is_in(touched.cast(pl.String).implode()))
    if rows.is_empty():
        return None
    # A feature that was not sent keeps its value in the data of the run.
    kept = [] if base is None else [name for name in base.catalog.features if name in rows.columns]
    kept = [name for name in kept if name not in ("title", "categories")]
    rows = rows.with_columns(pl.col(kept).drop_nulls().first().over("item_id"))
    catalog = rows.unique("item_id", keep="first", maintain_order=True)
    kinds = None if base is None else {"categories": "categories", **base.catalog.features}
    return Catalog(catalog.cast({"item_id": touched.dtype}), kinds=kinds)


def _sent_features(catalog: Catalog, changed: Sequence[ItemRecord]) -> list[pl.Series]:
    """The features, besides title and categories, of the items that are not deleted."""
    rows = [
        usable_features(catalog, record.features or {}) for record in changed if not record.deleted
    ]
    return [
        column_of(name, kind, [row.get(name) for row in rows], vector_size(catalog, name))
        for name, kind in catalog.features.items()
        if name not in ("title", "categories")
    ]


def _users(base: Dataset | None, touched: pl.Series) -> UserTable | None:
    """The features of the users who have interactions, as in the data of the run."""
    if base is None or base.user_table is None:
        return None
    frame = base.user_table.frame.cast({"user_id": pl.String})
    frame = frame.filter(pl.col("user_id").is_in(touched.cast(pl.String).implode()))
    known = base.user_table.with_frame(frame.cast({"user_id": touched.dtype}))
    return None if frame.is_empty() else known
