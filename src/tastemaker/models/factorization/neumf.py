"""NeuMF: a product of vectors and a small network side by side, fused in the last layer.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu and Tat-Seng Chua, 2017: Neural
Collaborative Filtering (WWW), section 3.4.
"""

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import nn
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.models.factorization.gmf import GMF, GMFConfig, GMFNetwork
from tastemaker.models.factorization.ncf import MLP, MLPConfig, NCFNetwork, tower_layers
from tastemaker.models.factorization.vector_model import (
    VectorModel,
    VectorModelConfig,
    VectorNetwork,
)
from tastemaker.models.space import Choice, Float, Range
from tastemaker.training.kernels.pairs import PairParts
from tastemaker.training.run import TrainingRun


class NeuMFConfig(VectorModelConfig):
    """Settings of NeuMF."""

    epochs: int = Field(10, ge=1)
    """Passes over all positives in the training of both halves together."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of Adam in the training of both halves together."""
    pretraining: bool = True
    """Whether each half is first trained on its own; otherwise both start untrained."""
    alpha: float = Field(0.5, gt=0, lt=1)
    """α: initial weight of the GMF half; that of the MLP half is 1 - α."""
    gmf: GMFConfig = GMFConfig()
    """Settings of the GMF half: its size, and how it is trained on its own; its seed is that of the
    whole model."""
    mlp: MLPConfig = MLPConfig()
    """Settings of the MLP half: its sizes, and how it is trained on its own; its seed is that of
    the whole model."""


class NeuMFNetwork(VectorNetwork):
    """Computes s(u, i) = h_GMFᵀ(p_u ⊙ q_i) + h_MLPᵀ tower([p'_u; q'_i]) + b (equation 12).

    A user's vector is that of the GMF half followed by that of the MLP half; so is an item's.
    """

    users: nn.Embedding
    items: nn.Embedding

    def __init__(self, train: Dataset, config: NeuMFConfig) -> None:
        super().__init__(train, config)
        gmf = GMFNetwork(train, config.gmf)
        mlp = NCFNetwork(train, config.mlp)
        self._sizes = [config.gmf.embedding_size, config.mlp.embedding_size]
        self.users = nn.Embedding(train.n_users, sum(self._sizes))
        self.items = nn.Embedding(train.n_items, sum(self._sizes))
        self.first_user, self.first_item, self.tower = mlp.first_user, mlp.first_item, mlp.tower
        self.output = nn.Linear(config.gmf.embedding_size + config.mlp.hidden[-1], 1)
        self.initialise_from(gmf, mlp, config.alpha)

    @torch.no_grad()
    def initialise_from(self, gmf: GMFNetwork, mlp: NCFNetwork, alpha: float) -> None:
        """Copies the weights of both halves; a score is then α times GMF's plus 1 - α times MLP's.

        This is equation 13 of section 3.4.1.
        """
        for parameter, halves in (
            (self.users.weight, (gmf.users.weight, mlp.users.weight)),
            (self.items.weight, (gmf.items.weight, mlp.items.weight)),
            (self.output.weight, (alpha * gmf.output.weight, (1 - alpha) * mlp.output.weight)),
        ):
            parameter.copy_(torch.cat(halves, dim=1))
        self.output.bias.copy_(alpha * gmf.output.bias + (1 - alpha) * mlp.output.bias)
        for name in ("first_user", "first_item", "tower"):
            getattr(self, name).load_state_dict(getattr(mlp, name).state_dict())

    @override
    def parts(self) -> PairParts:
        product, tower = self._sizes[0], tower_layers(self)
        return PairParts(self.users, self.items, product, tower, self.output)

    @override
    def weighted(self, vectors: torch.Tensor) -> torch.Tensor:
        gmf, mlp = vectors.split(self._sizes, dim=-1)
        return torch.cat([gmf * self._output_weights[0], mlp], dim=-1)

    @override
    def score_vectors(self, vectors: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        return self._scores(vectors, self.items(items))

    @override
    def score_all(self, vectors: torch.Tensor) -> torch.Tensor:
        return self._scores(vectors, self.items.weight[None])

    def _scores(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Returns the scores of item vectors (n or 1, c, d) for user vectors (n, d): (n, c)."""
        user_gmf, user_mlp = users.split(self._sizes, dim=-1)
        item_gmf, item_mlp = items.split(self._sizes, dim=-1)
        output_gmf, output_mlp = self._output_weights
        # The weights multiply the users' side, so that the whole catalog is one matrix product.
        products = (item_gmf @ (user_gmf * output_gmf)[:, :, None]).squeeze(-1)  # (n, c)
        hidden = self.first_user(user_mlp)[:, None] + self.first_item(item_mlp)  # (n, c, h)
        return products + self.tower(hidden) @ output_mlp + self.output.bias

    @property
    def _output_weights(self) -> tuple[torch.Tensor, ...]:
        """The output weights h_GMF and h_MLP."""
        gmf = self._sizes[0]
        return self.output.weight[0].split([gmf, self.output.in_features - gmf])


class NeuMF(VectorModel):
    """GMF and MLP fused in the last layer, each first trained on its own.

    An unseen user gets a vector by fold-in. The paper continues from the two halves with plain SGD;
    here, Adam with a small learning rate takes its place.
    """

    name = "neumf"
    config_class = NeuMFConfig
    config: NeuMFConfig
    space: ClassVar[dict[str, Range]] = {
        "learning_rate": Float(1e-4, 1e-2, log=True),
        "alpha": Float(0.2, 0.8),
        "gmf.embedding_size": Choice((8, 16, 32, 64)),
        "gmf.learning_rate": Float(1e-3, 3e-2, log=True),
        "mlp.learning_rate": Float(1e-3, 3e-2, log=True),
    }

    def _new_network(self, train: Dataset) -> NeuMFNetwork:
        return NeuMFNetwork(train, self.config)

    def _pretrain(self, network: VectorNetwork, split: Split, run: TrainingRun) -> None:
        """Trains each half on its own and copies their weights."""
        if not self.config.pretraining:
            return
        halves: list[VectorNetwork] = []
        seed = {"seed": self.config.seed}
        for half in (
            GMF(self.config.gmf.model_copy(update=seed)),
            MLP(self.config.mlp.model_copy(update=seed)),
        ):
            half.fit(split, run.of_part(half.name))
            if half.log.interrupted:
                raise KeyboardInterrupt
            halves.append(half.network)
        gmf, mlp = halves
        cast("NeuMFNetwork", network).initialise_from(
            cast("GMFNetwork", gmf), cast("NCFNetwork", mlp), self.config.alpha
        )
