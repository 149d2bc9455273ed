"""Records of devices: their rows, their former versions, and the counters of each database.

Every statement carries `device_id`, and a batch is one argument of one statement, whatever its
length. A row is loaded without its content, changed in memory and written back once.
"""

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cardsync.operator.store.database import Connection

PAGE = 500
"""How many changes are read at a time: memory stays flat however many there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which database of which device."""

    device_id: int
    database: str

    @property
    def fields(self) -> dict[str, object]:
        """The two as arguments of a statement."""
        return {"device": self.device_id, "database": self.database}


@dataclass(slots=True)
class State:
    """The counters of a database, and its anchors: the last two, the newest first."""

    epoch: int
    serial: int
    own_serial: int
    anchors: list[list[str]]

    def next(self) -> int:
        """Take the next serial."""
        self.serial += 1
        return self.serial


@dataclass(slots=True)
class Row:
    """A record as `records` keeps it, without its content unless that is to be written.

    `there` is false for what was deleted. `epoch`, `own` and `at_peer` are as in the schema.
    """

    guid: str
    luid: str | None = None
    key: str | None = None
    digest: bytes | None = None
    serial: int = 0
    epoch: int = 0
    own: bool = False
    at_peer: bool = False
    there: bool = False
    kind: int | None = None
    label: str | None = None
    version: str | None = None
    data: bytes | None = None
    stored: bool = False
    """It was loaded with a content, which goes to the history when another one is written."""
    rewritten: bool = False
    """The content changed."""
    touched: bool = False
    """Anything else changed."""


def open_state(connection: Connection, place: Place) -> State:
    """Lock a database's counters until the end of the transaction; make them where missing."""
    query = (
        "SELECT epoch, serial, own_serial, anchors FROM device_database "
        "WHERE device_id = %(device)s AND database = %(database)s FOR UPDATE"
    )
    found = connection.execute(query, place.fields).fetchone()
    if found is None:
        connection.execute(
            "INSERT INTO device_database (device_id, database) "
            "VALUES (%(device)s, %(database)s) ON CONFLICT DO NOTHING",
            place.fields,
        )
        found = connection.execute(query, place.fields).fetchone()
    if found is None:
        raise LookupError(f"database {place.database!r} of device {place.device_id}")
    return State(*found)


def save_state(connection: Connection, place: Place, state: State) -> None:
    """Write the counters back."""
    connection.execute(
        "UPDATE device_database SET epoch = %(epoch)s, serial = %(serial)s, "
        "own_serial = %(own_serial)s, anchors = %(anchors)s::jsonb "
        "WHERE device_id = %(device)s AND database = %(database)s",
        {
            **place.fields,
            "epoch": state.epoch,
            "serial": state.serial,
            "own_serial": state.own_serial,
            "anchors": json.dumps(state.anchors),
        },
    )


def load(
    connection: Connection,
    place: Place,
    guids: Iterable[str] = (),
    luids: Iterable[str] = (),
    keys: Iterable[str] = (),
) -> list[Row]:
    """Load the rows that have one of these names."""
    found = connection.execute(
        "SELECT guid, luid, key, digest, serial, epoch, own, at_peer, data IS NOT NULL, "
        "kind, label, version FROM record "
        "WHERE device_id = %(device)s AND database = %(database)s AND "
        "(guid = ANY(%(guids)s) OR luid = ANY(%(luids)s) OR key = ANY(%(keys)s))",
        {**place.fields, "guids": list(guids), "luids": list(luids), "keys": list(keys)},
    )
    rows = [Row(*fields) for fields in found]
    for row in rows:
        row.stored = row.there
    return rows


