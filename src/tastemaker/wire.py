"""The wire types: requests, responses and problems of the HTTP API, version 1.

The service, the client, the pages and the agents share them. Ids keep their type: whole numbers for
data whose ids are whole numbers, text otherwise.
"""

import json
import re
from datetime import UTC, datetime
from math import isfinite
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

from tastemaker.representation import with_values

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that only programs of the same machine can reach."""

MAX_EVENTS = 1_000
"""Maximum number of events in one request."""

MAX_RECOMMENDATIONS = 500
"""Maximum number of items in one list."""

LONGEST_HISTORY = 1_000
"""Maximum number of items of a history in a request."""

MAX_USERS = 100
"""Maximum number of users in one request."""

LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""


LONGEST_ID = 256
"""Maximum number of characters of an id in a request."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, characters that change the direction of the text after them, and surrogates.
Other invisible characters, such as the joiners of Persian words and of emoji, are ordinary text."""


def _without_controls(text: str) -> str:
    found = _CONTROL.search(text)
    if found:
        raise ValueError(f"contains the control character U+{ord(found[0]):04X}")
    return text


def _number(value: Any) -> Any:
    """Rejects booleans, which Python treats as numbers; returns any other value unchanged."""
    if isinstance(value, bool):
        raise ValueError("is true or false, not a number")
    return value


def _finite(value: Any) -> Any:
    """Rejects NaN and infinity, which JSON cannot have; returns any other value unchanged."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("is not a finite number")
    return value


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _seconds(value: Any) -> Any:
    """Converts ISO 8601 text to seconds since 1970; without a time zone it is UTC."""
    if not isinstance(value, str):
        return value
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is text, but not ISO 8601; send seconds since 1970 as a number") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _from_json(value: Any) -> Any:
    """Reads JSON text; returns any other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("is neither an object nor JSON text") from None


def _kind_of_id(value: Any) -> str:
    return "text" if isinstance(value, str) else "number"


def _kind_of_feature(value: Any) -> str:
    if isinstance(value, bool):
        return "flag"
    return "list" if isinstance(value, list | tuple) else _kind_of_id(value)


NUMBER = BeforeValidator(_number)
WITHOUT_CONTROLS = AfterValidator(_without_controls)

Text = Annotated[str, WITHOUT_CONTROLS]
_Number = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
_Name = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=LONGEST_ID), WITHOUT_CONTROLS
]
IdText = Annotated[Text, StringConstraints(min_length=1, max_length=LONGEST_ID)]
"""An id as text, as in paths, queries, forms and cookies."""
Id = Annotated[
    Annotated[_Number, Tag("number")] | Annotated[_Name, Tag("text")], Discriminator(_kind_of_id)
]
"""A user's or an item's id in a request, of the type that it has in the data. The discriminator
selects the type first, so that an error is about that type alone."""

TrainedId = int | str
"""An id in a response. It may come from the training data, which can contain ids that no request
can: longer ones, and ones with control characters."""

Timestamp = Annotated[int, BeforeValidator(_seconds), NUMBER, Field(ge=0, le=LATEST_TIME)]
"""Seconds since 1970 UTC; ISO 8601 text is accepted too."""

EventType = Annotated[str, StringConstraints(min_length=1, max_length=64), WITHOUT_CONTROLS]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=128), WITHOUT_CONTROLS]
Category = Annotated[str, StringConstraints(min_length=1, max_length=256), WITHOUT_CONTROLS]
Title = Annotated[str, StringConstraints(max_length=1_000), WITHOUT_CONTROLS]
ImageUrl = Annotated[
    str, StringConstraints(max_length=2_000, pattern=r"^(https://|http://|/)"), WITHOUT_CONTROLS
]
ContextKey = Annotated[str, StringConstraints(min_length=1, max_length=64), WITHOUT_CONTROLS]
ContextValue = Annotated[
    bool | StrictInt | float | Annotated[str, StringConstraints(max_length=256), WITHOUT_CONTROLS],
    BeforeValidator(_finite),
]
Context = Annotated[
    dict[ContextKey, ContextValue], BeforeValidator(_from_json), Field(max_length=20)
]
"""Up to 20 pairs of a key and a text, number or truth value; their text in JSON is accepted too, as
in an exported file."""
FeatureName = Annotated[str, StringConstraints(min_length=1, max_length=128), WITHOUT_CONTROLS]
_FeatureNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_FeatureElement = Annotated[
    Annotated[_FeatureNumber, Tag("number")]
    | Annotated[str, StringConstraints(strict=True, max_length=256), WITHOUT_CONTROLS, Tag("text")],
    Discriminator(_kind_of_id),
]
FeatureValue = Annotated[
    Annotated[bool, Field(strict=True), Tag("flag")]
    | Annotated[_FeatureNumber, Tag("number")]
    | Annotated[list[_FeatureElement], Field(max_length=2_048), Tag("list")]
    | Annotated[
        str, StringConstraints(strict=True, max_length=2_000), WITHOUT_CONTROLS, Tag("text")
    ],
    Discriminator(_kind_of_feature),
]
"""A text, a number, true or false, or a list of texts or numbers."""
MAX_FEATURES = 100
Features = Annotated[dict[FeatureName, FeatureValue | None], Field(max_length=MAX_FEATURES)]
K = Annotated[int, NUMBER, Field(ge=1, le=MAX_RECOMMENDATIONS)]


class Wire(BaseModel):
    """Base of all wire types: rejects unknown fields, and uses docstrings as descriptions."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    def __repr__(self) -> str:
        return with_values(type(self).__name__, self)

    __str__ = __repr__


