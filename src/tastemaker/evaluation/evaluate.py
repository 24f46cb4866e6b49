"""Evaluates a model together with popularity, to show whether the model is any better."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral

import numpy as np

from tastemaker.data.dataset import pointers
from tastemaker.data.split import Part, Split
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation.lists import list_metrics
from tastemaker.evaluation.protocols import CandidateLists, RankingProtocol, SampledRanking
from tastemaker.evaluation.results import Evaluation
from tastemaker.evaluation.segments import accuracy, segments
from tastemaker.models.popularity import Popularity
from tastemaker.models.recommender import Recommender
from tastemaker.notebook import shown_progress
from tastemaker.progress import OnProgress


def evaluate(
    model: Recommender,
    split: Split | None = None,
    protocol: RankingProtocol | None = None,
    *,
    k: int | Sequence[int] = (10,),
    part: Part = "test",
    baseline: bool = True,
    lists: bool = False,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Ranks every held-out item and computes metrics of the ranks.

    Args:
        model: fitted on the training part of the split.
        split: the split with the held-out data; by default the one that the model was fitted on.
        protocol: determines the items that a held-out item is ranked against; by default the
            split's own candidates if it has them, else 99 sampled items.
        k: the list lengths to evaluate.
        part: "test", or "validation" for choosing settings.
        baseline: also evaluate popularity, fitted on the same training data.
        lists: also evaluate the lists themselves: coverage, novelty, diversity, the long tail.
            This scores the whole catalog for every user.
        on_progress: receives the number of held-out items that are ranked, and with `lists` the
            number of users whose lists are done. By default a notebook shows a bar.

    Raises:
        SplitError: nothing was held out, or the model was fitted on data other than this split's
            training part, which may include the held-out part.
        ConfigError: k is empty or below 1.
    """
    split = split or model.split
    k = sorted(set(list_lengths(k)))
    if model.split.train.fingerprint != split.train.fingerprint:
        raise SplitError(
            f"this {model.name} was fitted on other data ({model.dataset.name}) than the training "
            "data of this split, which may include the held-out data; fit it on this split first"
        )
    protocol = protocol or (SampledRanking() if split.candidates is None else CandidateLists())
    with shown_progress(on_progress, f"evaluating {model.name}") as shown:
        result = _evaluate(model, split, protocol, k, part, lists, shown)
        if not baseline:
            return result
        baseline_result = result  # popularity is its own baseline
        if not isinstance(model, Popularity):
            popularity = Popularity().fit(split)
            baseline_result = _evaluate(popularity, split, protocol, k, part, lists, shown)
    return replace(result, baselines={baseline_result.model: baseline_result})


def _evaluate(
    model: Recommender,
    split: Split,
    protocol: RankingProtocol,
    k: Sequence[int],
    part: Part,
    lists: bool,
    on_progress: OnProgress | None,
) -> Evaluation:
    ranks = protocol.ranks(model, split, part, on_progress)
    result = from_ranks(model.name, split, part, protocol.describe(split.train.rules), ranks, k)
    if not lists:
        return result
    per_user, overall = list_metrics(model, split, part, k, result.users, on_progress)
    return replace(result, per_user=result.per_user | per_user, overall=overall)


def list_lengths(k: int | Sequence[int]) -> list[int]:
    """Returns the lengths of list of an argument k, in its order.

    Raises:
        ConfigError: there are none, or one is no whole number of 1 or more.
    """
    lengths = [k] if isinstance(k, int | float) else list(k)
    wrong = [length for length in lengths if not isinstance(length, Integral) or length < 1]
    if wrong or not lengths:
        shown = wrong[0] if wrong else "()"
        raise ConfigError(f"k={shown}: list lengths must be 1 or more, in whole numbers")
    return lengths


def from_ranks(
    model: str, split: Split, part: Part, protocol: str, ranks: np.ndarray, k: Sequence[int]
) -> Evaluation:
    """Computes the accuracy from the ranks of the held-out items.

    Args:
        model: the model's name.
        split: the split with the held-out data.
        part: the held-out part that was ranked.
        protocol: the result of RankingProtocol.describe.
        ranks: (n_targets,) int64 from 1, in the order of `split.targets(part)`.
        k: the list lengths to evaluate.
    """
    targets = split.targets(part)
    users, user_positions = np.unique(targets.users, return_inverse=True)
    indptr = pointers(user_positions, len(users))
    train = split.train
    return Evaluation(
        model=model,
        dataset=train.name,
        fingerprint=train.fingerprint,
        split=split.method,
        part=part,
        protocol=protocol,
        users=users,
        ranks=ranks,
        indptr=indptr,
        per_user=accuracy(ranks, indptr, k),
        segments=segments(
            targets.users, targets.items, ranks, split.known_before(part), train.item_counts, k
        ),
    )
