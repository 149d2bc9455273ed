"""Records of devices: their rows, their former versions, and the counters of each database.

Every statement carries `device_id`, and a batch is one argument of one statement, whatever its
length. A row is loaded without its content, changed in memory and written back once.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    known: bool = False
    """It was loaded: the table has it."""
    stored: bool = False
    """It was loaded with a content, which goes to the history when another one is written."""
    before: int | None = None
    """The kind of that content."""
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
    guids: Collection[str] = (),
    luids: Collection[str] = (),
    keys: Collection[str] = (),
) -> list[Row]:
    """Load the rows that have one of these names."""
    names: dict[str, Collection[str]] = {"guid": guids, "luid": luids, "key": keys}
    found: dict[str, Row] = {}
    for fields in probe(connection, place, _LOADED, names):
        row = Row(*fields)
        row.known, row.stored = True, row.there
        row.before = row.kind if row.there else None
        found[row.guid] = row
    return list(found.values())


_LOADED = (
    "guid, luid, key, digest, serial, epoch, own, at_peer, data IS NOT NULL, kind, label, version"
)


def probe(
    connection: Connection,
    place: Place,
    fields: str,
    names: Mapping[str, Collection[object]],
    where: str = "true",
    arguments: Mapping[str, object] | None = None,
) -> list[tuple[Any, ...]]:
    """Read the rows that have one of these names, by column; one that has two comes twice.

    Every name is looked up in the index of its column, which the range and its order tie the
    planner to. Asked plainly (`=`, `= ANY`, a join) one that has no statistics yet, as after a
    first refresh, takes any index that begins with the device and reads the whole database.
    """
    parts = [
        f"SELECT r.* FROM {_list(column)} AS n(name) "  # noqa: S608 - constants of our files
        f"CROSS JOIN LATERAL (SELECT {fields} FROM record "
        f"WHERE device_id = %(device)s AND database = %(database)s AND {column} "
        f"BETWEEN n.name AND n.name AND {where} ORDER BY {column} OFFSET 0) AS r"
        for column, held in names.items()
        if held
    ]
    if not parts:
        return []
    lists = {
        column: list(held) if column == "digest" else json.dumps(list(held))
        for column, held in names.items()
        if held
    }
    return connection.execute(
        " UNION ALL ".join(parts).encode(), {**place.fields, **lists, **(arguments or {})}
    ).fetchall()


def _list(column: str) -> str:
    """Give the names of an argument as rows. JSON is many times faster to write than an array."""
    if column == "digest":
        return "unnest(%(digest)s::bytea[])"
    return f"jsonb_array_elements_text(%({column})s::jsonb)"


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
    _add(connection, place, [row for row in contents if not row.known], now)
    _rewrite(connection, place, [row for row in contents if row.known], now)
    _write_marks(connection, place, marks)
    return len(contents)


def grown(rows: Iterable[Row]) -> tuple[int, int]:
    """Tell how many parameters and applications more there are once `rows` are written."""
    parameters = applications = 0
    for row in rows:
        if row.rewritten:
            after = row.kind if row.there else None
            parameters += (after == 0) - (row.before == 0)
            applications += (after == 1) - (row.before == 1)
    return parameters, applications


def _end(
    connection: Connection, place: Place, guids: Sequence[str], now: datetime, how: str
) -> None:
    """Put the present versions into the history."""
    connection.execute(
        "INSERT INTO record_history (device_id, database, guid, serial, key, data, own, written, "
        "ended, ended_by) SELECT r.*, %(now)s, %(how)s FROM unnest(%(guids)s::text[]) AS n(guid) "
        "CROSS JOIN LATERAL (SELECT device_id, database, guid, serial, key, data, own, written "
        "FROM record WHERE device_id = %(device)s AND database = %(database)s "
        "AND guid BETWEEN n.guid AND n.guid AND data IS NOT NULL ORDER BY guid OFFSET 0) AS r",
        {**place.fields, "guids": list(guids), "now": now, "how": how},
    )


_COLUMNS = (
    "guid, luid, kind, key, label, version, data, digest, serial, epoch, own, at_peer, "
    "device_id, database, written"
)
_TYPES = (
    "text", "text", "int2", "text", "text", "text", "bytea", "bytea", "int8", "int4", "bool",
    "bool", "int8", "text", "timestamptz",
)  # fmt: skip


def _add(connection: Connection, place: Place, rows: Sequence[Row], now: datetime) -> None:
    """Add rows that the table does not have; COPY is the shortest way in."""
    if not rows:
        return
    end = (place.device_id, place.database, now)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY record ({_COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row((*_content(row), *end))


def _rewrite(connection: Connection, place: Place, rows: Sequence[Row], now: datetime) -> None:
    """Give rows that are there a new content. What conflicts is found by the primary key."""
    if not rows:
        return
    columns = [list(column) for column in zip(*map(_content, rows), strict=True)]
    connection.execute(
        f"INSERT INTO record ({_COLUMNS}) SELECT x.*, %s, %s, %s FROM unnest(%s::text[], "  # noqa: S608 - constants of this file
        "%s::text[], %s::smallint[], %s::text[], %s::text[], %s::text[], %s::bytea[], "
        "%s::bytea[], %s::bigint[], %s::integer[], %s::boolean[], %s::boolean[]) AS x "
        "ON CONFLICT (device_id, database, guid) DO UPDATE SET luid = excluded.luid, "
        "kind = excluded.kind, key = excluded.key, label = excluded.label, "
        "version = excluded.version, data = excluded.data, digest = excluded.digest, "
        "serial = excluded.serial, epoch = excluded.epoch, own = excluded.own, "
        "at_peer = excluded.at_peer, written = excluded.written".encode(),
        [place.device_id, place.database, now, *columns],
    )


def _write_marks(connection: Connection, place: Place, rows: Sequence[Row]) -> None:
    """Change names and marks; by way of a conflict too, so that no plan reads the database."""
    if not rows:
        return
    marks = [
        {"guid": row.guid, "luid": row.luid, "epoch": row.epoch, "own": row.own, "at": row.at_peer}
        for row in rows
    ]
    connection.execute(
        "INSERT INTO record (device_id, database, serial, written, guid, luid, epoch, own, "
        "at_peer) SELECT %(device)s, %(database)s, 0, 'epoch'::timestamptz, x.* "
        "FROM jsonb_to_recordset(%(marks)s::jsonb) "
        "AS x(guid text, luid text, epoch integer, own boolean, at boolean) "
        "ON CONFLICT (device_id, database, guid) DO UPDATE SET luid = excluded.luid, "
        "epoch = excluded.epoch, own = excluded.own, at_peer = excluded.at_peer",
        {**place.fields, "marks": json.dumps(marks)},
    )


def _content(row: Row) -> tuple[object, ...]:
    return (
        *(row.guid, row.luid, row.kind, row.key, row.label, row.version, row.data, row.digest),
        *(row.serial, row.epoch, row.own, row.at_peer),
    )


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
    connection: Connection, place: Place, epoch: int, since: int, names: Mapping[str, list[Any]]
) -> list[Changed]:
    """Give, of what `changed` would, the rows with such a luid, or not at the peer and alike."""
    arguments = {"epoch": epoch, "since": since}
    alike = f"{_CHANGED} AND data IS NOT NULL AND NOT (at_peer AND epoch = %(epoch)s)"
    named = {"luid": names.get("luid", [])}
    same = {name: held for name, held in names.items() if name != "luid"}
    found = {
        row[0]: row
        for row in (
            *probe(connection, place, _FIELDS, named, _CHANGED, arguments),
            *probe(connection, place, _FIELDS, same, alike, arguments),
        )
    }
    return sorted(found.values(), key=lambda row: row[3])


def prune(connection: Connection, place: Place, epoch: int, now: datetime) -> tuple[int, int, int]:
    """Remove what is of an older epoch; count records, and among them parameters, applications."""
    arguments = {**place.fields, "epoch": epoch, "now": now}
    connection.execute(
        "INSERT INTO record_history (device_id, database, guid, serial, key, data, own, written, "
        "ended, ended_by) SELECT device_id, database, guid, serial, key, data, own, written, "
        "%(now)s, 'refresh' FROM record WHERE device_id = %(device)s "
        "AND database = %(database)s AND epoch < %(epoch)s AND data IS NOT NULL",
        arguments,
    )
    counted = connection.execute(
        "WITH gone AS (DELETE FROM record WHERE device_id = %(device)s "
        "AND database = %(database)s AND epoch < %(epoch)s RETURNING kind, data) "
        "SELECT count(data), count(data) FILTER (WHERE kind = 0), "
        "count(data) FILTER (WHERE kind = 1) FROM gone",
        arguments,
    ).fetchone()
    return counted or (0, 0, 0)


def keep(
    connection: Connection,
    place: Place,
    losers: Sequence[tuple[str, int, str | None, bytes, bool]],
    now: datetime,
) -> None:
    """Put versions that lost a conflict into the history: guid, serial, key, data, own."""
    columns = [list(column) for column in zip(*losers, strict=True)]
    connection.execute(
        "INSERT INTO record_history (device_id, database, written, ended, ended_by, guid, serial, "
        "key, data, own) SELECT %s, %s, %s, %s, 'conflict', x.* FROM unnest(%s::text[], "
        "%s::bigint[], %s::text[], %s::bytea[], %s::boolean[]) AS x",
        [place.device_id, place.database, now, now, *columns],
    )
