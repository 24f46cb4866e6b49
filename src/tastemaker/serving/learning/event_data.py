"""Events as data: the data of a run and the events since, as one data set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import column_of, usable_features, vector_size
from tastemaker.data.id_table import IdTable
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_rules import DEFAULT_RULES, LogRules
from tastemaker.data.user_table import UserTable
from tastemaker.errors import DataError
from tastemaker.serving.store.database import Database
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.events import SCHEMA, EventStore, hashed
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.trending import RETRACT
from tastemaker.serving.store.users import UserStore

PAIR = ["user_id", "item_id"]

FIELDS_OF_ITEMS = ("title", "categories")
"""Features that are fields of an item itself, all of which are sent with it."""

COLUMNS = pl.Schema(
    {
        "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "weight": pl.Float32,
        "event": pl.String,
    }
)  # fmt: skip
"""The columns of interactions; `event` is null if there are no kinds."""


def with_events(base: Dataset | None, database: Database, rules: LogRules | None = None) -> Dataset:
    """The data of a run and all events, without retracted events and forgotten users.

    Ids stay integers if all of them are integers; otherwise all become text. Events have the kinds
    and weights that the rules give them. An event that is not newer than the interaction of its
    user and item in the data of the run was among the events from which the run was trained; it
    does not count again.

    Args:
        base: the data of a run; None for the events alone.
        database: the events, the changes to the catalog and the features of users; those of an item
            that no user has touched, and of a user without interactions, are left out.
        rules: what the events mean; by default those of the run.

    Raises:
        DataError: there are no interactions.
        DatabaseUnavailableError: the database does not answer.
    """
    rules = rules or (DEFAULT_RULES if base is None else base.rules)
    store = EventStore(database)
    events = pl.concat([pl.DataFrame(schema=SCHEMA), *store.rows()])
    forgotten = _forgotten_in(base, store.forgotten())
    known = _without(forgotten, base)
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
    )
    known = known.join(retractions, on=PAIR, how="anti", maintain_order="left")
    new, notes = _weighed(_newer(kept_events, known), rules)
    rows = pl.concat([known, new])
    if rows.is_empty():
        raise DataError("there are no events yet, so there is nothing to learn from")
    typed = rows.with_columns(_as_numbers(rows[name]) for name in PAIR)
    catalog = _catalog(base, ItemStore(database).changed(), typed["item_id"])
    users = _users(base, UserStore(database), typed["user_id"], forgotten)
    name = "events" if base is None else base.name
    return _encoded(typed, rules, catalog, users, name, notes)


def _newer(events: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Leaves out the events that the known interactions include."""
    latest = known.group_by(PAIR).agg(pl.col("timestamp").max().alias("known_until"))
    return events.join(latest, on=PAIR, how="left", maintain_order="left").filter(
        pl.col("known_until").is_null() | (pl.col("timestamp") > pl.col("known_until"))
    )


def _weighed(events: pl.DataFrame, rules: LogRules) -> tuple[pl.DataFrame, list[str]]:
    """Returns events with the columns of COLUMNS, and a note on events of unknown kinds."""
    notes = []
    if rules.kinds is not None:
        kinds = events["type"].unique()
        unknown = [kind for kind in kinds if rules.kinds.weight_of(kind) is None]
        left_out = events["type"].is_in(unknown)
        if left_out.any():
            names = ", ".join(sorted(unknown))
            notes.append(f"{left_out.sum():,} events of unknown kinds are left out: {names}")
        events = events.filter(~left_out)
    weights = EventWeights.of(rules).weights_of(events["type"], events["value"])
    rows = events.with_columns(weight=pl.Series(weights, dtype=pl.Float32), event=pl.col("type"))
    return rows.select(list(COLUMNS)), notes


def _encoded(
    rows: pl.DataFrame,
    rules: LogRules,
    catalog: Catalog | None,
    user_table: UserTable | None,
    name: str,
    notes: Sequence[str],
) -> Dataset:
    """Encodes rows with the columns of COLUMNS."""
    kinds, others = None, ["event"]
    if rules.kinds is not None:
        codes, kinds = rules.kinds.encode(rows["event"], name)
        rows = rows.with_columns(kind=pl.Series(codes))
    has_weights = kinds is not None or rules.weight_transform is not None
    if not has_weights and (rows["weight"] == 1).all():
        others.append("weight")
    interactions = Interactions(
        rows.drop(others), name, "seconds", tuple(notes), kinds=kinds,
        weight_transform=rules.weight_transform,
    )  # fmt: skip
    # The interactions of the run have counted their rows already.
    repeats = "sum" if rules.repeats == "count" else rules.repeats
    data = Dataset.from_interactions(
        interactions, catalog, user_table=user_table, repeats=repeats,
        repeat_targets=rules.repeat_targets,
    )  # fmt: skip
    return replace(data, rules=replace(data.rules, repeats=rules.repeats))


def _forgotten_in(base: Dataset | None, hashes: frozenset[str]) -> list[str]:
    """Returns the users of a run, as text, whose data may not be used."""
    if base is None or not hashes:
        return []
    return [user for user in map(str, base.user_vocabulary.ids) if hashed(user) in hashes]


