"""Stores a Split as files of an artifact: vocabularies, catalog, histories, held-out data."""

from typing import Any

import numpy as np
import polars as pl

from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.data.split import Candidates, Split, Targets
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ArtifactError

NOT_EVALUATED = "unasked"
"""Name of the table with `Split.not_evaluated` in a run folder; saved runs depend on it."""


def write_split(out: ArtifactWriter, split: Split) -> None:
    """Writes a split; codes are row numbers of users.parquet and items.parquet."""
    train = split.train
    description = {
        "name": train.name,
        "fingerprint": train.fingerprint,
        "method": split.method,
        "time_unit": train.time_unit,
        "n_duplicates": train.n_duplicates,
        "n_missing": train.n_missing,
        "notes": train.notes,
        "split_notes": split.notes,
    }
    out.json("data.json", description)
    out.table("users.parquet", train.user_vocabulary.ids.to_frame())
    out.table("items.parquet", train.catalog.frame)
    out.table(
        "train.parquet",
        _frame(
            user=train.users, item=train.items, timestamp=train.timestamps, rating=train.ratings,
            weight=train.weights,
        ),
    )  # fmt: skip
    parts = {
        "validation": split.validation,
        "test": split.test,
        NOT_EVALUATED: split.not_evaluated,
    }
    for part, targets in parts.items():
        if targets is not None:
            frame = _frame(user=targets.users, item=targets.items, timestamp=targets.timestamps)
            out.table(f"{part}.parquet", frame)
    if split.candidates is not None:
        counts = np.diff(split.candidates.indptr)
        users = np.repeat(np.arange(len(counts)), counts)
        out.table("candidates.parquet", _frame(user=users, item=split.candidates.items))


def read_split(source: ArtifactReader) -> Split:
    """Reads a split that `write_split` wrote.

    Raises:
        ArtifactError: the data do not match the stored fingerprint.
    """
    description: dict[str, Any] = source.json("data.json")
    items = source.table("items.parquet")
    rows = source.table("train.parquet")
    train = Dataset(
        description["name"],
        rows["user"].to_numpy(),
        rows["item"].to_numpy(),
        Vocabulary(source.table("users.parquet")["user_id"], "user"),
        Vocabulary(items["item_id"], "item"),
        Catalog(items),
        timestamps=_column(rows, "timestamp"),
        ratings=_column(rows, "rating"),
        weights=_column(rows, "weight"),
        time_unit=description["time_unit"],
        n_duplicates=description["n_duplicates"],
        n_missing=description.get("n_missing", 0),  # runs of earlier versions do not have it
        notes=tuple(description["notes"]),
    )
    if train.fingerprint != description["fingerprint"]:
        raise ArtifactError(f"{source.folder}: the data do not have the recorded fingerprint")
    return Split(
        train,
        _targets(source, "test"),
        _targets(source, "validation"),
        _candidates(source, train.n_users),
        _targets(source, NOT_EVALUATED),
        notes=tuple(description["split_notes"]),
        method=description["method"],
    )


def _frame(**columns: np.ndarray | None) -> pl.DataFrame:
    return pl.DataFrame({name: column for name, column in columns.items() if column is not None})


def _column(frame: pl.DataFrame, name: str) -> np.ndarray | None:
    return frame[name].to_numpy(writable=True) if name in frame.columns else None


def _targets(source: ArtifactReader, part: str) -> Targets | None:
    if f"{part}.parquet" not in source:
        return None
    rows = source.table(f"{part}.parquet")
    return Targets(
        rows["user"].to_numpy(writable=True),
        rows["item"].to_numpy(writable=True),
        _column(rows, "timestamp"),
    )


def _candidates(source: ArtifactReader, n_users: int) -> Candidates | None:
    if "candidates.parquet" not in source:
        return None
    rows = source.table("candidates.parquet")
    counts = np.bincount(rows["user"].to_numpy(), minlength=n_users)
    return Candidates(rows["item"].to_numpy(), np.concatenate([[0], np.cumsum(counts)]))
