"""Stores an Evaluation as files of an artifact: results as JSON, values of each user as Parquet."""

from dataclasses import replace

import numpy as np
import polars as pl

from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.data.split import Split
from tastemaker.evaluation.evaluate import from_ranks
from tastemaker.evaluation.results import Evaluation

METRICS_FILE, PER_USER_FILE, RANKS_FILE = "evaluation.json", "per_user.parquet", "ranks.parquet"


def write_evaluation(out: ArtifactWriter, evaluation: Evaluation) -> None:
    """Writes an evaluation; of its baselines, only the means are stored."""
    out.json(METRICS_FILE, evaluation.to_dict())
    out.table(PER_USER_FILE, pl.DataFrame({"user": evaluation.users, **evaluation.per_user}))
    owner = np.repeat(evaluation.users, np.diff(evaluation.indptr))
    out.table(RANKS_FILE, pl.DataFrame({"user": owner, "rank": evaluation.ranks}))


def read_evaluation(source: ArtifactReader, split: Split) -> Evaluation | None:
    """Returns the evaluation of a run, or None if it was saved without one."""
    if RANKS_FILE not in source:
        return None
    stored, table = source.json(METRICS_FILE), source.table(PER_USER_FILE)
    ranks = source.table(RANKS_FILE)["rank"].to_numpy()
    per_user = {name: table[name].to_numpy() for name in table.columns if name != "user"}
    overall = {
        name: float("nan") if value is None else float(value)
        for name, value in stored["metrics"].items()
        if name not in per_user
    }
    k = sorted({int(name.partition("@")[2]) for name in per_user})
    evaluation = from_ranks(stored["model"], split, stored["part"], stored["protocol"], ranks, k)
    return replace(evaluation, per_user=per_user, overall=overall)
