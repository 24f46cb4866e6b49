"""Event weights: how much an event counts, by its type and value, in Python and in SQL."""

import json
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

    def weight_of(self, event_type: str, value: float | None) -> float:
        """Returns the weight of an event, 0 if it does not count."""
        weight = self.types.get(event_type, self.others)
        if value is None or self.transform is None:
            return weight
        amount = np.array([value], dtype=np.float32)
        return weight * float(transform_weights(amount, self.transform)[0])

    def weights_of(self, types: pl.Series, values: pl.Series) -> np.ndarray:
        """Returns `weight_of` of many events, (n,) float32.

        Args:
            types: (n,) types.
            values: (n,) values, null for an event without one.
        """
        weights = types.replace_strict(
            list(self.types), list(self.types.values()), default=self.others,
            return_dtype=pl.Float32,
        ).to_numpy()  # fmt: skip
        if self.transform is None:
            return weights
        amounts = values.cast(pl.Float32).fill_null(float("nan")).to_numpy()
        return weights * np.nan_to_num(transform_weights(amounts, self.transform), nan=1.0)

    def in_sql(self) -> sql.ColumnElement[float]:
        """Returns `weight_of` as an expression on the table of the events."""
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
