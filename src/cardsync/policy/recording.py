"""Recorded events: what cards heard and knew, one JSON object a line. docs/policy.md tells how.

A recording has a million lines and more, so reading one is kept cheap: an event is made once for
all its lines, and a line is a tuple.
"""

from collections.abc import Callable
from typing import NamedTuple

from cardsync.errors import ConfigError
from cardsync.policy.facts import FACTS_BY_NAME, LAST, SERVICES, TECHNOLOGIES, Event
from cardsync.policy.tables import one_of, perhaps
from cardsync.policy.values import LARGEST_NUMBER, EventKind, ValueType

LATEST = 10 * 366 * 1440
"""The last minute that a recording may have: after ten years."""

OUTCOMES = ("synchronized", "refused")
"""The events that tell how a synchronization went."""

Change = int | bytes | None
"""What a fact becomes; None is unknown."""

_ORDERED_KEYS = ("card", "minute", "event", "argument", "facts")
_KEYS = set(_ORDERED_KEYS)
_KINDS = {kind.name.lower(): kind for kind in EventKind}
_SINCE = "since_last.synchronization"
_LONGEST = 255  # octets of a text
_MOST_KEPT = 4096  # different events that are kept for the next line
_NOW, _HISTORY, _RESULT = range(3)


class Line(NamedTuple):
    """What one card heard at a minute, None where the line does not say when.

    `facts` are changes of what the card knows, `history` those of `last.` and `since_last.`
    facts, `results` are true of this event alone.
    """

    card: str
    minute: int | None
    event: Event
    facts: dict[str, Change]
    history: dict[str, Change]
    results: dict[str, int | bytes]


class LineReader:
    """Reads the lines of one recording."""

    def __init__(self) -> None:
        self._events: dict[tuple[object, object], Event] = {}

    def read(self, fields: object) -> Line:
        """Make a line of a JSON object; raise `ConfigError` that says what was expected."""
        if not isinstance(fields, dict):
            raise ConfigError("this is no JSON object")
        card, minute = fields.get("card"), fields.get("minute")
        if type(card) is not str or not card or not card.isprintable():
            raise ConfigError("card: the name of a card is expected, a text")
        if minute is not None and (type(minute) is not int or not 0 <= minute <= LATEST):
            raise ConfigError(f"minute: {minute!r} is not 0 to {LATEST}")
        event = self._event(fields.get("event"), fields.get("argument"))
        if not fields.keys() <= _KEYS:
            wrong = next(key for key in fields if key not in _KEYS)
            raise ConfigError(f"{wrong}: unknown key; expected {one_of(_ORDERED_KEYS)}")
        facts = fields.get("facts")
        return Line(card, minute, event, *(_sort(facts) if facts else ({}, {}, {})))

    def _event(self, name: object, argument: object) -> Event:
        try:
            return self._events[name, argument]
        except (KeyError, TypeError):
            pass
        if not isinstance(name, str) or name not in _KINDS:
            guess = perhaps(str(name), _KINDS)
            raise ConfigError(f"event: {name!r} is none; expected {one_of(_KINDS)}{guess}")
        kind = _KINDS[name]
        event = Event(kind, _ARGUMENTS.get(kind, _no_argument)(argument))
        if len(self._events) < _MOST_KEPT:
            self._events[name, argument] = event
        return event


def _sort(facts: object) -> tuple[dict[str, Change], dict[str, Change], dict[str, int | bytes]]:
    """Read every fact: what is so now, what was so at the last success, results."""
    now: dict[str, Change] = {}
    history: dict[str, Change] = {}
    results: dict[str, int | bytes] = {}
    if not isinstance(facts, dict):
        raise ConfigError("facts: a JSON object of facts is expected")
    for name, value in facts.items():
        if name not in _FACTS:
            expected = one_of(FACTS_BY_NAME) + perhaps(name, _FACTS)
            raise ConfigError(f"facts: unknown fact {name!r}; expected {expected}")
        group, read = _FACTS[name]
        try:
            found = None if value is None else read(value)
        except ConfigError as exc:
            raise ConfigError(f"facts: {name}: {exc}") from exc
        if group == _NOW:
            now[name] = found
        elif group == _HISTORY:
            history[name] = found
        elif found is not None:
            results[name] = found
    return now, history, results


def _no_argument(argument: object) -> None:
    if argument is not None:
        raise ConfigError(f"argument: {argument!r}; this event has none")


def _minutes(argument: object) -> int:
    if argument is None:
        return 0
    if type(argument) is not int or not 0 <= argument <= LATEST:
        raise ConfigError(f"argument: {argument!r} is not 0 to {LATEST} minutes")
    return argument


def _entry(argument: object) -> str | int:
    if type(argument) is int and 1 <= argument <= 255:
        return argument
    if isinstance(argument, str) and argument.isprintable():
        return argument
    raise ConfigError(f"argument: {argument!r}; expected the number or the text of a menu entry")


def _message(argument: object) -> str:
    return _name(argument, "a message")


def _name(argument: object, what: str) -> str:
    if not isinstance(argument, str) or not argument.isprintable():
        raise ConfigError(f"argument: {argument!r}; expected the name of {what}")
    return argument


def _aid(argument: object) -> bytes:
    try:
        return bytes.fromhex(argument)  # type: ignore[arg-type]  # what is no text is told below
    except (TypeError, ValueError):
        raise ConfigError(f"argument: {argument!r}; expected an AID, hexadecimal") from None


def _request(argument: object) -> str | None:
    return None if argument is None else _name(argument, "a request")


_ARGUMENTS: dict[EventKind, Callable[[object], str | bytes | int | None]] = {
    EventKind.TIMER: _minutes,
    EventKind.MENU: _entry,
    EventKind.MESSAGE: _message,
    EventKind.APPLICATION: _aid,
    EventKind.SYNCHRONIZED: _request,
    EventKind.REFUSED: _request,
}


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
        raise ConfigError(f"{value!r} is no number of 0 to {LARGEST_NUMBER}")
    return value


def _truth(value: object) -> int:
    if value not in (0, 1):
        raise ConfigError(f"{value!r} is neither true nor false")
    return int(value is True or value == 1)


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise ConfigError(f"{value!r} is no text")
    octets = value.encode(errors="surrogatepass")
    if len(octets) > _LONGEST:
        raise ConfigError(f"{len(octets)} octets are more than {_LONGEST}")
    return octets


def _octets(value: object) -> bytes:
    try:
        return bytes.fromhex(value)  # type: ignore[arg-type]  # what is no text is told below
    except (TypeError, ValueError):
        raise ConfigError(f"{value!r} are no hexadecimal digits") from None


def _word_of(words: dict[str, int]) -> Callable[[object], int]:
    def read(value: object) -> int:
        if type(value) is str:
            if value in words:
                return words[value]
            raise ConfigError(f"{value!r} is none; expected {one_of(words)}{perhaps(value, words)}")
        return _number(value)

    return read


_READERS: dict[ValueType, Callable[[object], int | bytes]] = {
    ValueType.TRUTH: _truth,
    ValueType.NUMBER: _number,
    ValueType.DURATION: _number,
    ValueType.TEXT: _text,
    ValueType.OCTETS: _octets,
    ValueType.TECHNOLOGY: _word_of(TECHNOLOGIES),
    ValueType.SERVICE: _word_of(SERVICES),
}


def _group(number: int, name: str) -> int:
    if number & LAST or name == _SINCE:
        return _HISTORY
    return _RESULT if name.startswith("result.") else _NOW


_FACTS = {
    name: (_group(fact.number, name), _READERS[fact.type]) for name, fact in FACTS_BY_NAME.items()
}
