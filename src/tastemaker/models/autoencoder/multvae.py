"""MultVAE: a variational autoencoder that models a history as draws from one multinomial.

Dawen Liang, Rahul G. Krishnan, Matthew D. Hoffman and Tony Jebara, 2018: Variational Autoencoders
for Collaborative Filtering (WWW).
"""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import pad
from typing_extensions import override

from tastemaker import training
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.models.matrices import history_matrix
from tastemaker.models.network_model import NetworkModel
from tastemaker.models.space import Choice, Float, Range
from tastemaker.models.validation import ScoreCodes, sampled_validation
from tastemaker.training.config import TrainingConfig
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.losses import multinomial
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.run import TrainingRun
from tastemaker.training.user_batches import HistoryBatch, UserBatches

SMALLEST_INPUT = 1e-9
"""Lower limit of the encoder's inputs, whose squares float32 can still add up."""

USERS_AT_ONCE = 512
"""Largest number of users whose scores of all items are in memory at a time in validation."""


class MultVAEConfig(TrainingConfig):
    """Settings of MultVAE."""

    epochs: int = Field(50, ge=1)
    """Passes over all users."""
    batch_size: int = Field(100, ge=1)
    """Users in a batch."""
    learning_rate: float = Field(2e-3, gt=0)
    """Learning rate of Adam."""
    hidden: int = Field(600, ge=1)
    """Width of the hidden layer of the encoder and of the decoder."""
    embedding_size: int = Field(200, ge=1)
    """Dimension of a user's latent code."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Fraction of a history dropped from the encoder's input, drawn again at each training step."""
    kl_weight: float = Field(0.2, ge=0)
    """β: final weight of the code's KL divergence from the standard normal."""
    anneal_fraction: float = Field(0.5, ge=0, le=1)
    """Fraction of the training over which β rises linearly from 0."""


