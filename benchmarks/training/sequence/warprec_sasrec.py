"""SASRec of WarpRec, as its design pipeline runs it, without Ray."""

import sizes
from leave_one_out import leave_one_out
from torch.utils.data import DataLoader
from warprec.data import Dataset
from warprec.evaluation import Evaluator
from warprec.recommenders.sequential_recommender import SASRec

from harness.contender import Answer, Order, Repetition, prepare_quietly, serve, timed_for_a_turn
from training.warprec_training import train_batches

SETTINGS = {
    "embedding_size": sizes.EMBEDDING_SIZE,
    "n_layers": sizes.LAYERS,
    "n_heads": sizes.HEADS,
    "inner_size": sizes.EMBEDDING_SIZE,
    "dropout_prob": sizes.DROPOUT,
    "attn_dropout_prob": sizes.DROPOUT,
    "reg_weight": 0.0,
    "weight_decay": 0.0,
    "batch_size": sizes.BATCH_SIZE,
    "epochs": 1,
    "learning_rate": sizes.LEARNING_RATE,
    "neg_samples": sizes.NEGATIVES,
    "max_seq_len": sizes.LENGTH,
}


def training(order: Order) -> Repetition:
    """The first batches of an epoch."""
    _, network, batches = _session(order)
    n_batches = order.options["batches"]
    train_batches(network, batches, 2)

    def once() -> Answer:
        seconds = train_batches(network, batches, n_batches)
        return {"seconds": seconds, "work": n_batches / len(batches)}

    return once


def evaluation(order: Order) -> Repetition:
    """Every test item among the whole catalog; in training, no more than a few batches."""
    data, network, batches = _session(order)
    train_batches(network, batches, 2)
    network.eval()
    evaluator = Evaluator(["HitRate", "nDCG"], [sizes.K], data.train_set.get_sparse())
    users = data.get_evaluation_dataloader()

    def evaluate() -> object:
        evaluator.evaluate(network, users, "full", data)
        return evaluator.compute_results()

    def once() -> Answer:
        seconds, _ = timed_for_a_turn(evaluate)
        return {"seconds": seconds, "work": len(users.dataset), "items": data.get_dims()[1]}

    return once


def _session(order: Order) -> tuple[Dataset, SASRec, DataLoader]:
    """The data, the network and its training batches."""
    prepare_quietly(order)
    parts = leave_one_out(sizes.interactions(order.folder))
    # Items that only the test has are kept in its catalog as under a cold start.
    data = Dataset(parts.train, parts.test, timestamp_label="timestamp", cold_start="item")
    network = SASRec(SETTINGS, data.info(), seed=sizes.SEED)
    return data, network, network.get_dataloader(data.train_set, data.train_session, num_workers=0)


if __name__ == "__main__":
    serve(training=training, evaluation=evaluation)
