"""NeuMF of WarpRec, as its design pipeline runs it, without Ray."""

from collections.abc import Iterator
from itertools import count, repeat

from published import test_pairs, train_pairs
from sizes import BATCH_SIZE, CANDIDATES, EMBEDDING_SIZE, HIDDEN, LEARNING_RATE, NEGATIVES, SEED
from warprec.data import Dataset
from warprec.evaluation import Evaluator
from warprec.recommenders.collaborative_filtering_recommender.neural import NeuMF

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed_for_a_turn
from training.warprec_training import train_batches

SETTINGS = {
    "mf_embedding_size": EMBEDDING_SIZE,
    "mlp_embedding_size": EMBEDDING_SIZE,
    "mlp_hidden_size": list(HIDDEN),
    "mf_train": True,
    "mlp_train": True,
    "dropout": 0.0,
    "reg_weight": 0.0,
    "weight_decay": 0.0,
    # Samples, where ours counts positives.
    "batch_size": BATCH_SIZE * (1 + NEGATIVES),
    "epochs": 1,
    "learning_rate": LEARNING_RATE,
    "neg_samples": NEGATIVES,
}


def training(order: Order) -> Repetition:
    """The first batches of an epoch."""
    data, network = _data_and_network(order)
    batches = order.options["batches"]
    _train(network, data, 1)

    def once() -> Answer:
        seconds = _train(network, data, batches)
        return {"seconds": seconds, "work": batches * SETTINGS["batch_size"]}

    return once


def evaluation(order: Order) -> Repetition:
    """Its evaluation among drawn items, which it keeps; another seed has it draw again."""
    return _evaluation(order, count(SEED))


def evaluation_given(order: Order) -> Repetition:
    """The same once the items are drawn."""
    return _evaluation(order, repeat(SEED))


def _evaluation(order: Order, seeds: Iterator[int]) -> Repetition:
    data, network = _data_and_network(order)
    _train(network, data, 1)
    network.eval()
    evaluator = Evaluator(["HitRate", "nDCG"], [10], data.train_set.get_sparse())

    def evaluate() -> int:
        users = data.get_sampled_evaluation_dataloader(
            num_negatives=CANDIDATES - 1, seed=next(seeds)
        )
        evaluator.evaluate(network, users, "sampled", data)
        evaluator.compute_results()
        return len(users.dataset)

    def once() -> Answer:
        seconds, n_users = timed_for_a_turn(evaluate)
        return {"seconds": seconds, "work": n_users}

    once()
    return once


def _data_and_network(order: Order) -> tuple[Dataset, NeuMF]:
    prepare_quietly(order)
    # Items that only the test has are kept in its catalog as under a cold start.
    data = Dataset(train_pairs(order.folder), test_pairs(order.folder), cold_start="item")
    return data, NeuMF(SETTINGS, data.info(), seed=SEED)


def _train(network: NeuMF, data: Dataset, batches: int) -> float:
    loader = network.get_dataloader(data.train_set, data.train_session, num_workers=0)
    return train_batches(network, loader, batches)


if __name__ == "__main__":
    serve(training=training, evaluation=evaluation, evaluation_given=evaluation_given)
