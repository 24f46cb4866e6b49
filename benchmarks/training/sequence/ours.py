"""SASRec of Tastemaker, through the public API."""

import signal
from dataclasses import replace
from itertools import count
from pathlib import Path

import polars as pl
import sizes

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed, timed_for_a_turn
from training.reaching import answer, is_reached

MEASURED = "validation_ndcg@10"


def training(order: Order) -> Repetition:
    """Whole epochs."""
    split = _split(order)
    _fit(order, split)

    def once() -> Answer:
        return {"seconds": _fit(order, split).log.elapsed_s, "work": 1}

    return once


def time_to_quality(order: Order) -> Repetition:
    """Reading a CSV file, splitting, and a fit with the defaults until the quality is reached."""
    path, seeds = Path("data.csv"), count()
    pl.read_parquet(sizes.interactions(order.folder, "amazon-beauty")).write_csv(path)

    def stop_when_reached(progress: tm.Progress) -> None:
        if progress.metrics is not None and is_reached(order, progress.metrics[MEASURED]):
            signal.raise_signal(signal.SIGINT)

    def read_and_fit() -> tm.SASRec:
        data = tm.read(path, user="user_id", item="item_id", time="timestamp")
        run = tm.TrainingRun(device="cpu", on_progress=stop_when_reached)
        return tm.SASRec(seed=next(seeds)).fit(tm.leave_one_out(data), run)

    def once() -> Answer:
        seconds, model = timed(read_and_fit)
        records = model.log.records
        return answer(order, seconds, len(records), max(each[MEASURED] for each in records))

    return once


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog."""
    split = _split(order)
    model = _fit(order, split)

    def evaluate() -> tm.Evaluation:
        return tm.evaluate(model, split, tm.FullRanking(), k=sizes.K, baseline=False)

    def once() -> Answer:
        seconds, result = timed_for_a_turn(evaluate)
        return {"seconds": seconds, "work": len(result.users), "items": split.train.n_items}

    once()
    return once


def _split(order: Order) -> tm.Split:
    return tm.leave_one_out(tm.read(sizes.interactions(order.folder)))


def _fit(order: Order, split: tm.Split) -> tm.SASRec:
    settings = {"loss": "bce"} | order.options.get("settings", {})
    model = tm.SASRec(
        embedding_size=sizes.EMBEDDING_SIZE,
        layers=sizes.LAYERS,
        heads=sizes.HEADS,
        length=sizes.LENGTH,
        dropout=sizes.DROPOUT,
        negatives=sizes.NEGATIVES,
        batch_size=sizes.BATCH_SIZE,
        learning_rate=sizes.LEARNING_RATE,
        epochs=1,
        seed=sizes.SEED,
        **settings,
    )
    # Without the validation part, as it would be evaluated within the epoch.
    return model.fit(replace(split, validation=None), tm.TrainingRun(device="cpu"))


if __name__ == "__main__":
    serve(training=training, time_to_quality=time_to_quality, evaluation=evaluation)
