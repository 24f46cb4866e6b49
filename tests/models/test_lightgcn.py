"""LightGCN against the dense matrices of the paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tastemaker as tm
from tastemaker.models.graph.contrast import with_noise
from tastemaker.models.graph.lightgcn import (
    LightGCN,
    LightGCNConfig,
    LightGCNNetwork,
    normalised_adjacency,
    regression_terms,
)
from tastemaker.testing.inductive import assert_same_scores
from tastemaker.testing.worlds import dataset_of, two_tastes
from tastemaker.training.batches import Batch


def lightgcn(**changes: object) -> LightGCN:
    return LightGCN(**({"epochs": 3, "batch_size": 64, "embedding_size": 8, "seed": 1} | changes))


def dense_layers(data: tm.Dataset, nodes: np.ndarray, n_layers: int) -> list[np.ndarray]:
    """E⁰ … E^K as in equations 6 to 8: with R, A = [[0, R], [Rᵀ, 0]] and D^(-1/2) A D^(-1/2)."""
    r = np.zeros((data.n_users, data.n_items))
    r[data.users, data.items] = 1
    a = np.block([[np.zeros((len(r), len(r))), r], [r.T, np.zeros((r.shape[1], r.shape[1]))]])
    with np.errstate(divide="ignore"):
        root = np.diag(np.where(a.sum(1) > 0, a.sum(1) ** -0.5, 0))
    layers = [nodes]
    for _ in range(n_layers):
        layers.append(root @ a @ root @ layers[-1])
    return layers


def network_of(data: tm.Dataset, layers: int) -> LightGCNNetwork:
    torch.manual_seed(0)
    return LightGCNNetwork(data, LightGCNConfig(embedding_size=4, layers=layers))


@pytest.mark.parametrize("n_layers", [1, 3])
def test_propagation_is_the_papers_matrix_formula(n_layers: int) -> None:
    data = two_tastes(n_users=9, n_items=8, length=3)
    network = network_of(data, n_layers)
    nodes = network.nodes.weight.detach().double().numpy()
    expected = np.mean(dense_layers(data, nodes, n_layers), axis=0)
    np.testing.assert_allclose(network.propagate().detach().numpy(), expected, atol=1e-6)
    users, items = torch.tensor([0, 5]), torch.tensor([[1, 7], [6, 6]])
    scores = network(users, items).detach().numpy()
    for row in range(2):
        by_hand = expected[9 + items[row]] @ expected[users[row]]
        np.testing.assert_allclose(scores[row], by_hand, atol=1e-6)


def test_the_gradient_is_that_of_the_dense_formula() -> None:
    data = two_tastes(n_users=9, n_items=8, length=3)
    network = network_of(data, 2)
    target = torch.randn(17, 4, generator=torch.Generator().manual_seed(1))
    (network.propagate() * target).sum().backward()
    powers = dense_layers(data, np.eye(17), 2)
    expected = np.mean(powers, axis=0).T @ target.numpy()
    assert network.nodes.weight.grad is not None
    np.testing.assert_allclose(network.nodes.weight.grad.numpy(), expected, atol=1e-6)


def test_the_model_scores_with_the_propagated_vectors() -> None:
    data = two_tastes()
    model = lightgcn().fit(tm.no_holdout(data))
    nodes = model.state()["nodes.weight"].double().numpy()
    final = np.mean(dense_layers(data, nodes, 3), axis=0)
    scores = model.score(model.users([4, 17])).numpy()
    np.testing.assert_allclose(scores, final[[4, 17]] @ final[60:].T, atol=1e-5)


def ridge(data: tm.Dataset, nodes: np.ndarray) -> np.ndarray:
    """W, by which the sum of a history's e_i^0 comes near e_u^0, from the normal equations."""
    users, items = np.split(nodes, [data.n_users])
    sums = np.array([items[data.history(user)].sum(axis=0) for user in range(data.n_users)])
    short = 0.1 * (sums**2).sum(axis=0).mean() * np.eye(len(sums.T))
    return np.linalg.inv(sums.T @ sums + short) @ sums.T @ users


