"""LightGCN: vectors of users and items, smoothed over the graph of who touched what.

Xiangnan He, Kuan Deng, Xiang Wang, Yan Li, Yongdong Zhang and Meng Wang, 2020: LightGCN:
Simplifying and Powering Graph Convolution Network for Recommendation (SIGIR).
"""

import warnings
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from torch import nn
from torch.nn.functional import embedding

from tastemaker import training
from tastemaker.data.dataset import Dataset
from tastemaker.data.splitting import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.fold_in import user_vectors
from tastemaker.models.recommender import Recommender
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.models.validation import sampled_validation
from tastemaker.training.batches import PairBatches
from tastemaker.training.config import TrainingConfig
from tastemaker.training.losses import bpr
from tastemaker.training.run import TrainingRun, resolve_device


class LightGCNConfig(TrainingConfig):
    """Settings of LightGCN."""

    epochs: int = Field(20, ge=1)
    """Passes over all positives."""
    batch_size: int = Field(2048, ge=1)
    """Positives in a batch; the whole graph is propagated for each batch."""
    learning_rate: float = Field(3e-2, gt=0)
    """Step size of Adam."""
    negatives: int = Field(16, ge=1)
    """Items drawn for each positive; many cost little beside the propagation (the paper: 1)."""
    weight_decay: float = Field(1e-7, ge=0)
    """2λ of equation 15: L2 penalty on the vectors before propagation, the only parameters."""
    embedding_size: int = Field(64, ge=1)
    """Numbers in a user's and in an item's vector."""
    layers: int = Field(3, ge=1)
    """K: over how many edges of the graph a vector reaches."""


