"""What happened between the operator and its cards, for those who watch.

An entry is written in the transaction of what it tells, so that it tells the truth. Readers ask
for what came behind the last entry that they have seen and miss none, however many write.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from cardsync.operator.store.database import Connection


class Position(NamedTuple):
    """The place of an entry; that of the last one seen is given to `journal_since`."""

    transaction: int
    id: int


START = Position(0, 0)
PAGE = 500
"""Entries that are read at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when, which card, what, how many octets, how long it took (0: no matter)."""

    transaction: int
    id: int
    at: datetime
    iccid: str
    what: str
    octets: int
    milliseconds: int

    @property
    def position(self) -> Position:
        """Where to go on behind this entry."""
        return Position(self.transaction, self.id)


def note(
    connection: Connection,
    iccid: str,
    what: str,
    now: datetime,
    octets: int = 0,
    milliseconds: float = 0,
) -> None:
    """Write an entry; it is seen once the transaction is committed."""
    connection.execute(
        "INSERT INTO journal (at, iccid, what, octets, milliseconds) VALUES (%s, %s, %s, %s, %s)",
        [now, iccid, what, octets, round(milliseconds)],
    )


def journal_since(
    connection: Connection, after: Position = START, *, limit: int = PAGE
) -> list[Entry]:
    """Give at most `limit` entries behind `after`, in order.

    An entry is held back while a transaction that began before its own is still open: nothing
    can appear in front of what was given.
    """
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            "SELECT transaction::text::bigint AS transaction, id, at, iccid, what, octets, "
            "milliseconds FROM journal "
            "WHERE (transaction, id) > (%s::text::xid8, %s) "
            "AND transaction < pg_snapshot_xmin(pg_current_snapshot()) "
            "ORDER BY transaction, id LIMIT %s",
            [str(after.transaction), after.id, limit],
        ).fetchall()


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Delete entries older than `before`, at most `limit`; give their number."""
    return connection.execute(
        "DELETE FROM journal WHERE (transaction, id) IN "
        "(SELECT transaction, id FROM journal WHERE at < %s ORDER BY at LIMIT %s)",
        [before, limit],
    ).rowcount
