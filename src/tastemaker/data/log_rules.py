"""Log rules: how the rows of a log become training data."""

from dataclasses import asdict, dataclass
from math import isfinite
from numbers import Real
from typing import Any, Literal

from tastemaker.data.event_kinds import EventKinds
from tastemaker.errors import ConfigError

Repeats = Literal["first", "latest", "sum", "max", "count", "keep"]
"""How the rows of a (user, item) pair are merged: into the first or the latest of them; into the
latest with the sum, the maximum or the number of their weights; or not at all ("keep")."""


@dataclass(frozen=True)
class LogRules:
    """How the rows of a log become training data. Immutable.

    A run stores the rules of its data, and the events of its service follow the same rules.
    """

    repeats: Repeats = "latest"
    """How the rows of a (user, item) pair are merged in each part of a split."""
    repeat_targets: bool = False
    """Whether an item that a user had before may be held out and recommended again."""
    min_rating: float | None = None
    """A pair is left out if its merged rating is lower than this, or missing."""
    kinds: EventKinds | None = None
    """What the kinds of events mean; None if all events are alike."""
    weight_transform: str | None = None
    """How the values in the weight column become weights, as for `transform_weights`; None if there
    is no such column."""

    def __post_init__(self) -> None:
        if self.min_rating is not None and not (
            isinstance(self.min_rating, Real) and isfinite(self.min_rating)
        ):
            raise ConfigError(f"min_rating=… is {self.min_rating!r}; it must be a number")

    @classmethod
    def of(
        cls,
        repeats: Repeats | None = None,
        repeat_targets: bool | None = None,
        min_rating: float | None = None,
        *,
        kinds: EventKinds | None,
        weight_transform: str | None,
        weighted: bool,
    ) -> "LogRules":
        """Returns the rules with the defaults for what is not given.

        Args:
            repeats: how repeated rows are merged. With kinds of events, a pair counts by default as
                its heaviest event: the sum would let many views, or purchases of daily needs,
                outweigh everything else where new items are predicted. Without kinds, the default
                is "sum" for rows with weights, and otherwise "latest".
            repeat_targets: whether repeats may be held out; by default only with repeats="keep".
            min_rating: as in `LogRules`.
            kinds: as in `LogRules`.
            weight_transform: as in `LogRules`.
            weighted: whether the rows have weights.
        """
        if repeats is None:
            repeats = "max" if kinds is not None else "sum" if weighted else "latest"
        if repeat_targets is None:
            repeat_targets = repeats == "keep"
        return cls(repeats, repeat_targets, min_rating, kinds, weight_transform)

    @property
    def has_negative_kinds(self) -> bool:
        """Whether events of some kind say no."""
        return self.kinds is not None and bool(self.kinds.negative)

    def describe(self, *, weighted: bool) -> str:
        """Describes how the rows of a pair are merged, for a note."""
        if self.repeats == "keep":
            merged = "models of sequences learn from every row, others from the sum of its weights"
        else:
            row = "first" if self.repeats == "first" else "latest"
            merged = f"each part of a split keeps the {row} row of a pair"
            merged += {
                "sum": " with the sum of the weights" if weighted else " with the number of rows",
                "max": " with the largest of the weights",
                "count": " with the number of rows as its weight",
            }.get(self.repeats, " with its own weight" if weighted else "")
        if self.min_rating is not None:
            merged += f", and leaves out the pair if this row is rated below {self.min_rating:g}"
        return merged

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "LogRules":
        """Returns the rules that `to_dict` described."""
        kinds = stored["kinds"]
        if kinds is not None:
            kinds = EventKinds(
                tuple((kind, weight) for kind, weight in kinds["weights"]),
                tuple(kinds["targets"]),
                tuple(kinds["negative"]),
                kinds["others"],
            )
        return cls(**(stored | {"kinds": kinds}))


DEFAULT_RULES = LogRules()
"""The rules of a log without kinds of events: each part keeps the latest row of a pair."""
