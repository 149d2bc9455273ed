"""Devices as JSON: who they are, what is in their databases, how they were synchronized."""

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict

from cardsync.operator import arrivals, reports
from cardsync.operator.store import devices, reading, sessions
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.records import Place

Limit = Annotated[int, Query(ge=1, le=500)]
Words = Annotated[str, Query(max_length=255, description="IMEI, ICCID, or application [version]")]
_BIGGEST = 2**63 - 1


class _Model(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DeviceOut(_Model):
    """A device."""

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


class DatabaseOut(_Model):
    """A database: `digest` is one SHA-256 over the digests of all records, in ascending order."""

    name: str
    records: int
    digest: str


class DeviceDetail(DeviceOut):
    """A device and its databases."""

    databases: list[DatabaseOut]


class RecordOut(_Model):
    """A record: `digest` is the SHA-256 of its octets, `data` the record itself, if it is JSON."""

    guid: str
    luid: str | None
    key: str | None
    version: str | None
    digest: str
    from_operator: bool
    written: datetime
    data: object


class LogOut(_Model):
    """A synchronization of one database; `asked` and `performed` are SyncML alert codes."""

    database: str
    iccid: str | None
    asked: int
    performed: int
    result: int | None
    started: datetime
    finished: datetime | None
    messages: int
    octets_in: int
    octets_out: int
    added: int
    replaced: int
    deleted: int
    sent: int
    failed: int
    written: int


class ReportOut(_Model):
    """What a card reported by itself: `carrier` is sms or bip."""

    received: datetime
    carrier: str
    reason: str
    imei: str | None
    language: str | None
    failed: tuple[str, ...]
    request: str
    octets: str


class VisitOut(_Model):
    """A browser that a card opened at our page."""

    visited: datetime
    agent: str
    language: str | None


class ToldOut(_Model):
    """What the card told by itself, the newest first."""

    reports: list[ReportOut]
    visits: list[VisitOut]


class Devices:
    """The routes of the API."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.router = APIRouter(tags=["devices"])
        self.router.get("/devices")(self.list_devices)
        self.router.get("/devices/{device_id}")(self.get_device)
        self.router.get("/devices/{device_id}/records")(self.list_records)
        self.router.get("/devices/{device_id}/log")(self.list_log)
        self.router.get("/cards/{iccid}/reports")(self.list_reports)

    def list_devices(
        self,
        q: Words = "",
        after: Annotated[int, Query(ge=0, le=_BIGGEST)] = 0,
        limit: Limit = 50,
    ) -> list[DeviceOut]:
        """List devices; `after` is the last `device_id` of the page before."""
        with self._database.transaction() as connection:
            found = devices.search(connection, _clean(q), after, limit)
        return [DeviceOut.model_validate(one) for one in found]

    def get_device(self, device_id: int) -> DeviceDetail:
        """Give a device, with the digest of each of its databases."""
        with self._database.transaction() as connection:
            one = _device(connection, device_id)
            found = []
            for name in reading.databases(connection, device_id):
                count, digest = reading.collection_digest(connection, Place(device_id, name))
                found.append(DatabaseOut(name=name, records=count, digest=digest))
        return DeviceDetail(**DeviceOut.model_validate(one).model_dump(), databases=found)

    def list_records(
        self,
        device_id: int,
        database: Annotated[str, Query(max_length=255)] = "devman",
        after: Annotated[str, Query(max_length=255)] = "",
        limit: Limit = 100,
    ) -> list[RecordOut]:
        """List records; `after` is the last `guid` of the page before."""
        with self._database.transaction() as connection:
            _device(connection, device_id)
            place = Place(device_id, _clean(database))
            found = reading.items(connection, place, _clean(after), limit)
        return [_record(one) for one in found]

    def list_log(self, device_id: int, limit: Limit = 50) -> list[LogOut]:
        """List the latest synchronizations."""
        with self._database.transaction() as connection:
            _device(connection, device_id)
            found = sessions.log(connection, device_id, limit)
        return [LogOut.model_validate(one) for one in found]

    def list_reports(
        self, iccid: Annotated[str, Path(pattern=r"^\d{18,20}$")], limit: Limit = 50
    ) -> ToldOut:
        """List what a card told by itself."""
        with self._database.transaction() as connection:
            found = reports.recent(connection, iccid, limit)
            visits = arrivals.recent(connection, iccid, limit)
        return ToldOut(
            reports=[_report(one) for one in found],
            visits=[VisitOut.model_validate(one) for one in visits],
        )


def _report(one: reports.Received) -> ReportOut:
    return ReportOut(
        received=one.received,
        carrier=one.carrier,
        reason=reports.reason(one.reason),
        imei=one.imei,
        language=one.language,
        failed=reports.failed(one.steps),
        request=one.request,
        octets=one.octets.hex().upper(),
    )


def _device(connection: Connection, device_id: int) -> devices.Device:
    one = devices.get(connection, device_id) if 0 <= device_id <= _BIGGEST else None
    if one is None:
        raise HTTPException(404, "no such device")
    return one


def _record(item: reading.Item) -> RecordOut:
    try:
        data = json.loads(item.data)
    except ValueError:
        data = None
    return RecordOut(
        guid=item.guid,
        luid=item.luid,
        key=item.key,
        version=item.version,
        digest=item.digest.hex(),
        from_operator=item.from_operator,
        written=item.written,
        data=data,
    )


def _clean(text: str) -> str:
    """Leave out the one character that PostgreSQL's text cannot hold."""
    return text.replace("\0", "")
