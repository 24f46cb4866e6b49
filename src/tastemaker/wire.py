"""What goes over the wire: requests and answers of the HTTP API, version 1, and its problems.

The service writes these, the client, the page and the agents read them. Ids keep their type: whole
numbers for data whose ids are whole numbers, text otherwise.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    StringConstraints,
    Tag,
    model_validator,
)

from tastemaker.shown import with_values

MOST_EVENTS = 1_000
"""In one request."""

MOST_RECOMMENDATIONS = 500
"""In one list."""

LONGEST_HISTORY = 1_000
"""Items that a history in a request may have."""

MOST_USERS = 100
"""Asked about in one request."""

LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


def _number(value: Any) -> Any:
    """The value, if it is not true or false, which Python counts among the numbers."""
    if isinstance(value, bool):
        raise ValueError("is true or false, not a number")
    return value


def _seconds(value: Any) -> Any:
    """ISO 8601 text as seconds; without a zone it is UTC."""
    if not isinstance(value, str):
        return value
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is neither seconds since 1970 nor ISO 8601") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _kind_of_id(value: Any) -> str:
    return "text" if isinstance(value, str) else "number"


NUMBER = BeforeValidator(_number)
PRINTABLE = AfterValidator(_printable)

Text = Annotated[str, PRINTABLE]
_Number = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
_Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256), PRINTABLE]
Id = Annotated[
    Annotated[_Number, Tag("number")] | Annotated[_Name, Tag("text")], Discriminator(_kind_of_id)
]
"""A user's or an item's id, as it is in the data. Told apart first, so that an error speaks of the
kind that was meant."""

Timestamp = Annotated[int, BeforeValidator(_seconds), NUMBER, Field(ge=0, le=LATEST_TIME)]
"""Seconds since 1970 UTC; ISO 8601 is understood too."""

EventType = Annotated[str, StringConstraints(min_length=1, max_length=64), PRINTABLE]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=128), PRINTABLE]
Category = Annotated[str, StringConstraints(min_length=1, max_length=256), PRINTABLE]
Title = Annotated[str, StringConstraints(max_length=1_000), PRINTABLE]
ImageUrl = Annotated[
    str, StringConstraints(max_length=2_000, pattern=r"^(https://|http://|/)"), PRINTABLE
]
K = Annotated[int, NUMBER, Field(ge=1, le=MOST_RECOMMENDATIONS)]


class Wire(BaseModel):
    """What all of these have in common: unknown names are refused, a docstring is a description."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    def __repr__(self) -> str:
        return with_values(type(self).__name__, self)

    __str__ = __repr__


class Answer(Wire):
    """Something that the service says: a newer service may say more."""

    model_config = ConfigDict(extra="ignore")


# Events


class Event(Wire):
    """Somebody touched something."""

    user_id: Id
    item_id: Id
    timestamp: Timestamp | None = None
    """When, in seconds since 1970 UTC or ISO 8601; now where left out."""
    type: EventType = "interaction"
    """What was done, in a word of the sender's: view, click, purchase. It is kept, and all types
    count alike: a dislike would count as a like, and is better not sent. `retract` alone is
    different: it takes the item out of the history again."""
    event_id: EventId | None = None
    """Id chosen by the sender: an event that is sent twice with the same id counts once."""


class Events(Wire):
    """Several events, kept all or none."""

    events: Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]


class EventsKept(Answer):
    """The events are on disk."""

    accepted: int
    """New ones."""
    duplicates: int
    """Ones whose id was known already; nothing was changed for them."""
    event_ids: list[str]
    """Ids of all events, in their order; generated where the sender gave none."""
    unknown_items: list[Id]
    """Items that neither the model nor the catalog knows; their events are kept for the next
    training."""


# Lists


class Reason(Answer):
    """An item of the history that speaks for a recommendation."""

    item_id: Id
    title: str | None = None
    contribution: float


class RecommendedItem(Answer):
    """One place of a list."""

    item_id: Id
    rank: int
    """From 1."""
    score: float
    """Compares within the list only."""
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    because: list[Reason] | None = None
    """Where explanations were asked for, the most important first."""


Source = Literal["model", "trending"]


class RecommendationList(Answer):
    """A list, best first; shorter than asked for where fewer items are left."""

    user_id: Id | None = None
    """None for somebody known by a history alone."""
    items: list[RecommendedItem]
    model: str
    """The model's name."""
    version: str
    """Version of the trained model; every training has its own."""
    source: Source
    """trending where nothing is known of the user, or the model knows none of the history."""
    degraded: bool = False
    """Whether the database is away, so that events since the training may be missing."""


