"""LogFormat: how a table of interactions is read, as given by the arguments of `read`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tastemaker.data.columns import Columns, resolve_columns
from tastemaker.data.event_kinds import EventKinds
from tastemaker.data.ids import IdKind
from tastemaker.data.layouts import NO_LAYOUT, Layout, layout_named
from tastemaker.data.missing import MISSING, Values
from tastemaker.data.text_format import TextFormat, refuse_unknown
from tastemaker.data.weights import Weighting
from tastemaker.errors import ConfigError


@dataclass(frozen=True)
class LogFormat:
    """How a table of interactions is read. Immutable."""

    roles: Mapping[str, str | None]
    """The column of each role; None if it is guessed."""
    text: TextFormat
    values: Values
    weighting: Weighting
    time_format: str | None = None
    layout: Layout = NO_LAYOUT

    @classmethod
    def of(
        cls,
        *,
        user: str | None = None,
        item: str | None = None,
        time: str | None = None,
        rating: str | None = None,
        event: str | None = None,
        event_weights: Mapping[str, float] | None = None,
        targets: Sequence[str] = (),
        negative: Sequence[str] = (),
        weight: str | None = None,
        weight_transform: str = "auto",
        time_format: str | None = None,
        missing: Sequence[str] = MISSING,
        drop_missing: bool = False,
        ids: IdKind | None = None,
        layout: str | None = None,
        **text: Any,
    ) -> "LogFormat":
        """Checks the arguments, which are those of `read_interactions`.

        Raises:
            ConfigError: one of them is unknown or invalid, or needs another that is not given.
        """
        refuse_unknown(text, cls.of)
        known = layout_named(layout)
        given = known.columns({
            "user": user, "item": item, "time": time, "rating": rating, "event": event,
            "weight": weight,
        })  # fmt: skip
        weighting = _weighting(
            given["event"], event_weights, targets, negative, weight, weight_transform
        )
        values = Values(missing, drop_missing, ids)
        time_format = time_format or known.time_format
        return cls(given, known.text_format(text), values, weighting, time_format, known)

    def columns(
        self, available: Sequence[str], source_name: str, *, is_text: bool = True
    ) -> Columns:
        """Returns the columns of a table by role; raises DataError as `resolve_columns` does.

        Args:
            available: the table's column names.
            source_name: name of the table in error messages.
            is_text: whether the table is a text file.
        """
        may_lack_header = is_text and self.text.has_header
        return resolve_columns(
            available, source_name, may_lack_header=may_lack_header, **self.roles
        )


def _weighting(
    event: str | None,
    event_weights: Mapping[str, float] | None,
    targets: Sequence[str],
    negative: Sequence[str],
    weight: str | None,
    transform: str,
) -> Weighting:
    """Checks the arguments on weights.

    Raises:
        ConfigError: one of them is invalid, or needs a column that is not named.
    """
    if event is None and (event_weights is not None or targets or negative):
        name = (
            "event_weights" if event_weights is not None else "targets" if targets else "negative"
        )
        raise ConfigError(f"{name}=… is about kinds of events; name their column with event=…")
    if weight is None and transform != "auto":
        raise ConfigError(
            f'weight_transform="{transform}" needs a column of values; name it with weight=…'
        )
    return Weighting(transform, EventKinds.of(event_weights, targets, negative))
