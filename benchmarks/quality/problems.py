"""The data sets that are measured on: how each is split, ranked and tuned.

A problem has two splits. The final one trains on everything but the test; the one to tune on holds
the validation part out as well, and nothing that is fitted or judged on it sees the test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grids import GRIDS, Settings
from recipes import (
    amazon_beauty,
    amazon_beauty_held_out,
    diginetica,
    gowalla,
    ml_1m_sequence,
    ml_100k,
    ncf_ml_1m,
    ncf_ml_1m_order,
    sasrec_games,
    yelp2018,
)
from splits import (
    by_order,
    described,
    diginetica_for_tuning,
    diginetica_sessions,
    in_order_for_tuning,
    lightgcn,
    lightgcn_for_tuning,
    published,
    published_for_tuning,
    published_in_order,
)

import tastemaker as tm

MakeSplit = Callable[[Path], tm.Split]
Recipe = Callable[[int], tm.Recommender]
"""Takes a seed and gives the unfitted model."""


@dataclass(frozen=True)
class Problem:
    """One data set with one question."""

    final: MakeSplit
    """Takes the folder of the data sets; trains on everything but the test."""
    tuning: MakeSplit
    """Likewise, with a validation part and nothing of the test."""
    protocols: dict[str, tm.RankingProtocol]
    """By the name that they have in the results; the first is the one that settings go by."""
    recipes: dict[str, Recipe]
    grids: dict[str, list[Settings]]
    published: dict[str, tuple[str, str]]
    """By recipe: the two metrics that are to be reached with the first protocol, and whose."""
    tuned_by: tm.RankingProtocol | None = None
    """Ranks the validation part where the first protocol cannot."""
    metrics: tuple[str, str] = ("hit_rate@10", "ndcg@10")
    """The columns of the table; the rows are in the order of the second."""

    @property
    def k(self) -> int:
        """The length of the lists that are judged."""
        return int(self.metrics[1].partition("@")[2])


FULL = tm.FullRanking()
SAMPLED = tm.SampledRanking(100)


def _in_lightgcns_split(
    name: str, recipes: dict[str, Recipe], published: dict[str, tuple[str, str]]
) -> Problem:
    """A data set in the files that came with LightGCN, judged as in its paper."""
    return Problem(
        final=lambda data: lightgcn(data, name),
        tuning=lambda data: lightgcn_for_tuning(data, name),
        protocols={"full": FULL},
        recipes=recipes,
        grids=GRIDS[name],
        published=published,
        metrics=("recall@20", "ndcg@20"),
    )


PROBLEMS = {
    "ncf-ml-1m": Problem(
        final=published,
        tuning=published_for_tuning,
        protocols={"candidates": tm.CandidateLists()},
        recipes=ncf_ml_1m.RECIPES,
        grids=GRIDS["ncf-ml-1m"],
        published=ncf_ml_1m.PUBLISHED,
        tuned_by=tm.SampledRanking(99),
    ),
    "ncf-ml-1m-order": Problem(
        final=published_in_order,
        tuning=in_order_for_tuning,
        protocols={"candidates": tm.CandidateLists()},
        recipes=ncf_ml_1m_order.RECIPES,
        grids=GRIDS["ncf-ml-1m-order"],
        published={},
        tuned_by=tm.SampledRanking(99),
    ),
    # The literature does not train on the validation event, so neither does the final fit.
    "ml-1m-sequence": Problem(
        final=lambda data: tm.leave_one_out(by_order(data, "ml-1m-sequence")),
        tuning=lambda data: tm.leave_one_out(by_order(data, "ml-1m-sequence")),
        protocols={"full": FULL},
        recipes=ml_1m_sequence.RECIPES,
        grids=GRIDS["ml-1m-sequence"],
        published=ml_1m_sequence.PUBLISHED,
    ),
    "amazon-beauty": Problem(
        final=lambda data: tm.leave_one_out(described(data), validation=False),
        tuning=lambda data: tm.leave_one_out(described(data)),
        protocols={"full": FULL},
        recipes=amazon_beauty.RECIPES,
        grids=GRIDS["amazon-beauty"],
        published=amazon_beauty.PUBLISHED,
    ),
    # As in the literature: the validation event chooses the epoch, and nothing is fitted on it.
    "amazon-beauty-held-out": Problem(
        final=lambda data: tm.leave_one_out(described(data)),
        tuning=lambda data: tm.leave_one_out(described(data)),
        protocols={"full": FULL},
        recipes=amazon_beauty_held_out.RECIPES,
        grids={},
        published=amazon_beauty_held_out.PUBLISHED,
    ),
    # As in the literature: every prefix of a test session is a query, and nothing is excluded.
    "diginetica": Problem(
        final=diginetica_sessions,
        tuning=diginetica_for_tuning,
        protocols={"full": FULL},
        recipes=diginetica.RECIPES,
        grids=GRIDS["diginetica"],
        published=diginetica.PUBLISHED,
        metrics=("hit_rate@20", "mrr@20"),
    ),
    "sasrec-games": Problem(
        final=lambda data: tm.leave_one_out(by_order(data, "sasrec-games"), validation=False),
        tuning=lambda data: tm.leave_one_out(by_order(data, "sasrec-games")),
        protocols={"sampled": SAMPLED, "full": FULL},
        recipes=sasrec_games.RECIPES,
        grids=GRIDS["sasrec-games"],
        published={},
    ),
    "ml-100k": Problem(
        final=lambda data: tm.leave_one_out(tm.load(data / "ml-100k.zip"), validation=False),
        tuning=lambda data: tm.leave_one_out(tm.load(data / "ml-100k.zip")),
        protocols={"sampled": SAMPLED, "full": FULL},
        recipes=ml_100k.RECIPES,
        grids=GRIDS["ml-100k"],
        published={},
    ),
    "gowalla": _in_lightgcns_split("gowalla", gowalla.RECIPES, gowalla.PUBLISHED),
    "yelp2018": _in_lightgcns_split("yelp2018", yelp2018.RECIPES, yelp2018.PUBLISHED),
}
