"""Two towers: one computes a vector of an item, the other one of a user, from all that is known.

Xinyang Yi et al., 2019: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations (RecSys). An item without interactions has features, hence a vector, and can be
recommended from its first day. Each item also has a vector of its own, which is dropped at random
in training so that the vector of the features suffices without it: Maksims Volkovs et al., 2017:
DropoutNet: Addressing Cold Start in Recommender Systems (NIPS). A user is encoded by the history
and, if there is a table of users, by features, of which either suffices.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import normalize, softplus
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoded, Encoders
from tastemaker.errors import DataError
from tastemaker.models.feature_vectors import FeatureVectors
from tastemaker.models.sequence.attention import causal
from tastemaker.models.sequence.config import SequenceModelConfig
from tastemaker.models.sequence.sequence_model import SequenceModel, SequenceNetwork
from tastemaker.models.space import Choice, Float, Range
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.next_item import NextItemLossName
from tastemaker.training.sequence_batches import Histories
from tastemaker.training.tables import rows_of


class TwoTowerConfig(SequenceModelConfig):
    """Settings of the two towers."""

    loss: NextItemLossName = "in_batch"
    """softmax uses the whole catalog as negatives; sampled_softmax uses a sample of it, for large
    catalogs; auto is softmax up to 50,000 items and sampled_softmax beyond; in_batch uses the other
    targets of the batch; gbce and bce sample negatives for each target."""
    features: Literal[True] = True
    """Whether the vector of an item's features is added to its own vector; always true here."""
    user_features: bool = True
    """Whether the vector of a user's features is added to the encoded history, if the data have a
    table of users."""
    id_dropout: float = Field(0.2, ge=0, le=1)
    """Probability of dropping an item's own vector in training; 1: only its features are used."""
    hidden: int = Field(128, ge=1)
    """Width of the hidden layer of the network whose output is added to a history's mean."""
    temperature: float = Field(0.07, gt=0)
    """Divisor of the cosine of query and item; the lower, the more the highest cosines count."""


class TwoTowerNetwork(SequenceNetwork):
    """Scores an item by the cosine of its vector and the encoded history, over the temperature."""

    features: FeatureVectors
    requires_user_features = False

    def __init__(
        self, train: Dataset, config: TwoTowerConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__(train, config, encoders)
        size = config.size
        self.decay = nn.Parameter(torch.zeros(()))
        self.tower = nn.Sequential(
            Linear(size, config.hidden),
            nn.ReLU(),
            Dropout(config.dropout_rate),
            Linear(config.hidden, size),
        )
        self.user_tower = None
        if self.user_features is not None:
            self.user_tower = nn.Sequential(
                Linear(size, config.hidden), nn.ReLU(), Linear(config.hidden, size)
            )
        self._id_dropout, self._temperature = config.id_dropout, config.temperature
        # The own vector of an item without interactions is untrained, so it is left out.
        has_own = torch.from_numpy(train.item_counts > 0) & (config.id_dropout < 1)
        self._has_own: torch.Tensor
        self.register_buffer("_has_own", has_own.float()[:, None], persistent=False)

    def vectors(self, items: torch.Tensor | None) -> torch.Tensor:
        """Normalises the vectors to length 1, so that new items can score as high as known ones."""
        id_vectors = self.items.weight if items is None else rows_of(self.items.weight, items)
        is_used = self._has_own if items is None else self._has_own[items]
        if self.training:
            is_used = is_used * (torch.rand_like(is_used) >= self._id_dropout)
        return normalize(id_vectors * is_used + self.features(items), dim=-1)

    @override
    def new_vectors(self, encoded: Encoded) -> torch.Tensor:
        return normalize(self.features.of(encoded), dim=-1)

    @override
    def with_users(self, queries: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Passes the vectors through a tower of their own, adds them and normalises the sum."""
        assert self.user_tower is not None, "there are vectors of users only with their tower"
        directions = queries * self._temperature + vectors + self.user_tower(vectors)
        return normalize(directions, dim=-1) / self._temperature

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x = self.dropout(self.embed(histories))
        mean = self._averaging_weights(histories) @ x
        return normalize(mean + self.tower(mean), dim=-1) / self._temperature

    def _averaging_weights(self, histories: Histories) -> torch.Tensor:
        """Returns (rows, width, width): the weight of the second event in the mean up to the first.

        The weight decays exponentially with the distance, at a learned rate.
        """
        positions = histories.positions
        distances = (positions[:, :, None] - positions[:, None, :]).clamp(min=0)
        weights = causal(histories.owners)[:, 0] * torch.exp(-softplus(self.decay) * distances)
        return weights / weights.sum(dim=2, keepdim=True)


class TwoTower(SequenceModel):
    """Encodes items by their features, and users by histories and features, including new ones."""

    name = "two_tower"
    config_class = TwoTowerConfig
    network_class = TwoTowerNetwork
    config: TwoTowerConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "id_dropout": Float(0.0, 0.7),
        "dropout": Float(0.0, 0.5),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }

    @override
    def _new_network(self, train: Dataset) -> SequenceNetwork:
        if not train.catalog.features:
            raise DataError(
                f"{train.name}: two_tower computes the vector of an item from its features, but "
                "the catalog has none; give a table of items with further columns, such as "
                "categories (catalog=…)"
            )
        return super()._new_network(train)
