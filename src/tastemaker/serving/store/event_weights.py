"""Event weights: how much an event counts, by its type and value, in Python and in SQL."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import polars as pl
import sqlalchemy as sql

from tastemaker.data.log_rules import LogRules
from tastemaker.data.weights import threshold_of, transform_weights
from tastemaker.serving.store.tables import events


@dataclass(frozen=True)
class EventWeights:
    """The weight of each type of event. Immutable.

    An event without a value has the weight of its type. The value of another event is transformed
    in the same way as in the training data, and multiplied by that weight.
    """

    types: dict[str, float] = field(default_factory=dict)
    """Weights by type; 0 for a type that says no."""
    others: float = 1.0
    """Weight of all other types."""
    transform: str | None = None
    """How values become weights (`data.weights.Weighting`); None if values do not count."""

    @classmethod
    def of(cls, rules: LogRules) -> "EventWeights":
        """Returns the weights by which a model's training data were read."""
        if rules.kinds is None:
            return cls(transform=rules.weight_transform)
        types = dict(rules.kinds.weights) | dict.fromkeys(rules.kinds.negative, 0.0)
        others = rules.kinds.others
        return cls(types, 0.0 if others is None else others, rules.weight_transform)

    def weights_of(
        self, types: Iterable[str], values: Sequence[float | None] | pl.Series
    ) -> np.ndarray:
        """Returns the weights of n events, (n,) float64; 0 for an event that does not count.

        Args:
            types: n types.
            values: n values, None or null for an event without one.
        """
        weights = np.array([self.types.get(each, self.others) for each in types], dtype=np.float64)
        if self.transform is None:
            return weights
        amounts = np.asarray(values, dtype=np.float32)
        return weights * np.nan_to_num(transform_weights(amounts, self.transform), nan=1.0)

    def in_sql(self) -> sql.ColumnElement[float]:
        """Returns the weight as an expression on the table of the events."""
        others = sql.literal(self.others, sql.Double)
        weight: sql.ColumnElement[float] = others
        if self.types:
            weight = sql.case(
                *(
                    (events.c.type == event_type, sql.literal(weight, sql.Double))
                    for event_type, weight in self.types.items()
                ),
                else_=others,
            )
        if self.transform is None:
            return weight
        return weight * sql.func.coalesce(_transformed(self.transform), 1.0)

    def to_json(self) -> str:
        """Returns the weights as text, equal for equal weights."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "EventWeights":
        """Returns the weights that `to_json` wrote."""
        return cls(**json.loads(text))


def _transformed(transform: str) -> sql.ColumnElement[float]:
    """Returns the transformed value as an expression; null for an event without a value."""
    value, threshold = events.c.value, threshold_of(transform)
    if threshold is not None:
        return sql.case((value.is_(None), None), (value >= threshold, 1.0), else_=0.0)
    if transform == "log1p":
        return sql.func.ln(1.0 + value)
    return sql.func.sqrt(value) if transform == "sqrt" else value
