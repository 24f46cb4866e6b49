"""Events as data: the data of a run and the events since, as one data set."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_values import column_of, usable_features, vector_size
from tastemaker.data.interactions import Interactions
from tastemaker.data.log_rules import DEFAULT_RULES, LogRules
from tastemaker.data.user_table import UserTable
from tastemaker.errors import DataError
from tastemaker.serving.store.event_weights import EventWeights
from tastemaker.serving.store.events import SCHEMA, EventStore, hashed
from tastemaker.serving.store.items import ItemRecord, ItemStore
from tastemaker.serving.store.trending import RETRACT

PAIR = ["user_id", "item_id"]

COLUMNS = pl.Schema(
    {
        "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "weight": pl.Float32,
        "event": pl.String,
    }
)  # fmt: skip
"""The columns of interactions; `event` is null if there are no kinds."""


def with_events(
    base: Dataset | None,
    store: EventStore,
    items: ItemStore,
    rules: LogRules | None = None,
) -> Dataset:
    """The data of a run and all events, without retracted events and forgotten users.

    Ids stay integers if all of them are integers; otherwise all become text. Events have the kinds
    and weights that the rules give them. An event that is not newer than the interaction of its
    user and item in the data of the run was among the events from which the run was trained; it
    does not count again.

    Args:
        base: the data of a run; None for the events alone.
        store: the events.
        items: the changes to the catalog; a new item is included if a user has touched it.
        rules: what the events mean; by default those of the run.

    Raises:
        DataError: there are no interactions.
        DatabaseUnavailableError: the database does not answer.
    """
    rules = rules or (DEFAULT_RULES if base is None else base.rules)
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
    )
    known = known.join(retractions, on=PAIR, how="anti", maintain_order="left")
    new, notes = _weighed(_newer(kept_events, known), rules)
    rows = pl.concat([known, new])
    if rows.is_empty():
        raise DataError("there are no events yet, so there is nothing to learn from")
    typed = rows.with_columns(_as_numbers(rows[name]) for name in PAIR)
    catalog = _catalog(base, items.changed(), typed["item_id"])
    name = "events" if base is None else base.name
    return _encoded(typed, rules, catalog, _users(base, typed["user_id"]), name, notes)


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


def _without_forgotten(base: Dataset | None, forgotten: frozenset[str]) -> pl.DataFrame:
    """Returns the interactions of a run with the columns of COLUMNS."""
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
    if not forgotten:
        return rows
    users = rows["user_id"].unique()
    forgotten_users = [user for user in users if hashed(user) in forgotten]
    return rows.filter(~pl.col("user_id").is_in(forgotten_users))


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
