"""Standings: the comparison of models that stands beside the run, if one was made."""

from pathlib import Path
from typing import Any

import orjson

from tastemaker.serving.http.problems import NotFoundError

LEADERBOARD = "leaderboard.json"

LARGEST = 16 << 20


def standings(run: Path) -> dict[str, Any]:
    """The content of a `wire.LeaderboardResponse`.

    Raises:
        NotFoundError: there is no comparison, or it cannot be read.
    """
    run = run.absolute()
    # `tastemaker demo` puts it beside the run; a run of a comparison has it two folders up.
    places = (run.with_name(f"{run.name}-comparison"), run.parent.parent)
    path = next((p / LEADERBOARD for p in places if (p / LEADERBOARD).is_file()), None)
    if path is None:
        raise NotFoundError(
            f"no comparison stands beside the run; make one with: tastemaker compare DATA --out "
            f"{places[0].name}, in the run's folder"
        )
    try:
        facts = orjson.loads(path.read_bytes() if path.stat().st_size <= LARGEST else b"")
        return {**facts, "models": [_model(facts, model) for model in facts["models"]]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(f"{path.name} beside the run cannot be read: {error}") from None


def _model(facts: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    best = facts["models"][0]["name"]
    against = next(
        (c for c in facts["comparisons"] if {c["better"], c["worse"]} == {best, model["name"]}),
        None,
    )
    return {
        "name": model["name"],
        "rank": model["rank"],
        "fit_s": model.get("fit_s"),
        "metrics": {name: value for name, value in model["metrics"].items() if value is not None},
        "intervals": model["intervals"],
        "p_value": None if against is None else against["p_value"],
        "worse": against is not None and against["significant"],
    }
