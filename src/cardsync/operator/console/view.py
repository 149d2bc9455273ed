"""What the pages show, made ready: trees, sizes, times, words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cardsync.errors import PeerError
from cardsync.operator.arrivals import Visit
from cardsync.operator.reports import Received, failed, reason
from cardsync.operator.store.reading import Former, Item
from cardsync.syncml.record import Application, Parameter, Record, decode

_KINDS = ("Application", "Game", "Library", "Font", "Documentation", "Translation")
_SYNC_TYPES = {
    200: "two-way",
    201: "slow",
    202: "one-way from client",
    203: "refresh from client",
    204: "one-way from server",
    205: "refresh from server",
}
_CARRIERS = {"sms": "short message", "bip": "channel"}
_ENDINGS = {
    "replace": "replaced",
    "delete": "removed",
    "refresh": "gone after a refresh",
    "conflict": "lost a conflict",
}


@dataclass(slots=True)
class Node:
    """A node of the settings tree; `value` is None where there are only nodes below."""

    name: str
    value: str | None = None
    children: dict[str, "Node"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An application as a row of the table."""

    identifier: str
    name: str
    version: str
    size: str
    octets: int | None
    kind: str
    installed: str
    parameters: tuple[tuple[str, str], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A former version in words."""

    key: str
    was: str
    ended: datetime
    how: str
    held: str


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What a card told by itself, in words: when, by which rung, which failed before."""

    received: datetime
    rung: str
    reason: str
    imei: str
    failed: str
    request: str
    said: str
    octets: str


def reports(received: Iterable[Received], visits: Iterable[Visit]) -> list[ReportRow]:
    """Build the table of what a card told by itself, the newest first."""
    rows = [_report(one) for one in received] + [_visit(one) for one in visits]
    return sorted(rows, key=lambda row: row.received, reverse=True)


def _report(one: Received) -> ReportRow:
    said = [f"language {one.language}"] if one.language else []
    said += [f"profile {one.profile.hex()}"] if one.profile else []
    said += [f"access technology {one.technology}"] if one.technology is not None else []
    said += [f"policy {one.policy.hex()}"] if one.policy else []
    return ReportRow(
        one.received,
        _CARRIERS.get(one.carrier, one.carrier),
        reason(one.reason),
        one.imei or "",
        ", ".join(failed(one.steps)),
        one.request,
        ", ".join(said),
        one.octets.hex().upper(),
    )


def _visit(one: Visit) -> ReportRow:
    said = one.agent + (f", language {one.language}" if one.language else "")
    return ReportRow(one.visited, "browser", "the card's page was opened", "", "", "", said, "")


def read(item: Item) -> Record | None:
    """Read a record; None for another content type."""
    try:
        return decode(item.data)
    except PeerError:
        return None


def tree(records: Iterable[Record | None]) -> Node:
    """Build the settings tree of all parameters."""
    root = Node(".")
    for record in records:
        if isinstance(record, Parameter):
            node = root
            for name in record.path.split("/")[1:]:
                node = node.children.setdefault(name, Node(name))
            node.value = record.value
    _sort(root)
    return root


def _sort(node: Node) -> None:
    node.children = dict(sorted(node.children.items(), key=lambda pair: pair[0].casefold()))
    for child in node.children.values():
        _sort(child)


def applications(items: Iterable[tuple[Item, Record | None]]) -> list[ApplicationRow]:
    """Build the table of applications, sorted by name."""
    rows = [_application(item, one) for item, one in items if isinstance(one, Application)]
    return sorted(rows, key=lambda row: (row.name.casefold(), row.identifier))


def _application(item: Item, record: Application) -> ApplicationRow:
    installed = record.installed
    return ApplicationRow(
        record.identifier,
        record.name,
        record.version or "",
        size(record.size),
        record.size,
        _KINDS[record.kind],
        "" if installed is None else moment(datetime.fromtimestamp(installed, UTC)),
        record.parameters,
        item.digest.hex(),
    )


def history(former: Iterable[Former]) -> list[HistoryRow]:
    """Build the table of former versions."""
    return [
        HistoryRow(
            one.key or one.guid,
            _brief(one.data),
            one.ended,
            _ENDINGS.get(one.ended_by, one.ended_by),
            span((one.ended - one.written).total_seconds()),
        )
        for one in former
    ]


def _brief(data: bytes) -> str:
    """Say in short what a version was."""
    try:
        record = decode(data)
    except PeerError:
        return f"{len(data)} octets"
    if isinstance(record, Parameter):
        return record.value
    return " · ".join(part for part in (record.version, size(record.size)) if part) or record.name


def size(octets: int | None) -> str:
    """Write a size for people: 4096 is "4.0 KiB"."""
    if octets is None:
        return ""
    number, units = float(octets), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while number >= 1024 and unit != "TiB":
        number, unit = number / 1024, next(units)
    return f"{octets} B" if unit == "B" else f"{number:.1f} {unit}"


def moment(when: datetime | None) -> str:
    """Write a time for people, in UTC, as the headings say."""
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds * 1000:.0f} ms"


def sync_type(code: int) -> str:
    """Name a SyncML alert code."""
    return _SYNC_TYPES.get(code, str(code))
