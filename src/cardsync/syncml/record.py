"""The record of the device-management database: a parameter or an application.

The content type is our own, `application/vnd.cardsync.record+json` 1.0: one JSON object (RFC 8259)
in UTF-8 without spaces, its short property names in ascending order, what has its usual value
left out. One record has one form, so equal octets and equal records are the same thing. Paths
of parameters follow the DevInfo and DevDetail management objects of OMA Device Management
Standardized Objects 1.2; what those do not name stands under "./Ext/".
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from hashlib import sha256
from typing import Any

from cardsync.errors import LocalError, PeerError
from cardsync.syncml.devinf import ContentType, CtCap, Property

CONTENT_TYPE = "application/vnd.cardsync.record+json"
CONTENT_VERSION = "1.0"

MAX_NAME = 255
"""Octets of a path, an identifier, a name, a version or the name of an operating parameter."""
MAX_VALUE = 1023
"""Octets of the value of a parameter."""
MAX_PARAMETERS = 32
"""Operating parameters of one application."""
MAX_RECORD = 65536
"""Octets of a record; all that can be said within the limits above is shorter."""

_MAX_SIZE = 2**53 - 1  # the integers that every JSON reader keeps exact, RFC 8259 clause 6
_MAX_TIME = 253402300799  # the last second of the year 9999
_UNSUPPORTED = 415  # SyncML status "Unsupported media type or format"
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")  # what XML 1.0 cannot carry, and DEL
_PATH = re.compile(r"\./[^/]+(/[^/]+)*")
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)

_text_of = json.encoder.encode_basestring

_Fields = dict[str, object]


class Kind(IntEnum):
    """What an application is."""

    APPLICATION = 0
    GAME = 1
    LIBRARY = 2
    FONT = 3
    DOCUMENTATION = 4
    TRANSLATION = 5


class Category(IntFlag):
    """Bits of the category mask of REQUEST SYNCHRONIZATION; b1 is the least significant."""

    IDENTITY = 1 << 0
    LANGUAGE = 1 << 1
    SOUNDS = 1 << 2
    SETTINGS = 1 << 3
    APPLICATIONS = 1 << 4
    APPLICATION_VERSIONS = 1 << 5
    APPLICATION_SIZES = 1 << 6
    GAMES = 1 << 7
    NETWORK = 1 << 8
    BATTERY = 1 << 9


# Which category a path belongs to: the first beginning that fits; all else is a setting.
_CATEGORIES = (
    ("./DevInfo/Lang", Category.LANGUAGE),
    ("./DevInfo/", Category.IDENTITY),
    ("./DevDetail/", Category.IDENTITY),
    ("./Ext/Device/", Category.IDENTITY),
    ("./Ext/Language/", Category.LANGUAGE),
    ("./Ext/Sounds/", Category.SOUNDS),
    ("./Ext/Network/", Category.NETWORK),
    ("./Ext/Battery/", Category.BATTERY),
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A node of the settings tree: `path` begins with "./", `value` is text of 0 to 1023 octets.

    Raises `LocalError` for a path or a value that a record cannot carry.
    """

    path: str
    value: str

    def __post_init__(self) -> None:
        _check_text("path", self.path, 1, MAX_NAME)
        _check_text("value", self.value, 0, MAX_VALUE)
        if not _PATH.fullmatch(self.path):
            raise LocalError(f"path {self.path!r} is not ./ and names parted by single slashes")

    @property
    def key(self) -> str:
        """What the record is known by among all records: the path."""
        return self.path

    def encode(self) -> bytes:
        """Write the record; the same as by `_WRITER`, in a third of the time."""
        return f'{{"d":{_text_of(self.value)},"p":{_text_of(self.path)}}}'.encode()


@dataclass(frozen=True, slots=True)
class Application:
    """An installed application: what a package manager or an application store says of it.

    `identifier` is unique in the device, `name` is for people. `version` is text, `size` in
    octets, `installed` in seconds of UTC since 1970; None where it is not told. `parameters`
    are pairs of name and value, each name once, in ascending order.
    Raises `LocalError` for what a record cannot carry.
    """

    identifier: str
    name: str
    version: str | None = None
    size: int | None = None
    kind: Kind = Kind.APPLICATION
    installed: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_text("identifier", self.identifier, 1, MAX_NAME)
        _check_text("name", self.name, 1, MAX_NAME)
        if self.identifier.startswith("./"):
            raise LocalError(f"identifier {self.identifier!r} begins as a path of a parameter")
        if self.version is not None:
            _check_text("version", self.version, 1, MAX_NAME)
        _check_number("size", self.size, _MAX_SIZE)
        _check_number("installed", self.installed, _MAX_TIME)
        if self.parameters:
            _check_parameters(self.parameters)

    @property
    def key(self) -> str:
        """What the record is known by among all records: the identifier, never like a path."""
        return self.identifier

    def encode(self) -> bytes:
        """Write the record; a name like the identifier and the kind APPLICATION are left out."""
        return _WRITER.encode(_fields(self)).encode()


