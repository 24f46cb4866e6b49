"""The table of results in README.md, with what others published beside it."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"

PUBLISHED = {
    "ease": ("0.7177 / 0.448", "λ = 1000, computed on this split"),
    "ials": ("0.711 / 0.438", "Rendle et al. 2020"),
    "mf": ("0.7294 / 0.4523", "Rendle et al. 2020: a dot product, tuned SGD"),
    "neumf": ("0.730 / 0.447", "He et al. 2017, with pre-training"),
}
"""HR@10 / NDCG@10 that are to be reached, by recipe."""


def write_table(runs: list[dict[str, Any]]) -> None:
    """Puts the runs into the page, best mean NDCG first."""
    by_recipe: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_recipe.setdefault(run["recipe"], []).append(run)
    ordered = sorted(by_recipe.items(), key=lambda item: -_mean(item[1], "ndcg@10"))
    lines = [
        "| model | HR@10 | NDCG@10 | runs | seconds to fit | published HR@10 / NDCG@10 | reached |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(name, own) for name, own in ordered),
    ]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


def _row(name: str, runs: list[dict[str, Any]]) -> str:
    figures, source = PUBLISHED.get(name, ("", ""))
    reached = ""
    if figures:
        wanted = zip(("hit_rate@10", "ndcg@10"), figures.split(" / "), strict=True)
        missed = [metric for metric, figure in wanted if _falls_short(_mean(runs, metric), figure)]
        reached = f"no: {', '.join(missed)}" if missed else "yes"
    cells = (
        f"`{name}`", _spread(runs, "hit_rate@10"), _spread(runs, "ndcg@10"), str(len(runs)),
        f"{_mean(runs, 'fit_s'):.0f}", f"{figures} ({source})" if figures else "", reached,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _falls_short(value: float, published: str) -> bool:
    """Compares in as many digits as were published."""
    return round(value, len(published.partition(".")[2])) < float(published)


def _mean(runs: list[dict[str, Any]], name: str) -> float:
    return mean(run[name] for run in runs)


def _spread(runs: list[dict[str, Any]], name: str) -> str:
    spread = f" ± {stdev(run[name] for run in runs):.4f}" if len(runs) > 1 else ""
    return f"{_mean(runs, name):.4f}{spread}"