class Answer(Wire):
    """Base of all responses: ignores unknown fields, which a newer service may send."""

    model_config = ConfigDict(extra="ignore")


# Events


class Event(Wire):
    """An interaction of a user with an item."""

    user_id: Id
    item_id: Id
    timestamp: Timestamp | None = None
    """Time of the event, in seconds since 1970 UTC or ISO 8601; by default the current time."""
    type: EventType = "interaction"
    """What the user did: view, click, purchase. If the model was trained with kinds of events, the
    type is one of them and counts as there: with its weight, as an item that is not recommended
    again, or, for a dislike, as a no. Otherwise all types count the same, and a dislike should not
    be sent. `retract` removes the item from the history."""
    value: Annotated[float, NUMBER, Field(ge=0, allow_inf_nan=False)] | None = None
    """How much: seconds watched, number of plays. It counts if the model was trained with such a
    value, in the same way as there."""
    context: Context | None = None
    """The situation, such as device, country or page. It is stored and exported; today's models do
    not read it."""
    event_id: EventId | None = None
    """Id chosen by the client: an event that is sent twice with the same id counts once."""


class Events(Wire):
    """Several events, stored all or none."""

    events: Annotated[list[Event], Field(min_length=1, max_length=MAX_EVENTS)]


class EventsKept(Answer):
    """The events have been stored on disk."""

    accepted: int
    """Number of new events."""
    duplicates: int
    """Number of events whose id was stored already; nothing was changed for them."""
    event_ids: list[str]
    """Ids of all events, in their order; generated where the client gave none."""
    unknown_items: list[TrainedId]
    """Items that are in neither the model nor the catalog; their events are stored for the next
    training."""


# Lists


class Reason(Answer):
    """An item of the history that contributes to a recommendation."""

    item_id: TrainedId
    title: str | None = None
    contribution: float


class RecommendedItem(Answer):
    """One item of a list."""

    item_id: TrainedId
    rank: int
    """Place in the list, from 1."""
    score: float
    """Comparable only with other scores of the same list."""
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    because: list[Reason] | None = None
    """The reasons, the most important first, if explanations were requested."""


Source = Literal["model", "trending"]


class RecommendationList(Answer):
    """Recommendations, best first; fewer than requested if not enough items are left."""

    user_id: TrainedId | None = None
    """None for an unseen user who is described by a history alone."""
    items: list[RecommendedItem]
    model: str
    """The model's name."""
    version: str
    """Version of the trained model; every training has its own."""
    source: Source
    """trending if the model knows nothing of the user: no item of the history, and no feature."""
    degraded: bool = False
    """Whether the database is unavailable, so that events since the training may be missing."""


class Listing(Wire):
    """The options of a list."""

    k: K = 10
    """Maximum number of items."""
    exclude_seen: bool | None = None
    """Leave out the items of the history; by default they are, unless the model was trained to
    recommend items again. An item that the user has rejected is always left out."""
    categories: Annotated[list[Category], Field(max_length=100)] = []
    """Only items in at least one of these categories."""
    exclude: Annotated[list[Id], Field(max_length=LONGEST_HISTORY)] = []
    """Items to leave out."""
    diversity: Annotated[float, NUMBER, Field(ge=0, le=1)] = 0.0
    """From 0, the items with the best scores, to 1, the items least similar to each other."""
    explain: bool = False
    """Return with each item the items of the history that contribute to it."""


History = Annotated[list[Id], Field(max_length=LONGEST_HISTORY)]


