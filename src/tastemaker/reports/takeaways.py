"""Takeaways: one sentence per section, generated from its numbers."""

from collections.abc import Sequence

from tastemaker.evaluation.cold_start_results import ColdStartResult
from tastemaker.evaluation.leaderboard import Leaderboard
from tastemaker.reports.curves import Curve
from tastemaker.reports.examples import Example
from tastemaker.reports.formats import (
    counted,
    decimals,
    listed,
    metric_title,
    missing,
    percent,
    seconds,
)
from tastemaker.reports.standings import against_best
from tastemaker.reports.tables import ReportTable


def of_leaderboard(leaderboard: Leaderboard) -> str:
    """States which model is the best, and whether its lead is significant."""
    ranked = leaderboard.ranked
    if not ranked:
        return "No model finished"
    best, value = ranked[0][0].name, decimals(ranked[0][1].metrics[leaderboard.metric])
    metric = metric_title(leaderboard.metric)
    if len(ranked) == 1:
        return f"{best} reaches {metric} {value}"
    lead = f"{best} leads with {metric} {value}"
    second = ranked[1][0].name
    comparison = against_best(leaderboard, second)
    if comparison is not None and not comparison.significant:
        return f"{lead}; the difference to {second} (2nd) is not significant"
    rivals = [
        entry.name
        for entry, _ in ranked[2:]
        if (pair := against_best(leaderboard, entry.name)) is not None and not pair.significant
    ]
    if rivals:
        return f"{lead}, significantly better than {second} (2nd)"
    return f"{lead}, significantly better than {second if len(ranked) == 2 else 'all others'}"


def of_time(leaderboard: Leaderboard) -> str:
    """Compares the training time and accuracy of the best and the fastest model."""
    timed = [(entry, e) for entry, e in leaderboard.ranked if not missing(entry.fit_s)]
    (best, best_result), metric = leaderboard.ranked[0], leaderboard.metric
    fastest, fastest_result = min(timed, key=lambda pair: pair[0].fit_s or 0.0)
    if best.name == fastest.name:
        trains = f"trains in {seconds(best.fit_s)}"
        return f"{best.name} {trains}" + (" and is also the fastest" if len(timed) > 1 else "")
    if missing(best.fit_s):
        return f"{fastest.name} trains fastest, in {seconds(fastest.fit_s)}"
    ratio = _ratio(best_result.metrics[metric], fastest_result.metrics[metric])
    return (
        f"{best.name} trains in {seconds(best.fit_s)}; {fastest.name}, the fastest, trains in "
        f"{seconds(fastest.fit_s)}" + (f" and reaches {ratio} of its accuracy" if ratio else "")
    )


def of_coverage(leaderboard: Leaderboard, k: str) -> str:
    """Compares the catalog coverage of the best model with the highest coverage."""
    name = f"coverage@{k}"
    covering = [
        (entry.name, e.metrics[name]) for entry, e in leaderboard.ranked if name in e.metrics
    ]
    (best, fraction), (widest, max_fraction) = covering[0], max(covering, key=lambda pair: pair[1])
    statement = f"The lists of {best} cover {percent(fraction)} of the catalog"
    if best != widest:
        return f"{statement}; those of {widest} cover the most, {percent(max_fraction)}"
    return f"{statement}, the highest coverage" if len(covering) > 1 else statement


def of_curves(drawn: list[Curve]) -> str:
    """States which models might improve with more epochs."""
    improving = [curve.model for curve in drawn if curve.still_improving]
    if improving:
        verb = "was" if len(improving) == 1 else "were"
        return f"{listed(improving)} {verb} still improving at the last epoch; more epochs may help"
    if all(curve.metric == "loss" for curve in drawn):
        return "Training loss by epoch; there was no validation part"
    if all(curve.kept < curve.epochs[-1] for curve in drawn):
        return "Every model reached its best epoch before training ended"
    return "Validation metric by epoch, and the epoch that was kept"


def of_segments(tables: list[ReportTable]) -> str:
    """States which model is the best in the most segments."""
    names = [name for name, _ in tables[0].rows]
    columns = [(table, i) for table in tables for i in range(len(table.columns))]
    leaders = [{name for name, cells in table.rows if cells[i].best} for table, i in columns]
    decided = [names for names in leaders if names]
    if len(names) == 1 or not decided:
        return "Accuracy by segment of users and items"
    wins = {name: sum(name in lead for lead in decided) for name in names}
    first = max(names, key=wins.__getitem__)
    if wins[first] == len(columns):
        return f"{first} is best in every segment"
    return f"{first} is best in {wins[first]} of {len(columns)} segments"


def of_cold_start(results: dict[str, ColdStartResult], metric: str) -> str:
    """States which model is best for unseen users with the fewest and the most interactions."""
    lengths = next(iter(results.values())).lengths
    values = {name: [at.metrics[metric] for at in r.lengths] for name, r in results.items()}
    if len(values) == 1 or not any(map(any, values.values())):
        return f"Unseen users: {metric_title(metric)} by number of known interactions"
    leaders = [max(values, key=lambda name: values[name][i]) for i in range(len(lengths))]
    first, last = leaders[0], leaders[-1]
    after_first, after_last = (counted(lengths[i].length, "interaction") for i in (0, -1))
    if first != last:
        return f"Unseen users: {first} is best after {after_first}, {last} after {after_last}"
    if set(leaders) == {first}:
        return f"Unseen users: {first} is best for every number of known interactions"
    return f"Unseen users: {first} is best after {lengths[0].length} and after {after_last}"


def of_tail(fractions: list[tuple[str, float]], chosen: float | None) -> str:
    """States whether lists hold less of the long tail than the users' own choices."""
    if chosen is None:
        return "Fraction of the lists that is from the long tail"
    below = [name for name, fraction in fractions if fraction < chosen]
    statement = f"{percent(chosen)} of the users' interactions are with long-tail items"
    if len(below) == len(fractions):
        return f"{statement}; the lists of every model contain a smaller fraction"
    if not below:
        return f"{statement}; the lists of no model contain a smaller fraction"
    above = [name for name, fraction in fractions if fraction >= chosen]
    if len(above) <= 2:
        others = listed(above)
        return f"{statement}; the lists of every model except {others} contain a smaller fraction"
    counts = f"{len(below)} of {len(fractions)}"
    return f"{statement}; the lists of {counts} models contain a smaller fraction"


def of_examples(examples: Sequence[Example]) -> str:
    """Counts the lists that hold a held-out item."""
    found = sum(any(example_list.hits) for example in examples for example_list in example.lists)
    n_lists = sum(len(example.lists) for example in examples)
    contain = "contains" if found == 1 else "contain"
    found_in = f"{found} of {counted(n_lists, 'list')} {contain} a held-out item"
    return f"{counted(len(examples), 'example user')}: {found_in}"


def _ratio(best: float, other: float) -> str:
    if missing(best) or missing(other) or best <= 0:
        return ""
    return f"{other / best:.0%}"
