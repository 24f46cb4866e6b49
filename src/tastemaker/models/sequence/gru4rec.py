"""GRU4Rec: a recurrent network that reads a history in order and predicts the next item.

Balázs Hidasi et al., 2016: Session-based Recommendations with Recurrent Neural Networks (ICLR).
Trained with a softmax loss, over the whole catalog or sampled, as in Balázs Hidasi and Alexandros
Karatzoglou, 2018: Recurrent Neural Networks with Top-k Gains for Session-based Recommendations
(CIKM), with one vector per item for input and scoring ("constrained embeddings" there).
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoders
from tastemaker.models.sequence.config import SequenceModelConfig
from tastemaker.models.sequence.sequence_model import SequenceModel, SequenceNetwork
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.kernels.linear import Linear
from tastemaker.training.sequence_batches import Histories


class GRU4RecConfig(SequenceModelConfig):
    """Settings of GRU4Rec."""

    layers: int = Field(1, ge=1)
    """Number of stacked GRU layers."""
    hidden: int = Field(128, ge=1)
    """Dimension of a GRU's hidden state."""


class GRU4RecNetwork(SequenceNetwork):
    """Feeds items to the GRU; its projected state after an event predicts the next item."""

    def __init__(
        self, train: Dataset, config: GRU4RecConfig, encoders: Encoders | None = None
    ) -> None:
        super().__init__(train, config, encoders)
        size, layer_dropout = config.size, config.dropout_rate if config.layers > 1 else 0.0
        self.gru = nn.GRU(size, config.hidden, config.layers, dropout=layer_dropout)
        self.output = Linear(config.hidden, size)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x = self.dropout(self.embed(histories)).flatten(0, 1)
        places, counts = time_major_order(histories)
        states = self.gru(PackedSequence(x[places], counts))[0].data  # (m, hidden)
        queries = self.output(self.dropout(states))
        unpacked = queries.new_zeros(len(x), queries.shape[1]).index_copy(0, places, queries)
        return unpacked.unflatten(0, histories.items.shape)


def time_major_order(histories: Histories) -> tuple[torch.Tensor, torch.Tensor]:
    """Orders events by their position in the history, as torch's PackedSequence requires.

    Returns:
        (m,) places of the events in the flattened rows: all first events, those of longer histories
        before those of shorter ones, then all second events, and so on; and the number of first
        events, of second events, and so on, on the CPU.
    """
    places = (histories.owners.flatten() >= 0).nonzero()[:, 0]
    owners = histories.owners.flatten()[places]
    positions, lengths = histories.positions.flatten()[places], owners.bincount()
    length_rank = lengths.argsort(descending=True).argsort()
    order = (positions * len(lengths) + length_rank[owners]).argsort()
    return places[order], positions.bincount().cpu()


class GRU4Rec(SequenceModel):
    """A recurrent network over a history in order; unseen users are scored like known ones."""

    name = "gru4rec"
    config_class = GRU4RecConfig
    network_class = GRU4RecNetwork
    config: GRU4RecConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "hidden": Choice((64, 128, 256)),
        "layers": Int(1, 2),
        "dropout": Float(0.1, 0.6),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }
