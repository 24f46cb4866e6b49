"""Cards: an item as a page shows it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tastemaker import wire
from tastemaker.web.artwork import Artwork, artwork_of

_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_ARTICLE = re.compile(r"^(.+), (The|A|An)$")


class ItemFields(Protocol):
    """The fields of an item that every response has."""

    @property
    def item_id(self) -> int | str: ...  # noqa: D102
    @property
    def title(self) -> str | None: ...  # noqa: D102
    @property
    def categories(self) -> list[str] | None: ...  # noqa: D102
    @property
    def image_url(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Card:
    """An item with the texts that a page shows."""

    item_id: str
    title: str
    year: str
    """The year in brackets at the end of the title; empty if there is none."""
    categories: tuple[str, ...]
    image_url: str | None
    art: Artwork
    because: tuple[str, ...] = ()
    """Titles of the items of the history that explain it, the most important first."""

    @property
    def name(self) -> str:
        """The title with its year, for accessible labels and page titles."""
        return f"{self.title} ({self.year})" if self.year else self.title

    @property
    def line(self) -> str:
        """The small text of the poster: the year and at most two categories."""
        return " · ".join(filter(None, [self.year, ", ".join(self.categories[:2])]))


def card_of(item: ItemFields, because: Iterable[wire.Reason] | None = None) -> Card:
    """Makes the card of an item."""
    full_title = item.title or str(item.item_id)
    title, year = title_and_year(full_title)
    return Card(
        str(item.item_id),
        title,
        year,
        tuple(item.categories or ()),
        item.image_url,
        artwork_of(full_title),
        tuple(name_of(reason.title, reason.item_id) for reason in because or ()),
    )


def name_of(title: str | None, item_id: int | str) -> str:
    """The title of an item without its year, or its id if it has no title."""
    return title_and_year(title or str(item_id))[0]


def full_name(title: str | None, item_id: int | str) -> str:
    """The title of an item with its year if known, or its id if it has no title."""
    name, year = title_and_year(title or str(item_id))
    return f"{name} ({year})" if year else name


def title_and_year(full_title: str) -> tuple[str, str]:
    """Splits a full title: `Matrix, The (1999)` becomes The Matrix and 1999."""
    year_match = _YEAR.search(full_title)
    title = full_title[: year_match.start()] if year_match else full_title
    title = _ARTICLE.sub(r"\2 \1", title)
    return (title, year_match[1]) if year_match and title else (full_title, "")