Record = Parameter | Application


def decode(data: bytes) -> Record:
    """Read a record; raise `PeerError` for anything but the one form that `encode` writes."""
    if len(data) > MAX_RECORD:
        raise PeerError(f"record of {len(data)} octets; at most {MAX_RECORD}", answer=_UNSUPPORTED)
    try:
        record = of_fields(json.loads(data.decode()))
    except (ValueError, LocalError, RecursionError) as exc:
        raise PeerError(f"not a record: {exc}", answer=_UNSUPPORTED) from exc
    # Spaces, another order, a property twice or unknown, a usual value written out: all show here.
    if record.encode() != data:
        raise PeerError("record is not in its one form", answer=_UNSUPPORTED)
    return record


def of_fields(fields: object) -> Record:
    """Make a record of its properties, passing over those that are unknown.

    Raises ValueError and `LocalError` for what is none.
    """
    match fields:
        case {"d": str(value), "p": str(path)}:
            return Parameter(path, value)
        case {"i": str(identifier), **others}:
            return Application(
                identifier,
                _text(others, "n") or identifier,
                _text(others, "v"),
                _number(others, "s"),
                Kind(_number(others, "k") or 0),
                _number(others, "t"),
                _pairs(others.get("o", {})),
            )
        case _:
            raise ValueError("neither a parameter nor an application")


def digest(record: Record) -> bytes:
    """Give the SHA-256 of the record: equal records, and only they, have equal digests."""
    return sha256(record.encode()).digest()


def collection_digest(records: Iterable[Record]) -> str:
    """Give one SHA-256 over all records in whatever order, as 64 hexadecimal digits."""
    return sha256(b"".join(sorted(map(digest, records)))).hexdigest()


def category(record: Record) -> Category:
    """Tell which bit of the category mask admits the record at all."""
    if isinstance(record, Application):
        return Category.GAMES if record.kind is Kind.GAME else Category.APPLICATIONS
    for beginning, found in _CATEGORIES:
        if record.path.startswith(beginning):
            return found
    return Category.SETTINGS


def restrict(record: Record, mask: int | None) -> Record | None:
    """Leave out what the category mask does not admit; None if that is all. No mask, no limit.

    The version and the time of installation, which betrays it, need b6, the size b7. Operating
    parameters are settings of the user and need b4.
    """
    if mask is None:
        return record
    if not category(record) & mask:
        return None
    if isinstance(record, Parameter):
        return record
    versions = mask & Category.APPLICATION_VERSIONS
    return replace(
        record,
        version=record.version if versions else None,
        installed=record.installed if versions else None,
        size=record.size if mask & Category.APPLICATION_SIZES else None,
        parameters=record.parameters if mask & Category.SETTINGS else (),
    )


def restore(record: Record, ours: Record | None, mask: int | None) -> Record:
    """Give back to a record what `restrict` had kept from the peer that now returns it.

    `ours` is what we hold under the same key, None if nothing.
    """
    if mask is None or not isinstance(record, Application) or not isinstance(ours, Application):
        return record
    versions = mask & Category.APPLICATION_VERSIONS
    return replace(
        record,
        version=record.version if versions else ours.version,
        installed=record.installed if versions else ours.installed,
        size=record.size if mask & Category.APPLICATION_SIZES else ours.size,
        parameters=record.parameters if mask & Category.SETTINGS else ours.parameters,
    )


def merge(base: Record | None, a: Record, b: Record) -> Record | tuple[str, ...]:
    """Merge two versions of one record field by field; give the names of fields in conflict.

    `base` is what both came from, None if both are new. A field is in conflict where both
    changed it, and not to the same value; operating parameters count one by one, their names
    begin with "parameters.". Raises `LocalError` if these are not versions of one record.
    """
    if a.key != b.key or (base is not None and base.key != a.key):
        raise LocalError(f"{a.key!r} and {b.key!r} are no versions of one record")
    before, ours, theirs = _parted(base), _parted(a), _parted(b)
    merged: _Fields = {}
    conflicts = []
    for name in sorted(before.keys() | ours.keys() | theirs.keys()):
        old, one, two = before.get(name), ours.get(name), theirs.get(name)
        if one not in (two, old) and two != old:
            conflicts.append(_NAMES.get(name) or f"parameters.{name[2:]}")
        merged[name] = two if one == old else one
    if sum(name.startswith("o.") and merged[name] is not None for name in merged) > MAX_PARAMETERS:
        conflicts.append("parameters")
    return tuple(conflicts) or of_fields(_joined(merged))


