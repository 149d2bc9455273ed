"""Lines of recordings: what they say, and what is told of those that are wrong."""

import pytest

from cardsync.errors import ConfigError
from cardsync.policy.facts import FACTS_BY_NAME, Event
from cardsync.policy.recording import Line, LineReader
from cardsync.policy.values import EventKind, ValueType

VALUES = {
    ValueType.TRUTH: (True, 1),
    ValueType.NUMBER: (244, 244),
    ValueType.DURATION: (60, 60),
    ValueType.TEXT: ("490154203237518", b"490154203237518"),
    ValueType.OCTETS: ("4A FF", b"\x4a\xff"),
    ValueType.TECHNOLOGY: ("NR", 10),
    ValueType.SERVICE: ("LIMITED", 1),
}


def read(**fields: object) -> Line:
    """Read one line of a card."""
    return LineReader().read({"card": "a", "event": "poll"} | fields)


def test_a_line() -> None:
    """Facts are sorted: what is so now, what was at the last success, what came of a session."""
    facts = {"imei": "49", "battery": None, "last.imei": "35", "since_last.synchronization": 3,
             "result.ok": False}  # fmt: skip
    line = read(minute=7, event="synchronized", argument="all", facts=facts)

    assert line == Line(
        "a",
        7,
        Event(EventKind.SYNCHRONIZED, "all"),
        {"imei": b"49", "battery": None},
        {"last.imei": b"35", "since_last.synchronization": 3},
        {"result.ok": 0},
    )


@pytest.mark.parametrize("name", FACTS_BY_NAME)
def test_facts(name: str) -> None:
    """Every fact is read by its type; null makes it unknown, a result that is null is none."""
    written, value = VALUES[FACTS_BY_NAME[name].type]
    line, none = read(facts={name: written}), read(facts={name: None})

    assert {name: value} == line.facts | line.history | line.results
    assert none.facts | none.history == ({} if name.startswith("result.") else {name: None})


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"event": "poll"}, Event(EventKind.POLL)),
        ({"event": "timer"}, Event(EventKind.TIMER, 0)),
        ({"event": "timer", "argument": 90}, Event(EventKind.TIMER, 90)),
        ({"event": "menu", "argument": 1}, Event(EventKind.MENU, 1)),
        ({"event": "menu", "argument": "Go"}, Event(EventKind.MENU, "Go")),
        ({"event": "message", "argument": "now"}, Event(EventKind.MESSAGE, "now")),
        (
            {"event": "application", "argument": "A000000087"},
            Event(EventKind.APPLICATION, bytes.fromhex("A000000087")),
        ),
        ({"event": "refused"}, Event(EventKind.REFUSED)),
    ],
)
def test_events(fields: dict[str, object], event: Event) -> None:
    """Every event has the argument of its kind; the same event is made once."""
    reader = LineReader()
    first, second = (reader.read({"card": "a"} | fields).event for _ in range(2))

    assert first == event
    assert first is second


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"card": ""}, "card: the name of a card is expected"),
        ({"card": 5}, "card: the name of a card is expected"),
        ({"card": "\ud800"}, "card: the name of a card is expected"),
        ({"minute": -1}, "minute: -1 is not 0 to"),
        ({"minute": True}, "minute: True is not 0 to"),
        ({"event": "pol"}, "perhaps 'poll'"),
        ({"event": []}, "event: [] is none"),
        ({"argument": 1}, "this event has none"),
        ({"event": "timer", "argument": "1 h"}, "'1 h' is not 0 to"),
        ({"event": "menu", "argument": None}, "number or the text of a menu entry"),
        ({"event": "message"}, "expected the name of a message"),
        ({"event": "refused", "argument": "a\n"}, "expected the name of a request"),
        ({"event": "application", "argument": "A"}, "expected an AID"),
        ({"event": "application"}, "expected an AID"),
        ({"more": 1}, "more: unknown key; expected one of card, minute"),
        ({"facts": 1}, "facts: a JSON object of facts is expected"),
        ({"facts": {"imie": "1"}}, "facts: unknown fact 'imie'; expected one of imei,"),
        ({"facts": {"imei": 49}}, "facts: imei: 49 is no text"),
        ({"facts": {"imei": "9" * 256}}, "256 octets are more than 255"),
        ({"facts": {"profile": "x"}}, "facts: profile: 'x' are no hexadecimal digits"),
        ({"facts": {"profile": 1}}, "facts: profile: 1 are no hexadecimal digits"),
        ({"facts": {"battery": 1.5}}, "facts: battery: 1.5 is no number"),
        ({"facts": {"battery": 70000}}, "70000 is no number of 0 to 65535"),
        ({"facts": {"network.roaming": "no"}}, "'no' is neither true nor false"),
        ({"facts": {"network.technology": "lte"}}, "'lte' is none; expected one of GSM"),
    ],
)
def test_what_is_wrong(fields: dict[str, object], told: str) -> None:
    """What was found, and what was expected."""
    with pytest.raises(ConfigError) as caught:
        read(**fields)

    assert told in str(caught.value)


@pytest.mark.parametrize("fields", [None, 1, [], "x"])
def test_no_object(fields: object) -> None:
    """A line is an object."""
    with pytest.raises(ConfigError, match="no JSON object"):
        LineReader().read(fields)


def test_few_events_are_kept() -> None:
    """A recording of ever new events does not fill the memory."""
    reader = LineReader()
    for number in range(5000):
        reader.read({"card": "a", "event": "message", "argument": f"m{number}"})

    assert len(reader._events) == 4096
