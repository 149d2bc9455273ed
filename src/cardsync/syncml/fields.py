"""Some fields of an item: what a filter leaves of it, and how they go into a whole one.

Meta-Information 1.2, FieldLevel: an item with this mark is not whole; the fields that it has go
into the item that its receiver has, and the others stay as they are. A field is a property as
device information names it (CTCap): of vCard, vCalendar and iCalendar all lines of one name, of
a component that such an item is about (an event, a task) its own lines, and whatever stands in
it (an alarm) by the name of that. Of a record of ours, and of a row of a table, it is a property
of the JSON object.

The standard does not say how a field is taken away. Here it is sent empty, `TEL:` or null.
What an item is known by goes with every choice of fields: its version, its UID, the date of a
recurrence, time zones, the key of a record and the value of a parameter.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cardsync.errors import LocalError, PeerError
from cardsync.syncml import properties, record
from cardsync.syncml.status import StatusCode

MAX_LINES: Final = 10_000
"""Lines of an item, each with those in which it goes on, that we go through."""

_DEPTH: Final = 8
_OWN: Final = frozenset({"UID", "RECURRENCE-ID", "TZID"})
_FIXED: Final = _OWN | {"VERSION", "PRODID"}
_MAIN: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})
_TIME_ZONE: Final = "VTIMEZONE"
_KEYS: Final = frozenset({"d", "i", "p"})
_QUOTED_PRINTABLE: Final = "QUOTED-PRINTABLE"

_Object = dict[str, Any]


def are_known(content_type: str) -> bool:
    """Say whether items of this type have fields that can go by themselves."""
    return properties.are_lines(content_type) or _are_objects(content_type)


def only(data: bytes, content_type: str, names: Sequence[str], *, complete: bool) -> bytes:
    """Leave of an item the fields of these names, which are in capitals.

    `complete` adds those that it does not have as empty ones. Raises `PeerError`, as all here:
    415 for what is no such item, 413 for one of too many lines.
    """
    if _are_objects(content_type):
        return _json(_some(_object(data), content_type, names, complete=complete))
    item = _read(data)
    return _octets(_only(item, names, item.line_end if complete else None))


def overlaid(data: bytes, content_type: str, base: bytes | None) -> bytes:
    """Put the fields of an item into another one; without one they are all that there is of it."""
    if _are_records(content_type):
        return _overlaid_record(_object(data), _object(base or b"{}"))
    if _are_objects(content_type):
        given = {name: each for name, each in _object(data).items() if base or each is not None}
        return _json({**_object(base or b"{}"), **given})
    item = _read(data)
    return _octets(_filled(item) if base is None else _overlaid(item, _read(base)))


def alike(one: bytes, other: bytes, content_type: str, names: Sequence[str]) -> bool:
    """Say whether two items have the same in these fields; in all of them where none is named."""
    if one == other or not names:
        return one == other
    if _are_objects(content_type):
        both = [_some(_object(e), content_type, names, complete=True) for e in (one, other)]
        return both[0] == both[1]
    return sorted(_values(_read(one), names)) == sorted(_values(_read(other), names))


# --- records ----------------------------------------------------------------------------------


def _are_records(content_type: str) -> bool:
    return properties.plain(content_type) == record.CONTENT_TYPE


def _are_objects(content_type: str) -> bool:
    return properties.plain(content_type) in properties.OBJECTS


def _some(there: _Object, content_type: str, names: Sequence[str], *, complete: bool) -> _Object:
    """Leave the fields of these names; a row has all of its columns, so that none is absent."""
    if _are_records(content_type):
        return _chosen(there, names, complete=complete)
    return {name: value for name, value in there.items() if name.upper() in names}


def _chosen(there: _Object, names: Sequence[str], *, complete: bool) -> _Object:
    wanted = {name.lower() for name in names} | _KEYS
    chosen = {name: there[name] for name in there.keys() & wanted}
    return {**dict.fromkeys(wanted - _KEYS), **chosen} if complete and "i" in there else chosen


def _overlaid_record(given: _Object, base: _Object) -> bytes:
    is_same = all(given.get(key) == base.get(key) for key in ("i", "p"))
    mixed = {**base, **given} if is_same else given
    try:
        fields = {name: value for name, value in mixed.items() if value is not None}
        return record.of_fields(fields).encode()
    except (ValueError, LocalError) as exc:
        raise PeerError(f"not a record: {exc}", answer=StatusCode.UNSUPPORTED_TYPE) from exc


def _object(data: bytes) -> _Object:
    try:
        fields = json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise PeerError(f"no fields: {exc}", answer=StatusCode.UNSUPPORTED_TYPE) from exc
    if not isinstance(fields, dict):
        raise PeerError("no object of fields", answer=StatusCode.UNSUPPORTED_TYPE)
    return fields


def _json(fields: _Object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# --- lines ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """A property as it stands, with the lines in which it goes on."""

    name: str
    line: str

    @property
    def key(self) -> str:
        return self.name

    @property
    def is_empty(self) -> bool:
        return not self.line.partition(":")[2].strip()

    def text(self) -> Iterator[str]:
        yield self.line


@dataclass(frozen=True, slots=True)
class _Component:
    """What stands between BEGIN and END, and the two."""

    name: str
    begin: str
    entries: "Sequence[_Entry]"
    end: str

    @property
    def key(self) -> str:
        """What tells it from others of its name: which one it is, of a series or of zones."""
        known = [e.line.strip() for e in self.entries if isinstance(e, _Line) and e.name in _OWN]
        return " ".join((self.name, *known)) if self.name in {*_MAIN, _TIME_ZONE} else self.name

    @property
    def is_empty(self) -> bool:
        return False

    @property
    def line_end(self) -> str:
        return "\r\n" if self.begin.endswith("\r\n") else "\n"

    def text(self) -> Iterator[str]:
        yield self.begin
        for entry in self.entries:
            yield from entry.text()
        yield self.end


_Entry = _Line | _Component


def _read(data: bytes) -> _Component:
    """Read an item octet by octet: what is not understood is given back as it was."""
    lines = _counted(_logical(data.decode("latin-1")))
    begin = next(lines, "")
    if _name(begin) != "BEGIN":
        raise PeerError("an item without BEGIN", answer=StatusCode.UNSUPPORTED_TYPE)
    return _component(begin, lines, _DEPTH)


def _counted(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MAX_LINES:
            raise PeerError("an item of too many lines", answer=StatusCode.TOO_LARGE)
        yield line


def _logical(text: str) -> Iterator[str]:
    """Give each line with those in which it goes on: folded, or after "=" in quoted-printable."""
    pieces: list[str] = []
    is_quoted = False
    for line in re.findall("[^\n]*\n|[^\n]+", text):
        goes_on = line[0] in " \t" or (is_quoted and pieces[-1].rstrip("\r\n").endswith("="))
        if pieces and not goes_on:
            yield "".join(pieces)
            pieces.clear()
        if not pieces:
            is_quoted = _QUOTED_PRINTABLE in _head(line).upper()
        pieces.append(line)
    if pieces:
        yield "".join(pieces)


def _head(line: str) -> str:
    return line.partition(":")[0]


def _name(line: str) -> str:
    return _head(line).partition(";")[0].rpartition(".")[2].strip().upper()


def _component(begin: str, lines: Iterator[str], depth: int) -> _Component:
    name = begin.partition(":")[2].strip().upper()
    entries: list[_Entry] = []
    for line in lines:
        if _name(line) == "END":
            return _Component(name, begin, entries, line)
        if _name(line) == "BEGIN" and depth:
            entries.append(_component(line, lines, depth - 1))
        else:
            entries.append(_Line(_name(line), line))
    raise PeerError("an item without END", answer=StatusCode.UNSUPPORTED_TYPE)


def _octets(item: _Component) -> bytes:
    return "".join(item.text()).encode("latin-1")


def _only(item: _Component, names: Sequence[str], line_end: str | None) -> _Component:
    """Leave the fields of a component; with `line_end`, empty ones for those that are not there."""
    kept: list[_Entry] = []
    wanted = {*names, *_FIXED, _TIME_ZONE}
    has_main = False
    for entry in item.entries:
        if isinstance(entry, _Component) and entry.name in _MAIN:
            has_main = True
            kept.append(_only(entry, names, line_end))
        elif entry.name in wanted:
            kept.append(entry)
    there = {entry.name for entry in kept}
    if line_end is not None and not has_main:
        kept += [_Line(name, f"{name}:{line_end}") for name in names if name not in there]
    return _Component(item.name, item.begin, _in_order(kept), item.end)


def _overlaid(given: _Component, base: _Component) -> _Component:
    """Put what is given into the places of what has the same name."""
    groups: dict[str, list[_Entry]] = {}
    for entry in given.entries:
        if entry.name not in _FIXED:
            groups.setdefault(entry.key, []).append(entry)
    mixed: list[_Entry] = []
    for entry in base.entries:
        group = groups.get(entry.key)
        if group is None:
            mixed.append(entry)
        elif isinstance(entry, _Component) and entry.name in _MAIN:
            mixed.append(_mixed(group.pop(0), entry) if group else entry)
        else:
            mixed += _told(group)
            group.clear()
    news = [entry for group in groups.values() for entry in _told(group)]
    return _Component(base.name, base.begin, _in_order(mixed + news), base.end)


def _mixed(given: _Entry, base: _Component) -> _Entry:
    return _overlaid(given, base) if isinstance(given, _Component) else base


def _filled(item: _Component) -> _Component:
    return _Component(item.name, item.begin, _told(item.entries), item.end)


def _told(entries: Sequence[_Entry]) -> list[_Entry]:
    """Leave out what is empty: there is no such field."""
    return [_filled(e) if isinstance(e, _Component) else e for e in entries if not e.is_empty]


def _values(item: _Component, names: Sequence[str]) -> Iterator[str]:
    """Give the fields of these names as they stand."""
    for entry in item.entries:
        if isinstance(entry, _Component) and entry.name in _MAIN:
            yield from _values(entry, names)
        elif entry.name in names and not entry.is_empty:
            yield "".join(entry.text())


def _in_order(entries: list[_Entry]) -> list[_Entry]:
    """Put properties before components. RFC 5545 clause 3.6."""
    return sorted(entries, key=lambda entry: isinstance(entry, _Component))
