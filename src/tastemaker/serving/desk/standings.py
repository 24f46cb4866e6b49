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
    candidates = (run.with_name(f"{run.name}-comparison"), run.parent.parent)
    folder = next((candidate for candidate in candidates if has_results(candidate)), None)
    if folder is None:
        raise NotFoundError(
            "there is no comparison beside the run; create one, in the folder that contains the "
            f"run, with: tastemaker compare DATA --out {candidates[0].name}"
        )
    try:
        results = read_results(folder)
        return {**results, "models": [_model(results, model) for model in results["models"]]}
    except (ArtifactError, KeyError, TypeError) as error:
        raise NotFoundError(f"the comparison beside the run cannot be read: {error}") from None


def _model(results: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    best = results["models"][0]["name"]
    comparison = next(
        (
            each
            for each in results["comparisons"]
            if {each["better"], each["worse"]} == {best, model["name"]}
        ),
        None,
    )
    return {
        "name": model["name"],
        "rank": model["rank"],
        "fit_s": model.get("fit_s"),
        "metrics": {name: value for name, value in model["metrics"].items() if value is not None},
        "intervals": model["intervals"],
        "p_value": None if comparison is None else comparison["p_value"],
        "worse": comparison is not None and comparison["significant"],
    }
