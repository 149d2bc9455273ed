"""The pages: the list of devices, and one device. Rendered here, without any script."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cardsync.operator import arrivals, reports
from cardsync.operator.console import view
from cardsync.operator.store import devices, reading, sessions
from cardsync.operator.store.database import Connection, Database
from cardsync.operator.store.records import Place

Words = Annotated[str, Query(max_length=255)]
Number = Annotated[int, Query(ge=0, le=2**63 - 1)]
_LOG_LENGTH, _HISTORY_LENGTH, _PAIRINGS, _REPORTS = 20, 50, 10, 20

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "moment": view.moment,
    "size": view.size,
    "span": view.span,
    "sync_type": view.sync_type,
}


def build(database: Database) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def show_devices(q: Words = "", after: Number = 0) -> str:
        """Show the list of devices."""
        words = q.replace("\0", "").strip()
        with database.transaction() as connection:
            found = devices.search(connection, words, after, devices.PAGE)
        more = ""
        if len(found) == devices.PAGE:
            more = "/?" + urlencode({"q": words, "after": found[-1].device_id})
        page = _TEMPLATES.get_template("devices.html")
        return page.render(devices=found, words=words, after=after, more=more)

    @router.get("/devices/{device_id}")
    def show_device(device_id: int) -> HTMLResponse:
        """Show one device."""
        with database.transaction() as connection:
            one = devices.get(connection, device_id) if 0 <= device_id < 2**63 else None
            if one is None:
                return HTMLResponse(_TEMPLATES.get_template("missing.html").render(), 404)
            return HTMLResponse(_render_device(connection, one))

    return router


def _render_device(connection: Connection, device: devices.Device) -> str:
    names = reading.databases(connection, device.device_id)
    log = sessions.log(connection, device.device_id, _LOG_LENGTH)
    former = reading.history(connection, device.device_id, _HISTORY_LENGTH)
    return _TEMPLATES.get_template("device.html").render(
        device=device,
        databases=[_database(connection, Place(device.device_id, name)) for name in names],
        log=log,
        history=view.history(former),
        reports=_reports(connection, device.iccid),
        pairings=reading.pairings(connection, device.device_id, _PAIRINGS),
    )


def _reports(connection: Connection, iccid: str | None) -> list[view.ReportRow]:
    """Give what the card in the device told by itself."""
    if iccid is None:
        return []
    received = reports.recent(connection, iccid, _REPORTS)
    return view.reports(received, arrivals.recent(connection, iccid, _REPORTS))[:_REPORTS]


def _database(connection: Connection, place: Place) -> dict[str, object]:
    items = [(item, view.read(item)) for item in reading.all_items(connection, place)]
    count, digest = reading.collection_digest(connection, place)
    return {
        "name": place.database,
        "count": count,
        "digest": digest,
        "tree": view.tree(record for _, record in items),
        "applications": view.applications(items),
        "others": [item for item, record in items if record is None],
    }