def test_an_unseen_user_gets_a_known_users_vector_except_for_layer_0() -> None:
    # Layers 1 to K of a user come from the history; layer 0 alone is the user's own.
    data = two_tastes()
    model = lightgcn().fit(tm.no_holdout(data))
    nodes = model.state()["nodes.weight"]
    history = data.history(4).tolist()
    folded_in = nodes[60:][history].double().sum(dim=0).numpy() @ ridge(
        data, nodes.double().numpy()
    )
    change = torch.from_numpy(folded_in).float() - nodes[4]
    known = model.score(model.users([4]))[0]
    unseen_user = model.score(model.unseen_users([history]))[0]
    torch.testing.assert_close(unseen_user, known + model.item_vectors @ change / 4)


def small_world() -> tm.Dataset:
    """Users 0 and 1 touched item 0, user 1 alone touched item 1, user 2 item 2."""
    return dataset_of({0: [0], 1: [0, 1], 2: [2]})


def test_an_unseen_users_vector_by_hand() -> None:
    # |N_0| = 2, |N_1| = 1. With one layer e_u = ½ (e_u⁰ + Σ e_i⁰ / √(|N_u| |N_i|)).
    data = small_world()
    model = lightgcn(layers=1).fit(tm.no_holdout(data))
    nodes = model.state()["nodes.weight"].double().numpy()
    first, second = nodes[3:5]
    own = (first + second) @ ridge(data, nodes)
    vector = 0.5 * (own + first / np.sqrt(2 * 2) + second / np.sqrt(2 * 1))
    scores = model.score(model.unseen_users([[0, 1]]))[0].double().numpy()
    np.testing.assert_allclose(scores, model.item_vectors.double().numpy() @ vector, atol=1e-5)


def test_a_grown_users_vector_by_hand() -> None:
    # User 0 touched item 2 as well: the own e_u⁰ stays, the neighbours are two now, |N_2| is 1.
    model = lightgcn(layers=1).fit(tm.no_holdout(small_world()))
    nodes = model.state()["nodes.weight"]
    vector = 0.5 * (nodes[0] + nodes[3] / np.sqrt(2 * 2) + nodes[5] / np.sqrt(2 * 1))
    grown = tm.UserBatch(np.array([0]), np.array([0, 2]), np.array([0, 2]))
    torch.testing.assert_close(model.score(grown)[0], model.item_vectors @ vector)


def test_a_user_as_in_training_keeps_the_trained_vector() -> None:
    model = lightgcn().fit(tm.no_holdout(two_tastes()))
    by_code = tm.UserBatch(np.array([4]), np.array([], dtype=np.int64), np.array([0, 0]))
    vector = model.queries(model.users([4]))
    assert_same_scores(model.queries(by_code), vector)
    assert_same_scores(model.queries(model.users([3, 4, 5]))[1:2], vector)


def test_an_item_without_training_interactions_changes_no_scores() -> None:
    split = tm.leave_one_out(dataset_of({0: [0, 1], 1: [0, 1, 2], 2: [0, 1, 2, 3]}))
    assert split.train.item_counts.tolist() == [3, 1, 0, 0]
    model = lightgcn().fit(split)
    with_it, without = model.score(model.unseen_users([[1, 3], [1]]))
    torch.testing.assert_close(with_it, without)
    popularity = torch.tensor([3.0, 1.0, 0.0, 0.0])
    assert torch.equal(model.score(model.unseen_users([[3]]))[0], popularity)


def test_it_beats_popularity_by_far_on_real_data(data_folder: Path) -> None:
    split = tm.leave_one_out(tm.load("ml-100k"))
    result = tm.evaluate(LightGCN(epochs=6).fit(split), split, tm.FullRanking())
    popularity = result.baselines["popularity"].metrics["ndcg@10"]
    assert result.metrics["ndcg@10"] > 1.4 * popularity


