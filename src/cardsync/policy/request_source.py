"""Reading `[requests.*]`: what a synchronization may be ordered with.

The words stand for the code points of our command (docs/request-synchronization.md, clause 8).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cardsync.policy import templates
from cardsync.policy.faults import Where
from cardsync.policy.quantities import minutes, percent, seconds
from cardsync.policy.tables import Table
from cardsync.policy.values import (
    DEVICE_WORDS,
    Database,
    DatabaseType,
    Parameter,
    Request,
    Retry,
    Rung,
    ValueType,
)

PROTOCOLS = {"terminal": 0, "SyncML": 1, "OMA DM": 2, "LwM2M": 3, "compact": 4}
REPRESENTATIONS = {"any": 0, "wbxml": 1, "xml": 2, "cbor": 3, "tlv": 4}
TRANSPORTS = {
    "wsp": 1,
    "wsp-connectionless": 2,
    "http": 3,
    "https": 4,
    "obex": 5,
    "coap": 6,
    "coaps": 7,
    "sms": 8,
    "bip": 9,
}
TYPES = {
    "agent": 0x00,
    "two-way": 0xC8,
    "slow": 0xC9,
    "one-way-from-client": 0xCA,
    "refresh-from-client": 0xCB,
    "one-way-from-server": 0xCC,
    "refresh-from-server": 0xCD,
}
CATEGORIES = {
    "identity": 0x0001,
    "language": 0x0002,
    "sounds": 0x0004,
    "settings": 0x0008,
    "applications": 0x0010,
    "versions": 0x0020,
    "sizes": 0x0040,
    "games": 0x0080,
    "network": 0x0100,
    "battery": 0x0200,
}
USUAL_CATEGORIES = ("identity", "language")
NOTIFICATIONS = {"none": 0, "final": 1}
FALLBACKS = {rung.name.lower(): int(rung) for rung in Rung}

_IDENTIFIERS = (
    'a URI, "file:" and a path of the card such as 3F007F106F3A, or "aid:" and 5 to 16 octets'
)
_VERSION = re.compile(r"(\d)\.(\d)")
_KEYS = (
    "protocol",
    "transport",
    "type",
    "source",
    "target",
    "categories",
    "notify",
    "fallback",
    "retry",
    "duration",
)


@dataclass(frozen=True, slots=True)
class RequestSource:
    """A request and the place of its table."""

    request: Request
    where: Where = field(compare=False)


class RequestReader:
    """Reads requests of a policy with these parameters."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}

    def read(self, name: str, table: Table) -> RequestSource:
        """Read one request; faults go to the table's sheet."""
        table.only(*_KEYS)
        notify, progress = _notification(table)
        request = Request(
            name,
            *_protocol(table),
            self._transports(table),
            table.word("type", TYPES),
            self._database(table, "source", 'a device, such as "imei", and a database'),
            self._database(table, "target", "a device, which is a URL, and a database"),
            sum(table.words("categories", CATEGORIES, USUAL_CATEGORIES)),
            notify,
            progress,
            tuple(Rung(rung) for rung in table.words("fallback", FALLBACKS, ())),
            _retry(table),
            _duration(table),
        )
        return RequestSource(request, table.sheet.where(table.path))

    def _transports(self, table: Table) -> tuple[int, ...]:
        found = table.words("transport", TRANSPORTS, ())
        if "transport" not in table:
            table.missing("transport", "a list, the most wanted first")
        elif len(found) > 8:
            table.wrong("transport", "at most 8 transports")
        return found

    def _database(self, table: Table, key: str, expected: str) -> Database:
        if key not in table:
            table.missing(key, expected)
            return Database("", "")
        inner = table.table(key, expected)
        inner.only("device", "database")
        choice = "one of " + ", ".join(DEVICE_WORDS) + ", or a URI"
        device = self._template(inner, "device", choice)
        database = self._template(inner, "database", "a URI")
        if device and device not in DEVICE_WORDS and ":" not in device and "${" not in device:
            inner.wrong("device", choice)
        found = Database(device, database)
        if _is_misspelt(found):
            inner.wrong("database", _IDENTIFIERS)
        return found

    def _template(self, table: Table, key: str, expected: str) -> str:
        text = table.text(key, expected)
        check_template(table, key, text, self._parameters)
        if "\n" in text:
            table.wrong(key, f"{expected}, in one line")
        return text


def _is_misspelt(found: Database) -> bool:
    """Say whether a database looks like the name of a file or of an application, and is none."""
    named = found.database.startswith(("file:", "aid:")) and "${" not in found.database
    return named and found.identifier[0] is DatabaseType.URI


def check_template(table: Table, key: str, text: str, parameters: dict[str, Parameter]) -> None:
    """Note places that are not closed, or that name no text of the parameters."""
    path = (*table.path, key)
    places = templates.names(text)
    for index, name in places:
        parameter = parameters.get(name)
        if parameter is None:
            expected = "one of the parameters"
            table.sheet.fault(path, f"no parameter {name!r}", expected, index=index + 2)
        elif parameter.type is not ValueType.TEXT:
            what = f"the parameter {name!r} is a {parameter.type.name.lower()}"
            table.sheet.fault(path, what, "a parameter that is a text", index=index + 2)
    known = {index for index, _ in places}
    for found in re.finditer(r"\$\{", text):
        if found.start() not in known:
            table.sheet.fault(path, "this place is not closed", "${name}", index=found.start())


def _protocol(table: Table) -> tuple[int, int, int]:
    """Give protocol, version in BCD, and representation."""
    expected = '{ name = "SyncML", version = "1.2", representation = "wbxml" }'
    if "protocol" not in table:
        table.missing("protocol", expected)
        return 0, 0, 0
    inner = table.table("protocol", expected)
    inner.only("name", "version", "representation")
    version = inner.text("version", 'two digits, such as "1.2"')
    found = _VERSION.fullmatch(version)
    if version and not found:
        inner.wrong("version", 'two digits, such as "1.2"')
    digits = (int(found[1]) << 4 | int(found[2])) if found else 0
    name = inner.word("name", PROTOCOLS)
    return name, digits, inner.word("representation", REPRESENTATIONS, "any")


def _notification(table: Table) -> tuple[int, int]:
    """Give the notification asked for, and the least time between two, in tens of seconds."""
    value = table.values.get("notify")
    if not isinstance(value, dict):
        return table.word("notify", NOTIFICATIONS, "none"), 0
    inner = table.table("notify", "a table")
    inner.only("progress")
    return 2, inner.quantity(
        "progress", lambda text: seconds(text) // 10, 1, 255, 'a time of "10 s" to "2550 s"'
    )


def _retry(table: Table) -> Retry | None:
    expected = '{ attempts = 3, first = "10 min", backoff = 2, jitter = "20 %" }'
    if "retry" not in table:
        return None
    inner = table.table("retry", expected)
    inner.only("attempts", "first", "backoff", "jitter")
    backoff = inner.integer("backoff", 1, 8, 1)
    if backoff not in (1, 2, 4, 8):
        inner.wrong("backoff", "1, 2, 4 or 8")
        backoff = 1
    return Retry(
        inner.integer("attempts", 1, 15),
        inner.quantity("first", minutes, 1, 255, 'a duration of "1 min" to "255 min"'),
        backoff,
        inner.quantity("jitter", percent, 0, 100, 'a percentage, such as "20 %"')
        if "jitter" in inner
        else 0,
    )


def _duration(table: Table) -> int:
    if "duration" not in table:
        return 0
    return table.quantity("duration", minutes, 1, 255, 'a duration of "1 min" to "255 min"')