def write(
    connection: Connection,
    place: Place,
    rows: Iterable[Row],
    now: datetime,
    lost: Collection[str] = (),
) -> int:
    """Write what changed in `rows`: contents with their history, or names and marks alone.

    `lost` names rows whose present version lost a conflict. Gives the number of contents.
    """
    changed = [row for row in rows if row.rewritten or row.touched]
    contents = [row for row in changed if row.rewritten]
    marks = [row for row in changed if not row.rewritten]
    ended: dict[str, list[str]] = {}
    for row in contents:
        if row.stored:
            how = "delete" if row.data is None else "replace"
            ended.setdefault("conflict" if row.guid in lost else how, []).append(row.guid)
    for how, guids in ended.items():
        _end(connection, place, guids, now, how)
    if contents:
        _write_contents(connection, place, contents, now)
    if marks:
        _write_marks(connection, place, marks)
    return len(contents)


def _end(
    connection: Connection, place: Place, guids: Sequence[str], now: datetime, how: str
) -> None:
    """Put the present versions into the history."""
    connection.execute(
        "INSERT INTO record_history (device_id, database, guid, serial, key, data, own, written, "
        "ended, ended_by) SELECT device_id, database, guid, serial, key, data, own, written, "
        "%(now)s, %(how)s FROM record WHERE device_id = %(device)s AND database = %(database)s "
        "AND guid = ANY(%(guids)s) AND data IS NOT NULL",
        {**place.fields, "guids": list(guids), "now": now, "how": how},
    )


def _write_contents(
    connection: Connection, place: Place, rows: Sequence[Row], now: datetime
) -> None:
    connection.execute(
        "INSERT INTO record (device_id, database, guid, luid, kind, key, label, version, data, "
        "digest, serial, epoch, own, at_peer, written) "
        "SELECT %(device)s, %(database)s, x.guid, x.luid, x.kind, x.key, x.label, x.version, "
        "decode(x.data, 'base64'), sha256(decode(x.data, 'base64')), x.serial, x.epoch, x.own, "
        "x.at_peer, %(now)s FROM jsonb_to_recordset(%(rows)s::jsonb) AS x(guid text, luid text, "
        "kind smallint, key text, label text, version text, data text, serial bigint, "
        "epoch integer, own boolean, at_peer boolean) "
        "ON CONFLICT (device_id, database, guid) DO UPDATE SET luid = excluded.luid, "
        "kind = excluded.kind, key = excluded.key, label = excluded.label, "
        "version = excluded.version, data = excluded.data, digest = excluded.digest, "
        "serial = excluded.serial, epoch = excluded.epoch, own = excluded.own, "
        "at_peer = excluded.at_peer, written = excluded.written",
        {**place.fields, "now": now, "rows": json.dumps([_content(row) for row in rows])},
    )


def _write_marks(connection: Connection, place: Place, rows: Sequence[Row]) -> None:
    connection.execute(
        "UPDATE record SET luid = x.luid, epoch = x.epoch, own = x.own, at_peer = x.at_peer "
        "FROM jsonb_to_recordset(%(rows)s::jsonb) AS x(guid text, luid text, epoch integer, "
        "own boolean, at_peer boolean) WHERE record.device_id = %(device)s "
        "AND record.database = %(database)s AND record.guid = x.guid",
        {**place.fields, "rows": json.dumps([_marks(row) for row in rows])},
    )


def _marks(row: Row) -> dict[str, object]:
    return {
        "guid": row.guid,
        "luid": row.luid,
        "epoch": row.epoch,
        "own": row.own,
        "at_peer": row.at_peer,
    }


def _content(row: Row) -> dict[str, object]:
    return _marks(row) | {
        "kind": row.kind,
        "key": row.key,
        "label": row.label,
        "version": row.version,
        "data": None if row.data is None else base64.b64encode(row.data).decode(),
        "serial": row.serial,
    }


_CHANGED = (
    "device_id = %(device)s AND database = %(database)s AND serial > %(since)s "
    "AND (own OR epoch < %(epoch)s) "
    "AND (data IS NOT NULL OR (at_peer AND epoch = %(epoch)s))"
)
"""Rows that the peer has yet to hear of. What it has not sent since a new epoch counts as ours."""

Changed = tuple[str, str | None, bytes | None, int, bool, str | None, bytes | None]
"""guid, luid, data, serial, whether it is at the peer, key, digest."""