def test_edges_have_the_weights_of_their_interactions() -> None:
    data = two_tastes(n_users=6, n_items=8, length=3)
    values = np.random.default_rng(0).uniform(0.1, 300, len(data)).astype(np.float32)
    adjacency = np.zeros((14, 14))
    adjacency[data.users, data.items + 6] = values
    adjacency += adjacency.T
    degrees = adjacency.sum(axis=1).clip(min=1e-9)
    expected = adjacency / np.sqrt(degrees[:, None] * degrees)
    found = normalised_adjacency(replace(data, weights=values)).to_dense().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_unseen_user_is_placed_by_the_weights_of_the_history() -> None:
    data = two_tastes()
    weights = np.random.default_rng(0).uniform(100, 500, len(data)).astype(np.float32)
    model = LightGCN(epochs=2, embedding_size=6, layers=2)
    model.fit(tm.no_holdout(replace(data, weights=weights)))
    nodes = model.state()["nodes.weight"].double()
    adjacency = normalised_adjacency(model.dataset).to_dense().double()
    layers = [nodes, adjacency @ nodes]
    relative = weights.astype(np.float64) / weights.mean()
    degrees = torch.from_numpy(np.bincount(data.items, relative, minlength=40))
    history, of_history = torch.tensor([1, 5]), torch.tensor([0.5, 3.0]).double()
    near = [
        (of_history / (of_history.sum() * degrees[history]).sqrt()) @ layer[60:][history]
        for layer in layers
    ]
    terms = regression_terms(nodes[:60].float(), nodes[60:].float(), model.dataset)
    own = of_history @ terms[history].double()
    users = replace(
        model.unseen_users([[1, 5]]),
        weights=(of_history * float(weights.mean())).numpy().astype(np.float32),
    )
    expected = (own + sum(near)) / 3
    found = model.queries(users)[0].double()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def info_nce(nodes: np.ndarray, views: np.ndarray, temperature: float) -> float:
    """-log of the share of each node's own view, as in equation 2 of the XSimGCL paper."""
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (nodes, views)]
    powers = np.exp(unit[0] @ unit[1].T / temperature)
    return float(-np.log(np.diag(powers) / powers.sum(axis=1)).mean())


def test_the_contrast_is_the_papers_formula() -> None:
    data = two_tastes(n_users=9, n_items=8, length=3)
    settings = {"embedding_size": 4, "layers": 2, "noise": 0.0, "temperature": 0.3}
    torch.manual_seed(0)
    network = LightGCNNetwork(data, LightGCNConfig(contrast=0.7, **settings))
    layers = dense_layers(data, network.nodes.weight.detach().double().numpy(), 2)
    final = np.mean(layers[1:], axis=0)  # without the vectors that are not smoothed
    np.testing.assert_allclose(network.propagate().detach().numpy(), final, atol=1e-6)
    users, items = torch.tensor([0, 5, 5]), torch.tensor([[1, 7], [6, 2], [3, 0]])
    products = np.einsum("nd,ncd->nc", final[users], final[items + 9])
    bpr = np.log1p(np.exp(products[:, 1] - products[:, 0])).mean()
    told_apart = sum(
        info_nce(final[some], layers[1][some], 0.3) for some in ([0, 5], [9 + 1, 9 + 6, 9 + 3])
    )
    loss = network.loss(Batch(users, items, None))
    np.testing.assert_allclose(loss.item(), bpr + 0.7 * told_apart, rtol=1e-5)


def test_noise_has_its_length_and_stays_in_the_orthant() -> None:
    vectors = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    noise = with_noise(vectors, 0.2) - vectors
    torch.testing.assert_close(noise.norm(dim=1), torch.full((50,), 0.2))
    assert (noise * vectors >= 0).all()


def test_with_contrast_an_unseen_user_gets_a_known_users_vector() -> None:
    # No vector of the user's own is added, and layers 1 to K come from the history.
    data = two_tastes()
    model = lightgcn(contrast=0.2).fit(tm.no_holdout(data))
    unseen = model.unseen_users([data.history(user).tolist() for user in (4, 17)])
    torch.testing.assert_close(model.queries(unseen), model.queries(model.users([4, 17])))


def test_contrast_ranks_well_on_real_data(data_folder: Path) -> None:
    split = tm.leave_one_out(tm.load("ml-100k"))
    model = LightGCN(epochs=6, contrast=0.1).fit(split)
    result = tm.evaluate(model, split, tm.FullRanking())
    popularity = result.baselines["popularity"].metrics["ndcg@10"]
    assert result.metrics["ndcg@10"] > 1.4 * popularity