class AskedUser(Wire):
    """The user of a list: given by id, by a history (oldest first), or by both.

    A history replaces the one that the service has stored for the user. The user's features and
    rejected items still count.
    """

    user_id: Id | None = None
    history: History | None = None

    @model_validator(mode="after")
    def _require_user(self) -> "AskedUser":
        if self.user_id is None and self.history is None:
            raise ValueError("give user_id, history or both")
        return self


class RecommendationsRequest(Listing):
    """A request for one list, from a history, or for a list for each of several users."""

    history: History | None = None
    """Items, oldest first."""
    users: Annotated[list[AskedUser], Field(min_length=1, max_length=MAX_USERS)] | None = None
    context: Context | None = None
    """The situation of the request; today's models do not read it."""

    @model_validator(mode="after")
    def _require_history_or_users(self) -> "RecommendationsRequest":
        if (self.history is None) == (self.users is None):
            raise ValueError("give either history or users")
        return self

    @property
    def requested_users(self) -> list[AskedUser]:
        """All users of the request."""
        return self.users or [AskedUser(history=self.history)]


class ManyRecommendations(Answer):
    """A list for each user, in the order of the request."""

    lists: list[RecommendationList]


class SimilarItems(Answer):
    """Items similar to an item, the most similar first."""

    item_id: TrainedId
    items: list[RecommendedItem]
    model: str
    version: str


class Trending(Answer):
    """The items that are touched most in recent events; older events count less."""

    items: list[RecommendedItem]
    half_life_s: float
    """Age in seconds at which an event counts half as much as a new one."""
    degraded: bool = False


# The catalog


class ItemBody(Wire):
    """The fields of an item; PUT replaces all of them, PATCH those that are given."""

    title: Title | None = None
    categories: (
        Annotated[list[Category], Field(max_length=100), AfterValidator(_distinct)] | None
    ) = None
    image_url: ImageUrl | None = None
    features: Features | None = None
    """Further features by the names that they have in the table of the items. A model that reads
    them recommends a new item by them at once. Features that are not given are missing for a new
    item; one that the model was trained with keeps those of the training."""
    hidden: bool = False
    """Whether the item is left out of all lists and searches."""
    available: bool = True
    """Whether the item may be in lists; searches find it in either case."""


class CatalogItem(ItemBody):
    """One of several items that are put in one request."""

    item_id: Id


class ItemsKept(Answer):
    """The items are in the catalog."""

    items: int
    """Number of items; if several lines are about one item, the last of them counts."""


class Item(Answer):
    """An item of the catalog."""

    item_id: TrainedId
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    features: dict[str, Any] | None = None
    """The features that were sent since the training."""
    hidden: bool = False
    available: bool = True
    trained: bool
    """Whether the model was trained with it."""
    recommendable: Literal["model", "metadata", "trending", "no"]
    """How the item can be recommended: by the trained model, by its metadata, only as trending
    until the next training, or not at all while it is hidden or unavailable."""


class Items(Answer):
    """A page of the catalog."""

    items: list[Item]
    next_cursor: str | None = None
    """Cursor of the next page; None on the last one."""


class CategoryCount(Answer):
    """A category and the number of its items that may be shown."""

    name: str
    n_items: int


class Categories(Answer):
    """All categories, the largest first."""

    categories: list[CategoryCount]


# Users


class UserBody(Wire):
    """The features of a user; PUT replaces all of them."""

    features: Features
    """Features by the names that they have in the table of the users. A model that reads them
    recommends by them at once, also to a user without a history. Features that are not given are
    missing for a new user; a user whom the model was trained with keeps those of the training."""


class UserFeatures(UserBody):
    """One of several users whose features are imported from a file."""

    user_id: Id
    features: Features = {}
    """The features; an empty object stands for a user without features."""


class User(Answer):
    """What is known of a user besides the history."""

    user_id: TrainedId
    features: dict[str, Any] = {}
    """The features that were sent since the training."""
    trained: bool
    """Whether the model was trained with the user."""
    features_used: bool
    """Whether the model that serves recommends by any of the features that were sent; the others
    are stored for the next training."""
    degraded: bool = False
    """Whether the database is unavailable, so that the features that were sent are not known."""


class HistoryItem(Answer):
    """An item that a user touched."""

    item_id: TrainedId
    title: str | None = None
    categories: list[str] | None = None
    image_url: str | None = None
    timestamp: int | None = None
    """Time of the latest touch, in seconds since 1970 UTC; None if the data have no times."""
    origin: Literal["training", "event"]
    """Whether it comes from the training data or from an event."""


class UserHistory(Answer):
    """The history of a user, the latest item first, each item once."""

    user_id: TrainedId
    items: list[HistoryItem]
    degraded: bool = False


