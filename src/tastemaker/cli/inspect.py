"""tastemaker inspect: describes a data set."""

from pathlib import Path
from typing import TYPE_CHECKING

from tastemaker.cli import options
from tastemaker.cli.common import interrupt_message, out, print_json, table_of
from tastemaker.cli.flags import in_flags
from tastemaker.cli.groups import grouped

if TYPE_CHECKING:
    from tastemaker.data.card import DataCard, KindSummary

BAR_WIDTH = 40


@grouped
def inspect(
    data: options.Data,
    *,
    reading: options.Reading,
    seed: options.Seed = None,
    json: options.Json = False,
) -> None:
    """Describe a data set: its size, density, time range, activity and long tail.

    Example: tastemaker inspect clicks.csv --user visitor --item sku
    """
    from tastemaker.cli.sources import DataOptions
    from tastemaker.data.card import describe
    from tastemaker.data.prepared.folder import is_prepared, verify

    source = DataOptions(**vars(reading), seed=seed)
    with interrupt_message("nothing was written"):
        dataset = source.dataset(data)
        if is_prepared(data):
            verify(Path(data))
        card = describe(dataset)
    if json:
        print_json(card.to_dict())
    else:
        _print(card)


def _print(card: "DataCard") -> None:
    first, last = card.time_range or ("-", "no times")
    facts = {
        "interactions": f"{card.n_interactions:,}",
        "users": f"{card.n_users:,}",
        "items": f"{card.n_items:,}",
        "density": f"{card.density:.3%}",
        "time": f"{first} to {last}" if card.time_range else last,
        "same second": f"{card.ties.fraction:.1%} of consecutive events of a user"
        if card.ties
        else "-",
        "repeated rows": f"{card.n_duplicates:,}",
        "dropped rows": f"{card.n_missing:,} with missing values",
        "long tail": f"{card.long_tail_fraction:.1%} of interactions outside the top fifth of "
        "items",
        "titles, ratings": f"{_yes(card.has_titles)}, {_yes(card.has_ratings)}",
        "fingerprint": card.fingerprint,
    }
    out.print(card.name, style="bold", markup=False)
    for name, value in facts.items():
        out.print(f"  {name:<20}{value}", markup=False)
    for note in card.notes:
        out.print(f"  {in_flags(note)}", style="dim", markup=False)
    if card.kinds:
        out.print()
        out.print(table_of([_kind_row(summary) for summary in card.kinds]))
    quantiles = [
        {"interactions per": label, **{q: f"{v:,.0f}" for q, v in values.items()}}
        for label, values in (("user", card.user_activity), ("item", card.item_popularity))
    ]
    out.print()
    out.print(table_of(quantiles))
    out.print("\n[bold]users by number of interactions[/bold]")
    highest = max(n for _, _, n in card.activity_histogram)
    for low, high, n in card.activity_histogram:
        bar = "█" * max(round(BAR_WIDTH * n / highest), 1 if n else 0)
        out.print(f"  {f'{low:,} to {high:,}':>20} {bar} {n:,}", markup=False)


def _kind_row(summary: "KindSummary") -> dict[str, str]:
    role = "target" if summary.is_target else "history"
    return {
        "kind of event": summary.kind,
        "events": f"{summary.events:,}",
        "users": f"{summary.users:,}",
        "items": f"{summary.items:,}",
        "weight": f"{summary.weight:g}",
        "used as": role if summary.weight else "no",
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"