_FIELDS = "guid, luid, data, serial, at_peer AND epoch = %(epoch)s, key, digest"


def changed(connection: Connection, place: Place, epoch: int, since: int) -> Iterator[Changed]:
    """Give the rows that the peer has yet to hear of, the oldest change first."""
    query = f"SELECT {_FIELDS} FROM record WHERE {_CHANGED} ORDER BY serial LIMIT %(limit)s"  # noqa: S608 - constants of this file
    return _paged(connection, query, {**place.fields, "epoch": epoch}, since)


def all_rows(connection: Connection, place: Place, epoch: int) -> Iterator[Changed]:
    """Give every row that is there, the oldest change first."""
    query = (
        f"SELECT {_FIELDS} FROM record WHERE device_id = %(device)s AND database = %(database)s "  # noqa: S608 - constants of this file
        "AND data IS NOT NULL AND serial > %(since)s ORDER BY serial LIMIT %(limit)s"
    )
    return _paged(connection, query, {**place.fields, "epoch": epoch}, 0)


def _paged(
    connection: Connection, query: str, arguments: dict[str, object], since: int
) -> Iterator[Changed]:
    while True:
        page = connection.execute(
            query.encode(), {**arguments, "since": since, "limit": PAGE}
        ).fetchall()
        for fields in page:
            row: Changed = fields
            yield row
            since = row[3]
        if len(page) < PAGE:
            return


def alike(
    connection: Connection,
    place: Place,
    epoch: int,
    since: int,
    luids: Sequence[str],
    digests: Sequence[bytes],
    keys: Sequence[str],
) -> list[Changed]:
    """Give, of what `changed` would, the rows with such a name, or not at the peer and alike."""
    query = (
        f"SELECT {_FIELDS} FROM record WHERE {_CHANGED} AND (luid = ANY(%(luids)s) "  # noqa: S608 - constants of this file
        "OR (data IS NOT NULL AND NOT (at_peer AND epoch = %(epoch)s) "
        "AND (digest = ANY(%(digests)s) OR key = ANY(%(keys)s)))) ORDER BY serial"
    )
    arguments = {"epoch": epoch, "since": since, "luids": luids, "digests": digests, "keys": keys}
    found: list[Changed] = connection.execute(query.encode(), place.fields | arguments).fetchall()
    return found


def prune(connection: Connection, place: Place, epoch: int, now: datetime) -> int:
    """Remove what is of an older epoch; give how many records were there."""
    arguments = {**place.fields, "epoch": epoch, "now": now}
    ended = connection.execute(
        "INSERT INTO record_history (device_id, database, guid, serial, key, data, own, written, "
        "ended, ended_by) SELECT device_id, database, guid, serial, key, data, own, written, "
        "%(now)s, 'refresh' FROM record WHERE device_id = %(device)s "
        "AND database = %(database)s AND epoch < %(epoch)s AND data IS NOT NULL",
        arguments,
    )
    connection.execute(
        "DELETE FROM record WHERE device_id = %(device)s AND database = %(database)s "
        "AND epoch < %(epoch)s",
        arguments,
    )
    return ended.rowcount


def keep(
    connection: Connection,
    place: Place,
    losers: Sequence[tuple[str, int, str | None, bytes, bool]],
    now: datetime,
) -> None:
    """Put versions that lost a conflict into the history: guid, serial, key, data, own."""
    lost = [
        {"guid": guid, "serial": serial, "key": key, "own": own, "data": _base64(data)}
        for guid, serial, key, data, own in losers
    ]
    connection.execute(
        "INSERT INTO record_history (device_id, database, guid, serial, key, data, own, written, "
        "ended, ended_by) SELECT %(device)s, %(database)s, x.guid, x.serial, x.key, "
        "decode(x.data, 'base64'), x.own, %(now)s, %(now)s, 'conflict' "
        "FROM jsonb_to_recordset(%(rows)s::jsonb) "
        "AS x(guid text, serial bigint, key text, data text, own boolean)",
        {**place.fields, "now": now, "rows": json.dumps(lost)},
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
