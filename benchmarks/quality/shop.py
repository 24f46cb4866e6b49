"""Measures what each kind of information is worth, on the invented shop.

python benchmarks/quality/shop.py [--rows "new: kinds alike;…"] [--seeds 3]

The questions: `new`, first purchases of a product; `next`, all purchases, repeats included; `cold`,
first purchases, those of products and by visitors without events in training included.

Each row has other information. How events are weighed and the settings of the model are chosen for
each row on the validation part of the shop with seed 0: the tenth of the events before the test.
The shops with seeds 0, 1, 2 are then fitted on everything but the test, the latest tenth of the
events, and the test is ranked among the whole catalog. Writes results/shop.json and the table of
README.md; what is there is not measured again.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from table import replace_table

import tastemaker as tm
from tastemaker.data.shop import Shop, shop
from tastemaker.data.split import Part, Split, Targets

RESULTS = Path(__file__).parent / "results" / "shop.json"
METRICS = ("ndcg@10", "hit_rate@10")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One row of the table: what a model learns from, and what is tried on the validation part."""

    name: str
    """The question, a colon, and the information."""
    model: str
    reading: list[Settings]
    """Arguments of `read`."""
    settings: list[Settings]
    """Settings of the model."""
    with_visitors: bool = False
    """Whether the table of the visitors is read."""

    @property
    def question(self) -> str:
        """The question of the row: new, next or cold."""
        return self.name.partition(":")[0]

    def choices(self) -> Iterator[tuple[Settings, Settings]]:
        """Yields all pairs of arguments of `read` and settings."""
        for how in self.reading:
            for settings in self.settings:
                yield how, settings


def _weights(view: float, cart: float, purchase: float) -> Settings:
    return {"event_weights": {"view": view, "addtocart": cart, "purchase": purchase}}


def _also(reading: list[Settings], **more: Any) -> list[Settings]:
    return [how | more for how in reading]


ALIKE = [_weights(1, 1, 1)]
WEIGHED = [_weights(1, 2, 3), _weights(1, 4, 10), _weights(0.1, 4, 10)]
VALUES: Settings = {"weight": "seconds", "weight_transform": "log1p"}
ONCE: Settings = {"repeats": "max"}
MERGED: Settings = ONCE | {"repeat_targets": True}
KEPT: Settings = {"repeats": "keep"}

EASE: list[Settings] = [
    {"regularization": λ, "half_life_events": None} for λ in (100, 300, 1000, 3000)
]
EASE_WITH_AGES = [s | {"half_life_events": h} for s in EASE for h in (10, 30, 100, 300)]
EASE_WITH_FEATURES = [s | {"feature_weight": c} for s in EASE for c in (1.0, 3.0, 10.0)]
TWO_TOWER: list[Settings] = [{"epochs": n, "patience": None} for n in (8, 16)]
REPEAT: list[Settings] = [{"half_life_days": days} for days in (10, 30, 90)]

# Where there are many settings or slow networks, only the weights that were best for EASE are
# tried.
NEW = _also([_weights(0.1, 4, 10)], **VALUES, **ONCE)
NEXT = _also([_weights(1, 4, 10)], **VALUES, **KEPT)

ROWS = [
    Row("new: kinds and values", "ease", _also(WEIGHED, **VALUES, **ONCE), EASE),
    Row("new: kinds alike", "ease", _also(ALIKE, **VALUES, **ONCE), EASE),
    Row("new: without values", "ease", _also(WEIGHED, **ONCE), EASE),
    Row("new: kinds alike and without values", "ease", _also(ALIKE, **ONCE), EASE),
    Row("new: repeats summed", "ease", _also(WEIGHED, **VALUES, repeats="sum"), EASE),
    Row(
        "new: with features of items",
        "ease",
        _also(WEIGHED, **VALUES, **ONCE),
        EASE_WITH_FEATURES,
    ),
    Row("new: with the age of events", "ease", NEW, EASE_WITH_AGES),
    Row("new: popularity", "popularity", _also(WEIGHED, **ONCE), [{}]),
    Row("next: kinds, values and repeats", "ease", _also(WEIGHED, **VALUES, **KEPT), EASE),
    Row("next: repeats not counted", "ease", _also(WEIGHED, **VALUES, **MERGED), EASE),
    Row("next: kinds alike", "ease", _also(ALIKE, **VALUES, **KEPT), EASE),
    Row("next: without values", "ease", _also(WEIGHED, **KEPT), EASE),
    Row("next: with the age of events", "ease", NEXT, EASE_WITH_AGES),
    Row("next: what was bought before", "repeat", _also(WEIGHED, **VALUES, **KEPT), REPEAT),
    Row(
        "next: what was bought before, without times",
        "repeat",
        _also(WEIGHED, **VALUES, **KEPT),
        [{"half_life_days": None}],
    ),
    Row("next: popularity", "popularity", _also(WEIGHED, **KEPT), [{}]),
    Row("cold: order, features of items and visitors", "two_tower", NEW, TWO_TOWER, True),
    Row("cold: without features of visitors", "two_tower", NEW, TWO_TOWER),
    Row("cold: kinds alike", "two_tower", _also(ALIKE, **VALUES, **ONCE), TWO_TOWER, True),
    Row("cold: without features", "ease", NEW, EASE),
    Row("cold: with features of items", "ease", NEW, EASE_WITH_FEATURES),
    Row("cold: popularity", "popularity", NEW, [{}]),
]


