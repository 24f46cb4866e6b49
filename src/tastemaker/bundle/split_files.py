"""Stores a Split as files of an artifact: vocabularies, features, histories, held-out data."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from tastemaker.artifact import ArtifactReader, ArtifactWriter
from tastemaker.data.catalog import Catalog
from tastemaker.data.dataset import Dataset
from tastemaker.data.log_rules import LogRules
from tastemaker.data.pairs import Pairs
from tastemaker.data.split import Candidates, Split, Targets
from tastemaker.data.user_table import UserTable
from tastemaker.data.vocabulary import Vocabulary
from tastemaker.errors import ArtifactError

COLUMNS = ("user", "item", "timestamp", "rating", "weight", "kind")
"""Columns of interactions; those besides the codes are optional."""

TRAIN_FILES = {name: f"train-{name}.npy" for name in COLUMNS}
"""The file of each column of the training data.

Each column is an array of its own, which a process that needs only some of the users can open by
memory map.
"""

OTHER_ROWS = ("histories", "before_test", "after_test")
"""Fields of a split with rows that are neither trained on nor held out, and their tables' names."""

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
        "rules": train.rules.to_dict(),
        "notes": train.notes,
        "split_notes": split.notes,
    }
    description |= {"item_features": train.catalog.features}
    known_users = train.user_vocabulary.ids.to_frame()
    if train.user_table is not None:
        description |= {"user_features": train.user_table.features}
        known_users = train.user_table.frame
    out.json("data.json", description)
    out.table("users.parquet", known_users)
    out.table("items.parquet", train.catalog.frame)
    for name, column in _row_columns(train).items():
        out.array(TRAIN_FILES[name], column)
    for part in OTHER_ROWS:
        rows = getattr(split, part)
        if rows is not None:
            out.table(f"{part}.parquet", _rows(rows))
    if train.rejected is not None:
        rejected = _frame(user=train.rejected.users, item=train.rejected.items)
        out.table("rejected.parquet", rejected)
    parts = {
        "validation": split.validation,
        "test": split.test,
        NOT_EVALUATED: split.not_evaluated,
    }
    for part, targets in parts.items():
        if targets is not None:
            out.table(f"{part}.parquet", _rows(targets))
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
    users, items = source.table("users.parquet"), source.table("items.parquet")
    rows: dict[str, Any] = _train_columns(source)
    train = Dataset(
        description["name"],
        rows.pop("user"),
        rows.pop("item"),
        Vocabulary(users["user_id"], "user"),
        Vocabulary(items["item_id"], "item"),
        # Runs of earlier versions have no kinds of features.
        Catalog(items, kinds=description.get("item_features")),
        **{f"{name}s": column for name, column in rows.items()},
        time_unit=description["time_unit"],
        n_duplicates=description["n_duplicates"],
        # Runs of earlier versions do not have the next two.
        n_missing=description.get("n_missing", 0),
        rules=LogRules.from_dict(description["rules"]) if "rules" in description else LogRules(),
        rejected=_rejected(source),
        user_table=(
            UserTable(users, kinds=description["user_features"])
            if "user_features" in description
            else None
        ),
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
        **{part: _log(source, part, train) for part in OTHER_ROWS},
        notes=tuple(description["split_notes"]),
        method=description["method"],
    )


def _train_columns(source: ArtifactReader) -> dict[str, np.ndarray]:
    """Returns the columns of the training data by name, those that exist."""
    if "train.parquet" in source:  # a run of format 1
        rows = source.table("train.parquet")
        return {name: rows[name].to_numpy(writable=True) for name in rows.columns}
    return {name: source.array(file) for name, file in TRAIN_FILES.items() if file in source}


def _row_columns(part: Dataset | Targets) -> dict[str, np.ndarray]:
    """Returns interactions as columns of codes by name, those that exist."""
    columns = {name: getattr(part, f"{name}s", None) for name in COLUMNS}
    return {name: column for name, column in columns.items() if column is not None}


def _rows(part: Dataset | Targets) -> pl.DataFrame:
    """Returns interactions as a table of codes."""
    return pl.DataFrame(_row_columns(part))


def _frame(**columns: np.ndarray | None) -> pl.DataFrame:
    return pl.DataFrame({name: column for name, column in columns.items() if column is not None})


def _columns(rows: pl.DataFrame) -> dict[str, Any]:
    """Returns the columns that training data and targets have in common, besides the codes."""
    return {f"{name}s": _column(rows, name) for name in ("timestamp", "weight", "kind")}


def _column(frame: pl.DataFrame, name: str) -> np.ndarray | None:
    return frame[name].to_numpy(writable=True) if name in frame.columns else None


def _rejected(source: ArtifactReader) -> Pairs | None:
    if "rejected.parquet" not in source:
        return None
    rows = source.table("rejected.parquet")
    return Pairs(rows["user"].to_numpy(), rows["item"].to_numpy())


def _log(source: ArtifactReader, part: str, train: Dataset) -> Dataset | None:
    """Returns further rows of the log in the codes of the training data."""
    if f"{part}.parquet" not in source:
        return None
    rows = source.table(f"{part}.parquet")
    return replace(
        train, users=rows["user"].to_numpy(), items=rows["item"].to_numpy(),
        ratings=_column(rows, "rating"), is_log=True, rejected=None, **_columns(rows),
    )  # fmt: skip


def _targets(source: ArtifactReader, part: str) -> Targets | None:
    if f"{part}.parquet" not in source:
        return None
    rows = source.table(f"{part}.parquet")
    users, items = (rows[name].to_numpy(writable=True) for name in ("user", "item"))
    return Targets(users, items, **_columns(rows))


def _candidates(source: ArtifactReader, n_users: int) -> Candidates | None:
    if "candidates.parquet" not in source:
        return None
    rows = source.table("candidates.parquet")
    counts = np.bincount(rows["user"].to_numpy(), minlength=n_users)
    return Candidates(rows["item"].to_numpy(), np.concatenate([[0], np.cumsum(counts)]))