class Forgotten(Answer):
    """The user's events, the state derived from them, and the user's features have been deleted."""

    user_id: TrainedId
    events: int
    """Number of deleted events."""
    until_next_training: str | None = None
    """What remains in the trained model until the next training, if anything."""


# The state of the service


class Health(Answer):
    """The process responds."""

    status: Literal["ok"] = "ok"


class Readiness(Answer):
    """Whether the service should be sent requests."""

    status: Literal["ready", "degraded"]
    """degraded: the database is unavailable, so that lists come from the training data and events
    are rejected; or the latest deployed model cannot be opened, and the previous one still serves.
    """
    model: str
    version: str
    """Version of the model that serves."""
    missing: str | None = None
    """Version of the model that was deployed to replace it, but cannot be opened here."""


class Deployment(Answer):
    """A trained model that serves or has served."""

    deployment: int
    """Number of the deployment; it increases with each swap."""
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
    """Its evaluation: that after its training, or that against the previous model."""


class Deployments(Answer):
    """A page of the log of deployments, the newest first."""

    deployments: list[Deployment]
    next_cursor: str | None = None
    """Cursor of the next page; null on the last one."""


class LearningStarted(Answer):
    """A learning run on new events is in progress; its model is deployed if it is better."""

    status: Literal["started", "running"]
    """running: a run that had been started before is still in progress."""


class Problem(Answer):
    """An error as defined by RFC 9457: application/problem+json."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What was wrong, where, and what to do."""
    request_id: str | None = None


# The desk


class KnownUser(Answer):
    """A user of the training data."""

    user_id: TrainedId
    n_items: int
    """Number of items of their history in the training data."""


class KnownUsers(Answer):
    """Some users, those with the shortest histories first."""

    users: list[KnownUser]
    n_users: int
    """Number of users in total."""


class Latency(Answer):
    """The latency of the successful responses of one route."""

    method: str
    route: str
    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Stats(Answer):
    """Statistics of the service since its process was started."""

    deployment: Deployment
    """The deployment that serves."""
    dataset: str
    split: str
    """What was held out of the data set in training."""
    n_users: int
    n_items: int
    n_interactions: int
    events: int
    """Number of stored events. Above 100,000 it is an estimate from evenly spread samples, so that
    the time of the request does not depend on the number."""
    events_per_minute: list[int]
    """Events in each minute of the last hour, the oldest minute first."""
    lists: dict[str, int]
    """Number of lists by source; those from trending are fallbacks."""
    problems: dict[str, int]
    """Number of problems by HTTP status."""
    latencies: list[Latency]
    """Latencies by route, the most requested route first."""
    degraded: bool
    missing: str | None = None
    """Version of the deployed model that this process cannot open; the previous one serves."""
    learning: bool
    """Whether a training on new events is running."""


class MapItem(Answer):
    """An item as a point of the map."""

    item_id: TrainedId
    title: str | None = None
    category: str | None = None
    """The rarest of its categories."""
    categories: list[str] | None = None
    x: float
    y: float
    n: int
    """Number of interactions with it in the training data."""


class ItemMap(Answer):
    """Items as points of a plane, with x and y from -1 to 1, the most popular first."""

    items: list[MapItem]
    explained: float
    """The fraction of the variance of the item vectors that the plane explains."""
    model: str
    version: str


class DriftWindow(Answer):
    """Consecutive events, compared with the lists just before them."""

    from_time: int
    to_time: int
    n: int
    hit_rate: float
    """The fraction of events whose item was in the list."""
    low: float
    high: float
    """The 95% interval of the hit rate is from `low` to `high`."""
    popular_hit_rate: float
    """The hit rate of a list of the most popular items."""
    coverage: float
    """The fraction of the catalog in any of the lists."""
    listed_popularity: float
    """Mean popularity of the listed items: the fraction of the catalog that is less popular."""
    chosen_popularity: float
    """Mean popularity of the items that users chose."""


class Drift(Answer):
    """How well the current model's lists predict the newest events."""

    k: int
    n: int
    overall: DriftWindow | None = None
    """All events as one window; None if there are no events yet."""
    windows: list[DriftWindow]
    """In the order of time."""
    version: str


class LeaderboardModel(Answer):
    """One model of a comparison."""

    name: str
    rank: int
    fit_s: float | None = None
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p_value: float | None = None
    """P-value of the difference from the best model; None for the best model itself."""
    worse: bool
    """Whether the model is significantly worse than the best one."""


class LeaderboardResponse(Answer):
    """A comparison of models on the same split and protocol, best first."""

    metric: str
    """The metric that decides the order."""
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
    """One user's lists by several deployed models, that of the current model first."""

    user_id: TrainedId
    lists: list[ComparedList]
