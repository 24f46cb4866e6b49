"""Evaluating a model, with popularity beside it, so that one that loses to it is seen losing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tastemaker.data.splitting import Part, Split
from tastemaker.errors import ConfigError, SplitError
from tastemaker.evaluation.protocols import CandidateLists, RankingProtocol, SampledRanking
from tastemaker.evaluation.results import Evaluation
from tastemaker.metrics.accuracy import ACCURACY
from tastemaker.models.popularity import Popularity
from tastemaker.models.recommender import Recommender


def evaluate(
    model: Recommender,
    split: Split | None = None,
    protocol: RankingProtocol | None = None,
    *,
    k: int | Sequence[int] = (10,),
    part: Part = "test",
    baseline: bool = True,
) -> Evaluation:
    """Ranks every held-out item and measures how far up it stands.

    Args:
        model: fitted on the training part of the split.
        split: what was held out; that which the model was fitted on by default.
        protocol: what a held-out item is ranked against; the split's own candidates if it has
            them, else 99 sampled ones.
        k: the lengths of list to judge.
        part: "test", or "validation" for choosing settings.
        baseline: also evaluate popularity, fitted on the same training data.

    Raises:
        SplitError: nothing was held out, or the model was fitted on other data than this split's
            training part, and so may have seen what it is asked about.
        ConfigError: a k below 1.
    """
    split = split or model.split
    k = [k] if isinstance(k, int) else k
    if not k or min(k) < 1:
        raise ConfigError(f"k is {list(k)}; give lengths of list of 1 or more")
    if model.dataset.fingerprint != split.train.fingerprint:
        raise SplitError(
            f"this {model.name} was fitted on other data ({model.dataset.name}) than this split "
            "trains on, and may have seen its held-out part: fit it on this split first"
        )
    protocol = protocol or (SampledRanking() if split.candidates is None else CandidateLists())
    result = _evaluate(model, split, protocol, k, part)
    if not baseline:
        return result
    is_itself = isinstance(model, Popularity)
    simple = result if is_itself else _evaluate(Popularity().fit(split), split, protocol, k, part)
    return replace(result, baselines={simple.model: simple})


def _evaluate(
    model: Recommender, split: Split, protocol: RankingProtocol, k: Sequence[int], part: Part
) -> Evaluation:
    ranks = protocol.ranks(model, split, part)
    users, starts = np.unique(split.targets(part).users, return_index=True)
    indptr = np.append(starts, len(ranks))
    per_user = {
        f"{name}@{cut}": metric(ranks, indptr, cut)
        for cut in k
        for name, metric in ACCURACY.items()
    }
    return Evaluation(
        model=model.name,
        dataset=split.train.name,
        fingerprint=split.train.fingerprint,
        split=split.method,
        part=part,
        protocol=protocol.describe(),
        users=users,
        ranks=ranks,
        indptr=indptr,
        per_user=per_user,
    )
