"""Assigns columns to roles (user, item, time, rating, event, weight), by name or by a guess."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from tastemaker.data.layouts import recognized_layout
from tastemaker.errors import DataError, did_you_mean

ITEM_KEYS = (
    "itemid", "iid", "movieid", "productid", "sku", "parentasin", "asin", "articleid", "trackid",
    "songid", "bookid", "isbn", "isbn13", "videoid", "contentid", "gameid", "appid", "businessid",
    "gmapid", "newsid", "animeid", "recipeid", "beerid", "wineid", "poiid", "venueid",
    "locationid", "restaurantid", "hotelid", "listingid", "courseid", "podcastid", "showid",
    "albumid", "artistid", "trackuri", "photoid", "postid", "docid", "documentid", "jobid",
    "offerid", "goodsid", "workid", "stockcode", "productcode", "itemcode",
)  # fmt: skip
"""Usual names of a column with the ids of items."""

ITEM_NOUNS = (
    "item", "movie", "product", "article", "track", "song", "book", "video", "content", "game",
    "business", "anime", "recipe", "artist",
)  # fmt: skip
"""Names of an item column that may hold ids or, in a table of the items, titles."""

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        "user", "userid", "uid", "visitor", "visitorid", "customer", "customerid", "member",
        "memberid", "account", "accountid", "session", "sessionid", "reviewerid", "person",
        "personid", "client", "clientid",
    ),
    "item": ("item", *ITEM_KEYS, *ITEM_NOUNS),
    "time": (
        "timestamp", "time", "ts", "datetime", "date", "eventtime", "createdat", "occurredat",
        "unixreviewtime", "ratedat", "clickedat", "tdat",
    ),
    "rating": ("rating", "stars", "score", "overall", "bookrating"),
    "event": (),
    "weight": (),
}  # fmt: skip
"""Usual column names for each role, in lower case without punctuation. Kinds of events and weights
are never guessed: they change what is learned, so their columns must be named."""

EVENT_NAMES = ("event", "eventtype", "eventname", "action", "behavior", "behaviour")
"""Usual names of a column with the kinds of events. It is mentioned, but never guessed."""


@dataclass(frozen=True)
class Columns:
    """The column of each role in one table; None if the table has no such column."""

    user: str
    item: str
    time: str | None = None
    rating: str | None = None
    event: str | None = None
    weight: str | None = None
    guessed: tuple[str, ...] = ()
    """Roles that were guessed rather than given."""

    def by_role(self) -> dict[str, str]:
        """Returns role to column name, for the roles that have a column."""
        roles = (field.name for field in fields(self) if field.name != "guessed")
        return {role: getattr(self, role) for role in roles if getattr(self, role) is not None}

    @property
    def id_columns(self) -> list[str]:
        """The columns that hold ids."""
        return [self.user, self.item]

    def as_written(self, time_format: str | None) -> list[str]:
        """Returns the columns whose text must not change: ids, and times of a given format.

        Args:
            time_format: the format of the times, if it is given: as a number, the month 2020.10
                would be 2020.1.
        """
        times = [self.time] if self.time is not None and time_format is not None else []
        return [*self.id_columns, *times]

    def describe(self) -> str:
        """Describes the columns in a line for a log: `user = userId, item = movieId (guessed)`."""
        return ", ".join(
            f"{role} = {name}" + (" (guessed)" if role in self.guessed else "")
            for role, name in self.by_role().items()
        )


def resolve_columns(
    available: Sequence[str],
    source: str,
    *,
    may_lack_header: bool = True,
    **given: str | None,
) -> Columns:
    """Finds each role's column among those available.

    Args:
        available: the table's column names.
        source: name of the table in error messages.
        may_lack_header: whether the names may be the first row of a text file without a header.
        **given: role to column name; None means that the column is guessed.

    Raises:
        DataError: a given column does not exist, a user or item column cannot be guessed, or one
            column would have two roles other than rating and weight.
    """
    chosen: dict[str, str] = {}
    for role, name in given.items():
        if name is None:
            continue
        if name not in available:
            raise DataError(
                f'{source}: there is no column "{name}" for the {role}; '
                + did_you_mean(name, available)
            )
        chosen[role] = name
    guessed = []
    for role, usual in USUAL_NAMES.items():
        free = [name for name in available if name not in chosen.values()]
        match = first_match(free, usual)
        if role not in chosen and match is not None:
            chosen[role] = match
            guessed.append(role)
    for role in ("user", "item"):
        if role not in chosen:
            raise DataError(_cannot_guess_message(role, available, source, chosen, may_lack_header))
    _refuse_shared_columns(chosen, source)
    return Columns(**chosen, guessed=tuple(guessed))


def first_match(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Returns the name that matches the most preferred usual name, or None if none matches.

    Case and punctuation are ignored; of several columns with that name, the first is returned.

    Args:
        names: the columns of a table.
        usual: the usual names in lower case without punctuation, the preferred ones first.
    """
    by_normalized_name = {normalized_name(name): name for name in reversed(names)}
    return next((by_normalized_name[name] for name in usual if name in by_normalized_name), None)


def normalized_name(name: str) -> str:
    """Returns the name in lower case without punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _cannot_guess_message(
    role: str,
    available: Sequence[str],
    source: str,
    chosen: Collection[str],
    may_lack_header: bool,
) -> str:
    if not may_lack_header and not {"user", "item"} & set(chosen):
        return (
            f"{source}: no column looks like the user or the item; the columns are "
            f"{', '.join(available)}; name them with user=… and item=…"
        )
    # If the first line is data, values may repeat; the CSV reader numbers repeated names.
    names = [re.sub(r"_duplicated_\d+$", "", name) for name in available]
    if not {"user", "item"} & set(chosen):
        layout = recognized_layout(names)
        if layout is not None:
            return (
                f"{source}: there are no column names, and the first line ({', '.join(names)}) "
                f'looks like the layout "{layout}"; if so, give layout="{layout}", else '
                "has_header=False, which names the columns column_1, column_2, …"
            )
        if any(re.fullmatch(r"-?[\d.]+", name) for name in names):
            return (
                f"{source}: the first line ({', '.join(names)}) looks like data, not like column "
                "names; if so, give has_header=False, which names the columns column_1, column_2, …"
            )
        return (
            f"{source}: no column looks like the user or the item; the columns are "
            f"{', '.join(names)}; name them with user=… and item=…, or if these are data rather "
            "than names, give has_header=False, which names the columns column_1, column_2, …"
        )
    return (
        f"{source}: no column looks like the {role}; name it with {role}=…; "
        f"the columns are {', '.join(available)}"
    )


def _refuse_shared_columns(chosen: dict[str, str], source: str) -> None:
    roles_of: dict[str, list[str]] = {}
    for role, name in chosen.items():
        roles_of.setdefault(name, []).append(role)
    for name, roles in roles_of.items():
        # A rating may also be the weight, so that higher-rated interactions count more.
        if len(roles) > 1 and set(roles) != {"rating", "weight"}:
            raise DataError(
                f'{source}: column "{name}" is named as both {" and ".join(roles)}; '
                "each needs its own column"
            )
