"""SASRec of Tastemaker, through the public API."""

from dataclasses import replace

import sizes

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed_for_a_turn


def training(order: Order) -> Repetition:
    """Whole epochs."""
    split = _split(order)
    _fit(order, split)

    def once() -> Answer:
        return {"seconds": _fit(order, split).log.elapsed_s, "work": 1}

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
    serve(training=training, evaluation=evaluation)
