"""Base of the models that read a history in order and predict the next item."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from tastemaker import training
from tastemaker.config import AUTO
from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoded, Encoders, FeatureEncoder
from tastemaker.data.split import Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, DataError
from tastemaker.models.feature_vectors import FeatureVectors
from tastemaker.models.network_model import NetworkModel
from tastemaker.models.recommender import NewItemKeys
from tastemaker.models.sequence.config import SMALL, SequenceModelConfig
from tastemaker.models.validation import full_validation
from tastemaker.training.batches import notes_on_users
from tastemaker.training.kernels.dropout import Dropout
from tastemaker.training.network import TrainableNetwork
from tastemaker.training.next_item import LOSSES_WITH, NextItemLoss, loss_for, next_item_loss
from tastemaker.training.run import TrainingRun
from tastemaker.training.sequence_batches import (
    Histories,
    SequenceBatch,
    SequenceBatches,
    histories_of,
)
from tastemaker.training.tables import rows_of

USERS_AT_ONCE = 1024
"""Largest number of histories encoded together, which limits the memory needed."""

HISTORY_DROPOUT = 0.1
"""Probability with which an encoded history is left out in training if users have features."""

LONGEST_GAP_LOG2 = 32
"""Gaps between events are grouped by powers of 2, up to 2^32 seconds."""


class SequenceNetwork(TrainableNetwork, ABC):
    """Encodes a history, event by event, into queries that score the next item."""

    requires_user_features: ClassVar[bool] = True
    """Whether data without features of users are refused if the setting `user_features` is true."""
    features: FeatureVectors | None
    user_features: FeatureVectors | None
    criterion: NextItemLoss
    """The training loss; set before training."""

    def __init__(
        self, train: Dataset, config: SequenceModelConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__()
        size = config.size
        if encoders is None and (config.features or config.user_features):
            encoders = Encoders.fit(train)
        of_items, of_users = encoders or Encoders()
        self.items = nn.Embedding(train.n_items, size)
        nn.init.normal_(self.items.weight, std=0.02)
        self.features = self.user_features = None
        if config.features:
            self.features = FeatureVectors.of_items(_required(of_items, train, "item"), train, size)
        if config.user_features and (of_users or self.requires_user_features):
            encoder = _required(of_users, train, "user")
            self.user_features = FeatureVectors.of_users(encoder, train, size)
        self.gaps = (
            nn.Embedding(LONGEST_GAP_LOG2 + 1, size, padding_idx=0) if config.time_gaps else None
        )
        self.event_kinds = _kind_embedding(train, size) if config.event_input else None
        self.dropout = Dropout(config.dropout_rate)

    @abstractmethod
    def encode(self, histories: Histories) -> torch.Tensor:
        """Returns queries (rows, width, d), each from its event and earlier ones of its history."""

    def encode_last(self, histories: Histories) -> torch.Tensor:
        """Returns the queries (n, d) at the end of each history, equal to those of `encode`."""
        return self.encode(histories).flatten(0, 1)[histories.last]

    def vectors(self, items: torch.Tensor | None) -> torch.Tensor:
        """Returns the vectors (…, d) of items (…,); with None, of the catalog, (n_items, d)."""
        id_vectors = self.items.weight if items is None else rows_of(self.items.weight, items)
        return id_vectors if self.features is None else id_vectors + self.features(items)

    def new_vectors(self, encoded: Encoded) -> torch.Tensor | None:
        """Returns the vectors (n, d) of items that are not in the data; None without features."""
        return None if self.features is None else self.features.of(encoded)

    def with_users(self, queries: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Adds to queries (m, d) the vectors (m, d) of their users' features."""
        return queries + vectors

    def embed(self, histories: Histories) -> torch.Tensor:
        """Returns the encoder's input (rows, width, d), scaled as in Vaswani et al. 2017."""
        x = self.vectors(histories.items) * self.items.embedding_dim**0.5
        if self.gaps is not None and histories.gaps is not None:
            # 0 is an unknown gap, whose vector is 0.
            magnitudes = (histories.gaps + 2).clamp(min=1, max=2**LONGEST_GAP_LOG2).log2()
            x = x + self.gaps(magnitudes.ceil().long())
        if self.event_kinds is not None and histories.kinds is not None:
            x = x + self.event_kinds(histories.kinds + 1)
        return x

    def loss(self, batch: SequenceBatch) -> torch.Tensor:
        """Returns the loss of the queries at all events of the batch on the items that follow."""
        # Differentiating an index in brackets takes four times as long.
        queries = self.encode(batch.inputs).flatten(0, 1).index_select(0, batch.places)
        if self.user_features is not None:
            keeps_history = torch.rand_like(queries[:, :1]) >= HISTORY_DROPOUT
            queries = self.with_users(queries * keeps_history, self.user_features(batch.users))
        return self.criterion(queries, self.vectors, batch)


def _kind_embedding(train: Dataset, size: int) -> nn.Embedding:
    """Returns a vector for each kind of event, after one of zeros for an unknown kind."""
    if train.kinds is None or train.rules.kinds is None:
        raise ConfigError(
            f"{train.name}: event_input=True reads the kinds of events, but the data have none; "
            "name the column with event=…, or leave out event_input=True"
        )
    return nn.Embedding(len(train.rules.kinds.names) + 1, size, padding_idx=0)


