"""What is owed to each card: a durable queue of packets in PostgreSQL.

Of one card at most one packet is under way, and packets go in the order in which they were
enqueued; the database refuses anything else (index `outbox_under_way`). A row is claimed for the
time of a lease. Its counter is taken once and committed before the packet leaves, and each
repetition is the same octets under the same counter, which a card executes at most once
(TS 102 225 clause 5.1.4). All functions work in the transaction of their caller.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import LiteralString

from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from cardsync.operator.store.database import Connection

CHANNEL = "outbox"
"""PostgreSQL notifies it when there may be something to claim."""

MOST_TRIES = 8
"""How often one packet is sent, whatever its row's time to live says."""

LEASE = timedelta(seconds=60)
"""How long a claimed row belongs to its gateway."""

_FIRST_WAIT = timedelta(seconds=60)
_LONGEST_WAIT = timedelta(hours=6)
_BACK_OFF = 4


class State(IntEnum):
    """Where a row stands. SENDING and SENT: the packet may be in the card already."""

    QUEUED = 0
    SENDING = 1
    SENT = 2
    DONE = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Order:
    """A script or message for the application `tar` of a card.

    Of a card's unfinished rows at most one has a given `once`. A `repeatable` script has the same
    effect executed twice. `content` is what the card has when it is done (None: as before).
    """

    iccid: str
    purpose: str
    tar: bytes
    data: bytes = field(repr=False)
    expires: datetime
    key_set: int = 1
    once: str | None = None
    repeatable: bool = False
    content: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; `tries` counts this try too, `sent` is when it began."""

    id: int
    iccid: str
    purpose: str
    tar: bytes
    data: bytes = field(repr=False)
    key_set: int
    counter: int | None
    repeatable: bool
    content: Mapping[str, object] | None
    state: State
    due: datetime
    expires: datetime
    tries: int
    message_ids: Sequence[str]
    status: int | None
    response: bytes | None = field(repr=False)
    reason: str | None
    created: datetime
    sent: datetime | None
    done: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", State(self.state))

    @property
    def may_have_arrived(self) -> bool:
        """Whether the packet, under its present counter, may be in the card."""
        return self.counter is not None


_COLUMNS = SQL(", ").join([Identifier("one", name) for name in Row.__dataclass_fields__])


def wait_after(tries: int) -> timedelta:
    """How long a proof of receipt is waited for when `tries` packets have gone."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * float(_BACK_OFF ** (tries - 1)))


def enqueue(connection: Connection, orders: Sequence[Order], now: datetime) -> list[int]:
    """Owe orders, in this order; give the numbers of the new rows.

    An order whose `once` a card's unfinished row has already is passed over.
    """
    columns = zip(
        *[
            (
                order.iccid,
                order.purpose,
                order.once,
                order.tar,
                order.data,
                order.key_set,
                order.repeatable,
                None if order.content is None else json.dumps(order.content),
                order.expires,
            )
            for order in orders
        ],
        strict=True,
    )
    rows = connection.execute(
        "INSERT INTO outbox (iccid, purpose, once, tar, data, key_set, repeatable, content, "
        "expires, due, created) "
        "SELECT iccid, purpose, once, tar, data, key_set, repeatable, content, expires, %s, %s "
        "FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], "
        "%s::smallint[], %s::boolean[], %s::jsonb[], %s::timestamptz[]) WITH ORDINALITY "
        "AS given (iccid, purpose, once, tar, data, key_set, repeatable, content, expires, place) "
        "ORDER BY place ON CONFLICT (iccid, once) WHERE state < 3 DO NOTHING RETURNING id",
        [now, now, *([list(column) for column in columns] or [[]] * 9)],
    ).fetchall()
    _notify(connection)
    return [number for (number,) in rows]


def claim(connection: Connection, now: datetime, *, limit: int = 100) -> list[Row]:
    """Take the due head of up to `limit` cards' queues for `LEASE`: each is to be sent now.

    Commit before sending. Raises `psycopg.errors.UniqueViolation` in the rare case that rows of
    one card were committed in another order than that of their numbers: try again.
    """
    return _rows(
        connection,
        "WITH head AS MATERIALIZED ("
        "SELECT first.id FROM outbox AS first "
        "WHERE first.state < 3 AND first.due <= %(now)s AND first.expires > %(now)s "
        "AND first.status IS NULL AND first.tries < %(tries)s "
        "AND NOT EXISTS (SELECT FROM outbox AS other WHERE other.iccid = first.iccid "
        "AND other.state < 3 AND other.id <> first.id "
        "AND (other.state IN (1, 2) OR (first.state = 0 AND other.id < first.id))) "
        "ORDER BY first.due, first.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) "
        "UPDATE outbox AS one SET state = 1, tries = one.tries + 1, sent = %(now)s, "
        "due = least(%(lease)s, one.expires) FROM head WHERE one.id = head.id "
        "RETURNING {columns}",
        {"now": now, "lease": now + LEASE, "tries": MOST_TRIES, "limit": limit},
    )


def resume(connection: Connection, now: datetime) -> int:
    """Make due at once what a gateway that is no more had under way; give how many rows.

    For a start at which no other gateway works on this database: it saves the wait for the end
    of the leases. The same octets leave again; a card that had them says "counter low".
    """
    return connection.execute(
        "UPDATE outbox SET due = %(now)s WHERE state IN (1, 2) AND due > %(now)s", {"now": now}
    ).rowcount


