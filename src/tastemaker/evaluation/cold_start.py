"""Cold start: evaluates a model for unseen users, by the number of known interactions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Split, Targets
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation.cold_start_results import ColdStartResult, LengthResult
from tastemaker.evaluation.results import intervals, mean
from tastemaker.metrics.accuracy import hit_rate, ndcg
from tastemaker.models.recommender import SCORES_AT_ONCE, Recommender
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.parallel import in_turn
from tastemaker.ranking.ranks import rank_in_catalog
from tastemaker.representation import short_repr

LENGTHS = (1, 2, 5, 10, 20)
"""Numbers of an unseen user's interactions that are known when the next item is predicted."""


@dataclass(frozen=True, eq=False)
class ColdStart:
    """Some users held out entirely: the remaining data to train on, and the data of those users."""

    split: Split
    """The split to train on, without any row of those users; vocabularies and codes are the same
    as before."""
    unseen_users: Dataset
    """Only the interactions of those users, oldest first, with the same codes."""
    fraction: float
    seed: int
    """Seed of the draw, independent of the seeds of the models."""

    __repr__ = short_repr

    @property
    def n_users(self) -> int:
        """Number of users that are held out."""
        return int((self.unseen_users.user_counts > 0).sum())

    def describe(self, k: int = 10, lengths: Sequence[int] = LENGTHS) -> str:
        """Describes exactly what was done, in one line, as the label of a result."""
        known = ", ".join(map(str, lengths))
        return (
            f"{self.fraction:.0%} of the users with two interactions or more, drawn with seed "
            f"{self.seed} and never trained on; the next item after their first {known} "
            f"interactions, ranked among the whole catalog without those known; lists of {k}"
        )


def hold_out_users(split: Split, *, fraction: float = 0.1, seed: int = 0) -> ColdStart:
    """Holds out some users entirely, drawn from those with at least two interactions.

    The other users keep their training and validation parts, so that a model is fitted as it would
    be on the split itself. An item that only held-out users touched stays in the catalog.

    Args:
        split: the split of all users; `no_holdout(data)` for a data set without a split.
        fraction: the fraction of the users with at least two interactions to hold out; at least
            one user is held out.
        seed: the same seed gives the same draw.

    Raises:
        ConfigError: the fraction is not between 0 and 1.
        SplitError: no user has two interactions, or no user is left to train on.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"hold_out_users: the fraction is {fraction}; it must be between 0 and 1")
    everything = split.everything
    if everything.timestamps is not None:
        everything = everything.rows(np.lexsort((everything.timestamps, everything.users)))
    eligible = np.flatnonzero(everything.user_counts >= 2)
    n = min(len(eligible), max(1, round(fraction * len(eligible))))
    held_out = np.zeros(everything.n_users, dtype=bool)
    held_out[np.random.default_rng(seed).choice(eligible, n, replace=False)] = True
    train = split.train.rows(~held_out[split.train.users])
    if n == 0 or len(train) == 0:
        reason = "no user would be left to train on" if n else "no user has two interactions"
        raise SplitError(f"{split.train.name}: no users can be held out: {reason}")
    histories = split.histories
    remaining = Split(
        train,
        validation=_without_users(split.validation, held_out),
        histories=None if histories is None else histories.rows(~held_out[histories.users]),
        method=f"{split.method}, {n} users held out with seed {seed}",
    )
    return ColdStart(remaining, everything.rows(held_out[everything.users]), fraction, seed)


def evaluate_cold_start(
    model: Recommender,
    cold: ColdStart,
    *,
    k: int = 10,
    lengths: Sequence[int] = LENGTHS,
    on_progress: OnProgress | None = None,
) -> ColdStartResult:
    """Ranks each unseen user's next item, given only the user's first one, two, … interactions.

    The next item is ranked among the whole catalog without the known items; a tie counts against
    the model. At greater lengths there are fewer and more active users, and another item is
    predicted. Results can therefore be compared between models at one length, but not between
    lengths.

    Args:
        model: fitted on `cold.split`.
        cold: the held-out users.
        k: the list length to evaluate.
        lengths: numbers of known interactions; each is evaluated on the unseen users with more
            interactions.
        on_progress: receives the number of unseen users that are evaluated, over all lengths.

    Raises:
        SplitError: the model was fitted on other data, which may include the unseen users.
        ConfigError: a length or k is below 1.
    """
    lengths = sorted(set(lengths))
    if min(k, *lengths) < 1:
        raise ConfigError(f"k is {k} and lengths are {lengths}; all must be 1 or more")
    if model.split.train.fingerprint != cold.split.train.fingerprint:
        raise SplitError(
            f"this {model.name} was fitted on other data ({model.dataset.name}) than cold.split, "
            "so it may know the unseen users: fit it on cold.split first"
        )
    total = sum(int((cold.unseen_users.user_counts > length).sum()) for length in lengths)
    meter = Meter(on_progress, f"evaluating {model.name} for unseen users", total)
    results = (
        _evaluate_at_length(model, cold.unseen_users, length, k, meter) for length in lengths
    )
    return ColdStartResult(
        cold.describe(k, lengths),
        cold.fraction,
        cold.seed,
        cold.n_users,
        tuple(result for result in results if result is not None),
    )


def _without_users(targets: Targets | None, held_out: np.ndarray) -> Targets | None:
    """Returns the targets of the other users; None if there are none."""
    if targets is None or held_out[targets.users].all():
        return None
    return targets.at(~held_out[targets.users])


def _evaluate_at_length(
    model: Recommender, unseen_users: Dataset, length: int, k: int, meter: Meter
) -> LengthResult | None:
    begins = unseen_users.indptr[:-1][unseen_users.user_counts > length]
    if len(begins) == 0:
        return None
    events = unseen_users.items[begins[:, None] + np.arange(length + 1)].astype(np.int64)
    step = max(1, SCORES_AT_ONCE // unseen_users.n_items)
    parts = [events[first : first + step] for first in range(0, len(events), step)]
    blocks = in_turn(
        lambda part: _next_ranks(model, part), parts, lambda ranks: meter.advance(len(ranks))
    )
    ranks, indptr = np.concatenate(blocks), np.arange(len(events) + 1)
    per_user = {f"ndcg@{k}": ndcg(ranks, indptr, k), f"hit_rate@{k}": hit_rate(ranks, indptr, k)}
    means = {name: mean(values) for name, values in per_user.items()}
    return LengthResult(length, len(events), means, intervals(per_user))


def _next_ranks(model: Recommender, events: np.ndarray) -> np.ndarray:
    """Returns ranks (n,) of the last of each row of events (n, length + 1), given the others."""
    users = UserBatch.unseen_users(list(events[:, :-1]))
    excluded = users.excluded(seen=not model.dataset.rules.repeat_targets)
    ranks = rank_in_catalog(model.score(users), excluded, np.arange(len(users)), events[:, -1])
    return ranks.cpu().numpy()