class Listing(Wire):
    """How a list is chosen."""

    k: K = 10
    """So many items at most."""
    exclude_seen: bool = True
    """Leave out what is in the history."""
    categories: Annotated[list[Category], Field(max_length=100)] = []
    """Only items in one of these."""
    exclude: Annotated[list[Id], Field(max_length=LONGEST_HISTORY)] = []
    """Not these items."""
    diversity: Annotated[float, NUMBER, Field(ge=0, le=1)] = 0.0
    """From 0, the best by score, to 1, the least alike."""
    explain: bool = False
    """With each item, the items of the history that speak for it."""


History = Annotated[list[Id], Field(max_length=LONGEST_HISTORY)]


class AskedUser(Wire):
    """Whom a list is for: somebody by id, by a history (oldest first), or by both.

    A history is taken as it is: what the service has of the user counts only where none is given.
    """

    user_id: Id | None = None
    history: History | None = None

    @model_validator(mode="after")
    def _somebody(self) -> "AskedUser":
        if self.user_id is None and self.history is None:
            raise ValueError("say for whom: user_id or history")
        return self


class RecommendationsRequest(Listing):
    """A list for a history in the request, or for each of several users."""

    history: History | None = None
    """Items, oldest first."""
    users: Annotated[list[AskedUser], Field(min_length=1, max_length=MOST_USERS)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "RecommendationsRequest":
        if (self.history is None) == (self.users is None):
            raise ValueError("say for whom: either history or users")
        return self

    @property
    def asked(self) -> list[AskedUser]:
        """Everybody it asks about."""
        return self.users or [AskedUser(history=self.history)]


class ManyRecommendations(Answer):
    """A list for each user, in the order of the request."""

    lists: list[RecommendationList]


class SimilarItems(Answer):
    """What is like an item, the most alike first."""

    item_id: Id
    items: list[RecommendedItem]
    model: str
    version: str


class Trending(Answer):
    """What is touched most lately; older events count less."""

    items: list[RecommendedItem]
    half_life_s: float
    """An event so many seconds old counts half as much as one of now."""
    degraded: bool = False


# The catalog


class ItemBody(Wire):
    """What is known of an item; PUT replaces everything, PATCH what is given."""

    title: Title | None = None
    categories: Annotated[list[Category], Field(max_length=100)] | None = None
    image_url: ImageUrl | None = None
    hidden: bool = False
    """Not shown: in no list and no search."""
    available: bool = True
    """In no list while False, but still found."""


class CatalogItem(ItemBody):
    """One of several items that are put at once."""

    item_id: Id


class ItemsKept(Answer):
    """The items are in the catalog."""

    items: int
    """How many were put; an item on several lines is as the last of them says."""


class Item(Answer):
    """An item of the catalog as it is now."""

    item_id: Id
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    hidden: bool = False
    available: bool = True
    trained: bool
    """Whether the model was trained with it."""
    recommendable: Literal["model", "metadata", "trending", "no"]
    """How it can come into a list: by what the model learned of it, by its metadata, only by
    trending until the next training, or not at all while hidden or unavailable."""


class Items(Answer):
    """A page of the catalog."""

    items: list[Item]
    next_cursor: str | None = None
    """For the next page; None on the last."""


class CategoryCount(Answer):
    """A category and how many items that may be shown are in it."""

    name: str
    n_items: int


class Categories(Answer):
    """All categories, the largest first."""

    categories: list[CategoryCount]


# Users


class HistoryItem(Answer):
    """Something that somebody touched."""

    item_id: Id
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    timestamp: int | None = None
    """Seconds since 1970 UTC of the latest time; None where the training data have no times."""
    origin: Literal["training", "event"]
    """Whether it was in the training data or came as an event."""


class UserHistory(Answer):
    """What is known of somebody, the latest first, each item once."""

    user_id: Id
    items: list[HistoryItem]
    degraded: bool = False


class Forgotten(Answer):
    """Events and derived state are gone."""

    user_id: Id
    events: int
    """How many were deleted."""
    until_next_training: str | None = None
    """What remains in the trained model until it is trained anew, if anything."""


# How the service is


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Answer):
    """Whether it should be sent requests."""

    status: Literal["ready", "degraded"]
    """degraded: the database is away, so that lists come from the training data and events are
    refused; or the model that was deployed last cannot be opened, and the one before goes on."""
    model: str
    version: str
    """Version of the model that answers."""
    missing: str | None = None
    """Version of the model that was deployed in its place, and cannot be opened here."""


