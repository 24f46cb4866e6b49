"""Protocols: what a held-out item is ranked against."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, get_args

import numpy as np
import torch
from typing_extensions import override

from tastemaker.data.dataset import take_runs
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
from tastemaker.ranking.parallel import in_turn, on_all_cores
from tastemaker.ranking.ranks import rank_among, rank_by_keys, rank_in_catalog

USERS_AT_ONCE = 1024
"""Ranked by one core at a time: users, or rows of candidates."""


class RankingProtocol(Protocol):
    """Gives each held-out item's rank; deterministic, and the same question for every model."""

    name: ClassVar[str]

    @abstractmethod
    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        """Ranks each held-out item.

        Args:
            model: fitted on the training part of the split.
            split: what was held out.
            part: which of the held-out parts.
            on_progress: receives how many items or users were ranked.

        Returns:
            (n_targets,) int64 ranks from 1, in the order of `split.targets(part)`.
        """

    @abstractmethod
    def describe(self) -> str:
        """One line that says exactly what was done, for a result's label."""


@dataclass(frozen=True)
class SampledRanking(RankingProtocol):
    """Each user's held-out items among items that the user never touched, drawn at random.

    A user with fewer untouched items is ranked among those there are.

    Cheap and common, but it can order models differently than ranking everything does: Krichene and
    Rendle 2020, On Sampled Metrics for Item Recommendation (KDD).
    """

    negatives: int = 99
    """How many items each held-out one is ranked against."""
    seed: int = 0
    """Seed of the draw, independent of the seeds of the models."""
    draw: Draw = "uniform"
    """uniform: every untouched item is equally likely. popularity: as likely as it is popular, by
    how many users touched it in training; an item that nobody touched is drawn only when the others
    have run out. Harder, and a model gains nothing by telling popular items from unpopular ones."""
    name: ClassVar[str] = "sampled"

    def __post_init__(self) -> None:
        if self.negatives < 1:
            raise ConfigError(
                f"SampledRanking: negatives is {self.negatives}; 1 or more are needed"
            )
        if self.draw not in get_args(Draw):
            raise ConfigError(
                f'SampledRanking: draw is {self.draw!r}; say "uniform" or "popularity"'
            )

    @override
    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        ranked = _ranking_rows(model, split, part)
        answers: list[RankedRows] = []
        targets = split.targets(part)
        meter = _meter(on_progress, model, len(targets))
        for rows in candidate_blocks(split, part, self.negatives, self.seed, self.draw):
            answers += on_all_cores(ranked, rows.parts(USERS_AT_ONCE), model.device, _count(meter))
        return _in_one_list(answers, targets.users)

    @override
    def describe(self) -> str:
        how = "popularity-weighted" if self.draw == "popularity" else "uniform"
        return f"sampled: up to {self.negatives} {how} negatives a user, seed {self.seed}"


@dataclass(frozen=True)
class FullRanking(RankingProtocol):
    """Each held-out item among the whole catalog, without what its user had touched before.

    A user's other held-out items do not push each other down: the list is one ranking in which all
    of them stand.
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
        step = USERS_AT_ONCE if by_keys else max(1, SCORES_AT_ONCE // split.train.n_items)

        def block(first: int) -> np.ndarray:
            return _full_ranks(
                model,
                UserBatch.known(known, users[first : first + step]),
                targets.items[indptr[first] : indptr[min(first + step, len(users))]],
                np.diff(indptr[first : first + step + 1]),
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
    def describe(self) -> str:
        return "full ranking: the whole catalog without what the user had touched before"


@dataclass(frozen=True)
class CandidateLists(RankingProtocol):
    """Each held-out item among the candidates that the split gives for its user, exactly as given.

    Lists may be of negatives or of whole slates. Where every list holds the user's held-out item
    they are slates, and the item is not ranked against itself. Where only some do, as 156 of the
    6,040 published with the NCF paper, that is a fault of the lists which published figures
    include: the item's second entry ties with it, and a tie counts against the model.
    """

    name: ClassVar[str] = "candidates"

    def ranks(
        self, model: Scorer, split: Split, part: Part, on_progress: OnProgress | None = None
    ) -> np.ndarray:
        """Implements `RankingProtocol.ranks`.

        Raises:
            SplitError: the split has no candidates.
        """
        rows_of, blocks = _given_rows(split, part)
        ranked = _ranking_rows(model, split, part)
        targets = split.targets(part)
        count = _count(_meter(on_progress, model, len(targets)))
        answers = on_all_cores(lambda block: ranked(rows_of(block)), blocks, model.device, count)
        return _in_one_list(answers, targets.users)

    @override
    def describe(self) -> str:
        return "given candidates: the lists that came with the split"


def _given_rows(
    split: Split, part: Part
) -> tuple[Callable[[slice], CandidateRows], Sequence[slice]]:
    """How some of the split's lists become rows, and which to take at a time."""
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
    # Every list holds its own held-out item: these are whole slates, not negatives.
    slates = all(_own(row).any(axis=1).all() for row in rows)
    several = np.bincount(targets.users)[targets.users] > 1
    keys = (targets.users * split.train.n_items + targets.items)[several]

    def rows_of(block: slice) -> CandidateRows:
        row, shared = _padded(lists, targets.users[block], targets.items[block]), several[block]
        own = _own(row)
        # Another held-out item of the same user has a row of its own and is not ranked twice.
        behind = row.users[shared, None] * split.train.n_items + row.items[shared, 1:]
        row.counts[shared] &= own[shared] | ~np.isin(behind, keys)
        if slates:
            row.counts[own] = False
        return row

    return rows_of, blocks


