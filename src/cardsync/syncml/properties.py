"""The properties of an item, by name, as filters compare them.

vCard 2.1 and 3.0, vCalendar 1.0 and iCalendar are lines of name, parameters and value (RFC 2425,
RFC 5545 clause 3.1); a record of ours is one JSON object, and so is a row of a table. What cannot
be read has no properties.
"""

import json
import re
from binascii import a2b_qp
from collections.abc import Iterator
from typing import Final

from cardsync.syncml.datastore import ANY_TYPE
from cardsync.syncml.record import CONTENT_TYPE

_LINES: Final = frozenset(
    {"text/x-vcard", "text/vcard", "text/directory", "text/x-vcalendar", "text/calendar"}
)
OBJECTS: Final = frozenset({CONTENT_TYPE, "application/json"})
"""Types of items that are one JSON object."""

_FOLDED: Final = re.compile("\r?\n[ \t]")
_ESCAPED: Final = re.compile(r"\\([\\,;:nN])")
_QUOTED_PRINTABLE: Final = "QUOTED-PRINTABLE"


_CARD: Final = "N FN TEL EMAIL ADR ORG TITLE NOTE BDAY URL CATEGORIES UID REV"
_CALENDAR: Final = (
    "SUMMARY DESCRIPTION LOCATION DTSTART DTEND DUE STATUS PRIORITY CATEGORIES CLASS UID "
    "LAST-MODIFIED"
)


def usual(content_type: str) -> tuple[str, ...]:
    """Name the properties by which people look for items of a type; any other one will do."""
    if not are_lines(content_type):
        return ()
    return tuple((_CALENDAR if "calendar" in content_type else _CARD).split())


def are_known(content_type: str) -> bool:
    """Say whether items of this type may have properties."""
    return plain(content_type) in {ANY_TYPE, *OBJECTS} or are_lines(content_type)


def are_lines(content_type: str) -> bool:
    """Say whether items of this type are lines of name, parameters and value."""
    return plain(content_type) in _LINES


def plain(content_type: str) -> str:
    """Give a media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read(data: bytes, content_type: str) -> dict[str, tuple[str, ...]]:
    """Give the values of each property, by its name in capitals; {} for other types."""
    text = data.decode(errors="replace")
    kind = plain(content_type)
    pairs = _of_lines(text) if kind in _LINES else _of_object(text) if kind in OBJECTS else ()
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.upper(), []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def _of_lines(text: str) -> Iterator[tuple[str, str]]:
    """Read the properties of lines; those of all parts, such as alarms, stand together."""
    lines = iter(_FOLDED.sub("", text).splitlines())
    for line in lines:
        head, colon, value = line.partition(":")
        name, *parameters = head.split(";")
        if any(_QUOTED_PRINTABLE in each.upper() for each in parameters):
            value = a2b_qp(_whole(value, lines).encode()).decode(errors="replace")
        if colon:
            yield name.rpartition(".")[2], _ESCAPED.sub(_unescaped, value)


def _whole(value: str, following: Iterator[str]) -> str:
    """Read on while a line ends with "=": the value goes on in the next one."""
    pieces = [value]
    while pieces[-1].endswith("="):
        pieces[-1] = pieces[-1][:-1]
        pieces.append(next(following, ""))
    return "".join(pieces)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]


def _of_object(text: str) -> Iterator[tuple[str, str]]:
    """Read the properties of an object that are text or numbers."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return
    for name, value in fields.items() if isinstance(fields, dict) else ():
        if isinstance(value, str | int):
            yield name, str(value)
