"""Rows: turns lists of the API into the rows of a page, on which no item occurs twice."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from tastemaker import wire
from tastemaker.web.cards import Card, card_of, name_of

ROW_LENGTH = 10
MIN_ROW_LENGTH = 4
"""A row with fewer items is left out."""

BECAUSE_ROWS = 3
CATEGORY_ROWS = 2
LATEST = 30
"""Number of latest items of the history that determine the favourite categories."""


@dataclass(frozen=True)
class CardRow:
    """One row of cards on a page."""

    name: str
    """Unique on the page; used in HTML ids."""
    title: str
    cards: tuple[Card, ...]
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Recommendations whose strongest reason is the same item of the history."""

    reason: wire.Reason
    items: tuple[wire.RecommendedItem, ...]


class RowBuilder:
    """Fills rows one after the other with items that are not on the page yet."""

    def __init__(self, known: Iterable[int | str]) -> None:
        """Starts with the items of the history, which no row shows."""
        self.used = {str(item) for item in known}
        self.rows: list[CardRow] = []

    def add(
        self, name: str, title: str, items: Sequence[wire.RecommendedItem], note: str = ""
    ) -> bool:
        """Adds a row if at least MIN_ROW_LENGTH unused items are left; returns whether it did."""
        first_of = {str(item.item_id): item for item in reversed(items)}
        unused = [
            item
            for item in items
            if str(item.item_id) not in self.used and first_of[str(item.item_id)] is item
        ][:ROW_LENGTH]
        if len(unused) < MIN_ROW_LENGTH:
            return False
        self.used |= {str(item.item_id) for item in unused}
        cards = tuple(card_of(item, item.because) for item in unused)
        self.rows.append(CardRow(name, title, cards, note))
        return True


def grouped(items: Iterable[wire.RecommendedItem], latest: Sequence[int | str]) -> list[Group]:
    """Groups recommendations by their strongest reason, the latest reasons first.

    Args:
        items: recommendations with explanations.
        latest: the history, the latest item first.
    """
    groups: dict[int | str, list[wire.RecommendedItem]] = {}
    reasons: dict[int | str, wire.Reason] = {}
    for item in items:
        if item.because:
            reason = item.because[0]
            reasons.setdefault(reason.item_id, reason)
            groups.setdefault(reason.item_id, []).append(item)
    recency = {item: rank for rank, item in enumerate(latest)}
    large_enough = [
        key for key, group_items in groups.items() if len(group_items) >= MIN_ROW_LENGTH
    ]
    large_enough.sort(key=lambda key: recency.get(key, len(recency)))
    return [Group(reasons[key], tuple(groups[key])) for key in large_enough]


def because_title(title: str | None, item_id: int | str) -> str:
    """The heading of a row based on one item of the history."""
    return f"Because you liked {name_of(title, item_id)}"


def favourites(
    history: Sequence[wire.HistoryItem], sizes: Sequence[wire.CategoryCount]
) -> list[str]:
    """The categories of the latest items, the favourite first.

    Counts are divided by the square root of the category's size in the catalog: three westerns
    indicate more than three dramas where half of the catalog is drama.
    """
    recent = Counter(name for item in history[:LATEST] for name in item.categories or ())
    size = {category.name: category.n_items for category in sizes}
    return sorted(recent, key=lambda name: (-recent[name] / sqrt(size.get(name, 1) or 1), name))


def varied(items: Sequence[wire.RecommendedItem], n: int) -> list[wire.RecommendedItem]:
    """Selects n items greedily by their rank in the list and by categories not yet selected."""
    candidates, chosen = list(items), list[wire.RecommendedItem]()
    category_counts: Counter[str] = Counter()
    while candidates and len(chosen) < n:

        def cost(position: int) -> float:
            names = candidates[position].categories or ()
            repeated = sum(category_counts[name] for name in names) / max(1, len(names))
            return position / len(items) + 0.25 * repeated

        best = candidates.pop(min(range(len(candidates)), key=cost))
        category_counts.update(best.categories or ())
        chosen.append(best)
    return chosen
