"""The tables of results in README.md, with what others published beside them."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

from problems import Problem

PAGE = Path(__file__).parent / "README.md"

Run = dict[str, Any]


def write_table(name: str, problem: Problem, runs: list[Run]) -> None:
    """Puts the runs on a problem into the page, the best by its second metric first."""
    by_recipe: dict[str, list[Run]] = {}
    for run in runs:
        by_recipe.setdefault(run["recipe"], []).append(run)
    first = next(iter(problem.protocols))
    decisive = f"{first} {problem.metrics[1]}"
    ordered = sorted(by_recipe.items(), key=lambda item: -_mean(item[1], decisive))
    metrics = [(p, m) for p in problem.protocols for m in problem.metrics]
    several = len(problem.protocols) > 1
    titles = [f"{SHORT[m]}{', ' + p if several else ''}" for p, m in metrics]
    published = f"published {' / '.join(SHORT[m] for m in problem.metrics)}"
    heads = ["model", *titles, "runs", "seconds to fit", published, "reached"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    lines += [_row(recipe, own, problem, metrics) for recipe, own in ordered]
    replace_table(name, lines)


def replace_table(name: str, lines: list[str]) -> None:
    """Puts the lines of a table between its marks in the page."""
    begin, end = f"<!-- table: {name} -->", f"<!-- end of table: {name} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}")


SHORT = {
    "hit_rate@10": "HR@10",
    "ndcg@10": "NDCG@10",
    "hit_rate@20": "P@20",
    "mrr@20": "MRR@20",
    "recall@20": "Recall@20",
    "ndcg@20": "NDCG@20",
}


def _row(recipe: str, runs: list[Run], problem: Problem, metrics: list[tuple[str, str]]) -> str:
    figures, source = problem.published.get(recipe, ("", ""))
    names = [f"{protocol} {metric}" for protocol, metric in metrics]
    reached = ""
    if figures:
        wanted = zip(names, figures.split(" / "), strict=False)
        missed = [
            name.split()[-1] for name, figure in wanted if _falls_short(_mean(runs, name), figure)
        ]
        reached = f"no: {', '.join(missed)}" if missed else "yes"
    cells = [
        f"`{recipe}`", *(_spread(runs, name) for name in names), str(len(runs)),
        f"{_mean(runs, 'fit_s'):.0f}", f"{figures} ({source})" if figures else "", reached,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _falls_short(value: float, published: str) -> bool:
    """Compares in as many digits as were published."""
    return round(value, len(published.partition(".")[2])) < float(published)


def _mean(runs: list[Run], name: str) -> float:
    return mean(run[name] for run in runs)


def _spread(runs: list[Run], name: str) -> str:
    spread = f" ± {stdev(run[name] for run in runs):.4f}" if len(runs) > 1 else ""
    return f"{_mean(runs, name):.4f}{spread}"
