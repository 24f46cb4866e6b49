"""LightGCN: vectors of users and items, smoothed over the graph of their interactions.

Xiangnan He, Kuan Deng, Xiang Wang, Yan Li, Yongdong Zhang and Meng Wang, 2020: LightGCN:
Simplifying and Powering Graph Convolution Network for Recommendation (SIGIR).

With `contrast`, it is the model of Yu et al. 2023 (XSimGCL; see `contrast.py`).
"""

import warnings
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from torch import nn
from torch.nn.functional import embedding, embedding_bag
from typing_extensions import override

from tastemaker import training
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.factorization.user_vectors import rows_of, trained_or_default, user_vectors
from tastemaker.models.graph.contrast import MOST_CONTRASTED, contrast, with_noise
from tastemaker.models.matrices import history_matrix, interaction_matrix
from tastemaker.models.network_model import NetworkModel
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.models.validation import sampled_validation
from tastemaker.training.batches import Batch, PairBatches, notes_on_users
from tastemaker.training.config import TrainingConfig
from tastemaker.training.losses import bpr
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.relative_weights import relative_weights
from tastemaker.training.run import TrainingRun

RIDGE = 0.1
"""Penalty of the regression in `regression_terms`, relative to the mean of the Gram diagonal."""


class LightGCNConfig(TrainingConfig):
    """Settings of LightGCN."""

    epochs: int = Field(20, ge=1)
    """Passes over all positives."""
    batch_size: int = Field(2048, ge=1)
    """Positives in a batch; the whole graph is propagated for each batch."""
    learning_rate: float = Field(3e-2, gt=0)
    """Learning rate of Adam."""
    negatives: int = Field(16, ge=1)
    """Items sampled for each positive (the paper: 1); many add little time to the propagation."""
    weight_decay: float = Field(1e-7, ge=0)
    """2λ of equation 15: L2 penalty on the parameters, which are the vectors before propagation."""
    embedding_size: int = Field(64, ge=1)
    """Dimension of the user and item vectors."""
    layers: int = Field(3, ge=1)
    """K: number of propagation layers, each over one edge of the graph."""
    contrast: float = Field(0.0, ge=0)
    """λ of XSimGCL: weight of a loss by which each user and item is told apart from the others
    under noise; its paper: 0.2. 0 for LightGCN."""
    noise: float = Field(0.2, ge=0)
    """ε: length of the noise that is added to each vector after each layer, with `contrast`."""
    temperature: float = Field(0.15, gt=0)
    """τ: cosines are divided by this in the contrast."""


class LightGCNNetwork(TrainableNetwork):
    """Computes E = (E⁰ + ÃE⁰ + … + Ã^K E⁰) / (K + 1) (equation 8), with `contrast` without E⁰.

    A score is the inner product of two rows of E. Ã = D^(-1/2) A D^(-1/2), where A is the adjacency
    matrix of the graph whose nodes are the users, then the items. An edge has the weight of its
    interaction, and D holds the sums of the weights of the edges of each node.
    """

    def __init__(self, train: Dataset, config: LightGCNConfig) -> None:
        super().__init__()
        self.nodes = nn.Embedding(train.n_users + train.n_items, config.embedding_size)
        nn.init.normal_(self.nodes.weight, std=0.1)
        self._n_users, self._config = train.n_users, config
        self.adjacency: torch.Tensor
        self.register_buffer("adjacency", normalised_adjacency(train), persistent=False)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the scores of items (n, c) for users (n,): (n, c)."""
        return self._scores(self.propagate(), users, items)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Returns the BPR loss of the batch, plus that of the contrast if there is one.

        The contrast is between the mean of the layers and the first one, both with noise.
        """
        config = self._config
        layers = self.layers(noise=config.noise if config.contrast else 0.0)
        nodes = self.mean(layers)
        data_loss = bpr(self._scores(nodes, batch.users, batch.items), batch.weights)
        if config.contrast == 0:
            return data_loss
        some = slice(MOST_CONTRASTED)
        contrasted = batch.users[some], batch.items[some, 0] + self._n_users
        told_apart = sum(
            contrast(nodes, layers[1], each, config.temperature) for each in contrasted
        )
        return data_loss + config.contrast * told_apart

    def propagate(self) -> torch.Tensor:
        """Returns E, (n_users + n_items, d)."""
        return self.mean(self.layers())

    def mean(self, layers: list[torch.Tensor]) -> torch.Tensor:
        """Returns the mean of the layers that belong to E."""
        averaged = layers if self.averages_first else layers[1:]
        return sum(averaged[1:], averaged[0]) / len(averaged)

    @property
    def averages_first(self) -> bool:
        """Whether E⁰, which is not smoothed, belongs to the mean."""
        return self._config.contrast == 0

    def layers(self, noise: float = 0.0) -> list[torch.Tensor]:
        """Returns E⁰, …, E^K, (n_users + n_items, d) each, with noise after each product."""
        layers = [self.nodes.weight]
        for _ in range(self._config.layers):
            product = SymmetricProduct.apply(self.adjacency, layers[-1])
            layers.append(with_noise(product, noise) if noise else product)
        return layers

    def _scores(
        self, nodes: torch.Tensor, users: torch.Tensor, items: torch.Tensor
    ) -> torch.Tensor:
        # Unlike nodes[users], embedding has a fast gradient.
        return inner_products(embedding(users, nodes), embedding(items + self._n_users, nodes))


