"""Protocols: the items that a held-out item is ranked against."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, get_args

import numpy as np
import torch
from typing_extensions import override

from tastemaker.data.dataset import take_runs
from tastemaker.data.log_rules import DEFAULT_RULES, LogRules
from tastemaker.data.split import Candidates, Part, Split
from tastemaker.data.users import UserBatch
from tastemaker.errors import ConfigError, SplitError
from tastemaker.models.scorer import Scorer
from tastemaker.progress import Meter, OnProgress
from tastemaker.ranking.candidates import (
    ENTRIES_AT_ONCE,
    CandidateRows,
    Draw,
    candidate_blocks,
)
from tastemaker.ranking.index import SCORES_AT_ONCE
from tastemaker.ranking.parallel import even_step, in_turn, on_all_cores
from tastemaker.ranking.ranks import rank_among, rank_by_keys, rank_in_catalog

USERS_AT_ONCE = 1024
"""Number of users, or of rows of candidates, that one core ranks at a time."""


class RankingProtocol(Protocol):
    """Ranks the held-out items; deterministic, and with the same candidates for every model."""

    name: ClassVar[str]

    @abstractmethod
    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        """Ranks each held-out item.

        Args:
            model: fitted on the training part of the split.
            split: the split with the held-out data.
            part: the held-out part to rank.
            on_progress: receives the number of items or users that are ranked.

        Returns:
            (n_targets,) int64 ranks from 1, in the order of `split.targets(part)`.
        """

    @abstractmethod
    def describe(self, rules: LogRules = DEFAULT_RULES) -> str:
        """Describes exactly what was done, in one line, as the label of a result.

        Args:
            rules: the rules of the data, which say whether items may be asked for again.
        """


@dataclass(frozen=True)
class SampledRanking(RankingProtocol):
    """Ranks each user's held-out items among random items that the user never touched.

    If a user has fewer untouched items than `negatives`, all of them are used.

    It is cheap and common, but can order models differently than full ranking: Krichene and Rendle
    2020, On Sampled Metrics for Item Recommendation (KDD).
    """

    negatives: int = 99
    """Number of items that each held-out item is ranked against."""
    seed: int = 0
    """Seed of the draw, independent of the seeds of the models."""
    draw: Draw = "uniform"
    """uniform: every untouched item has the same probability. popularity: the probability is
    proportional to the number of users who touched the item in training; an item that no user
    touched is drawn only after all others. This is harder, and a model gains nothing by
    distinguishing popular from unpopular items."""
    name: ClassVar[str] = "sampled"

    def __post_init__(self) -> None:
        if self.negatives < 1:
            raise ConfigError(
                f"SampledRanking: negatives is {self.negatives}; it must be 1 or more"
            )
        if self.draw not in get_args(Draw):
            raise ConfigError(
                f'SampledRanking: draw is {self.draw!r}; use "uniform" or "popularity"'
            )

    @override
    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        rank_rows = _row_ranker(model, split, part)
        results: list[RankedRows] = []
        targets = split.targets(part)
        meter = _meter(on_progress, model, len(targets))
        for rows in candidate_blocks(split, part, self.negatives, self.seed, self.draw):
            results += on_all_cores(
                rank_rows, rows.parts(USERS_AT_ONCE), model.device, _count(meter)
            )
        return _combined_ranks(results, targets.users)

    @override
    def describe(self, rules: LogRules = DEFAULT_RULES) -> str:
        how = "popularity-weighted" if self.draw == "popularity" else "uniform"
        return f"sampled: up to {self.negatives} {how} negatives a user, seed {self.seed}"


@dataclass(frozen=True)
class FullRanking(RankingProtocol):
    """Ranks each held-out item among the whole catalog, without the items its user touched before.

    If the rules of the data allow repeats as targets, these items are ranked as well; the items
    that the user rejected are not.

    All held-out items of a user are ranked in one list.
    """

    name: ClassVar[str] = "full"

    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        """Implements `RankingProtocol.ranks`; memory does not grow with the number of users."""
        targets, known = split.targets(part), split.known_before(part)
        users, starts = np.unique(targets.users, return_index=True)
        indptr = np.append(starts, len(targets))
        by_keys = model.item_keys is not None and model.device.type == "cpu"
        step = max(1, SCORES_AT_ONCE // split.train.n_items)
        if by_keys:
            step = even_step(len(users), USERS_AT_ONCE)

        def block(first: int) -> np.ndarray:
            return _full_ranks(
                model,
                UserBatch.known(known, users[first : first + step]),
                targets.items[indptr[first] : indptr[min(first + step, len(users))]],
                np.diff(indptr[first : first + step + 1]),
                seen=not split.train.rules.repeat_targets,
                by_keys=by_keys,
            )

        firsts = range(0, len(users), step)
        meter = _meter(on_progress, model, len(targets))

        def count(ranks: np.ndarray) -> None:
            meter.advance(len(ranks))

        if by_keys:
            return np.concatenate(on_all_cores(block, firsts, model.device, count))
        return np.concatenate(in_turn(block, firsts, count))

    @override
    def describe(self, rules: LogRules = DEFAULT_RULES) -> str:
        if rules.repeat_targets:
            return "full ranking: the whole catalog"
        return "full ranking: the whole catalog without what the user had touched before"


@dataclass(frozen=True)
class CandidateLists(RankingProtocol):
    """Ranks each held-out item among the split's candidates for its user, exactly as given.

    Lists may contain only negatives, or be whole slates. If every list contains the user's held-out
    item, the lists are slates, and the item is not ranked against itself. If only some lists do, as
    156 of the 6,040 published with the NCF paper, this is an error in the lists, which published
    results include: the item's second entry ties with it, and a tie counts against the model.
    """

    name: ClassVar[str] = "candidates"

    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        """Implements `RankingProtocol.ranks`.

        Raises:
            SplitError: the split has no candidates.
        """
        rows_of, blocks = _candidate_list_rows(split, part)
        rank_rows = _row_ranker(model, split, part)
        targets = split.targets(part)
        count = _count(_meter(on_progress, model, len(targets)))
        results = on_all_cores(lambda block: rank_rows(rows_of(block)), blocks, model.device, count)
        return _combined_ranks(results, targets.users)

    @override
    def describe(self, rules: LogRules = DEFAULT_RULES) -> str:
        return "given candidates: the lists that came with the split"


def _candidate_list_rows(
    split: Split, part: Part
) -> tuple[Callable[[slice], CandidateRows], Sequence[slice]]:
    """Returns a function from a slice of targets to their rows, and the slices of all targets."""
    if split.candidates is None:
        raise SplitError(f"{split.train.name}: the split has no candidate lists; give candidates=…")
    targets, lists = split.targets(part), split.candidates
    lengths = np.diff(lists.indptr)[targets.users]
    if (lengths == 0).any():
        user = split.train.user_vocabulary.ids[int(targets.users[lengths.argmin()])]
        raise SplitError(
            f"{split.train.name}: {int((lengths == 0).sum()):,} users of the {part} part have no "
            f"list of candidates (first: user {user}); rank them with "
            "SampledRanking() or FullRanking()"
        )
    step = max(1, min(USERS_AT_ONCE, ENTRIES_AT_ONCE // (int(lengths.max()) + 1)))
    blocks = [slice(first, first + step) for first in range(0, len(targets), step)]
    rows = (_padded(lists, targets.users[block], targets.items[block]) for block in blocks)
    # If every list contains its own held-out item, the lists are whole slates, not negatives.
    are_slates = all(_is_target(row).any(axis=1).all() for row in rows)
    has_several_targets = np.bincount(targets.users)[targets.users] > 1
    target_pairs = (targets.users * split.train.n_items + targets.items)[has_several_targets]

    def rows_of(block: slice) -> CandidateRows:
        row = _padded(lists, targets.users[block], targets.items[block])
        is_target, has_others = _is_target(row), has_several_targets[block]
        # Another held-out item of the same user has its own row and is not ranked twice.
        pairs = row.users[has_others, None] * split.train.n_items + row.items[has_others, 1:]
        row.counts[has_others] &= is_target[has_others] | ~np.isin(pairs, target_pairs)
        if are_slates:
            row.counts[is_target] = False
        return row

    return rows_of, blocks


def _padded(lists: Candidates, users: np.ndarray, items: np.ndarray) -> CandidateRows:
    """Returns rows of each target followed by its user's list, all of whose items count."""
    positions, indptr = take_runs(lists.indptr, users)
    lengths = np.diff(indptr)
    filled = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros((len(users), lengths.max() + 1), dtype=np.int64)
    padded[:, 0] = items
    padded[:, 1:][filled] = lists.items[positions]
    return CandidateRows(users, padded, filled)


