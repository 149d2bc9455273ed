"""Quantities with a unit: what a person writes outside expressions, and how values are shown."""

import re

from cardsync.policy.facts import SERVICES, TECHNOLOGIES
from cardsync.policy.values import LONGEST_DURATION, ValueType

_QUANTITY = re.compile(r"(\d{1,6}) *(min|minutes?|h|hours?|d|days?)")
_MINUTES = {"m": 1, "h": 60, "d": 1440}
_PERCENT = re.compile(r"(\d{1,3}) *%")
_SECONDS = re.compile(r"(\d{1,5}) *(s|seconds?)")
_NAMES = {
    ValueType.TECHNOLOGY: {number: name for name, number in TECHNOLOGIES.items()},
    ValueType.SERVICE: {number: name for name, number in SERVICES.items()},
    ValueType.TRUTH: {0: "false", 1: "true"},
}


def looks_like_duration(text: str) -> bool:
    """Say whether `text` is a number and a unit of time."""
    return _QUANTITY.fullmatch(text) is not None


def minutes(text: str) -> int:
    """Read `"24 h"`, `"10 min"` or `"30 d"`; raise `ValueError` for anything else."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    value = int(found[1]) * _MINUTES[found[2][0]]
    if value > LONGEST_DURATION:
        raise ValueError(f"{text!r} is longer than 45 days")
    return value


def percent(text: str) -> int:
    """Read `"20 %"`; raise `ValueError` for anything else or more than 100."""
    found = _PERCENT.fullmatch(text)
    if found is None or int(found[1]) > 100:
        raise ValueError(f"{text!r} is no percentage")
    return int(found[1])


def seconds(text: str) -> int:
    """Read `"30 s"` or whole minutes as seconds; raise `ValueError` for anything else."""
    found = _SECONDS.fullmatch(text)
    return int(found[1]) if found else 60 * minutes(text)


def show_minutes(value: int) -> str:
    """Write minutes in the largest unit that gives a whole number."""
    for unit, size in (("d", 1440), ("h", 60)):
        if value and value % size == 0 and (unit == "h" or value > size):
            return f"{value // size} {unit}"
    return f"{value} min"


def show(value: int | bytes | None, kind: ValueType) -> str:
    """Write a value as a person reads it."""
    if value is None:
        return "unknown"
    if isinstance(value, bytes):
        return _show_octets(value, kind)
    if kind is ValueType.DURATION:
        return show_minutes(value)
    return _NAMES.get(kind, {}).get(value, str(value))


def _show_octets(value: bytes, kind: ValueType) -> str:
    if not value:
        return "nothing"
    text = value.decode("utf-8", "replace")
    if kind is ValueType.TEXT and text.isprintable():
        return f'"{text}"'
    return value.hex().upper()
