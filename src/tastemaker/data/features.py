"""FeatureEncoder: turns the features of items or users into codes and numbers for a model.

All discrete features become codes of one vocabulary, so that a model needs a single table of
vectors, and all continuous ones become the columns of one matrix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tastemaker.data.dataset import Dataset
from tastemaker.data.feature_encoders import Codes, ColumnEncoder, fit_column, restored_column
from tastemaker.data.feature_kinds import FeatureKind
from tastemaker.data.feature_values import column_of
from tastemaker.data.id_table import IdTable
from tastemaker.representation import short_repr


@dataclass(frozen=True, eq=False)
class Encoded:
    """The features of n items or users."""

    codes: np.ndarray
    """(m,) int64 codes of all rows, concatenated."""
    indptr: np.ndarray
    """(n + 1,) int64: the codes of row i are codes[indptr[i]:indptr[i + 1]]."""
    weights: np.ndarray
    """(m,) float32: 1 over the number of codes that the same feature has in the row."""
    dense: np.ndarray
    """(n, n_dense) float32 standardised numbers and vectors; 0 where they are missing."""

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def is_known(self) -> np.ndarray:
        """(n,) bool: whether any feature of the row has a known value."""
        return (np.diff(self.indptr) > 0) | self.dense.any(axis=1)


@dataclass(frozen=True, eq=False)
class FeatureEncoder:
    """The encoders of all features, fitted on the items or users of the training data.

    Unknown values, missing ones and nulls are treated alike: they have no code, and 0 in the
    matrix.
    """

    kinds: dict[str, FeatureKind]
    columns: dict[str, ColumnEncoder]
    """The encoder of each feature; the codes of the first come first."""

    __repr__ = short_repr

    @classmethod
    def fit(
        cls, table: IdTable, is_used: np.ndarray, newest: int | None = None
    ) -> "FeatureEncoder":
        """Fits encoders on some rows of a table.

        Args:
            table: the items or users, in the order of their codes.
            is_used: (n,) bool: which of them occur in the training data.
            newest: time of the newest event of the training data, in seconds since 1970 UTC, from
                which ages are counted; by default the newest date of each feature.
        """
        used = table.frame.filter(pl.Series(is_used))
        kinds = table.features
        columns = {name: fit_column(used[name], kind, newest) for name, kind in kinds.items()}
        return cls(kinds, columns)

    @property
    def n_codes(self) -> int:
        """Number of codes."""
        return sum(column.n_codes for column in self.columns.values())

    @property
    def n_dense(self) -> int:
        """Number of columns of the matrix."""
        return sum(column.n_dense for column in self.columns.values())

    def encode(self, table: IdTable) -> Encoded:
        """Encodes a table with the features that the encoder was fitted on."""
        return self._encoded([table.frame[name] for name in self.columns], table.frame.height)

    def encode_rows(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Encodes items or users that are not in a table.

        Args:
            rows: the value of each feature by name. Features that are not given are missing, and
                names that the encoder was not fitted on are ignored.

        Raises:
            ConfigError: a value is not of the kind of its feature.
        """
        columns = [
            column_of(name, kind, [row.get(name) for row in rows], self.columns[name].n_dense)
            for name, kind in self.kinds.items()
        ]
        return self._encoded(columns, len(rows))

    def _encoded(self, columns: Sequence[pl.Series], n_rows: int) -> Encoded:
        pairs = zip(self.columns.values(), columns, strict=True)
        parts = [encoder.encode(column) for encoder, column in pairs]
        parts.append(Codes(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros((n_rows, 0), "f4")))
        offsets = np.cumsum([0, *(column.n_codes for column in self.columns.values())])
        rows = np.concatenate([part.rows for part in parts])
        codes = [part.codes + offset for part, offset in zip(parts, offsets, strict=True)]
        weights = [1 / np.bincount(part.rows)[part.rows] for part in parts if len(part.rows)]
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=n_rows)
        return Encoded(
            np.concatenate(codes)[order],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([np.zeros(0), *weights])[order].astype(np.float32),
            np.concatenate([part.dense for part in parts], axis=1),
        )

    def codes_in_both(self, earlier: "FeatureEncoder") -> tuple[np.ndarray, np.ndarray]:
        """Returns the codes with the same meaning in both, first here, then in `earlier`.

        The buckets of a number have the same meaning if there are as many of them.
        """
        here, there = self._codes_by_value(), earlier._codes_by_value()
        both = [value for value in here if value in there]
        return (
            np.array([here[value] for value in both], dtype=np.int64),
            np.array([there[value] for value in both], dtype=np.int64),
        )

    def _codes_by_value(self) -> dict[tuple[str, str], int]:
        """Returns the code of each value by feature and value."""
        codes: dict[tuple[str, str], int] = {}
        for name, column in self.columns.items():
            for value in column.names_of_codes():
                codes[name, value] = len(codes)
        return codes

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Returns all that was learned as plain data for JSON, and arrays by feature."""
        description, arrays = {}, {}
        for name, kind in self.kinds.items():
            values, array = self.columns[name].state()
            description[name] = {"kind": kind} | values
            if array is not None:
                arrays[name] = array
        return description, arrays

    @classmethod
    def from_state(
        cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "FeatureEncoder":
        """Returns the encoder from its `state`."""
        kinds, columns = {}, {}
        for name, values in description.items():
            kinds[name] = values["kind"]
            learned = {key: value for key, value in values.items() if key != "kind"}
            columns[name] = restored_column(kinds[name], learned, arrays.get(name))
        return cls(kinds, columns)


class Encoders(NamedTuple):
    """The encoders of the items' and the users' features; None for those that have none."""

    items: FeatureEncoder | None = None
    users: FeatureEncoder | None = None

    @classmethod
    def fit(cls, train: Dataset) -> "Encoders":
        """Fits encoders on the items and users that occur in training data."""
        newest, table = _newest(train), train.user_table
        items = users = None
        if train.catalog.features:
            items = FeatureEncoder.fit(train.catalog, train.item_counts > 0, newest)
        if table is not None and table.features:
            users = FeatureEncoder.fit(table, train.user_counts > 0, newest)
        return cls(items, users)


NO_ENCODERS = Encoders()


def _newest(train: Dataset) -> int | None:
    """Returns the time of the newest event; None if the times are unknown or only an order."""
    if train.timestamps is None or train.time_unit == "order" or len(train) == 0:
        return None
    return int(train.timestamps.max())
