"""MF, GMF, MLP and NeuMF against the papers' formulas, written out in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.errors import ConfigError
from tastemaker.models.factorization.gmf import GMFConfig
from tastemaker.models.factorization.ncf import MLPConfig
from tastemaker.models.factorization.neumf import NeuMFConfig, NeuMFNetwork
from tastemaker.models.factorization.vector_model import VectorModel
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.batches import Batch
from tastemaker.training.run import TrainingRun
from tastemaker.training.user_batches import HistoryBatch

pytestmark = pytest.mark.usefixtures("without_gpu")

SMALL_GMF = GMFConfig(embedding_size=3, epochs=2, batch_size=64)
SMALL_MLP = MLPConfig(embedding_size=4, hidden=(6, 2), epochs=2, batch_size=64)


def weights_of(model: VectorModel) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in model.state().items()}


def all_scores(model: VectorModel) -> np.ndarray:
    return model.score(model.users(list(range(60)))).double().numpy()


def test_mf_is_a_product_with_biases() -> None:
    model = tm.MF(embedding_size=3, epochs=2).fit(tm.no_holdout(two_tastes()))
    w = weights_of(model)
    vectors, bias = w["users.weight"][:, :-1], w["users.weight"][:, -1:]
    expected = vectors @ w["items.weight"].T + bias + w["biases.weight"].T
    np.testing.assert_allclose(all_scores(model), expected, atol=1e-5)


def gmf_formula(w: dict[str, np.ndarray]) -> np.ndarray:
    product = w["users.weight"][:, None] * w["items.weight"][None]
    return (product @ w["output.weight"].T + w["output.bias"])[..., 0]


def mlp_formula(w: dict[str, np.ndarray]) -> np.ndarray:
    n_users, n_items = len(w["users.weight"]), len(w["items.weight"])
    pairs = np.concatenate(
        [
            np.repeat(w["users.weight"][:, None], n_items, axis=1),
            np.repeat(w["items.weight"][None], n_users, axis=0),
        ],
        axis=2,
    )
    first = np.concatenate([w["first_user.weight"], w["first_item.weight"]], axis=1)
    hidden = np.maximum(pairs @ first.T + w["first_user.bias"], 0)
    hidden = np.maximum(hidden @ w["tower.1.weight"].T + w["tower.1.bias"], 0)
    return (hidden @ w["output.weight"].T + w["output.bias"])[..., 0]


def test_gmf_weighs_every_dimension_of_the_product() -> None:
    model = tm.GMF(SMALL_GMF).fit(tm.no_holdout(two_tastes()))
    np.testing.assert_allclose(all_scores(model), gmf_formula(weights_of(model)), atol=1e-5)


def test_mlp_is_a_tower_on_both_vectors() -> None:
    model = tm.MLP(SMALL_MLP).fit(tm.no_holdout(two_tastes()))
    np.testing.assert_allclose(all_scores(model), mlp_formula(weights_of(model)), atol=1e-5)


@pytest.mark.parametrize("n_users", [1, 60])
def test_a_tower_scores_candidates_as_in_the_whole_catalog(n_users: int) -> None:
    model = tm.MLP(SMALL_MLP).fit(tm.no_holdout(two_tastes()))
    users = model.users(list(range(n_users)))
    items = torch.randint(
        model.dataset.n_items, (n_users, 5), generator=torch.Generator().manual_seed(0)
    )
    scores = model.score_candidates(users, items)
    torch.testing.assert_close(scores, model.score(users).gather(1, items))


@pytest.mark.parametrize("alpha", [0.5, 0.8])
def test_neumf_begins_as_the_weighted_sum_of_its_trained_halves(alpha: float) -> None:
    split = tm.no_holdout(two_tastes())
    gmf, mlp = tm.GMF(SMALL_GMF).fit(split), tm.MLP(SMALL_MLP).fit(split)
    fused = NeuMFNetwork(split.train, NeuMFConfig(gmf=SMALL_GMF, mlp=SMALL_MLP))
    fused.initialise_from(gmf.network, mlp.network, alpha)
    users = torch.arange(60)
    expected = alpha * all_scores(gmf) + (1 - alpha) * all_scores(mlp)
    with torch.no_grad():
        scores = fused.score_all(fused.users(users)).numpy()
        of_pairs = fused(users, torch.arange(40).expand(60, -1)).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(of_pairs, expected, atol=1e-5)


def test_pretraining_gives_the_weights_of_gmf_and_mlp_alone(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    untrained = {"epochs": 1, "learning_rate": 1e-12, "batch_size": 4096, "seed": 5}
    model = tm.NeuMF(gmf=SMALL_GMF, mlp=SMALL_MLP, **untrained)
    model.fit(split, TrainingRun(folder=tmp_path))
    seed = {"seed": 5}
    halves = (tm.GMF(SMALL_GMF.model_copy(update=seed)), tm.MLP(SMALL_MLP.model_copy(update=seed)))
    expected = sum(0.5 * all_scores(half.fit(split)) for half in halves)
    np.testing.assert_allclose(all_scores(model), expected, atol=1e-4)
    assert (tmp_path / "gmf" / "epochs.csv").exists()
    assert (tmp_path / "mlp" / "epochs.csv").exists()


def test_neumf_without_pretraining_begins_small() -> None:
    split = tm.no_holdout(two_tastes())
    untrained = {"epochs": 1, "learning_rate": 1e-12, "batch_size": 4096}
    model = tm.NeuMF(pretraining=False, gmf=SMALL_GMF, mlp=SMALL_MLP, **untrained).fit(split)
    assert np.ptp(all_scores(model), axis=1).max() < 0.1


def test_an_interrupted_pretraining_goes_on_where_it_was(tmp_path: Path) -> None:
    split = tm.leave_one_out(two_tastes())
    model = tm.NeuMF(gmf=SMALL_GMF, mlp=SMALL_MLP, epochs=2, batch_size=64)
    unbroken = model.fit(split).state()

    class StopError(Exception):
        pass

    def stop_in_the_second_half(progress) -> None:
        done.append(progress)
        if len([p for p in done if p.metrics is not None]) == 3:
            raise StopError

    done: list = []
    again = tm.NeuMF(gmf=SMALL_GMF, mlp=SMALL_MLP, epochs=2, batch_size=64)
    with pytest.raises(StopError):
        again.fit(split, TrainingRun(folder=tmp_path, on_progress=stop_in_the_second_half))
    resumed = again.fit(split, TrainingRun(folder=tmp_path, resume=True)).state()
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0])
def test_the_whole_loss_is_the_multinomial_likelihood_and_the_penalty(exponent: float) -> None:
    histories = {user: list(range(user % 7, 12)) for user in range(20)}
    split = tm.no_holdout(dataset_of(histories))
    model = tm.MF(
        embedding_size=3, epochs=1, regularization=0.2, regularization_exponent=exponent
    ).fit(split)
    data, w = model.dataset, weights_of(model)
    x = np.zeros((20, 12))
    x[data.users, data.items] = 1
    scores = model.score(model.users(list(range(20)))).double().numpy()
    log_softmax = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    lengths = [(w[f"{side}.weight"] ** 2).sum(axis=1) for side in ("users", "items")]
    lengths[1] += w["biases.weight"][:, 0] ** 2
    # Rendle's form: each vector's length times n^ν, here as a mean with these weights.
    penalty = sum(
        (counts**exponent * length).sum() / (counts**exponent).sum()
        for counts, length in zip((x.sum(1), x.sum(0)), lengths, strict=True)
    )
    expected = -(x * log_softmax).sum() / x.sum() + 0.2 * penalty
    batch = HistoryBatch(torch.arange(20), torch.from_numpy(x).float(), 0.0)
    assert float(model.network.loss(batch)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_the_penalty_of_pairs_adds_up_to_that_of_the_whole(exponent: float) -> None:
    split = tm.no_holdout(two_tastes())
    penalty = {"regularization": 0.3, "regularization_exponent": exponent}
    model = tm.GMF(SMALL_GMF.model_copy(update=penalty)).fit(split)
    plain = tm.GMF(SMALL_GMF).fit(split).network
    plain.load_state_dict(model.network.state_dict())
    data = model.dataset
    users = torch.from_numpy(data.users.astype(np.int64))
    items = torch.from_numpy(data.items.astype(np.int64))
    pairs = Batch(users, torch.stack([items, (items + 20) % 40], dim=1), None)
    x = torch.zeros(60, 40)
    x[users, items] = 1
    whole = HistoryBatch(torch.arange(60), x, 0.0)
    of_pairs = model.network.loss(pairs) - plain.loss(pairs)
    of_whole = model.network._history_loss(whole) - plain._history_loss(whole)
    torch.testing.assert_close(of_pairs, of_whole, rtol=1e-4, atol=1e-6)


def test_settings_of_a_half_are_named_with_a_dot() -> None:
    model = tm.NeuMF(**{"gmf.embedding_size": 32, "mlp.hidden": [16, 4], "mlp.epochs": 3})
    assert model.config.gmf.embedding_size == 32
    assert (model.config.mlp.hidden, model.config.mlp.epochs) == ((16, 4), 3)
    assert model.config.gmf.epochs == GMFConfig().epochs
    with pytest.raises(ConfigError, match=r'did you mean "gmf.embedding_size"\?'):
        tm.NeuMF(**{"gmf.embeding_size": 32})
    with pytest.raises(ConfigError, match=r"gmf.epochs is 0, but input should be greater"):
        tm.NeuMF(**{"gmf.epochs": 0})


@pytest.mark.slow
def test_fifteen_epochs_of_mf_come_near_the_linear_model_on_the_published_split(
    data_folder: Path,
) -> None:
    folder = data_folder / "ncf-ml-1m"
    split = tm.predefined_split(
        tm.read_interactions(folder / "train.parquet"),
        tm.read_interactions(folder / "test.parquet"),
        candidates=tm.read_candidate_lists(folder / "negatives.parquet"),
    )
    metrics = tm.evaluate(tm.MF(epochs=15).fit(split), baseline=False).metrics
    assert metrics["hit_rate@10"] > 0.69
    assert metrics["ndcg@10"] > 0.42