def _padded(lists: Candidates, users: np.ndarray, items: np.ndarray) -> CandidateRows:
    """Each target with its user's list behind it; all that is in the list counts."""
    positions, indptr = take_runs(lists.indptr, users)
    lengths = np.diff(indptr)
    filled = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros((len(users), lengths.max() + 1), dtype=np.int64)
    padded[:, 0] = items
    padded[:, 1:][filled] = lists.items[positions]
    return CandidateRows(users, padded, filled)


def _own(rows: CandidateRows) -> np.ndarray:
    """(n, m) bool: where the target stands in its own list."""
    return rows.counts & (rows.items[:, 1:] == rows.items[:, :1])


class RankedRows(NamedTuple):
    """What came of some rows of candidates, on the CPU."""

    ranks: torch.Tensor
    """(n,) int64 from 1."""
    scores: torch.Tensor
    """(n,) of the held-out items."""


def _meter(on_progress: OnProgress | None, model: Scorer, n_targets: int) -> Meter:
    return Meter(on_progress, f"ranking with {model.name}", n_targets)


def _count(meter: Meter) -> Callable[[RankedRows], None]:
    return lambda rows: meter.advance(len(rows.ranks))


def _ranking_rows(
    model: Scorer, split: Split, part: Part
) -> Callable[[CandidateRows], RankedRows]:
    """How a model ranks rows."""
    known = split.known_before(part)

    def ranked(rows: CandidateRows) -> RankedRows:
        users = UserBatch.known(known, rows.users)
        scores = model.score_candidates(users, torch.from_numpy(rows.items))
        counts = torch.from_numpy(rows.counts).to(scores.device)
        ranks = rank_among(scores[:, 0], scores[:, 1:], counts)
        # A copy, since a column alone would keep all the scores in memory.
        return RankedRows(ranks.cpu(), scores[:, 0].clone().cpu())

    return ranked


def _in_one_list(answers: Iterable[RankedRows], users: np.ndarray) -> np.ndarray:
    """(n,) ranks of targets whose users (n,), ascending, have all their targets in one list."""
    ranks, scores = (torch.cat(column) for column in zip(*answers, strict=True))
    if (users[1:] == users[:-1]).any():
        ranks += _place_among_own(scores, torch.from_numpy(users))
    return ranks.numpy()


def _full_ranks(
    model: Scorer,
    users: UserBatch,
    targets: np.ndarray,
    n_targets: np.ndarray,
    *,
    by_keys: bool,
) -> np.ndarray:
    """Ranks of a block of users' targets, which stand end to end, n_targets each."""
    owner = np.repeat(np.arange(len(users)), n_targets)
    keys = model.item_keys
    if by_keys and keys is not None and not model.is_cold(users).any():
        ranks, of_targets = rank_by_keys(keys, model.queries(users), users, owner, targets)
    else:
        scores = model.score(users)
        ranks = rank_in_catalog(scores, users, owner, targets)
        of_targets = scores[torch.from_numpy(owner), torch.from_numpy(targets)]
    if len(targets) > len(users):
        ranks += _place_among_own(of_targets, torch.from_numpy(owner).to(of_targets.device))
    return ranks.cpu().numpy()


def _place_among_own(scores: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """For each target, how many of the same user's targets stand above it, from 0."""
    by_score = scores.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
    order = by_score[owner[by_score].argsort(stable=True)]
    sorted_owner = owner[order]
    position = torch.arange(len(order), device=owner.device)
    first = torch.searchsorted(sorted_owner, sorted_owner)
    place = torch.empty_like(position)
    place[order] = position - first
    return place