def main() -> None:
    """Measures what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", help="names of rows with semicolons between; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many shops")
    arguments = parser.parse_args()
    logging.getLogger("tastemaker").setLevel(logging.WARNING)
    wanted = arguments.rows.split(";") if arguments.rows else [row.name for row in ROWS]
    shops = [shop(seed=seed) for seed in range(arguments.seeds)]
    for row in ROWS:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        if row.name not in wanted or row.name in known:
            continue
        known[row.name] = measure(row, shops)
        print(row.name, json.dumps(known[row.name]), flush=True)
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    replace_table("shop", _lines(json.loads(RESULTS.read_text())))


def measure(row: Row, shops: list[Shop]) -> dict[str, Any]:
    """Chooses on the validation part of the first shop, and evaluates on the test of each."""
    tried = [
        (evaluate(row, settings, read(row, shops[0], how), 0, "validation")["ndcg@10"], n)
        for n, (how, settings) in enumerate(row.choices())
    ]
    how, settings = list(row.choices())[max(tried)[1]]
    runs = [
        evaluate(row, settings, read(row, made, how), seed, "test")
        for seed, made in enumerate(shops)
    ]
    return {
        "model": row.model, "reading": how, "settings": settings,
        "validation": [round(value, 4) for value, _ in tried], "runs": runs,
    }  # fmt: skip


def read(row: Row, made: Shop, how: Settings) -> tm.Dataset:
    """Reads the tables of a shop; purchases are the targets, and returns say no."""
    return tm.read(
        made.events, items=made.products, users=made.visitors if row.with_visitors else None,
        event="event", targets=["purchase"], negative=["return"], name=made.name, **how,
    )  # fmt: skip


def evaluate(
    row: Row, settings: Settings, data: tm.Dataset, seed: int, part: Part
) -> dict[str, Any]:
    """Fits on everything before the part, and ranks the part among the whole catalog."""
    split = tm.temporal(data, test_fraction=0.1, validation=part == "validation")
    if row.question == "cold":
        split = with_cold_targets(split, part)
    make: Callable[..., tm.Recommender] = tm.model_class(row.model)
    model = make(**settings)
    if "seed" in type(model.config).model_fields:
        model = make(**settings, seed=seed)
    started_at = time.monotonic()
    model.fit(split)
    fit_s = time.monotonic() - started_at
    found = tm.evaluate(model, split, tm.FullRanking(), part=part, baseline=False)
    values = {metric: round(found.metrics[metric], 4) for metric in METRICS}
    return {**values, "n_users": found.n_users, "fit_s": round(fit_s, 1)}


def with_cold_targets(split: Split, part: Part) -> Split:
    """Adds the targets of a part whose user or item has no events in the training part."""
    warm, cold, test = split.targets(part), split.not_evaluated, split.targets("test")
    assert cold is not None
    assert cold.timestamps is not None
    assert test.timestamps is not None
    # The targets of both parts that are not evaluated come together; the time tells them apart.
    in_test = cold.timestamps >= test.timestamps.min()
    added = in_test if part == "test" else ~in_test
    users = np.concatenate([warm.users, cold.users[added]])
    items = np.concatenate([warm.items, cold.items[added]])
    by_user = np.argsort(users, kind="stable")
    targets = Targets(users[by_user], items[by_user])
    if part == "test":
        return replace(split, not_evaluated=None, test=targets)
    return replace(split, not_evaluated=None, validation=targets)


def _lines(results: dict[str, Any]) -> list[str]:
    """The rows of the table, as far as they are measured."""
    lines = [
        "| question | information | model | NDCG@10 | HR@10 | shops | visitors evaluated |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        if row.name not in results:
            continue
        runs = results[row.name]["runs"]
        cells = [
            *row.name.split(": "), f"`{row.model}`",
            *(_spread([run[metric] for run in runs]) for metric in METRICS), str(len(runs)),
            f"{mean(run['n_users'] for run in runs):.0f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(values: list[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
