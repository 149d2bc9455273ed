"""What the pages and the API read of a device: databases, records, former versions, cards."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cardsync.operator.store.database import Connection
from cardsync.operator.store.records import Place

PAGE = 500


@dataclass(frozen=True, slots=True)
class Item:
    """A record that is there. `kind` is 0 for a parameter, 1 for an application."""

    guid: str
    luid: str | None
    kind: int | None
    key: str | None
    label: str | None
    version: str | None
    data: bytes
    digest: bytes
    from_operator: bool
    written: datetime


@dataclass(frozen=True, slots=True)
class Former:
    """A version that is no more: `data` held from `written` to `ended`, and how it ended."""

    database: str
    guid: str
    key: str | None
    data: bytes
    from_operator: bool
    written: datetime
    ended: datetime
    ended_by: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """A card came into a device; `came_from` is the device in which it was before."""

    since: datetime
    iccid: str
    came_from: int | None


def databases(connection: Connection, device_id: int) -> list[str]:
    """Name the databases of a device."""
    rows = connection.execute(
        "SELECT database FROM device_database WHERE device_id = %s ORDER BY database", [device_id]
    )
    return [name for (name,) in rows]


def items(connection: Connection, place: Place, after: str = "", limit: int = PAGE) -> list[Item]:
    """Read the records of a database whose guid follows `after`."""
    rows = connection.execute(
        "SELECT guid, luid, kind, key, label, version, data, digest, own, written FROM record "
        "WHERE device_id = %(device)s AND database = %(database)s AND data IS NOT NULL "
        "AND guid > %(after)s ORDER BY guid LIMIT %(limit)s",
        {**place.fields, "after": after, "limit": limit},
    )
    return [Item(*row) for row in rows]


def all_items(connection: Connection, place: Place) -> Iterator[Item]:
    """Read all records of a database, page by page."""
    after = ""
    while page := items(connection, place, after):
        yield from page
        after = page[-1].guid


def collection_digest(connection: Connection, place: Place) -> tuple[int, str]:
    """Count the records and give one SHA-256 over all, as `syncml.record` defines it."""
    rows = connection.execute(
        "SELECT digest FROM record WHERE device_id = %(device)s AND database = %(database)s "
        "AND data IS NOT NULL ORDER BY digest",
        place.fields,
    ).fetchall()
    return len(rows), sha256(b"".join([digest for (digest,) in rows])).hexdigest()


def history(connection: Connection, device_id: int, limit: int) -> list[Former]:
    """Read former versions of a device's records, those that ended last first."""
    rows = connection.execute(
        "SELECT database, guid, key, data, own, written, ended, ended_by FROM record_history "
        "WHERE device_id = %s ORDER BY ended DESC, guid LIMIT %s",
        [device_id, limit],
    )
    return [Former(*row) for row in rows]


def pairings(connection: Connection, device_id: int, limit: int) -> list[Pairing]:
    """Read which cards came into a device, the newest first."""
    rows = connection.execute(
        "SELECT since, iccid, came_from FROM pairing WHERE device_id = %s "
        "ORDER BY since DESC LIMIT %s",
        [device_id, limit],
    )
    return [Pairing(*row) for row in rows]