class SequenceModel(NetworkModel[SequenceNetwork]):
    """A model that reads a history in order; unseen users are scored like known ones."""

    config: SequenceModelConfig
    network_class: ClassVar[type[SequenceNetwork]]
    uses_weights = True
    trains_in_processes = True
    reads_order = True
    _trained_config: SequenceModelConfig

    @property
    def trained_config(self) -> SequenceModelConfig:
        """The settings that the network has, with numbers in place of auto.

        Raises:
            ConfigError: the model is not fitted.
        """
        _ = self.split  # raises the error
        return self._trained_config

    @override
    def _prepare(self, split: Split, run: TrainingRun) -> None:
        earlier = None if self._start_from is None else _size(self._start_from.state())
        self._trained_config = self.config.for_data(split.train, earlier, self.name)

    @override
    def _restore(self, state: dict[str, torch.Tensor], device: torch.device) -> None:
        self._trained_config = self.config.for_data(self.dataset, _size(state), self.name)
        super()._restore(state, device)

    @override
    def _new_network(self, train: Dataset) -> SequenceNetwork:
        return self.network_class(train, self._trained_config, self._encoders_for(train))

    @override
    def _initialised(
        self, network: SequenceNetwork, split: Split, run: TrainingRun
    ) -> SequenceNetwork:
        return self._warm_started(network, split.train)

    @override
    def _train(
        self, network: SequenceNetwork, split: Split, run: TrainingRun, device: torch.device
    ) -> None:
        train, config, self._network = split.train, self.config, network
        network.criterion = next_item_loss(
            config.loss, train, config.negatives, config.negative_exponent, config.calibration,
            device, config.precision,
        )  # fmt: skip
        batches = SequenceBatches(
            train, network.criterion.draw, length=config.length, batch_size=config.batch_size,
            seed=config.seed, device=device,
            draws_unseen_items=network.criterion.draws_unseen_items,
        )  # fmt: skip
        validate = full_validation(split, self._queries, network.vectors)
        self.log = training.fit(network, batches, config, validate, run, averaging=config.averaging)
        self.log.notes = (
            *self._notes_on_settings(train), *notes_on_users(batches.n_left_out), *self.log.notes,
        )  # fmt: skip

    def _notes_on_settings(self, train: Dataset) -> Iterator[str]:
        """Yields what stands for auto, and which settings have no effect on these data."""
        origins = dict.fromkeys(SMALL, "by the density of the data")
        if self._start_from is not None:
            origins["embedding_size"] = "as in the earlier model"
        found = [
            f"{name} {getattr(self._trained_config, name):g} (auto, {origin})"
            for name, origin in origins.items()
            if getattr(self.config, name) == AUTO
        ]
        if found:
            yield f"{self.name}: {', '.join(found)}"
        if self.config.time_gaps and train.timestamps is None:
            yield f"{self.name}: time_gaps has no effect, since the data have no times"
        loss = loss_for(self.config.loss, train.n_items)
        for name, losses in LOSSES_WITH.items():
            if loss not in losses and name in self.config.changed:
                yield f"{self.name}: {name} has no effect with loss={loss}"

    @property
    def scores_are_logits(self) -> bool:
        """True unless the loss judges each item alone."""
        return self.config.loss not in ("gbce", "bce")

    @property
    def item_keys(self) -> torch.Tensor:
        """(n_items, embedding_size) float32: the items' vectors."""
        return self._keys

    @property
    def item_vectors(self) -> torch.Tensor:
        """(n_items, embedding_size) float32: the same vectors."""
        return self._keys

    @torch.no_grad()
    def new_item_keys(self, rows: Sequence[Mapping[str, Any]]) -> NewItemKeys | None:
        """Implements `Recommender.new_item_keys` for models that read the items' features."""
        if self._network.features is None:
            return None
        encoded = self._network.features.encoder.encode_rows(rows)
        keys = self._network.new_vectors(encoded)
        return None if keys is None else NewItemKeys(keys, encoded.is_known)

    def _are_informative(self, items: np.ndarray) -> np.ndarray:
        """Adds items with known features to those of `Recommender`, if the model reads features."""
        touched, features = super()._are_informative(items), self._network.features
        return touched if features is None else touched | features.is_known[items].cpu().numpy()

    def _known_by_features(self, users: UserBatch) -> np.ndarray:
        features = self._network.user_features
        return super()._known_by_features(users) if features is None else features.are_known(users)

    @torch.no_grad()
    def _queries(self, users: UserBatch) -> torch.Tensor:
        queries = torch.zeros(len(users), self._network.items.embedding_dim, device=self.device)
        rows = np.flatnonzero(users.lengths)
        for start in range(0, len(rows), USERS_AT_ONCE):
            part = rows[start : start + USERS_AT_ONCE]
            histories = histories_of(users.at(part), self.config.length, self.device)
            queries[part] = self._network.encode_last(histories)
        features = self._network.user_features
        return (
            queries
            if features is None
            else self._network.with_users(queries, features.of_batch(users))
        )

    def _encoders_for(self, train: Dataset) -> Encoders | None:
        """Returns the encoders of features, if the config asks for any."""
        config = self.config
        return self._fitted_encoders(train) if config.features or config.user_features else None

    @override
    def _finish(self, network: SequenceNetwork, train: Dataset) -> None:
        super()._finish(network, train)
        self._keys = network.vectors(None)


def _size(state: dict[str, torch.Tensor]) -> int:
    """Returns the dimension of the vectors in the state of a sequence model."""
    return state["items.weight"].shape[1]


def _required(encoder: FeatureEncoder | None, train: Dataset, kind: str) -> FeatureEncoder:
    """Returns the encoder.

    Raises:
        DataError: there is none, since the data have no features.
    """
    if encoder is None:
        setting, argument = {"item": ("features", "items"), "user": ("user_features", "users")}[
            kind
        ]
        raise DataError(
            f"{train.name}: {setting}=True reads features of the {kind}s, but the data have none; "
            f"give a table of {kind}s with further columns ({argument}=…), or leave the setting out"
        )
    return encoder