class Deployment(Answer):
    """A trained model that served or serves."""

    deployment: int
    """Counts up with each swap."""
    version: str
    model: str
    run: str
    """The run folder's name."""
    trained_at: str
    deployed_at: int
    """Seconds since 1970 UTC."""
    reason: Literal["start", "reload", "learned", "rollback"]
    current: bool
    figures: dict[str, Any] | None = None
    """What it was judged by: its evaluation in training, or against the model before it."""


class Deployments(Answer):
    """A page of the log of deployments, the newest first."""

    deployments: list[Deployment]
    next_cursor: str | None = None
    """Asks for the page after this one; null on the last."""


class LearningStarted(Answer):
    """A look at the events is under way; the log of deployments shows what comes of it."""

    status: Literal["started", "running"]
    """running: one had been started before."""


class Problem(Answer):
    """What went wrong, as RFC 9457 has it: application/problem+json."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What was wrong, where, and what to do."""
    request_id: str | None = None


# What the desk shows


class KnownUser(Answer):
    """Somebody of the training data."""

    user_id: Id
    n_items: int
    """In their history, as the training data have it."""


class KnownUsers(Answer):
    """Some users, those with the shortest histories first."""

    users: list[KnownUser]
    n_users: int
    """How many there are in all."""


class Latency(Answer):
    """How long answers of one route took, those that went well."""

    method: str
    route: str
    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Stats(Answer):
    """How the service fares since its process was started."""

    deployment: Deployment
    """The one that serves."""
    dataset: str
    split: str
    """What was held out of it in training."""
    n_users: int
    n_items: int
    n_interactions: int
    events: int
    """Kept in all. Beyond 100,000 it is an estimate from evenly spread samples, so that asking
    costs the same however many there are."""
    events_per_minute: list[int]
    """Events in each minute of the last hour, the oldest minute first."""
    lists: dict[str, int]
    """By source: those from trending are fallbacks."""
    problems: dict[str, int]
    """By status."""
    latencies: list[Latency]
    """The routes most asked first."""
    degraded: bool
    missing: str | None = None
    """Version of the deployed model that this process cannot open; the one before goes on."""
    learning: bool
    """Whether a training on the events is under way."""


class MapItem(Answer):
    """An item as a point."""

    item_id: Id
    title: str | None = None
    category: str | None = None
    """The rarest of its categories."""
    categories: list[str] | None = None
    x: float
    y: float
    n: int
    """How often it was touched in training."""


class ItemMap(Answer):
    """Items in a plane, from -1 to 1 both ways, the most popular first."""

    items: list[MapItem]
    explained: float
    """The fraction of the variance of the vectors that the plane shows."""
    model: str
    version: str


class DriftWindow(Answer):
    """Some events, one after the other, and the lists just before them."""

    from_time: int
    to_time: int
    n: int
    hit_rate: float
    """The fraction of events whose item was in the list."""
    low: float
    high: float
    """Its 95% interval."""
    popular_hit_rate: float
    """The same of the most popular items."""
    coverage: float
    """The fraction of the catalog in any of the lists."""
    listed_popularity: float
    """Mean popularity of the listed items: the fraction of the catalog that is less popular."""
    chosen_popularity: float
    """The same of what people chose."""


class Drift(Answer):
    """How the current model's lists meet the newest events."""

    k: int
    n: int
    overall: DriftWindow | None = None
    """None where there are no such events yet."""
    windows: list[DriftWindow]
    """In the order of time."""
    version: str


class LeaderboardModel(Answer):
    """One line of a comparison."""

    name: str
    rank: int
    fit_s: float | None = None
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p_value: float | None = None
    """Against the best; None of the best itself."""
    worse: bool
    """Whether that is significant."""


class LeaderboardResponse(Answer):
    """A comparison of models on one question, best first."""

    metric: str
    """What decides the order."""
    dataset: str | None = None
    split: str | None = None
    protocol: str | None = None
    n_users: int | None = None
    models: list[LeaderboardModel]


class ComparedList(Answer):
    """A list by one deployed model."""

    deployment: Deployment
    items: list[RecommendedItem]
    source: Source


class Compared(Answer):
    """One user's lists, that of the model that serves first."""

    user_id: Id
    lists: list[ComparedList]