class SymmetricProduct(torch.autograd.Function):
    """Multiplies a symmetric sparse matrix by a dense one.

    PyTorch's own product would transpose the matrix for every gradient, which takes several times
    longer than the product itself.
    """

    @staticmethod
    def forward(context: Any, matrix: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        """Multiplies (n, n) by (n, d)."""
        context.matrix = matrix
        return matrix @ dense

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[None, torch.Tensor]:
        """Multiplies the transpose, which is the matrix itself, by the gradient."""
        return None, context.matrix @ gradients[0].contiguous()


def normalised_adjacency(train: Dataset) -> torch.Tensor:
    """Returns Ã as sparse CSR, with w_ui / √(d_u d_i) where u touched i.

    Its shape is (n_users + n_items, n_users + n_items). Without weights, d is the number of edges.
    """
    users, items = train.users.astype(np.int64), train.items.astype(np.int64)
    weights = relative_weights(train)
    values = 1.0 if weights is None else weights.astype(np.float64)
    user_degrees = np.bincount(users, weights, minlength=train.n_users)
    item_degrees = np.bincount(items, weights, minlength=train.n_items)
    values = values / np.sqrt(user_degrees[users] * item_degrees[items])
    rows = np.concatenate([users, items + train.n_users])
    columns = np.concatenate([items + train.n_users, users])
    size = train.n_users + train.n_items
    matrix = csr_array((np.tile(values.astype(np.float32), 2), (rows, columns)), (size, size))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.tensor(matrix.indptr), torch.tensor(matrix.indices),
            torch.tensor(matrix.data), (size, size), check_invariants=True,
        )  # fmt: skip


