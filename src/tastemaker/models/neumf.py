"""NeuMF: a product of vectors and a small network side by side, fused in the last layer.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu and Tat-Seng Chua, 2017: Neural
Collaborative Filtering (WWW), section 3.4.
"""

from dataclasses import replace
from typing import Any, ClassVar, cast

import torch
from pydantic import Field, PositiveInt
from torch import nn

from tastemaker.data.splitting import Split
from tastemaker.models.gmf import GMF, GMFConfig, GMFNetwork
from tastemaker.models.ncf import MLP, MLPConfig, NCFNetwork
from tastemaker.models.space import Choice, Float, Range
from tastemaker.models.vector_model import VectorModel, VectorModelConfig, VectorNetwork
from tastemaker.training.run import TrainingRun


class NeuMFConfig(VectorModelConfig):
    """Settings of NeuMF."""

    epochs: int = Field(10, ge=1)
    """Passes over all positives, with both halves together."""
    learning_rate: float = Field(1e-3, gt=0)
    """Step size of Adam, with both halves together."""
    embedding_size: int = Field(16, ge=1)
    """Numbers in a user's and in an item's vector in the GMF half."""
    mlp_embedding_size: int = Field(32, ge=1)
    """Numbers in a user's and in an item's vector in the MLP half."""
    hidden: tuple[PositiveInt, ...] = Field((32, 16, 8), min_length=1)
    """Widths of the fully connected layers of the MLP half, each followed by a ReLU."""
    pretraining_epochs: int = Field(10, ge=0)
    """Passes over all positives of each half alone, to begin with; 0: no pre-training."""
    pretraining_learning_rate: float = Field(1e-2, gt=0)
    """Step size of Adam, with each half alone."""
    alpha: float = Field(0.5, gt=0, lt=1)
    """α: how much the GMF half counts to begin with; the MLP half counts 1 - α."""


class NeuMFNetwork(VectorNetwork):
    """s(u, i) = h_GMFᵀ(p_u ⊙ q_i) + h_MLPᵀ tower([p'_u; q'_i]) + b (equation 12).

    A user's vector is that of the GMF half, then that of the MLP half; likewise an item's.
    """

    def __init__(self, n_users: int, n_items: int, config: NeuMFConfig) -> None:
        super().__init__(config)
        gmf = GMFNetwork(n_users, n_items, gmf_config(config))
        mlp = NCFNetwork(n_users, n_items, mlp_config(config))
        self._sizes = [config.embedding_size, config.mlp_embedding_size]
        self.users = nn.Embedding(n_users, sum(self._sizes))
        self.items = nn.Embedding(n_items, sum(self._sizes))
        self.first_user, self.first_item, self.tower = mlp.first_user, mlp.first_item, mlp.tower
        self.output = nn.Linear(config.embedding_size + config.hidden[-1], 1)
        self.begin_with(gmf, mlp, alpha=0.5)

    @torch.no_grad()
    def begin_with(self, gmf: GMFNetwork, mlp: NCFNetwork, alpha: float) -> None:
        """Takes up both halves, so that a score is α times the one's and 1 - α the other's.

        Section 3.4.1, equation 13.
        """
        for own, halves in (
            (self.users.weight, (gmf.users.weight, mlp.users.weight)),
            (self.items.weight, (gmf.items.weight, mlp.items.weight)),
            (self.output.weight, (alpha * gmf.output.weight, (1 - alpha) * mlp.output.weight)),
        ):
            own.copy_(torch.cat(halves, dim=1))
        self.output.bias.copy_(alpha * gmf.output.bias + (1 - alpha) * mlp.output.bias)
        for name in ("first_user", "first_item", "tower"):
            getattr(self, name).load_state_dict(getattr(mlp, name).state_dict())

    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """As VectorNetwork."""
        return self._scores(vectors, self.items(items))

    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        """As VectorNetwork."""
        return self._scores(vectors, self.items.weight[None])

    def _scores(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Scores of user vectors (n, d) with item vectors (n or 1, c, d): (n, c)."""
        user_gmf, user_mlp = users.split(self._sizes, dim=-1)
        item_gmf, item_mlp = items.split(self._sizes, dim=-1)
        output_gmf, output_mlp = self.output.weight[0].split(
            [self._sizes[0], self.output.in_features - self._sizes[0]]
        )
        # The weights go to the users' side, so that the whole catalog is one product of matrices.
        products = (item_gmf @ (user_gmf * output_gmf)[:, :, None]).squeeze(-1)  # (n, c)
        hidden = self.first_user(user_mlp)[:, None] + self.first_item(item_mlp)  # (n, c, h)
        return products + self.tower(hidden) @ output_mlp + self.output.bias


class NeuMF(VectorModel):
    """GMF and MLP fused, each trained alone first; a stranger gets a vector by fold-in.

    The paper goes on from the halves with plain SGD; Adam with a small step does the same here.
    """

    name = "neumf"
    config_class = NeuMFConfig
    config: NeuMFConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((8, 16, 32, 64)),
        "learning_rate": Float(1e-4, 1e-2, log=True),
        "pretraining_learning_rate": Float(1e-3, 3e-2, log=True),
        "weight_decay": Float(1e-7, 1e-4, log=True),
        "negatives": Choice((2, 4, 8)),
    }

    def _new_network(self, n_users: int, n_items: int) -> NeuMFNetwork:
        return NeuMFNetwork(n_users, n_items, self.config)

    def _initial_network(self, split: Split, run: TrainingRun) -> NeuMFNetwork:
        network = self._new_network(split.train.n_users, split.train.n_items)
        if self.config.pretraining_epochs == 0:
            return network
        halves: list[VectorNetwork] = []
        for half in (GMF(gmf_config(self.config)), MLP(mlp_config(self.config))):
            folder = run.folder and run.folder / half.name
            half.fit(split, replace(run, folder=folder))
            if half.log.interrupted:
                raise KeyboardInterrupt
            halves.append(half.network.cpu())
        gmf, mlp = halves
        network.begin_with(cast("GMFNetwork", gmf), cast("NCFNetwork", mlp), self.config.alpha)
        return network


def gmf_config(config: NeuMFConfig) -> GMFConfig:
    """The settings of the GMF half."""
    return GMFConfig(embedding_size=config.embedding_size, **_pretraining(config))


def mlp_config(config: NeuMFConfig) -> MLPConfig:
    """The settings of the MLP half."""
    return MLPConfig(
        embedding_size=config.mlp_embedding_size, hidden=config.hidden, **_pretraining(config)
    )


def _pretraining(config: NeuMFConfig) -> dict[str, Any]:
    """What both halves have in common."""
    same = ("loss", "batch_size", "regularization", "weight_decay", "negatives", "patience", "seed")
    return {name: getattr(config, name) for name in same} | {
        "epochs": max(1, config.pretraining_epochs),
        "learning_rate": config.pretraining_learning_rate,
    }
