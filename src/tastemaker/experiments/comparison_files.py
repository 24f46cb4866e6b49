"""The files of a comparison beside its run folders."""

import json
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from tastemaker.errors import ArtifactError
from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.folders import replacing

COMPARISON = "comparison"
"""The kind of folder that a comparison is written to."""

LEADERBOARD, TABLE, REPORT = "leaderboard.json", "leaderboard.csv", "report.html"

MAX_BYTES = 16 << 20
"""Size in bytes of the largest leaderboard.json that is read."""


def run_folder(folder: Path, label: str) -> Path:
    """The run folder of one of the compared models."""
    return folder / "models" / label


def write_results(folder: Path, board: Leaderboard, results: dict[str, Any]) -> None:
    """Writes leaderboard.json and leaderboard.csv.

    Args:
        folder: of the comparison.
        board: for the table.
        results: for the JSON file.
    """
    text = json.dumps(results, indent=2, ensure_ascii=False)
    with replacing(folder / LEADERBOARD) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    with replacing(folder / TABLE) as temporary:
        pl.DataFrame(board.rows(), infer_schema_length=None).write_csv(temporary)


def has_results(folder: Path) -> bool:
    """Whether the folder has the results of a comparison."""
    return (folder / LEADERBOARD).is_file()


def read_results(folder: Path) -> dict[str, Any]:
    """The content of leaderboard.json; see `ComparisonResult.to_dict`.

    Raises:
        ArtifactError: it is missing, too large, or not a JSON object.
    """
    path = folder / LEADERBOARD
    try:
        results = orjson.loads(path.read_bytes() if path.stat().st_size <= MAX_BYTES else b"")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from None
    if not isinstance(results, dict):
        raise ArtifactError(f"{path} is not a JSON object")
    return results
