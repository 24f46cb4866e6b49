"""Stores an Evaluation as files of an artifact: results as JSON, values of each user as Parquet."""

from dataclasses import replace

import numpy as np
import polars as pl

from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.data.split import Split
from tastemaker.evaluation.evaluate import from_ranks
from tastemaker.evaluation.results import Evaluation

FIGURES, PER_USER, RANKS = "evaluation.json", "per_user.parquet", "ranks.parquet"


def write_evaluation(out: ArtifactWriter, evaluation: Evaluation) -> None:
    """Writes an evaluation; of its baselines, only the means are stored."""
    out.json(FIGURES, evaluation.to_dict())
    out.table(PER_USER, pl.DataFrame({"user": evaluation.users, **evaluation.per_user}))
    owner = np.repeat(evaluation.users, np.diff(evaluation.indptr))
    out.table(RANKS, pl.DataFrame({"user": owner, "rank": evaluation.ranks}))


def read_evaluation(source: ArtifactReader, split: Split) -> Evaluation | None:
    """Returns the evaluation of a run, or None if it was saved without one."""
    if RANKS not in source:
        return None
    figures, table = source.json(FIGURES), source.table(PER_USER)
    ranks = source.table(RANKS)["rank"].to_numpy()
    per_user = {name: table[name].to_numpy() for name in table.columns if name != "user"}
    overall = {
        name: float("nan") if value is None else float(value)
        for name, value in figures["metrics"].items()
        if name not in per_user
    }
    k = sorted({int(name.partition("@")[2]) for name in per_user})
    plain = from_ranks(figures["model"], split, figures["part"], figures["protocol"], ranks, k)
    return replace(plain, per_user=per_user, overall=overall)
