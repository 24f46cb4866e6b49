"""Events as data: what training knew and what has happened since, as one data set."""

from collections.abc import Sequence

import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.sources import read
from tastemaker.errors import DataError
from tastemaker.serving.store.events import SCHEMA, EventStore, hashed
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.trending import RETRACT

PAIR = ["user_id", "item_id"]


def with_events(base: Dataset | None, store: EventStore, items: ItemStore) -> Dataset:
    """The data of a run and all events, without what was retracted or is to be forgotten.

    Ids stay whole numbers if all of them are; else they are text from here on.

    Args:
        base: what a run holds, or None for the events alone.
        store: of the events.
        items: what has changed of the catalog; new items come in once somebody has touched them.

    Raises:
        DataError: there is nothing to learn from, or the data of the run have weights, which
            events have not.
        DatabaseAwayError: the database does not answer.
    """
    if base is not None:
        refuse_weights(base)
    events = pl.concat([pl.DataFrame(schema=SCHEMA), *store.rows()])
    known = _without_forgotten(base, store.forgotten())
    events = events.with_row_index("arrival")
    # A retraction takes out what had arrived before it, of the run as well.
    taken_out = (
        events.filter(pl.col("type") == RETRACT)
        .group_by(PAIR)
        .agg(pl.col("arrival").max().alias("retraction"))
    )
    happened = (
        events.filter(pl.col("type") != RETRACT)
        .join(taken_out, on=PAIR, how="left", maintain_order="left")
        .filter(pl.col("retraction").is_null() | (pl.col("arrival") > pl.col("retraction")))
        .select(*PAIR, "timestamp")
    )
    known = known.join(taken_out, on=PAIR, how="anti", maintain_order="left")
    rows = pl.concat([known, happened])
    if rows.is_empty():
        raise DataError("there are no events yet, and so nothing to learn from")
    typed = rows.with_columns(_as_numbers(rows[name]) for name in PAIR)
    catalog = _catalog(base, items.changed(), typed["item_id"])
    # The service has taken every id as one, whatever it looks like.
    return read(
        typed, items=catalog, name="events" if base is None else base.name,
        user="user_id", item="item_id", time="timestamp", missing=(),
    )  # fmt: skip


def refuse_weights(trained: Dataset) -> None:
    """Checks that no weight would be left out in silence.

    Raises:
        DataError: the data have weights.
    """
    if trained.weights is not None:
        raise DataError(
            f"{trained.name}: the interactions have weights and the events of a service have none, "
            "so they cannot be learned from together; train with weight=… left out"
        )


def _without_forgotten(base: Dataset | None, forgotten: frozenset[str]) -> pl.DataFrame:
    schema = pl.Schema({name: SCHEMA[name] for name in (*PAIR, "timestamp")})
    if base is None:
        return pl.DataFrame(schema=schema)
    rows = base.to_frame()
    if "timestamp" not in rows.columns:
        # Without times, all of it was before the first event; the order within stays.
        rows = rows.with_columns(timestamp=pl.lit(0, pl.Int64))
    rows = rows.select(*PAIR, "timestamp").cast(schema)
    if not forgotten:
        return rows
    users = rows["user_id"].unique()
    out = [user for user in users if hashed(user) in forgotten]
    return rows.filter(~pl.col("user_id").is_in(out))


def _as_numbers(ids: pl.Series) -> pl.Series:
    """Whole numbers if all ids are, written as numbers are; else the text."""
    numbers = ids.cast(pl.Int64, strict=False)
    return numbers if (numbers.cast(pl.String) == ids).fill_null(value=False).all() else ids


def _catalog(
    base: Dataset | None, changed: Sequence[ItemRecord], touched: pl.Series
) -> pl.DataFrame | None:
    """What is known now of the items that somebody touched, those that were deleted left out."""
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
    if base is not None and base.catalog.columns:
        before = base.catalog.frame.cast({"item_id": pl.String})
        rows = pl.concat([rows, before], how="diagonal")
    rows = rows.filter(pl.col("item_id").is_in(touched.cast(pl.String).implode()))
    if rows.is_empty():
        return None
    known = rows.unique("item_id", keep="first", maintain_order=True)
    return known.cast({"item_id": touched.dtype})