def _is_target(rows: CandidateRows) -> np.ndarray:
    """Returns (n, m) bool: where the target occurs in its own list."""
    return rows.counts & (rows.items[:, 1:] == rows.items[:, :1])


class RankedRows(NamedTuple):
    """The results for some rows of candidates, on the CPU."""

    ranks: torch.Tensor
    """(n,) int64 from 1."""
    scores: torch.Tensor
    """(n,) scores of the held-out items."""


def _meter(on_progress: OnProgress | None, model: Scorer, n_targets: int) -> Meter:
    return Meter(on_progress, f"ranking with {model.name}", n_targets)


def _count(meter: Meter) -> Callable[[RankedRows], None]:
    return lambda rows: meter.advance(len(rows.ranks))


def _row_ranker(model: Scorer, split: Split, part: Part) -> Callable[[CandidateRows], RankedRows]:
    """Returns a function that ranks rows with the model."""
    known = split.known_before(part)

    def rank_rows(rows: CandidateRows) -> RankedRows:
        users = UserBatch.known(known, rows.users)
        scores = model.score_candidates(users, torch.from_numpy(rows.items))
        counts = torch.from_numpy(rows.counts).to(scores.device)
        ranks = rank_among(scores[:, 0], scores[:, 1:], counts)
        # A copy, since a view of one column would keep all scores in memory.
        return RankedRows(ranks.cpu(), scores[:, 0].clone().cpu())

    return rank_rows


