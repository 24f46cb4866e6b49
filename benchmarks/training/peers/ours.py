"""SASRec of Tastemaker: python peers/ours.py INTERACTIONS."""

from dataclasses import replace

import numpy as np
from shared import (
    BATCH_SIZE,
    DROPOUT,
    EMBEDDING_SIZE,
    HEADS,
    LAYERS,
    LEARNING_RATE,
    LENGTH,
    NEGATIVES,
    SEED,
    K,
    Measurement,
    Task,
    report,
    timed,
)

import tastemaker as tm


def measure(task: Task) -> Measurement:
    """Through the public API."""
    split = tm.leave_one_out(tm.read(task.interactions))
    model = tm.model_class("sasrec")(
        embedding_size=EMBEDDING_SIZE,
        layers=LAYERS,
        heads=HEADS,
        length=LENGTH,
        dropout=DROPOUT,
        loss="bce",
        negatives=NEGATIVES,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        epochs=task.epochs,
        seed=SEED,
    )
    # Without the validation part, as it would be evaluated within the epoch.
    model.fit(replace(split, validation=None), tm.TrainingRun(device="cpu"))
    ends = [record["elapsed_s"] for record in model.log.records]

    evaluate_s, result = timed(
        lambda: tm.evaluate(model, split, tm.FullRanking(), k=K, baseline=False),
        task.evaluations,
    )
    return Measurement(
        epoch_s=np.diff(ends, prepend=0.0).tolist(),
        evaluate_s=evaluate_s,
        samples=int((split.train.user_counts > 1).sum()),
        users=len(result.users),
        items=split.train.n_items,
        hit_rate=result.metrics[f"hit_rate@{K}"],
    )


if __name__ == "__main__":
    report("Tastemaker", "tastemaker", measure)
