"""A database of a device as it was before: the history put back, as changes of the operator.

Nothing is copied when a refresh begins, for nothing is lost in it: what it replaces or removes
goes to the history. So the history is the snapshot of every moment, and costs what has changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cardsync.errors import LocalError
from cardsync.operator.store.database import Connection
from cardsync.operator.store.datastore import PostgresDatastore
from cardsync.operator.store.records import Place
from cardsync.syncml.elements import AlertCode

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Restored:
    """How many records were put back, and how many, which were not there then, removed."""

    back: int
    removed: int


def last_refresh(connection: Connection, place: Place) -> datetime | None:
    """Give the moment before the device last sent everything anew and changed something."""
    row = connection.execute(
        "SELECT max(started) FROM sync_log WHERE device_id = %(device)s "
        "AND database = %(database)s AND performed = %(refresh)s AND written > 0",
        {**place.fields, "refresh": int(AlertCode.REFRESH_FROM_CLIENT)},
    ).fetchone()
    found: datetime | None = row[0] if row else None
    return found


def restore(connection: Connection, place: Place, moment: datetime, now: datetime) -> Restored:
    """Make the database what it was just before a moment; the device hears of it the next time.

    Raises `LocalError` for a moment to which the history does not reach back.
    """
    _check_reach(connection, moment)
    store = PostgresDatastore(connection, place, now)
    removed = back = 0
    for guids in _pages(connection, place, moment, _YOUNGER):
        store.remove_all([guid for guid, _ in guids])
        removed += len(guids)
    for versions in _pages(connection, place, moment, _FORMER):
        store.put_all({guid: bytes(data) for guid, data in versions})
        back += len(versions)
    return Restored(back, removed)


def forget(connection: Connection, before: datetime, devices: Sequence[object]) -> int:
    """Delete the versions of these devices that ended before a time; give how many.

    From then on the history reaches back to that time and no farther.
    """
    connection.execute(
        "INSERT INTO forgotten (what, before) VALUES ('history', %s) ON CONFLICT (what) "
        "DO UPDATE SET before = greatest(forgotten.before, excluded.before)",
        [before],
    )
    return connection.execute(
        "DELETE FROM record_history WHERE device_id = ANY(%s) AND ended < %s",
        [list(devices), before],
    ).rowcount


def _check_reach(connection: Connection, moment: datetime) -> None:
    row = connection.execute("SELECT before FROM forgotten WHERE what = 'history'").fetchone()
    if row is not None and moment < row[0]:
        raise LocalError(
            f"the history reaches back to {row[0].isoformat(timespec='seconds')}; what was before "
            "is not kept"
        )


_FORMER = (
    "SELECT guid, data FROM record_history WHERE device_id = %(device)s "
    "AND database = %(database)s AND written < %(moment)s AND ended >= %(moment)s "
    "AND guid > %(after)s ORDER BY guid LIMIT %(page)s"
)
"""The versions of then that are no more."""

_YOUNGER = (
    "SELECT guid, NULL FROM record r WHERE device_id = %(device)s AND database = %(database)s "
    "AND data IS NOT NULL AND written >= %(moment)s AND guid > %(after)s "
    "AND NOT EXISTS (SELECT FROM record_history h WHERE h.device_id = r.device_id "
    "AND h.database = r.database AND h.guid = r.guid AND h.written < %(moment)s "
    "AND h.ended >= %(moment)s) ORDER BY guid LIMIT %(page)s"
)
"""The records that were not there then."""


def _pages(
    connection: Connection, place: Place, moment: datetime, query: str
) -> Iterator[list[tuple[str, bytes]]]:
    after = ""
    while True:
        arguments = {**place.fields, "moment": moment, "after": after, "page": _PAGE}
        page = connection.execute(query.encode(), arguments).fetchall()
        if page:
            yield [(guid, data) for guid, data in page]
            after = page[-1][0]
        if len(page) < _PAGE:
            return
