"""Standings: the comparison of models that is stored beside the run, if one was made."""

from pathlib import Path
from typing import Any

from tastemaker.errors import ArtifactError
from tastemaker.experiments.comparison_files import has_results, read_results
from tastemaker.serving.http.problems import NotFoundError


def standings(run: Path) -> dict[str, Any]:
    """Returns the content of a `wire.LeaderboardResponse`.

    Raises:
        NotFoundError: there is no comparison, or it cannot be read.
    """
    run = run.absolute()
    # `tastemaker demo` puts it beside the run; for a run of a comparison it is two folders up.
    places = (run.with_name(f"{run.name}-comparison"), run.parent.parent)
    folder = next((place for place in places if has_results(place)), None)
    if folder is None:
        raise NotFoundError(
            "there is no comparison beside the run; create one, in the folder that contains the "
            f"run, with: tastemaker compare DATA --out {places[0].name}"
        )
    try:
        facts = read_results(folder)
        return {**facts, "models": [_model(facts, model) for model in facts["models"]]}
    except (ArtifactError, KeyError, TypeError) as error:
        raise NotFoundError(f"the comparison beside the run cannot be read: {error}") from None


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