class MultVAENetwork(TrainableNetwork):
    """Encoder (items, tanh, μ and log σ²) and decoder (z, tanh, items), one hidden layer each."""

    def __init__(self, n_items: int, config: MultVAEConfig) -> None:
        super().__init__()
        self.dropout = Dropout(config.dropout)
        # A fully connected layer, of which only the rows of the touched items are read.
        self.encoder = nn.EmbeddingBag(n_items, config.hidden, mode="sum")
        self.encoder_bias = nn.Parameter(torch.zeros(config.hidden))
        self.code = nn.Linear(config.hidden, 2 * config.embedding_size)
        self.decoder = nn.Linear(config.embedding_size, config.hidden)
        self.items = nn.Linear(config.hidden, n_items)
        self._kl_weight, self._anneal_fraction = config.kl_weight, config.anneal_fraction
        nn.init.xavier_uniform_(self.encoder.weight)
        for layer in (self.code, self.decoder, self.items):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, histories: torch.Tensor) -> torch.Tensor:
        """Returns logits (n, n_items) of histories, as for `encode`, from the mean of the code."""
        return self.decode(self.encode(histories)[0])

    def encode(self, histories: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns μ and log σ² of the code, (n, embedding_size) each.

        The input of an item of relative weight w is log2(1 + w): 1 for an average interaction, and
        hardly larger for the heaviest ones, which would otherwise hide all others.

        Args:
            histories: (n, n_items) relative weights, 0 where an item was not touched.
        """
        users, items = histories.nonzero(as_tuple=True)
        inputs = (histories[users, items].log1p() / math.log(2)).clamp(min=SMALLEST_INPUT)
        lengths = inputs.new_zeros(len(histories)).index_add_(0, users, inputs.square()).sqrt()
        starts = torch.searchsorted(users, torch.arange(len(histories), device=users.device))
        summed = self.encoder(items, starts, self.dropout(inputs / lengths[users]))
        hidden = torch.tanh(summed + self.encoder_bias)
        mean, log_variance = self.code(hidden).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """Returns logits (n, n_items)."""
        return self.items(self.hidden(code))

    def hidden(self, code: torch.Tensor) -> torch.Tensor:
        """Returns (n, hidden), the input of the decoder's last layer."""
        return torch.tanh(self.decoder(code))

    def loss(self, batch: HistoryBatch) -> torch.Tensor:
        """Returns the negative annealed lower bound L_β (section 2.2.2), the mean over users."""
        mean, log_variance = self.encode(batch.histories)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        negative_log_likelihood = multinomial(self.decode(code), batch.histories)
        divergence = kl_divergence(mean, log_variance)
        return (negative_log_likelihood + self.kl_weight_at(batch.progress) * divergence).mean()

    def kl_weight_at(self, progress: float) -> float:
        """Returns β after a fraction of the training."""
        is_rising = progress < self._anneal_fraction
        return self._kl_weight * (progress / self._anneal_fraction if is_rising else 1.0)


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Returns (n,) KL divergences of N(mean, exp(log_variance)) from the standard normal."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1)


class MultVAE(NetworkModel[MultVAENetwork]):
    """A variational autoencoder of whole histories; unseen users are scored like known ones.

    The code of a history is its mean μ; nothing is sampled after training. The weights of
    interactions, relative to their mean, are the counts of the multinomial likelihood, and the
    encoder reads their logarithms.
    """

    name = "multvae"
    config_class = MultVAEConfig
    uses_weights = True
    config: MultVAEConfig
    space: ClassVar[dict[str, Range]] = {
        "learning_rate": Float(1e-4, 1e-2, log=True),
        "batch_size": Choice((50, 100, 200, 500)),
        "hidden": Choice((200, 400, 600)),
        "embedding_size": Choice((50, 100, 200)),
        "dropout": Float(0.2, 0.8),
        "kl_weight": Float(0.05, 1.0, log=True),
    }

    @override
    def _new_network(self, train: Dataset) -> MultVAENetwork:
        return MultVAENetwork(train.n_items, self.config)

    @override
    def _train(
        self, network: MultVAENetwork, split: Split, run: TrainingRun, device: torch.device
    ) -> None:
        config = self.config
        batches = UserBatches(
            split.train, batch_size=config.batch_size, epochs=config.epochs, seed=config.seed,
            device=device,
        )  # fmt: skip
        validate = sampled_validation(split, _score_trained(network, split), device)
        self.log = training.fit(network, batches, config, validate, run)

    @property
    def scores_are_logits(self) -> bool:
        """True."""
        return True

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, hidden) float32: the weights of the decoder's last layer."""
        return self._network.items.weight

    @property
    def item_keys(self) -> torch.Tensor:
        """(n_items, hidden + 1) float32: the weights and biases of the decoder's last layer."""
        return self._keys

    @torch.no_grad()
    def _queries(self, users: UserBatch) -> torch.Tensor:
        histories = _histories(self._network, users, self._mean_weight)
        code, _ = self._network.encode(histories)
        return pad(self._network.hidden(code), (0, 1), value=1)

    @override
    def _finish(self, network: MultVAENetwork, train: Dataset) -> None:
        super()._finish(network, train)
        self._keys = torch.cat([network.items.weight, network.items.bias[:, None]], dim=1)
        self._mean_weight = train.mean_weight


def _histories(network: MultVAENetwork, users: UserBatch, mean_weight: float) -> torch.Tensor:
    """Returns histories as (n, n_items) float32 relative weights, on the device of the network."""
    items = network.items
    histories = history_matrix(users, items.out_features, mean_weight).toarray()
    return torch.from_numpy(histories).to(items.weight.device)


def _score_trained(network: MultVAENetwork, split: Split) -> ScoreCodes:
    """Returns a function that scores users by code, from their histories in the training data."""

    def score(users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        parts = []
        for codes, part in zip(users.split(USERS_AT_ONCE), items.split(USERS_AT_ONCE), strict=True):
            batch = UserBatch.known(split.train, codes.cpu().numpy())
            histories = _histories(network, batch, split.train.mean_weight)
            parts.append(network(histories).gather(1, part))
        return torch.cat(parts)

    return score
