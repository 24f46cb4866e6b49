"""SASRec of WarpRec: python peers/peer_warprec.py INTERACTIONS."""

import logging
import warnings

import lightning
from leave_one_out import leave_one_out
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
    EpochClock,
    K,
    Measurement,
    Task,
    report,
    timed,
)
from warprec.data import Dataset
from warprec.evaluation import Evaluator
from warprec.recommenders.sequential_recommender import SASRec

SETTINGS = {
    "embedding_size": EMBEDDING_SIZE,
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "inner_size": EMBEDDING_SIZE,
    "dropout_prob": DROPOUT,
    "attn_dropout_prob": DROPOUT,
    "reg_weight": 0.0,
    "weight_decay": 0.0,
    "batch_size": BATCH_SIZE,
    "learning_rate": LEARNING_RATE,
    "neg_samples": NEGATIVES,
    "max_seq_len": LENGTH,
}


class Clock(EpochClock, lightning.Callback):
    """Times the epochs."""


def measure(task: Task) -> Measurement:
    """What its design pipeline does, without Ray and without validating after each epoch."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    parts = leave_one_out(task.interactions)
    # Items that only the test has are kept in its catalog as under a cold start.
    data = Dataset(parts.train, parts.test, timestamp_label="timestamp", cold_start="item")
    model = SASRec(SETTINGS | {"epochs": task.epochs}, data.info(), seed=SEED)
    batches = model.get_dataloader(data.train_set, data.train_session, num_workers=0)
    clock = Clock()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=task.epochs,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        callbacks=[clock],
    )
    trainer.fit(model, batches)

    evaluator = Evaluator(["HitRate", "nDCG"], [K], data.train_set.get_sparse())
    users = data.get_evaluation_dataloader()

    def evaluate() -> dict[str, float]:
        evaluator.evaluate(model, users, "full", data)
        results = evaluator.compute_results()[K]
        return {name: float(values.nanmean()) for name, values in results.items()}

    evaluate_s, result = timed(evaluate, task.evaluations)
    return Measurement(
        epoch_s=clock.epoch_s,
        evaluate_s=evaluate_s,
        samples=len(batches.dataset),
        users=len(users.dataset),
        items=data.get_dims()[1],
        hit_rate=result["HitRate"],
    )


if __name__ == "__main__":
    report("WarpRec", "warprec", measure)