class LightGCNNetwork(nn.Module):
    """E = (E⁰ + ÃE⁰ + … + Ã^K E⁰) / (K + 1) (equation 8); a score is the product of two rows.

    Ã = D^(-1/2) A D^(-1/2), A the adjacency of the graph whose nodes are the users, then the items.
    """

    def __init__(self, train: Dataset, config: LightGCNConfig) -> None:
        super().__init__()
        self.nodes = nn.Embedding(train.n_users + train.n_items, config.embedding_size)
        nn.init.normal_(self.nodes.weight, std=0.1)
        self._n_users, self._n_layers = train.n_users, config.layers
        self.adjacency: torch.Tensor
        self.register_buffer("adjacency", normalised_adjacency(train), persistent=False)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Scores of users (n,) with items (n, c): (n, c)."""
        nodes = self.propagate()
        # Unlike nodes[users], embedding has a fast gradient.
        return inner_products(embedding(users, nodes), embedding(items + self._n_users, nodes))

    def propagate(self) -> torch.Tensor:
        """E: (n_users + n_items, d), the mean of the layers."""
        layers = self.layers()
        return sum(layers[1:], layers[0]) / len(layers)

    def layers(self) -> list[torch.Tensor]:
        """E⁰, …, E^K: (n_users + n_items, d) each."""
        layers = [self.nodes.weight]
        for _ in range(self._n_layers):
            layers.append(SymmetricProduct.apply(self.adjacency, layers[-1]))
        return layers


class SymmetricProduct(torch.autograd.Function):
    """A symmetric sparse matrix times a dense one.

    PyTorch's own would transpose the matrix for every gradient, which takes several times longer
    than the product.
    """

    @staticmethod
    def forward(context: Any, matrix: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        """(n, n) times (n, d)."""
        context.matrix = matrix
        return matrix @ dense

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[None, torch.Tensor]:
        """The transpose, which is the matrix itself, times the gradient."""
        return None, context.matrix @ gradients[0].contiguous()


def normalised_adjacency(train: Dataset) -> torch.Tensor:
    """Ã: (n_users + n_items,) squared, sparse CSR, 1 / √(|N_u| |N_i|) where u touched i."""
    users, items = train.users.astype(np.int64), train.items.astype(np.int64)
    values = 1 / np.sqrt(train.user_counts[users] * train.item_counts[items])
    rows = np.concatenate([users, items + train.n_users])
    columns = np.concatenate([items + train.n_users, users])
    size = train.n_users + train.n_items
    matrix = csr_array((np.tile(values.astype(np.float32), 2), (rows, columns)), (size, size))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data), (size, size), check_invariants=True,
        )  # fmt: skip


def inner_products(users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """(n, d) and (n, c, d) to (n, c)."""
    return torch.einsum("nd,ncd->nc", users, items)


class LightGCN(Recommender):
    """Vectors smoothed over the graph of who touched what, trained by pairwise ranking.

    A stranger is a node that joins the finished graph: layer k of its vector is, as any user's,
    e_u^k = Σ_i e_i^(k-1) / √(|N_u| |N_i|) over the history N_u, with the items' layers as they are.
    Only e_u^0, which training would have found, is missing; the mean of the items' e_i^0 stands in
    for it. The mean of the layers is then two sums over the history:

        e_u = Σ_i m_i / √|N_u| + Σ_i e_i^0 / ((K + 1) |N_u|)
        m_i = (e_i^0 + … + e_i^(K-1)) / ((K + 1) √|N_i|)
    """

    name = "lightgcn"
    config_class = LightGCNConfig
    config: LightGCNConfig
    space: ClassVar[dict[str, Range]] = {
        "learning_rate": Float(1e-3, 5e-2, log=True),
        "weight_decay": Float(1e-8, 1e-4, log=True),
        "embedding_size": Choice((32, 64, 128)),
        "layers": Int(1, 4),
        "negatives": Int(1, 32, log=True),
    }

    def _fit(self, split: Split, run: TrainingRun) -> None:
        device = resolve_device(run.device)
        train, config = split.train, self.config
        # A fork, so that the caller's random state is as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = LightGCNNetwork(train, config).to(device)
        batches = PairBatches(
            train, batch_size=config.batch_size, negatives=config.negatives, seed=config.seed,
            device=device,
        )  # fmt: skip
        validate = sampled_validation(split, network, device)
        self.log = training.fit(network, batches, bpr, config, validate, run)
        self._finish(network.to(device), train)

    @property
    def device(self) -> torch.device:
        """Where the vectors are."""
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
        """nodes.weight: the vectors of users, then items, before propagation."""
        return self._parameters

    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            network = LightGCNNetwork(self.dataset, self.config)
        network.load_state_dict(state)
        self._finish(network.to(device), self.dataset)

    @torch.no_grad()
    def _finish(self, network: LightGCNNetwork, train: Dataset) -> None:
        """Propagates once and for all."""
        self._parameters = dict(network.state_dict())
        self._users, self._items = network.propagate().split([train.n_users, train.n_items])
        layers = [layer[train.n_users :] for layer in network.layers()]
        counts = torch.from_numpy(train.item_counts).to(self.device)
        # An item that nobody touched in training is no node of the graph.
        self._is_node = counts > 0
        self._messages = sum(layers[1:-1], layers[0]) * counts.clamp(min=1).rsqrt()[:, None]
        self._messages /= len(layers)
        self._first_layers = layers[0] / len(layers)
        self._trained_users = torch.from_numpy(train.user_counts > 0).to(self.device)

    def _queries(self, users: UserBatch) -> torch.Tensor:
        """(n, d): the trained vector where there is one, a sum over the history for a stranger."""
        return user_vectors(users, self._users, self._trained_users, self._strangers)

    def _strangers(self, users: UserBatch) -> torch.Tensor:
        """(n, d) by the formula above."""
        rows = torch.from_numpy(users.rows).to(self.device)
        items = torch.from_numpy(users.items).to(self.device)
        rows, items = rows[self._is_node[items]], items[self._is_node[items]]
        lengths = torch.bincount(rows, minlength=len(users)).clamp(min=1)[:, None]
        nothing = self._items.new_zeros(len(users), self._items.shape[1])
        messages = nothing.index_add(0, rows, self._messages[items])
        return messages * lengths.rsqrt() + nothing.index_add(
            0, rows, self._first_layers[items] / lengths[rows]
        )