def inner_products(users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Maps (n, d) and (n, c, d) to inner products (n, c)."""
    return torch.einsum("nd,ncd->nc", users, items)


def regression_terms(users: torch.Tensor, items: torch.Tensor, train: Dataset) -> torch.Tensor:
    """Returns W e_i^0 (n_items, d), whose weighted sums over histories approximate e_u^0.

    W is found by ridge regression.

    Args:
        users: (n_users, d), e_u^0.
        items: (n_items, d), e_i^0.
        train: the interactions.
    """
    weighted_sums = interaction_matrix(train) @ items.cpu().numpy() / np.float32(train.mean_weight)
    sums = torch.from_numpy(weighted_sums).to(items.device)
    gram = sums.T @ sums
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    return items @ torch.linalg.solve(gram, sums.T @ users)


class LightGCN(NetworkModel[LightGCNNetwork]):
    """Vectors smoothed over the graph of interactions, trained by pairwise ranking.

    An unseen user is a node added to the trained graph: as for any user, layer k of the vector is
    e_u^k = Σ_i w_ui e_i^(k-1) / √(d_u d_i) over the history, with the items' layers unchanged. w_ui
    is the weight of the interaction relative to the mean of the training data, 1 without weights,
    and d is the sum of the weights of a node. Only e_u^0 is missing, which would have been trained.
    Training moves it towards the items, so it is replaced by W Σ_i w_ui e_i^0, with the W that fits
    the trained users best. A user whose history has changed since training keeps e_u^0 and has
    other edges:

        e_u = Σ_i w_ui m_i / √d_u + e_u^0 / (K + 1)
        m_i = (e_i^0 + … + e_i^(K-1)) / ((K + 1) √d_i)

    With `contrast`, K takes the place of K + 1, and nothing is added for e_u^0.

    Weights count twice: as those of the edges, by which they count in the histories of unseen users
    as well, and as those of the positives in the loss.
    """

    name = "lightgcn"
    config_class = LightGCNConfig
    uses_weights = True
    config: LightGCNConfig
    space: ClassVar[dict[str, Range]] = {
        "learning_rate": Float(1e-3, 5e-2, log=True),
        "weight_decay": Float(1e-8, 1e-4, log=True),
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 4),
        "negatives": Int(1, 32, log=True),
        "contrast": Choice((0.0, 0.05, 0.1, 0.2, 0.5)),
    }

    @override
    def _new_network(self, train: Dataset) -> LightGCNNetwork:
        return LightGCNNetwork(train, self.config)

    @override
    def _train(
        self, network: LightGCNNetwork, split: Split, run: TrainingRun, device: torch.device
    ) -> None:
        config = self.config
        batches = PairBatches(
            split.train, batch_size=config.batch_size, negatives=config.negatives, seed=config.seed,
            device=device,
        )  # fmt: skip
        validate = sampled_validation(split, network, device)
        self.log = training.fit(network, batches, config, validate, run)
        self.log.notes = (*notes_on_users(batches.n_left_out), *self.log.notes)

    @property
    def device(self) -> torch.device:
        """The device of the vectors."""
        return self._items.device

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, embedding_size) float32: the final vectors."""
        return self._items

    @property
    def item_keys(self) -> torch.Tensor:
        """(n_items, embedding_size) float32: the same vectors."""
        return self._items

    def state(self) -> dict[str, torch.Tensor]:
        """Returns `nodes.weight`, the vectors of users, then items, before propagation."""
        return self._parameters

    @torch.no_grad()
    @override
    def _finish(self, network: LightGCNNetwork, train: Dataset) -> None:
        """Propagates the vectors once, so that scoring does not have to."""
        # The network is not kept: its graph is as large as the training data.
        self._parameters = dict(network.state_dict())
        self._users, self._items = network.propagate().split([train.n_users, train.n_items])
        layers = network.layers()
        degrees = np.bincount(train.items, relative_weights(train), minlength=train.n_items)
        degrees[train.item_counts == 0] = 1
        inverse_roots = torch.from_numpy(degrees).to(self.device).rsqrt().float()
        n_averaged = len(layers) if network.averages_first else len(layers) - 1
        messages = sum(layers[1:-1], layers[0])[train.n_users :] / n_averaged
        self._messages = messages * inverse_roots[:, None]
        users, items = (layers[0] / n_averaged).split([train.n_users, train.n_items])
        if network.averages_first:
            self._initial_users = users
            self._regression_terms = regression_terms(users, items, train)
        else:
            self._initial_users = torch.zeros_like(users)
            self._regression_terms = torch.zeros_like(items)

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """Returns (n, d): trained vectors for unchanged histories, sums over N_u for the others."""
        vectors = rows_of(self._users, users.codes)
        return user_vectors(users, vectors, self.dataset, self._vectors_of_histories)

    def _vectors_of_histories(self, users: UserBatch, in_training: UserBatch) -> torch.Tensor:
        """Computes vectors (n, d) by the formula above; `in_training`: the trained histories."""
        history = history_matrix(users, len(self._items), self.dataset.mean_weight)
        items, offsets, weights = (
            torch.from_numpy(array).to(self.device)
            for array in (history.indices, history.indptr, history.data)
        )
        messages, initial = (
            embedding_bag(
                items, vectors, offsets, mode="sum", per_sample_weights=weights,
                include_last_offset=True,
            )
            for vectors in (self._messages, self._regression_terms)
        )  # fmt: skip
        degrees = torch.from_numpy(history.sum(axis=1).A1).to(self.device)
        degrees[degrees == 0] = 1
        return messages * degrees.rsqrt()[:, None] + trained_or_default(
            initial, self._initial_users, in_training
        )