def _combined_ranks(results: Iterable[RankedRows], users: np.ndarray) -> np.ndarray:
    """Returns ranks (n,) that put all targets of a user in one list; users (n,) are ascending."""
    ranks, scores = (torch.cat(column) for column in zip(*results, strict=True))
    if (users[1:] == users[:-1]).any():
        ranks += _rank_among_own_targets(scores, torch.from_numpy(users))
    return ranks.numpy()


def _full_ranks(
    model: Scorer,
    users: UserBatch,
    targets: np.ndarray,
    n_targets: np.ndarray,
    *,
    seen: bool,
    by_keys: bool,
) -> np.ndarray:
    """Returns the ranks of the targets of a block of users, end to end, n_targets of each user.

    Items that the users have touched are left out if `seen` is set.
    """
    owner = np.repeat(np.arange(len(users)), n_targets)
    keys = model.item_keys
    excluded = users.excluded(seen=seen)
    if by_keys and keys is not None and not model.is_cold(users).any():
        ranks, target_scores = rank_by_keys(keys, model.queries(users), excluded, owner, targets)
    else:
        scores = model.score(users)
        ranks = rank_in_catalog(scores, excluded, owner, targets)
        target_scores = scores[torch.from_numpy(owner), torch.from_numpy(targets)]
    if len(targets) > len(users):
        ranks += _rank_among_own_targets(
            target_scores, torch.from_numpy(owner).to(target_scores.device)
        )
    return ranks.cpu().numpy()


def _rank_among_own_targets(scores: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """Returns, for each target, how many of the same user's targets rank above it."""
    by_score = scores.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
    order = by_score[owner[by_score].argsort(stable=True)]
    sorted_owner = owner[order]
    position = torch.arange(len(order), device=owner.device)
    first = torch.searchsorted(sorted_owner, sorted_owner)
    n_above = torch.empty_like(position)
    n_above[order] = position - first
    return n_above
