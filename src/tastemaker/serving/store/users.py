"""The user store: the features of users, read together with what the users touched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from tastemaker.serving.store.database import ChangeToken, Database
from tastemaker.serving.store.tables import counters, events, users
from tastemaker.serving.store.touches import OF_HISTORY, Touched, standing_events

MAX_EVENTS_OF_USER = 10_000
"""Maximum number of events read of one user: those that arrived last."""

USERS_AT_ONCE = 5_000
"""Maximum number of users in one page of all users."""


class UserRecord(NamedTuple):
    """The features of a user."""

    user_id: str
    features: Mapping[str, Any]
    """Features by name that were sent since the training; None for a missing value."""


class StoredUser(NamedTuple):
    """What the database has stored about a user, on which the lists of the user depend."""

    touched: Sequence[Touched] = ()
    """The events that stand: by time, and for equal times by arrival."""
    features: Mapping[str, Any] | None = None
    """As in UserRecord; None if no features were sent."""


class UsersRead(NamedTuple):
    """What is stored about some users, and the state of the database at that moment."""

    token: ChangeToken
    users: dict[str, StoredUser]
    """By key; all users that were requested."""


class UserStore:
    """Users in the database; safe for several threads, processes and machines at once.

    Deletion is in `EventStore.forget`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = (sqlite if database.is_sqlite else postgresql).insert(users)
        self._upsert = insert.on_conflict_do_update(
            index_elements=["user_id"], set_={"features": insert.excluded.features}
        )

    def put(self, records: Sequence[UserRecord]) -> None:
        """Stores features, all or none; those stored before of the same users are replaced.

        If a user occurs twice, the last record is stored.

        Raises:
            DatabaseUnavailableError: nothing was stored.
        """
        # In the order of their keys, so that two writers cannot deadlock at the rows of users.
        latest = {record.user_id: record.features for record in records}
        rows = [{"user_id": key, "features": dict(latest[key])} for key in sorted(latest)]
        with self._database.writing() as connection:
            connection.execute(self._upsert, rows)

    def pages(self) -> Iterator[list[UserRecord]]:
        """Yields all users with features in the order of their keys, up to USERS_AT_ONCE at a time.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        last = ""
        while True:
            with self._database.reading() as connection:
                page = [UserRecord(*row) for row in connection.execute(_PAGE, {"last": last})]
            if not page:
                return
            last = page[-1].user_id
            yield page

    def features(self, user_id: str) -> dict[str, Any] | None:
        """Returns the features of a user; None if none were sent.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            return connection.scalar(_FEATURES, {"user": user_id})

    def read(self, user_ids: Sequence[str]) -> UsersRead:
        """Reads users and the database's change token, in one query on PostgreSQL.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        if self._database.is_sqlite:
            return UsersRead(self._database.change_token(), dict(self.read_each(user_ids)))
        with self._database.reading() as connection:
            rows = connection.execute(_USERS_AND_COUNTERS, {"users": list(user_ids)}).all()
        values = {row.item_id: row.timestamp for row in rows if row.user_id is None}
        arrived: dict[str, list[tuple[Any, ...]]] = {user_id: [] for user_id in user_ids}
        features = {}
        for user_id, seq, *event in rows:
            if user_id is None:
                continue
            if seq == 0:
                features[user_id] = orjson.loads(event[0])
            else:
                arrived[user_id].append((seq, *event))
        return UsersRead(
            ChangeToken.of(values),
            {
                user_id: StoredUser(
                    standing_events(event[1:] for event in sorted(user_rows, key=itemgetter(0))),
                    features.get(user_id),
                )
                for user_id, user_rows in arrived.items()
            },
        )

    def read_each(self, user_ids: Iterable[str]) -> Iterator[tuple[str, StoredUser]]:
        """Yields each user, one after the other to limit memory.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._database.reading() as connection:
            for user_id in user_ids:
                newest_first = connection.execute(_EVENTS_OF_USER, {"user": user_id}).all()
                features = connection.scalar(_FEATURES, {"user": user_id})
                yield user_id, StoredUser(standing_events(reversed(newest_first)), features)


_EVENTS_OF_USER = (
    sql.select(*OF_HISTORY)
    .where(events.c.user_id == sql.bindparam("user"))
    .order_by(events.c.seq.desc())
    .limit(MAX_EVENTS_OF_USER)
)
_FEATURES = sql.select(users.c.features).where(users.c.user_id == sql.bindparam("user"))
_PAGE = (
    sql.select(users.c.user_id, users.c.features)
    .where(users.c.user_id > sql.bindparam("last"))
    .order_by(users.c.user_id)
    .limit(USERS_AT_ONCE)
)
_REQUESTED = (
    sql.func.unnest(sql.bindparam("users", type_=postgresql.ARRAY(sql.String)))
    .table_valued("user_id")
    .render_derived(name="requested")
)
_LATEST = (
    sql.select(events.c.seq, *OF_HISTORY)
    .where(events.c.user_id == _REQUESTED.c.user_id)
    .order_by(events.c.seq.desc())
    .limit(MAX_EVENTS_OF_USER)
    .lateral()
)
_USERS_AND_COUNTERS = sql.union_all(
    sql.select(_REQUESTED.c.user_id, *_LATEST.c).select_from(_REQUESTED.join(_LATEST, sql.true())),
    sql.select(
        users.c.user_id, sql.literal(0), sql.cast(users.c.features, sql.Text), sql.literal(0),
        sql.literal(""), sql.null(),
    ).select_from(_REQUESTED.join(users, users.c.user_id == _REQUESTED.c.user_id)),
    sql.select(
        sql.null(), sql.literal(0), counters.c.name, counters.c.value, sql.literal(""), sql.null()
    ),
)  # fmt: skip
"""Events of the requested users; their features in JSON, as rows with the number 0, which no event
has; and the counters, as rows without a user. For PostgreSQL."""
