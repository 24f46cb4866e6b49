"""GRU4Rec: a recurrent network reads what somebody touched, in order, and predicts the next item.

Balázs Hidasi et al., 2016: Session-based Recommendations with Recurrent Neural Networks (ICLR).
Learned by a softmax, of the whole catalog or sampled, as in Balázs Hidasi and Alexandros
Karatzoglou, 2018: Recurrent Neural Networks with Top-k Gains for Session-based Recommendations
(CIKM), with one vector an item for reading and for scoring ("constrained embeddings" there).
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from typing_extensions import override

from tastemaker.data.dataset import Dataset
from tastemaker.models.sequence.sequence_model import (
    SequenceModel,
    SequenceModelConfig,
    SequenceNetwork,
)
from tastemaker.models.space import Choice, Float, Int, Range
from tastemaker.training.sequence_batches import Histories


class GRU4RecConfig(SequenceModelConfig):
    """Settings of GRU4Rec."""

    layers: int = Field(1, ge=1)
    """GRUs, one on the other."""
    hidden: int = Field(128, ge=1)
    """Numbers that a GRU remembers a history by."""


class GRU4RecNetwork(SequenceNetwork):
    """Items through the GRU; its state after an event, projected, predicts the next."""

    def __init__(self, train: Dataset, config: GRU4RecConfig) -> None:
        super().__init__(train, config)
        size, between = config.embedding_size, config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(size, config.hidden, config.layers, dropout=between)
        self.output = nn.Linear(config.hidden, size)

    @override
    def encode(self, histories: Histories) -> torch.Tensor:
        x = self.dropout(self.embed(histories)).flatten(0, 1)
        places, counts = side_by_side(histories)
        states = self.gru(PackedSequence(x[places], counts))[0].data  # (m, hidden)
        queries = self.output(self.dropout(states))
        laid = queries.new_zeros(len(x), queries.shape[1]).index_copy(0, places, queries)
        return laid.unflatten(0, histories.items.shape)


def side_by_side(histories: Histories) -> tuple[torch.Tensor, torch.Tensor]:
    """Histories side by side instead of end to end, as torch's PackedSequence wants them.

    Returns:
        (m,) where in the flattened rows the events lie: all first events, the longest history's
        before the others', then all second ones, and so on; and how many first ones there are, how
        many second ones, and so on, on the CPU.
    """
    places = (histories.owners.flatten() >= 0).nonzero()[:, 0]
    owners = histories.owners.flatten()[places]
    nth, lengths = histories.positions.flatten()[places], owners.bincount()
    beside = lengths.argsort(descending=True).argsort()
    order = (nth * len(lengths) + beside[owners]).argsort()
    return places[order], nth.bincount().cpu()


class GRU4Rec(SequenceModel):
    """A recurrent network; an unseen user's history is read like a user's."""

    name = "gru4rec"
    config_class = GRU4RecConfig
    config: GRU4RecConfig
    space: ClassVar[dict[str, Range]] = {
        "embedding_size": Choice((32, 64, 128)),
        "hidden": Choice((64, 128, 256)),
        "layers": Int(1, 2),
        "dropout": Float(0.1, 0.6),
        "learning_rate": Float(3e-4, 3e-3, log=True),
    }

    def _new_network(self, train: Dataset) -> GRU4RecNetwork:
        return GRU4RecNetwork(train, self.config)
