"""Layouts of published data sets whose files do not name their columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from tastemaker.data.rows import Rows
from tastemaker.data.text_format import TextFormat
from tastemaker.errors import ConfigError, DataError, did_you_mean


@dataclass(frozen=True)
class Layout:
    """The format of the files of one published data set."""

    about: str
    """The data set, and the file that the layout describes."""
    names: tuple[str, ...]
    """The names of the columns, in the order of the file."""
    roles: Mapping[str, str]
    """The column of each role: user, item, time, rating and event."""
    first_line: str
    """A regular expression for the values of the first line, joined by tabs."""
    text: Mapping[str, Any] = field(default_factory=dict)
    """Options of `TextFormat` that cannot be detected."""
    time_format: str | None = None
    prepare: Callable[[Rows], Rows] | None = None
    """Converts the rows as they were read to one row per event; None where they are so already."""

    def events(self, rows: Rows) -> Rows:
        """Returns one row per event, given the rows as they were read."""
        return rows if self.prepare is None else self.prepare(rows)

    def text_format(self, given: Mapping[str, Any]) -> TextFormat:
        """Returns the format of the files; options of `TextFormat` that are given take precedence.

        Raises:
            ConfigError: an option has an invalid value.
        """
        without_header = {"has_header": False, "names": self.names} if self.names else {}
        return TextFormat(**{**without_header, **self.text, **given})

    def columns(self, given: Mapping[str, str | None]) -> dict[str, str | None]:
        """Returns role to column, given the columns that are named; None where there is neither."""
        return {role: name or self.roles.get(role) for role, name in given.items()}


def _clicked(rows: Rows) -> Rows:
    """Returns one row for each clicked news of the impressions of MIND, such as `N1-0 N2-1`."""
    shown = rows.frame["impressions"].str.split(" ")
    clicked = shown.list.eval(
        pl.element().filter(pl.element().str.ends_with("-1")).str.strip_suffix("-1")
    )
    n_shown, n_clicked = int(shown.list.len().sum()), int(clicked.list.len().sum())
    if n_clicked == 0:
        raise DataError(
            f"{rows.source}: no impression is marked as clicked (N55689-1), as in the test part of "
            "MIND; give the training or the validation part"
        )
    note = (
        f"{n_shown - n_clicked:,} impressions without a click and the clicks in the column "
        "history, which have no time, are left out"
    )
    lists = replace(
        rows, frame=rows.frame.with_columns(impressions=clicked), notes=(*rows.notes, note)
    )
    return lists.exploded("impressions")


_NUMBER, _DAY, _AMAZON_USER, _AMAZON_ITEM = (
    r"\d+",
    r"\d{4}-\d\d-\d\d",
    r"A[A-Z0-9]{9,}",
    r"[A-Z0-9]{10}",
)
_HASH, _RATING, _DECIMAL = "[0-9a-f]{40}", r"[1-5]\.0", r"-?\d+\.\d+"

LAYOUTS = {
    "amazon-2014-ratings": Layout(
        "Amazon reviews 2014, the files with ratings only (ratings_Books.csv)",
        ("user", "item", "rating", "timestamp"),
        {"user": "user", "item": "item", "rating": "rating", "time": "timestamp"},
        rf"{_AMAZON_USER}\t{_AMAZON_ITEM}\t{_RATING}\t{_NUMBER}",
    ),
    "amazon-2018-ratings": Layout(
        "Amazon reviews 2018, the files with ratings only (Books.csv)",
        ("item", "user", "rating", "timestamp"),
        {"user": "user", "item": "item", "rating": "rating", "time": "timestamp"},
        rf"{_AMAZON_ITEM}\t{_AMAZON_USER}\t{_RATING}\t{_NUMBER}",
    ),
    "foursquare": Layout(
        "Foursquare check-ins of New York and Tokyo (dataset_TSMC2014_NYC.txt)",
        (
            "user", "venue", "venue_category_id", "venue_category", "latitude", "longitude",
            "offset_minutes", "time",
        ),
        {"user": "user", "item": "venue", "time": "time"},
        rf"{_NUMBER}\t[0-9a-f]{{24}}\t[0-9a-f]{{24}}\t[^\t]*\t{_DECIMAL}\t{_DECIMAL}\t-?\d+\t.*",
        {"separator": "\t", "encoding": "latin-1"},
        time_format="%a %b %d %H:%M:%S %z %Y",
    ),
    "gowalla": Layout(
        "Check-ins of Gowalla and Brightkite (loc-gowalla_totalCheckins.txt)",
        ("user", "time", "latitude", "longitude", "location"),
        {"user": "user", "item": "location", "time": "time"},
        rf"{_NUMBER}\t{_DAY}T[\d:]+Z\t{_DECIMAL}\t{_DECIMAL}\t\w+",
        {"separator": "\t"},
    ),
    "lastfm-1k": Layout(
        "Plays of Last.fm-1K (userid-timestamp-artid-artname-traid-traname.tsv); without an id of "
        "the track in many rows: leave them out, or name artist_name as the item",
        ("user", "time", "artist_id", "artist_name", "track_id", "track_name"),
        {"user": "user", "item": "track_id", "time": "time"},
        rf"user_{_NUMBER}\t{_DAY}T[\d:]+Z\t[^\t]*\t[^\t]*\t[^\t]*\t.*",
        {"separator": "\t", "quoting": "none"},
    ),
    "lastfm-360k": Layout(
        "Plays of artists of Last.fm-360K (usersha1-artmbid-artname-plays.tsv); plays may be the "
        "weight",
        ("user", "artist_id", "artist_name", "plays"),
        {"user": "user", "item": "artist_name"},
        rf"{_HASH}\t[^\t]*\t[^\t]+\t *{_NUMBER}",
        {"separator": "\t", "quoting": "none"},
    ),
    "mind": Layout(
        "Clicks of MIND (behaviors.tsv); what was shown without a click is left out",
        ("impression", "user", "time", "history", "impressions"),
        {"user": "user", "item": "impressions", "time": "time"},
        rf"{_NUMBER}\tU{_NUMBER}\t[\d/]+ [\d:]+ [AP]M\t[N\d ]*\tN[N\d -]+",
        {"separator": "\t", "quoting": "none"},
        time_format="%m/%d/%Y %I:%M:%S %p",
        prepare=_clicked,
    ),
    "steam-200k": Layout(
        "Purchases and hours of play of Steam (steam-200k.csv); the kinds of events are purchase "
        "and play",
        ("user", "game", "behavior", "hours", "zero"),
        {"user": "user", "item": "game", "event": "behavior"},
        rf"{_NUMBER}\t[^\t]+\t(purchase|play)\t{_DECIMAL}\t0",
    ),
    "taobao": Layout(
        "Events of Taobao (UserBehavior.csv); the kinds of events are pv, fav, cart and buy",
        ("user", "item", "category", "behavior", "timestamp"),
        {"user": "user", "item": "item", "time": "timestamp", "event": "behavior"},
        rf"{_NUMBER}\t{_NUMBER}\t{_NUMBER}\t(pv|fav|cart|buy)\t{_NUMBER}",
    ),
    "yoochoose-buys": Layout(
        "Purchases of YooChoose, RecSys Challenge 2015 (yoochoose-buys.dat)",
        ("session", "timestamp", "item", "price", "quantity"),
        {"user": "session", "item": "item", "time": "timestamp"},
        rf"{_NUMBER}\t{_DAY}T[\d:.]+Z\t{_NUMBER}\t{_NUMBER}\t{_NUMBER}",
    ),
    "yoochoose-clicks": Layout(
        "Clicks of YooChoose, RecSys Challenge 2015 (yoochoose-clicks.dat)",
        ("session", "timestamp", "item", "category"),
        {"user": "session", "item": "item", "time": "timestamp"},
        rf"{_NUMBER}\t{_DAY}T[\d:.]+Z\t{_NUMBER}\t\w+",
    ),
}  # fmt: skip
"""The layouts by name."""


NO_LAYOUT = Layout("Files that name their columns", (), {}, "")


def layout_named(name: str | None) -> Layout:
    """Returns a layout, or `NO_LAYOUT` for None.

    Raises:
        ConfigError: there is no layout of that name.
    """
    if name is None:
        return NO_LAYOUT
    if name not in LAYOUTS:
        raise ConfigError(f'there is no layout "{name}"; {did_you_mean(name, LAYOUTS)}')
    return LAYOUTS[name]


def recognized_layout(first_line: Sequence[str]) -> str | None:
    """Returns the name of the only layout that the values of a first line have, or None."""
    values = "\t".join(first_line)
    found = [name for name, it in LAYOUTS.items() if re.fullmatch(it.first_line, values)]
    return found[0] if len(found) == 1 else None