def _without(forgotten: Sequence[str], base: Dataset | None) -> pl.DataFrame:
    """Returns the interactions of a run, without some users, with the columns of COLUMNS."""
    if base is None:
        return pl.DataFrame(schema=COLUMNS)
    rows = base.to_frame()
    if "timestamp" not in rows.columns:
        # Interactions without times count as earlier than all events, in their own order.
        rows = rows.with_columns(timestamp=pl.lit(0, pl.Int64))
    if "weight" not in rows.columns:
        rows = rows.with_columns(weight=pl.lit(1.0, pl.Float32))
    if "event" not in rows.columns:
        rows = rows.with_columns(event=pl.lit(None, pl.String))
    rows = pl.concat([rows.select(list(COLUMNS)).cast(COLUMNS), _rejections(base, rows)])
    return rows.filter(~pl.col("user_id").is_in(forgotten))


def _rejections(base: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the rejected pairs of a run as its latest events."""
    rejected, kinds = base.rejected, base.rules.kinds
    if rejected is None or kinds is None:
        return pl.DataFrame(schema=COLUMNS)
    pairs = pl.DataFrame(
        {
            "user_id": base.user_vocabulary.decode(rejected.users),
            "item_id": base.item_vocabulary.decode(rejected.items),
        }
    )
    return pairs.with_columns(
        timestamp=pl.lit(rows["timestamp"].max() or 0, pl.Int64),
        weight=pl.lit(0.0, pl.Float32),
        event=pl.lit(kinds.negative[0]),
    ).cast(COLUMNS)


def _as_numbers(ids: pl.Series) -> pl.Series:
    """The ids as integers if all are written as integers; otherwise unchanged."""
    numbers = ids.cast(pl.Int64, strict=False)
    return numbers if (numbers.cast(pl.String) == ids).fill_null(value=False).all() else ids


def _catalog(
    base: Dataset | None, changed: Sequence[ItemRecord], touched: pl.Series
) -> Catalog | None:
    """The current data of the touched items that are not deleted."""
    kept = [record for record in changed if not record.deleted]
    sent = pl.DataFrame(
        {
            "item_id": [record.item_id for record in kept],
            "title": [record.title for record in kept],
            "categories": [list(record.categories or ()) for record in kept],
        },
        schema={"item_id": pl.String, "title": pl.String, "categories": pl.List(pl.String)},
    )
    table = None if base is None else base.catalog
    if table is not None:
        rows = [record.features or {} for record in kept]
        sent = sent.with_columns(_sent_features(table, rows, FIELDS_OF_ITEMS))
    merged = _merged(sent, table, touched, FIELDS_OF_ITEMS)
    kinds = None if table is None else {"categories": "categories", **table.features}
    return None if merged.is_empty() else Catalog(merged, kinds=kinds)


def _users(
    base: Dataset | None, store: UserStore, touched: pl.Series, forgotten: Sequence[str]
) -> UserTable | None:
    """The current features of the users who have interactions.

    Of users who were forgotten, only those that were sent afterwards are used.
    """
    if base is None or base.user_table is None:
        return None
    frame, keys = base.user_table.frame, set(touched.unique().cast(pl.String))
    kept = base.user_table.with_frame(
        frame.filter(~pl.col("user_id").cast(pl.String).is_in(forgotten))
    )
    records = [record for page in store.pages() for record in page if record.user_id in keys]
    sent = pl.DataFrame({"user_id": [record.user_id for record in records]}, {"user_id": pl.String})
    sent = sent.with_columns(_sent_features(kept, [record.features for record in records]))
    merged = _merged(sent, kept, touched)
    return None if merged.is_empty() else kept.with_frame(merged)


def _sent_features(
    table: IdTable, rows: Sequence[Mapping[str, Any]], besides: Collection[str] = ()
) -> list[pl.Series]:
    """The features that were sent, as columns of the table; null where a value cannot be used."""
    usable = [usable_features(table, row) for row in rows]
    return [
        column_of(name, kind, [row.get(name) for row in usable], vector_size(table, name))
        for name, kind in table.features.items()
        if name not in besides
    ]


def _merged(
    sent: pl.DataFrame, table: IdTable | None, touched: pl.Series, besides: Collection[str] = ()
) -> pl.DataFrame:
    """Returns one row for each touched id: that which was sent, over that of the run.

    A feature that was not sent keeps its value in the data of the run.

    Args:
        sent: rows with ids as text in the first column.
        table: the items or users of the run, if there is one.
        touched: the ids that have interactions, in the type of the result.
        besides: features that are replaced in any case.
    """
    key, rows, kept = sent.columns[0], sent, list[str]()
    if table is not None and table.columns:
        rows = pl.concat([sent, table.frame.cast({key: pl.String})], how="diagonal")
        kept = [name for name in table.features if name not in besides]
    rows = rows.filter(pl.col(key).is_in(touched.cast(pl.String).implode()))
    rows = rows.with_columns(pl.col(kept).drop_nulls().first().over(key))
    return rows.unique(key, keep="first", maintain_order=True).cast({key: touched.dtype})
