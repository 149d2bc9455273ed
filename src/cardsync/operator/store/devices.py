"""Devices: who they are, which card is in them, what the pages list."""

import re
from dataclasses import dataclass
from datetime import datetime

from cardsync.operator.store.database import Connection
from cardsync.syncml.devinf import DevInf

PAGE = 50
_LOCK = 0x6465_7669
"""The kind of advisory lock under which one device is served ("devi" in ASCII)."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as a list shows it. Counts are of the last synchronization."""

    device_id: int
    name: str
    imei: str | None
    iccid: str | None
    manufacturer: str | None
    model: str | None
    software: str | None
    parameters: int
    applications: int
    created: datetime
    synchronized: datetime | None


_FIELDS = (
    "device_id, name, imei, iccid, manufacturer, model, software, parameters, applications, "
    "created, synchronized"
)


def find(connection: Connection, name: str) -> int | None:
    """Find a device by the name that it gives itself."""
    row = connection.execute(
        "SELECT device_id FROM ident WHERE kind = 'device' AND ident = %s", [name]
    ).fetchone()
    return row[0] if row else None


def new_number(connection: Connection) -> int:
    """Take a number for a device that is yet to be registered; it may stay unused."""
    row = connection.execute(
        "SELECT nextval(pg_get_serial_sequence('device', 'device_id'))"
    ).fetchone()
    return int(row[0]) if row else 0


def register(connection: Connection, device_id: int, name: str, now: datetime) -> None:
    """Register a new device under its number; the caller holds its lock."""
    imei = re.fullmatch(r"IMEI:(\d{14,16})", name, re.IGNORECASE)
    connection.execute(
        "INSERT INTO device (device_id, name, imei, created) VALUES (%s, %s, %s, %s)",
        [device_id, name, imei[1] if imei else None, now],
    )
    connection.execute(
        "INSERT INTO ident (kind, ident, device_id) VALUES ('device', %s, %s)", [name, device_id]
    )


def proofs(connection: Connection, device_id: int) -> int:
    """Count the digests by which this device was known."""
    row = connection.execute(
        "SELECT proofs FROM device WHERE device_id = %s", [device_id]
    ).fetchone()
    return int(row[0]) if row else 0


def note_proof(connection: Connection, device_id: int) -> None:
    """Count one more."""
    connection.execute("UPDATE device SET proofs = proofs + 1 WHERE device_id = %s", [device_id])


def lock(connection: Connection, name: str) -> None:
    """Wait until nobody else serves the device of this name, known or not; hold it to the end."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, name])


def pair(connection: Connection, device_id: int, iccid: str, now: datetime) -> int | None:
    """Note that a card is in a device; give the device that it came from, if it moved."""
    row = connection.execute(
        "SELECT device_id FROM ident WHERE kind = 'iccid' AND ident = %s FOR UPDATE", [iccid]
    ).fetchone()
    before: int | None = row[0] if row else None
    if before == device_id:
        return None
    connection.execute(
        "INSERT INTO ident (kind, ident, device_id) VALUES ('iccid', %s, %s) "
        "ON CONFLICT (kind, ident) DO UPDATE SET device_id = excluded.device_id",
        [iccid, device_id],
    )
    if before is not None:
        connection.execute(
            "UPDATE device SET iccid = NULL WHERE device_id = %s AND iccid = %s", [before, iccid]
        )
    connection.execute("UPDATE device SET iccid = %s WHERE device_id = %s", [iccid, device_id])
    connection.execute(
        "INSERT INTO pairing (device_id, since, iccid, came_from) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (device_id, since) DO UPDATE SET iccid = excluded.iccid, "
        "came_from = excluded.came_from",
        [device_id, now, iccid, before],
    )
    return before


def describe(connection: Connection, device_id: int, info: DevInf) -> None:
    """Keep what a device says of itself."""
    connection.execute(
        "UPDATE device SET manufacturer = %s, model = %s, software = %s WHERE device_id = %s",
        [info.manufacturer, info.model, info.software or info.firmware, device_id],
    )


def is_described(connection: Connection, device_id: int) -> bool:
    """Say whether the device has told what it is."""
    row = connection.execute(
        "SELECT coalesce(manufacturer, model, software) IS NOT NULL FROM device "
        "WHERE device_id = %s",
        [device_id],
    ).fetchone()
    return bool(row and row[0])


def note_synchronized(connection: Connection, device_id: int, now: datetime) -> None:
    """Note a success."""
    connection.execute("UPDATE device SET synchronized = %s WHERE device_id = %s", [now, device_id])


def grow(connection: Connection, device_id: int, parameters: int, applications: int) -> None:
    """Note that the device has so many records more, or fewer, for the list of devices."""
    connection.execute(
        "UPDATE device SET parameters = parameters + %s, applications = applications + %s "
        "WHERE device_id = %s",
        [parameters, applications, device_id],
    )


def get(connection: Connection, device_id: int) -> Device | None:
    """Read a device."""
    row = connection.execute(
        f"SELECT {_FIELDS} FROM device WHERE device_id = %s".encode(),  # noqa: S608 - constants
        [device_id],
    ).fetchone()
    return Device(*row) if row else None


def search(connection: Connection, words: str, after: int = 0, limit: int = PAGE) -> list[Device]:
    """Find devices by the beginning of name, IMEI or ICCID, or by an application they have.

    `words` is one of these, or `application version` with a space between. `after` is the last
    device of the page before.
    """
    found = connection.execute(
        f"SELECT {_FIELDS} FROM device WHERE device_id > %(after)s AND "  # noqa: S608 - constants
        "(%(words)s = '' OR name LIKE %(start)s OR imei LIKE %(start)s OR iccid LIKE %(start)s "
        "OR device_id = ANY(%(owners)s)) ORDER BY device_id LIMIT %(limit)s".encode(),
        {
            "after": after,
            "limit": limit,
            "words": words,
            "start": _escape(words) + "%",
            "owners": _owners(connection, words, after, limit),
        },
    )
    return [Device(*row) for row in found]


def _owners(connection: Connection, words: str, after: int, limit: int) -> list[int]:
    """Find the devices that have an application, of a version if one is given."""
    if not words:
        return []
    name, _, version = words.partition(" ")
    rows = connection.execute(
        "SELECT DISTINCT device_id FROM record WHERE kind = 1 AND data IS NOT NULL "
        "AND device_id > %(after)s AND key LIKE %(name)s "
        "AND (%(version)s = '%%' OR version LIKE %(version)s) "
        "ORDER BY device_id LIMIT %(limit)s",
        {
            "after": after,
            "limit": limit,
            "name": _escape(name) + "%",
            "version": _escape(version.strip()) + "%",
        },
    )
    return [device_id for (device_id,) in rows]


def _escape(text: str) -> str:
    """Take the meaning from the signs that LIKE knows."""
    return re.sub(r"([%_\\])", r"\\\1", text)
