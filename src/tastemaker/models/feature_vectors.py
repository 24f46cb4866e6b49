"""Vectors of items or users, computed from their features."""

from typing import Self

import numpy as np
import torch
from torch import nn
from torch.nn.functional import embedding_bag

from tastemaker.data.dataset import Dataset
from tastemaker.data.features import Encoded, FeatureEncoder
from tastemaker.data.users import UserBatch


class FeatureVectors(nn.Module):
    """The sum of the vectors of an item's or a user's features; 0 if none of them is known.

    The vector of a feature with several values, such as the words of a text, is their mean.
    Numbers and vectors are multiplied by a matrix, without a bias.
    """

    def __init__(self, encoder: FeatureEncoder, encoded: Encoded, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.table = nn.Embedding(max(encoder.n_codes, 1), size)
        nn.init.normal_(self.table.weight, std=0.02)
        self.dense = nn.Linear(encoder.n_dense, size, bias=False) if encoder.n_dense else None
        if self.dense is not None:
            nn.init.normal_(self.dense.weight, std=0.02)
        arrays = {
            "_codes": encoded.codes,
            "_starts": encoded.indptr[:-1],
            "_counts": np.diff(encoded.indptr),
            "_weights": encoded.weights,
            "_dense": encoded.dense,
            "is_known": encoded.is_known,
        }
        self._codes: torch.Tensor
        self._starts: torch.Tensor
        self._counts: torch.Tensor
        self._weights: torch.Tensor
        self._dense: torch.Tensor
        self.is_known: torch.Tensor
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    @classmethod
    def of_items(cls, encoder: FeatureEncoder, train: Dataset, size: int) -> Self:
        """Makes the vectors of the items of a data set."""
        return cls(encoder, encoder.encode(train.catalog), size)

    @classmethod
    def of_users(cls, encoder: FeatureEncoder, train: Dataset, size: int) -> Self:
        """Makes the vectors of the users of a data set that has a table of them."""
        assert train.user_table is not None, "an encoder of users needs a table of users"
        return cls(encoder, encoder.encode(train.user_table), size)

    def forward(self, rows: torch.Tensor | None) -> torch.Tensor:
        """Returns the vectors (…, size) of codes (…,); with None, of all, (n, size)."""
        if rows is None:
            return self._vectors(self._codes, self._starts, self._weights, self._dense)
        starts, counts = self._starts[rows.flatten()], self._counts[rows.flatten()]
        ends = counts.cumsum(0)
        offsets = ends - counts
        entries = torch.arange(int(counts.sum()), device=rows.device)
        positions = entries + (starts - offsets).repeat_interleave(counts)
        codes, weights = self._codes[positions], self._weights[positions]
        vectors = self._vectors(codes, offsets, weights, self._dense[rows.flatten()])
        return vectors.unflatten(0, rows.shape)

    def of(self, encoded: Encoded) -> torch.Tensor:
        """Returns the vectors (n, size) of items or users that are not in the data."""
        device = self.table.weight.device
        arrays = (encoded.codes, encoded.indptr[:-1], encoded.weights, encoded.dense)
        return self._vectors(*(torch.from_numpy(array).to(device) for array in arrays))

    def of_batch(self, users: UserBatch) -> torch.Tensor:
        """Returns the vectors (n, size) of users; 0 for those without features."""
        codes = torch.from_numpy(users.codes).to(self.table.weight.device)
        vectors = self(codes.clamp(min=0)) * (codes >= 0)[:, None]
        given, encoded = self._given(users)
        if given:
            vectors[given] = self.of(encoded)
        return vectors

    def are_known(self, users: UserBatch) -> np.ndarray:
        """Returns (n,) bool: whether any feature of each user is known."""
        known = self.is_known.cpu().numpy()[users.codes.clip(min=0)] & (users.codes >= 0)
        given, encoded = self._given(users)
        known[given] = encoded.is_known
        return known

    def _given(self, users: UserBatch) -> tuple[list[int], Encoded]:
        """Returns the positions of the users whose features the batch has, and these features."""
        features = dict(enumerate(users.features or ()))
        given = {position: row for position, row in features.items() if row is not None}
        return list(given), self.encoder.encode_rows(list(given.values()))

    def _vectors(
        self, codes: torch.Tensor, starts: torch.Tensor, weights: torch.Tensor, dense: torch.Tensor
    ) -> torch.Tensor:
        vectors = embedding_bag(
            codes, self.table.weight, starts, mode="sum", per_sample_weights=weights
        )
        return vectors if self.dense is None else vectors + self.dense(dense)
