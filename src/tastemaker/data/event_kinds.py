"""Kinds of events: the weight of each kind, which kinds are targets, and which say no."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from numbers import Real

import numpy as np
import polars as pl

from tastemaker.errors import ConfigError, DataError, did_you_mean

OTHERS = "*"
"""In `event_weights`, stands for all kinds that are not named."""

MOST_KINDS = 100
"""Maximum number of kinds; a column with more values does not hold kinds of events."""


SIMILARITY = 0.75
"""Minimum similarity of the name of a kind to one that is taken for its misspelling."""


@dataclass(frozen=True)
class EventKinds:
    """What the kinds of events mean. Immutable.

    An event of a positive kind is an interaction with the weight of its kind. A negative kind, such
    as a dislike or a return, says no: it cancels the earlier events of the user with the item, and
    until a later event of a positive kind the item is never recommended to the user.
    """

    weights: tuple[tuple[str, float], ...]
    """The positive kinds with their weights; the position of a kind is its code."""
    targets: tuple[str, ...] = ()
    """The kinds that are held out and predicted; empty if all positive kinds are."""
    negative: tuple[str, ...] = ()
    """The kinds that say no; their codes follow those of the positive kinds."""
    others: float | None = None
    """Weight of kinds that are not named; None if there may be none."""

    @classmethod
    def of(
        cls,
        event_weights: Mapping[str, float] | None = None,
        targets: Sequence[str] = (),
        negative: Sequence[str] = (),
    ) -> "EventKinds":
        """Checks the arguments of `read` about kinds of events.

        Args:
            event_weights: the weight of each kind, 0 or more; "*" stands for all others. A kind
                with the weight 0 is left out. By default, every kind has the weight 1.
            targets: the kinds that are held out and predicted; by default all positive kinds.
            negative: the kinds that say no.

        Raises:
            ConfigError: a weight is not a number, negative or not finite; or kinds are a single
                text instead of a list; or a kind is negative and has a weight or is a target; or a
                target has no weight.
        """
        given = {OTHERS: 1.0} if event_weights is None else dict(event_weights)
        for kind, weight in given.items():
            if not (isinstance(weight, Real) and np.isfinite(weight) and weight >= 0):
                raise ConfigError(
                    f'event_weights: the weight of "{kind}" is {weight!r}; it must be 0 or more, '
                    "given as a number"
                )
        for argument, kinds in (("targets", targets), ("negative", negative)):
            if isinstance(kinds, str):
                raise ConfigError(
                    f'{argument}="{kinds}" is a single text; give a list: {argument}=["{kinds}"]'
                )
        others = given.pop(OTHERS, None)
        for kind in negative:
            if given.get(kind) or kind in targets:
                raise ConfigError(
                    f'negative: "{kind}" cannot say no and also have a weight or be a target; '
                    "leave it out of event_weights=… and targets=…"
                )
        for kind in targets:
            if not given.get(kind, others):
                raise ConfigError(
                    f'targets: the kind "{kind}" has no weight; give it one with event_weights=…'
                )
        named = {kind: weight for kind, weight in given.items() if kind not in negative}
        weights = tuple((kind, float(weight)) for kind, weight in named.items())
        return cls(weights, tuple(targets), tuple(negative), others)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each code."""
        return (*(kind for kind, _ in self.weights), *self.negative)

    @property
    def weight_of_code(self) -> np.ndarray:
        """(n_kinds,) float32 weight of each code; 0 for a negative kind."""
        weights = [weight for _, weight in self.weights] + [0.0] * len(self.negative)
        return np.array(weights, dtype=np.float32)

    @property
    def is_target(self) -> np.ndarray:
        """(n_kinds,) bool: whether events of each code are held out and predicted."""
        positive = [kind for kind, _ in self.weights]
        targets = self.targets or positive
        return np.array([kind in targets for kind in self.names], dtype=bool)

    @property
    def is_negative(self) -> np.ndarray:
        """(n_kinds,) bool: whether each code is of a negative kind."""
        return np.arange(len(self.names)) >= len(self.weights)

    def weight_of(self, kind: str) -> float | None:
        """Returns the weight of a kind by name, 0 for a negative kind; None if it is not known."""
        if kind in self.negative:
            return 0.0
        return dict(self.weights).get(kind, self.others)

    def predicts(self, kind: str) -> bool:
        """Returns whether events of a kind, by name, are held out and predicted."""
        return bool(self.weight_of(kind)) and (not self.targets or kind in self.targets)

    def encode(self, column: pl.Series, source: str) -> tuple[np.ndarray, "EventKinds"]:
        """Returns the code of each row's kind, and the kinds with those that "*" stands for.

        Args:
            column: the kinds by name, without nulls.
            source: name of the column in error messages, such as `shop.csv, column "event"`.

        Returns:
            (n,) int8 codes, and the kinds to which they belong.

        Raises:
            DataError: there are kinds without a weight, no event is a target, or there are too many
                kinds.
        """
        kinds = self.completed(dict(column.value_counts(sort=True).iter_rows()), source)
        return kinds.codes(column), kinds

    def codes(self, column: pl.Series) -> np.ndarray:
        """Returns (n,) int8: the code of each row's kind, which must be one of `names`."""
        codes = column.replace_strict(
            list(self.names), list(range(len(self.names))), return_dtype=pl.Int8
        )
        return codes.to_numpy()

    def completed(self, counts: Mapping[str, int], source: str) -> "EventKinds":
        """Returns the kinds with those that "*" stands for.

        Args:
            counts: the number of events of each kind, the most frequent first.
            source: name of the column in error messages, as for `encode`.

        Raises:
            DataError: as for `encode`.
        """
        if len(counts) > MOST_KINDS:
            raise DataError(
                f"{source}: there are {len(counts):,} different values, so they do not look like "
                f"kinds of events, of which there may be {MOST_KINDS}; name another column with "
                "event=…"
            )
        unnamed = [kind for kind in counts if kind not in self.names]
        if unnamed and self.others is None:
            raise DataError(
                f"{source}: no weight is given for {_listed(counts, unnamed)}; give one to each "
                'with event_weights=…, or to all of them with "*": 1'
            )
        others = 1.0 if self.others is None else self.others
        kinds = replace(
            self, weights=(*self.weights, *((kind, others) for kind in sorted(unnamed)))
        )
        kinds._require_targets(counts, source)
        return kinds

    def note_on_absent(self, counts: Mapping[str, int], source: str) -> str | None:
        """Returns a note on the kinds that are named but do not occur; None if all of them occur.

        A part or a small sample of a log may lack a kind. It is taken for a misspelling if another
        kind of a similar name occurs that is not named.

        Args:
            counts: the number of events of each kind.
            source: name of the column in error messages, as for `encode`.

        Raises:
            DataError: a name is misspelt.
        """
        absent = [kind for kind in self.names if kind not in counts]
        unnamed = [kind for kind in counts if kind not in self.names]
        for kind in absent:
            argument = "negative" if kind in self.negative else "event_weights"
            for similar in get_close_matches(kind, unnamed, n=1, cutoff=SIMILARITY):
                # The opposite of a kind ends with its name: dislike, unfollow. Numbers are codes.
                ends = kind.endswith(similar) or similar.endswith(kind)
                if not (ends or re.search(r"\d", kind + similar)):
                    raise DataError(
                        f'{source}: no event is of the kind "{kind}" of {argument}=…; did you mean '
                        f'"{similar}"? If both exist, give "{similar}" a weight with '
                        "event_weights=…"
                    )
        return f"no event is of the kind {', '.join(absent)}" if absent else None

    def united(self, other: "EventKinds", where: str, other_where: str) -> "EventKinds":
        """Returns the kinds of two tables of one log: these, and those that only the other has.

        Args:
            other: the kinds of the other table.
            where: name of the first table in the error.
            other_where: name of the other table.

        Raises:
            DataError: a kind has different weights in the two, or is a target or negative in one
                of them alone.
        """
        for kind in (name for name in other.names if name in self.names):
            meanings = self._meaning_of(kind), other._meaning_of(kind)
            if meanings[0] != meanings[1]:
                raise DataError(
                    f'the kind of event "{kind}" is {meanings[0]} in {where}, but {meanings[1]} in '
                    f"{other_where}; read both with the same event_weights=…, targets=… and "
                    "negative=…"
                )
        return replace(
            self,
            weights=tuple((dict(self.weights) | dict(other.weights)).items()),
            targets=tuple(dict.fromkeys((*self.targets, *other.targets))),
            negative=tuple(dict.fromkeys((*self.negative, *other.negative))),
        )

    def _meaning_of(self, kind: str) -> str:
        """Describes one of `names` in words: `a target of the weight 10`."""
        if kind in self.negative:
            return "negative"
        role = "a target" if kind in self.targets or not self.targets else "no target"
        return f"{role} of the weight {dict(self.weights)[kind]:g}"

    def describe(self) -> str:
        """Describes the kinds in a line: `view = 1, buy = 10 (target); negative: return`."""
        targets = self.targets if self.targets else ()
        parts = [
            f"{kind} = {weight:g}" + (" (target)" if kind in targets else "")
            for kind, weight in self.weights
        ]
        line = "weights of events: " + ", ".join(parts)
        return line + (f"; negative: {', '.join(self.negative)}" if self.negative else "")

    def _require_targets(self, counts: Mapping[str, int], source: str) -> None:
        for kind in self.targets:
            if kind not in counts:
                raise DataError(
                    f'{source}: no event is of the kind "{kind}" of targets=…; '
                    + did_you_mean(kind, list(counts))
                )


def _listed(counts: Mapping[str, int], kinds: Sequence[str]) -> str:
    """Lists kinds with their numbers of events, the most frequent first."""
    shown = [f"{kind} ({counts[kind]:,})" for kind in kinds[:10]]
    more = f" and {len(kinds) - 10} more" if len(kinds) > 10 else ""
    return ", ".join(shown) + more