def ctcap() -> CtCap:
    """Describe the properties of a record for the device information."""
    return CtCap(
        ContentType(CONTENT_TYPE, CONTENT_VERSION),
        (
            Property("d", "chr", 1, MAX_VALUE, display_name="Value"),
            Property("i", "chr", 1, MAX_NAME, display_name="Identifier"),
            Property(
                "k", "int", 1, values=tuple(str(int(kind)) for kind in Kind), display_name="Kind"
            ),
            Property("n", "chr", 1, MAX_NAME, display_name="Name"),
            Property("o", "chr", MAX_PARAMETERS, display_name="Operating parameters"),
            Property("p", "chr", 1, MAX_NAME, display_name="Path"),
            Property("s", "int", 1, display_name="Size in octets"),
            Property("t", "int", 1, display_name="Installed, seconds of UTC"),
            Property("v", "chr", 1, MAX_NAME, display_name="Version"),
        ),
        field_level=True,
    )


_NAMES = {
    "d": "value",
    "k": "kind",
    "n": "name",
    "s": "size",
    "t": "installed",
    "v": "version",
}


def _fields(record: Record) -> _Fields:
    """Give the properties of a record as they are written."""
    if isinstance(record, Parameter):
        return {"d": record.value, "p": record.path}
    told: _Fields = {
        "i": record.identifier,
        "k": int(record.kind) or None,
        "n": None if record.name == record.identifier else record.name,
        "o": dict(record.parameters) or None,
        "s": record.size,
        "t": record.installed,
        "v": record.version,
    }
    return {name: value for name, value in told.items() if value is not None}


def _text(fields: dict[Any, Any], name: str) -> str | None:
    match fields.get(name):
        case str() | None as text:
            return text
        case _:
            raise ValueError(f"property {name} is no text")


def _number(fields: dict[Any, Any], name: str) -> int | None:
    number = fields.get(name)
    if number is None or type(number) is int:  # true is an int to Python, not to us
        return number
    raise ValueError(f"property {name} is no integer")


def _pairs(fields: object) -> tuple[tuple[str, str], ...]:
    match fields:
        case dict():
            return tuple((name, _text(fields, name) or "") for name in sorted(fields))
        case _:
            raise ValueError("property o is no object")


def _parted(record: Record | None) -> _Fields:
    """Give the properties with each operating parameter as one of its own, "o." and its name."""
    fields = {} if record is None else _fields(record)
    parameters = dict(record.parameters) if isinstance(record, Application) else {}
    fields.pop("o", None)
    return fields | {f"o.{name}": value for name, value in parameters.items()}


def _joined(parted: _Fields) -> _Fields:
    """Undo `_parted`; what has no value is not there."""
    there = {name: value for name, value in parted.items() if value is not None}
    fields = {name: value for name, value in there.items() if not name.startswith("o.")}
    return fields | {"o": {name[2:]: there[name] for name in there if name not in fields}}


def _check_text(what: str, text: str, least: int, most: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise LocalError(f"{what} is not text: {exc.reason}") from exc
    if not least <= size <= most:
        raise LocalError(f"{what} of {size} octets is not {least} to {most} octets")
    if not text.isprintable() and _UNWRITABLE.search(text):
        raise LocalError(f"{what} {text!r} has a control character")


def _check_number(what: str, number: int | None, most: int) -> None:
    if number is not None and not 0 <= number <= most:
        raise LocalError(f"{what} {number} is not 0 to {most}")


def _check_parameters(parameters: tuple[tuple[str, str], ...]) -> None:
    if len(parameters) > MAX_PARAMETERS:
        raise LocalError(f"{len(parameters)} operating parameters; at most {MAX_PARAMETERS}")
    for name, value in parameters:
        _check_text("name of an operating parameter", name, 1, MAX_NAME)
        _check_text("operating parameter", value, 0, MAX_NAME)
    names = [name for name, _ in parameters]
    if names != sorted(set(names)):
        raise LocalError("names of operating parameters are not ascending, each once")
