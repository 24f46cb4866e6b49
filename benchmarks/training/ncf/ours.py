"""NCF of Tastemaker, through the public API."""

from dataclasses import replace
from itertools import count

from sizes import CANDIDATES, EMBEDDING_SIZE, HIDDEN, NEGATIVES

import tastemaker as tm
from harness.contender import Answer, Order, Repetition, serve, timed, timed_for_a_turn
from quality.splits import published
from training.reaching import answer, is_reached

MAX_EPOCHS = 30
"""Epochs after which a quality is given up."""


def training(order: Order) -> Repetition:
    """A whole fit: what is prepared before the epochs and finished after them counts as well."""
    split = published(order.folder)
    _fit(order, split, epochs=1)

    def once() -> Answer:
        seconds, model = timed(lambda: _fit(order, split))
        epochs = len(model.log.records)
        return {"seconds": seconds, "work": epochs * len(split.train) * (1 + NEGATIVES)}

    return once


def time_to_quality(order: Order) -> Repetition:
    """A whole fit of as many epochs as the quality takes, each repetition with another seed.

    Their number is found beforehand and not timed: one fit that is validated on the test after each
    epoch shows approximately when the quality is reached, and whole fits show exactly when.
    """
    split = published(order.folder)
    seeds = count()

    def once() -> Answer:
        seed = next(seeds)
        for epochs in range(_epochs_needed(order, split, seed), MAX_EPOCHS + 1):
            attempt = _attempt(order, split, seed, epochs)
            if attempt["reached"]:
                break
        return attempt

    return once


def evaluation(order: Order) -> Repetition:
    """Drawing the candidates, scoring, ranking and the figures."""
    return _evaluation(order, tm.SampledRanking(negatives=CANDIDATES - 1))


def evaluation_given(order: Order) -> Repetition:
    """The same with the paper's candidates."""
    return _evaluation(order, tm.CandidateLists())


def _evaluation(order: Order, protocol: tm.RankingProtocol) -> Repetition:
    split = published(order.folder)
    model = _fit(order, split, epochs=1)

    def once() -> Answer:
        seconds, result = timed_for_a_turn(
            lambda: tm.evaluate(model, split, protocol, baseline=False)
        )
        return {"seconds": seconds, "work": len(result.users)}

    once()
    return once


def _fit(order: Order, split: tm.Split, **settings: int) -> tm.NCF:
    """With the defaults, which are the tutorial's sizes, but for what the order says."""
    model = tm.NCF(**order.options.get("settings", {}) | settings)
    config = model.config
    sizes = (config.embedding_size, config.hidden, config.negatives)
    assert sizes == (EMBEDDING_SIZE, HIDDEN, NEGATIVES), sizes
    return model.fit(split, tm.TrainingRun(device="cpu", **order.options.get("run", {})))


def _attempt(order: Order, split: tm.Split, seed: int, epochs: int) -> Answer:
    seconds, model = timed(lambda: _fit(order, split, seed=seed, epochs=epochs))
    result = tm.evaluate(model, split, tm.CandidateLists(), baseline=False)
    return answer(order, seconds, epochs, result.metrics["hit_rate@10"])


def _epochs_needed(order: Order, split: tm.Split, seed: int) -> int:
    watched = replace(split, validation=split.test, test=None)
    log = _fit(order, watched, seed=seed, epochs=MAX_EPOCHS).log
    reached = [
        r["epoch"] for r in log.records if is_reached(order, r["validation_sampled_99_hit_rate@10"])
    ]
    return reached[0] if reached else MAX_EPOCHS


if __name__ == "__main__":
    serve(
        training=training,
        time_to_quality=time_to_quality,
        evaluation=evaluation,
        evaluation_given=evaluation_given,
    )