def overdue(connection: Connection, now: datetime) -> Row | None:
    """Lock one row that nothing more is to be waited for: it has to be ended, or begun anew.

    It has expired, or was sent `MOST_TRIES` times, or the card says that it was there before.
    """
    found = _rows(
        connection,
        "SELECT {columns} FROM outbox AS one WHERE one.state < 3 AND one.due <= %(now)s "
        "AND (one.expires <= %(now)s OR one.tries >= %(tries)s OR one.status IS NOT NULL) "
        "ORDER BY one.due LIMIT 1 FOR UPDATE SKIP LOCKED",
        {"now": now, "tries": MOST_TRIES},
    )
    return found[0] if found else None


def assign(connection: Connection, row: Row, counter: int) -> Row | None:
    """Give a claimed row the counter of its packet; None where the lease ran out meanwhile."""
    changed = connection.execute(
        "UPDATE outbox SET counter = %s "
        "WHERE id = %s AND state = 1 AND tries = %s AND counter IS NULL",
        [counter, row.id, row.tries],
    )
    return replace(row, counter=counter) if changed.rowcount else None


def sent(connection: Connection, row: Row, message_ids: Sequence[str], due: datetime) -> bool:
    """Note that the packet went, or went perhaps; it goes again when `due`.

    Gives False where this try is no longer the present one: a proof of receipt came before, or
    the lease ran out.
    """
    changed = connection.execute(
        "UPDATE outbox SET state = 2, message_ids = %s, due = least(%s, expires) "
        "WHERE id = %s AND state = 1 AND tries = %s",
        [list(message_ids), due, row.id, row.tries],
    )
    return changed.rowcount == 1


def wait(connection: Connection, row: Row, due: datetime, status: int | None = None) -> None:
    """Wait for a further answer of the card until `due`; a `status` then ends the row."""
    connection.execute(
        "UPDATE outbox SET state = 2, due = least(%s, expires), status = %s "
        "WHERE id = %s AND state < 3",
        [due, status, row.id],
    )


def again(connection: Connection, row: Row, now: datetime) -> None:
    """Let a row begin anew under another counter."""
    connection.execute(
        "UPDATE outbox SET state = 0, counter = NULL, status = NULL, due = %s "
        "WHERE id = %s AND state < 3",
        [now, row.id],
    )
    _notify(connection)


def finish(
    connection: Connection,
    row: Row,
    now: datetime,
    *,
    reason: str | None = None,
    status: int | None = None,
    response: bytes | None = None,
) -> None:
    """End a row: as done, or as failed where there is a `reason`."""
    connection.execute(
        "UPDATE outbox SET state = %s, done = %s, reason = %s, status = %s, response = %s "
        "WHERE id = %s AND state < 3",
        [State.FAILED if reason else State.DONE, now, reason, status, response, row.id],
    )
    _notify(connection)


def withdraw(connection: Connection, iccid: str, now: datetime, reason: str) -> int:
    """End the rows of a card that would change its content and have not left; count them."""
    ended = connection.execute(
        "UPDATE outbox SET state = 4, done = %s, reason = %s "
        "WHERE iccid = %s AND state = 0 AND counter IS NULL AND content IS NOT NULL",
        [now, reason, iccid],
    )
    return ended.rowcount


def unfinished(connection: Connection, iccid: str) -> list[Row]:
    """Give what is still owed to a card, in order."""
    return _rows(
        connection,
        "SELECT {columns} FROM outbox AS one WHERE one.iccid = %s AND one.state < 3 "
        "ORDER BY one.id",
        [iccid],
    )


def recent(connection: Connection, iccid: str, *, limit: int = 8) -> list[Row]:
    """Give the last rows of a card, the newest first."""
    return _rows(
        connection,
        "SELECT {columns} FROM outbox AS one WHERE one.iccid = %s ORDER BY one.id DESC LIMIT %s",
        [iccid, limit],
    )


def provable(connection: Connection, iccid: str, *, limit: int = 8) -> list[Row]:
    """Give the last rows of a card whose packets may be in it: the unfinished one first."""
    return _rows(
        connection,
        "SELECT {columns} FROM outbox AS one WHERE one.iccid = %s AND one.counter IS NOT NULL "
        "ORDER BY one.state < 3 DESC, one.id DESC LIMIT %s",
        [iccid, limit],
    )


def lock(connection: Connection, number: int) -> Row | None:
    """Lock an unfinished row until the end of the transaction; None if it is finished."""
    found = _rows(
        connection,
        "SELECT {columns} FROM outbox AS one WHERE one.id = %s AND one.state < 3 FOR UPDATE",
        [number],
    )
    return found[0] if found else None


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Delete rows that ended before a time, at most `limit`; give their number."""
    return connection.execute(
        "DELETE FROM outbox WHERE id IN "
        "(SELECT id FROM outbox WHERE state >= 3 AND done < %s ORDER BY done LIMIT %s)",
        [before, limit],
    ).rowcount


def _rows(
    connection: Connection, query: LiteralString, values: Sequence[object] | Mapping[str, object]
) -> list[Row]:
    statement = SQL(query).format(columns=_COLUMNS)
    with connection.cursor(row_factory=class_row(Row)) as cursor:
        return cursor.execute(statement, values).fetchall()


def _notify(connection: Connection) -> None:
    connection.execute("SELECT pg_notify(%s, '')", [CHANNEL])
