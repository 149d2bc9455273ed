"""Items that a device hears of once more, or has in part: by name, without a whole batch."""

import json
from collections.abc import Collection, Mapping

from cardsync.operator.store.database import Connection
from cardsync.operator.store.records import Place, probe


def contents(connection: Connection, place: Place, guids: Collection[str]) -> dict[str, bytes]:
    """Read what these rows hold."""
    found = probe(connection, place, "guid, data", {"guid": guids}, "data IS NOT NULL")
    return {guid: bytes(data) for guid, data in found}


def owe(connection: Connection, place: Place, serials: Mapping[str, int]) -> None:
    """Give rows that are there a new serial, and count them as changed by us."""
    owed = [{"guid": guid, "serial": serial} for guid, serial in serials.items()]
    connection.execute(
        "INSERT INTO record (device_id, database, written, epoch, own, at_peer, guid, serial) "
        "SELECT %(device)s, %(database)s, 'epoch'::timestamptz, 0, true, false, x.* "
        "FROM jsonb_to_recordset(%(owed)s::jsonb) AS x(guid text, serial bigint) "
        "ON CONFLICT (device_id, database, guid) DO UPDATE SET serial = excluded.serial, "
        "own = excluded.own",
        {**place.fields, "owed": json.dumps(owed)},
    )
