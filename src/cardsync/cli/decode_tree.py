"""Decoded values as plain ones (for JSON) and as indented lines (for a person).

Built from the fields of the dataclasses, and from the properties of data objects, so that an
object that is new in a language appears by itself. Octets are hexadecimal digits, a code is its
name and its number.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from inspect import getdoc, getmodule
from typing import Any, NamedTuple

from cardsync.cli.decode_names import NAMES, OUR_CLAUSES, Name
from cardsync.errors import CardsyncError
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.parts import Part
from cardsync.toolkit.profile import TerminalProfile
from cardsync.transport.sms import TimeStamp
from cardsync.transport.user_data import UserData

_CLAUSE = re.compile(r"\b(?:TS \d[\d. ]* )?(?:clauses?|annex|table) [A-Z0-9.]*\d", re.IGNORECASE)
_STANDARD = re.compile(r"TS \d[\d. ]*\d")
_TOOLKIT = ("TS 102 223", "TS 31.111", "TS 101 220")  # and not those that an object cites
_NOTHING = object()
_WITH_READINGS = (DataObject, TerminalProfile, TimeStamp, UserData)
"""Classes whose properties are shown too."""


class _Field(NamedTuple):
    """A field or a property: a value of `usual` is not shown; `names` are those of its numbers."""

    name: str
    usual: object
    names: Name | None


def plain(value: Any) -> Any:
    """Give a value as JSON has it: objects, lists, texts, numbers, truths, null."""
    kind: Any = type(value)
    return _writer(kind)(value)


_WRITERS: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys((str, int, bool, float, type(None)), lambda value: value),
    bytes: lambda value: value.hex().upper(),
    tuple: lambda value: [plain(one) for one in value],
    frozenset: lambda value: [plain(one) for one in sorted(value)],
    Part: lambda part: plain(part.object) | {"comprehension": part.comprehension},
}


@cache
def _writer(kind: Any) -> Callable[[Any], Any]:
    """Choose how the values of a class are written."""
    if kind in _WRITERS:
        return _WRITERS[kind]
    if issubclass(kind, Enum):
        return lambda value: {"name": value.name, "value": plain(value.value)}
    return partial(_object, kind) if is_dataclass(kind) else str


def _object(kind: Any, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"object": kind.__name__}
    for name, usual, names in _shape(kind):
        part = _part(value, name)
        if part != usual:
            found[name] = plain(part) if names is None else _named(part, names)
    return found


def _part(value: Any, name: str) -> Any:
    """Give a field, or what a property makes of fields, which may not be possible."""
    try:
        return getattr(value, name)
    except CardsyncError as exc:
        return f"cannot be read: {exc}"


@cache
def _shape(kind: Any) -> tuple[_Field, ...]:
    """Give the fields of a class, and of a data object what it makes of them.

    What a class does not show of itself (how a text was written) is shown where it is not usual.
    """
    found = [
        _Field(
            one.name,
            _NOTHING if one.repr or one.default is MISSING else one.default,
            NAMES.get((kind, one.name)),
        )
        for one in fields(kind)
        if one.init
    ]
    if issubclass(kind, _WITH_READINGS):
        found += [
            _Field(name, _NOTHING, None)
            for name, one in _members(kind)
            if isinstance(one, property)
        ]
    return tuple(found)


def _named(value: Any, names: Name) -> Any:
    """Give a number, or several, with the names that they have."""
    if isinstance(value, tuple):
        return [_named(one, names) for one in value]
    name = names(value) if isinstance(value, int) else None
    return plain(value) if name is None else {"name": name, "value": int(value)}


def clause(kind: Any) -> str:
    """Give the clause that a class follows, out of its docstring; empty where none is named."""
    return _clause(kind)


@cache
def _clause(kind: Any) -> str:
    if kind in OUR_CLAUSES:
        return OUR_CLAUSES[kind]
    found = _clauses(getdoc(kind))
    ours = [text for text in found if text.startswith(_TOOLKIT)] or found
    if not ours or ours[0].startswith("TS "):
        return ours[0] if ours else ""
    standard = _STANDARD.search(getdoc(getmodule(kind)) or "")
    return f"{standard[0]} {ours[0].lower()}" if standard else ours[0].lower()


def _clauses(text: str | None) -> list[str]:
    return _CLAUSE.findall(" ".join((text or "").split()))


def _members(kind: Any) -> list[tuple[str, Any]]:
    """Give the members of a class, those of its shapes first."""
    return [member for one in reversed(kind.__mro__) for member in vars(one).items()]


def lines(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Write a value as an indented tree."""
    indent = "  " * depth + (f"{name}: " if name else "")
    if isinstance(value, Part):
        ignored = "" if value.comprehension else ", may be ignored"
        yield f"{indent}{_head(value.object, value.encode())}{ignored}"
        yield from _inside(value.object, depth + 1)
    elif isinstance(value, DataObject):
        yield indent + _head(value, value.encode())
        yield from _inside(value, depth + 1)
    elif is_dataclass(value):
        yield indent + type(value).__name__
        yield from _inside(value, depth + 1)
    elif isinstance(value, tuple) and any(_needs_a_line(one) for one in value):
        yield f"{indent}{len(value)}"
        for one in value:
            yield from lines(one, "", depth + 1)
    else:
        yield indent + _word(plain(value)) + _characters(value)


def _needs_a_line(value: Any) -> bool:
    """Say whether a value of a row is better shown in a line of its own."""
    return is_dataclass(value) or (isinstance(value, Enum) and not isinstance(value, int))


def _inside(value: Any, depth: int) -> Iterator[str]:
    """Write what a value has, but for what it lacks."""
    kind: Any = type(value)
    for name, usual, names in _shape(kind):
        part = _part(value, name)
        if part == usual or part is None or part in ((), b"") or isinstance(part, frozenset):
            continue
        if names is None:
            yield from lines(part, name, depth)
        else:
            yield "  " * depth + f"{name}: {_word(_named(part, names))}"


def _head(value: DataObject, octets: bytes) -> str:
    """Name an object with its octets and its clause."""
    where = clause(type(value))
    return f"{type(value).__name__} {octets.hex(' ').upper()}" + (f", {where}" if where else "")


def _word(value: Any) -> str:
    """Write a plain value in one line."""
    if isinstance(value, dict):
        number = value["value"]
        shown = f"{number:02X}" if isinstance(number, int) else ", ".join(map(str, number))
        return f"{value['name']} ({shown})"
    if isinstance(value, list):
        return "[" + ", ".join([_word(one) for one in value]) + "]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _characters(value: Any) -> str:
    """Show octets as text where they are nothing else."""
    if not isinstance(value, bytes) or len(value) < 2:
        return ""
    text = value.decode("ascii", "replace")
    return f" {text!r}" if text.isascii() and text.isprintable() else ""
