"""Training on chunks in compiled code does what plain steps of the optimizer do."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.data.vocabulary import UNKNOWN
from tastemaker.models.factorization.user_loss import SampledLoss
from tastemaker.models.factorization.user_vectors import histories_in
from tastemaker.models.factorization.vector_model import VectorModel
from tastemaker.native.library import is_compiled
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.batches import Batch, PairBatches
from tastemaker.training.kernels.pairs import FusedPairs, Penalty, score_catalog, score_pairs
from tastemaker.training.optimizer import adam
from tests.training.pair_training import (
    MODELS,
    assert_resumed_on_the_other_way,
    network_of,
    plain_steps,
    state_of,
    weighted_world,
)

pytestmark = pytest.mark.usefixtures("without_gpu")

BATCH_SIZE, N_BATCHES = 37, 5
SIZES = [0.01, 0.01, 0.002, 0.02]
"""Learning rates of the steps, repeated."""
SMALLEST = 1
"""A batch beside which even tables of some dozens of rows are large: not all are gone through."""


@pytest.fixture(autouse=True)
def _compiled() -> None:
    if not is_compiled():
        assert "TASTEMAKER_REQUIRE_KERNELS" not in os.environ, "nothing was compiled"
        pytest.skip("no compiled kernel: there was no C++ compiler when this was installed")


def chunk_of(data: tm.Dataset, negatives: int = 4) -> Batch:
    """Four whole batches and one that is smaller, every user and item in them several times."""
    settings = {"batch_size": BATCH_SIZE, "negatives": negatives, "seed": 0}
    batches = PairBatches(data, device=torch.device("cpu"), **settings)
    (chunk,) = batches.chunks().epoch(0)
    return next(chunk.split(BATCH_SIZE * N_BATCHES - 4))


def trained(
    model: VectorModel,
    data: tm.Dataset,
    chunk: Batch,
    *,
    fused: bool,
    batch_size: int = BATCH_SIZE,
    steps_done: int = 0,
) -> tuple[float, dict[str, torch.Tensor]]:
    """The sum of the losses, then every parameter and its moments."""
    config, network = model.config, network_of(model, data, seed=1)
    optimizer = adam(network, config)
    # Adam divides by the gradient's size: with the usual epsilon it makes much of rounding errors.
    optimizer.param_groups[0]["eps"] = 1e-3
    for state in optimizer.state.values():
        state["step"] += steps_done
    batches = list(chunk.split(batch_size))
    sizes = list(itertools.islice(itertools.cycle(SIZES), len(batches)))
    loss = 0.0
    if fused:
        penalty = Penalty(config.regularization, network.user_penalties, network.item_penalties)
        parts = network.parts()
        assert parts is not None
        kernel = FusedPairs(parts, config.loss, penalty, batch_size, lazy=config.lazy)
        for n, part in enumerate(chunk.split(2 * batch_size)):  # an epoch comes in chunks
            loss += kernel.train(part, optimizer, sizes[2 * n : 2 * n + 2])
        kernel.finish()
    else:
        loss = plain_steps(network, optimizer, batches, sizes)
    return loss, state_of(network, optimizer)


def assert_same(
    model: VectorModel,
    data: tm.Dataset,
    chunk: Batch | None = None,
    rel: float = 1e-5,
    **settings: int,
) -> None:
    chunk = chunk or chunk_of(data)
    plain, fused = (trained(model, data, chunk, fused=way, **settings) for way in (False, True))
    assert fused[0] == pytest.approx(plain[0], rel=rel)
    torch.testing.assert_close(fused[1], plain[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("loss", ["bce", "bpr", "sampled_softmax"])
def test_fused_is_plain_for_every_network_and_loss(name: str, loss: str) -> None:
    model = MODELS[name]
    assert_same(type(model)(model.config.model_copy(update={"loss": loss})), two_tastes())


@pytest.mark.parametrize("name", MODELS)
def test_fused_is_plain_with_weights_penalties_and_decay(name: str) -> None:
    model = MODELS[name]
    changes = {"regularization": 0.3, "regularization_exponent": 0.5, "weight_decay": 0.1}
    assert_same(type(model)(model.config.model_copy(update=changes)), weighted_world())


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_row_without_a_gradient_moves_unless_training_is_lazy(
    lazy: bool, weight_decay: float
) -> None:
    # One user's interactions alone: no other user has a gradient.
    data = two_tastes()
    model = tm.NCF(lazy=lazy, weight_decay=weight_decay)
    chunk = chunk_of(data)
    rows = chunk.users != chunk.users[0]
    assert rows.any()
    assert_same(model, data)
    before = network_of(model, data, seed=1).users.weight.detach()
    first = Batch(chunk.users[~rows][:3], chunk.items[~rows][:3], None)
    network = network_of(model, data, seed=1)
    optimizer = adam(network, model.config)
    parts, penalty = network.parts(), Penalty(0.0, network.user_penalties, network.item_penalties)
    assert parts is not None
    kernel = FusedPairs(parts, "bce", penalty, 3, lazy=lazy)
    kernel.train(first, optimizer, [0.01])
    kernel.finish()
    moved = (network.users.weight.detach() != before).any(dim=1)
    expected = 1 if lazy or not weight_decay else data.n_users
    assert int(moved.sum()) == expected


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("steps_done", [0, 5000])
def test_a_row_not_needed_for_long_ends_where_plain_steps_have_it(
    weight_decay: float, steps_done: int
) -> None:
    # The first steps touch many, those behind them one user and two items alone. A tower's ReLUs
    # would make something else of rounding errors over so many steps.
    data = two_tastes()
    users, items = chunk_of(data, negatives=1)[:2]
    rows = torch.cat([torch.arange(50), torch.zeros(250, dtype=torch.int64)])
    chunk = Batch(users[rows], items[rows], None)
    model = tm.GMF(weight_decay=weight_decay)
    # Hundreds of steps add up their rounding.
    assert_same(model, data, chunk, 1e-4, batch_size=SMALLEST, steps_done=steps_done)


@pytest.mark.parametrize("name", MODELS)
def test_fused_is_plain_where_tables_are_large(name: str) -> None:
    data = two_tastes()
    users, items = chunk_of(data, negatives=1)[:2]
    assert_same(MODELS[name], data, Batch(users[:40], items[:40], None), batch_size=SMALLEST)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_candidates", [0, 1, 7, 100])
def test_pairs_are_scored_as_the_network_scores_them(name: str, n_candidates: int) -> None:
    data = two_tastes()
    network = network_of(MODELS[name], data, seed=1)
    users = torch.arange(data.n_users).flip(0)
    items = torch.randint(data.n_items, (len(users), n_candidates))
    parts, vectors = network.parts(), network.users(users)
    assert parts is not None
    with torch.no_grad():
        scores = network.score_vectors(vectors, items)
        torch.testing.assert_close(score_pairs(parts, vectors, items), scores)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_items", [1, 79, 80, 81, 200])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_catalog_is_scored_as_the_network_scores_it(
    name: str, n_items: int, threads: int
) -> None:
    # Around the 80 items that are scored at a time, so that some are a whole number of times.
    data = dataset_of({user: list(range(n_items)) for user in range(3)}, "everything touched")
    network = network_of(MODELS[name], data, seed=1)
    parts, vectors = network.parts(), network.users.weight[:3]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        scores = score_catalog(parts, vectors)
    finally:
        torch.set_num_threads(before)
    with torch.no_grad():
        torch.testing.assert_close(scores, network.score_all(vectors))


@pytest.mark.parametrize("negatives", [1, 3, 200])
def test_fused_is_plain_for_any_number_of_negatives(negatives: int) -> None:
    data = two_tastes()
    assert_same(tm.NCF(), data, chunk_of(data, negatives))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_any_number_of_threads_does_the_same(threads: int) -> None:
    before = torch.get_num_threads()
    model, data = tm.NeuMF(pretraining=False), two_tastes()
    _, expected = trained(model, data, chunk_of(data), fused=True)
    torch.set_num_threads(threads)
    try:
        first, again = (trained(model, data, chunk_of(data), fused=True) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    assert first[0] == again[0]
    torch.testing.assert_close(first[1], again[1], rtol=0, atol=0)
    torch.testing.assert_close(first[1], expected, rtol=1e-4, atol=1e-5)


def test_fit_comes_to_the_same_with_and_without() -> None:
    split = tm.leave_one_out(two_tastes())
    models = [
        tm.NCF(epochs=3, batch_size=64).fit(split, tm.TrainingRun("cpu", fused=fused))
        for fused in (False, True)
    ]
    plain, fused = ([record["loss"] for record in model.log.records] for model in models)
    assert fused == pytest.approx(plain, rel=1e-4)
    assert plain != fused, "both went the same way"


@pytest.mark.parametrize("fused", [False, True])
def test_a_linear_schedule_ends_with_a_learning_rate_of_zero(fused: bool) -> None:
    split = tm.no_holdout(two_tastes())
    run = tm.TrainingRun("cpu", fused=fused)
    decayed, constant = (
        tm.NCF(epochs=3, batch_size=64, schedule=schedule).fit(split, run)
        for schedule in ("linear", "constant")
    )
    first, _, last = (record["loss"] for record in decayed.log.records)
    assert last < first
    assert first > constant.log.records[0]["loss"], "the steps were smaller from the beginning on"


def test_both_ways_take_steps_of_the_same_sizes() -> None:
    split = tm.leave_one_out(two_tastes())
    plain, fused = (
        tm.NCF(epochs=3, batch_size=64, schedule="linear").fit(
            split, tm.TrainingRun("cpu", fused=way)
        )
        for way in (False, True)
    )
    for before, after in zip(plain.log.records, fused.log.records, strict=True):
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)


@pytest.mark.parametrize("went_on_fused", [False, True])
def test_a_run_is_resumed_on_the_other_way(tmp_path: Path, went_on_fused: bool) -> None:
    assert_resumed_on_the_other_way("cpu", tmp_path / "run", went_on_fused=went_on_fused)


def test_a_loss_that_is_not_a_number_is_reported() -> None:
    split = tm.no_holdout(two_tastes())
    with pytest.raises(tm.TastemakerError, match="training diverged"):
        tm.NCF(epochs=2, learning_rate=1e30).fit(split, tm.TrainingRun("cpu"))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("loss", ["bce", "bpr", "sampled_softmax"])
def test_gradients_by_user_vectors_are_those_of_the_plain_form(name: str, loss: str) -> None:
    model = MODELS[name]
    changed = type(model)(model.config.model_copy(update={"loss": loss, "epochs": 1}))
    fitted = changed.fit(tm.no_holdout(two_tastes()))
    # Weights so large that what items pull this way and that does not cancel to rounding errors.
    random = torch.Generator().manual_seed(0)
    for parameter in fitted.network.parameters():
        parameter.data.normal_(generator=random)
    loss_of = replace(fitted._user_loss(fitted.dataset), mean_weight=2.0)
    assert isinstance(loss_of, SampledLoss)
    assert loss_of.compiled is not None
    users = replace(
        tm.UserBatch.unseen_users([[1, 5, 9], [], [2], list(range(35))]),
        codes=np.array([0, 1, UNKNOWN, 3]),
        weights=np.linspace(0.1, 9, 39, dtype=np.float32),
    )
    known = histories_in(fitted.dataset, users.codes, weighted=True)
    trained = fitted.network.users.weight[[0, 1, 2, 3]]
    elsewhere = trained + torch.randn(trained.shape, generator=random)
    fused, plain = (
        user_loss(users, known, trained)(elsewhere)
        for user_loss in (loss_of, replace(loss_of, compiled=None))
    )
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5 * float(plain.abs().max()))
