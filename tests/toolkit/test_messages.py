"""Messages of card and terminal as octets, and what is to be read in them.

messages.json was made by hand from the structures of TS 102 223 and TS 31.111, in the manner of
the sequences of TS 102 384 and TS 31.124; each row names the clause that gives it. A reading is a
class and a field or property of it; where a message has several objects of the class it is a list.
"""

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.data_object import DataObject, Unknown
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import EventList
from cardsync.toolkit.parts import Part

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "messages.json").read_text())
Message = ProactiveCommand | TerminalResponse | Envelope
DECODE: dict[str, Callable[[bytes], Message]] = {
    "command": ProactiveCommand.decode,
    "response": TerminalResponse.decode,
    "envelope": Envelope.decode,
}


def plain(value: object) -> object:
    """Give a value as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex().upper()
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def objects(message: Message) -> list[DataObject]:
    """Give every object of a message."""
    first: list[DataObject] = [message.result] if isinstance(message, TerminalResponse) else []
    return first + [part.object for part in message.parts]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['name']}, {row['clause']}")
def test_message(row: dict[str, Any]) -> None:
    """The octets come back, and each reading is found."""
    octets = bytes.fromhex(row["octets"])
    message = DECODE[row["kind"]](octets)

    assert octets == message.encode()

    for reading, value in row["readings"].items():
        kind, name = reading.split(".")
        found = [plain(getattr(one, name)) for one in objects(message)
                 if type(one).__name__ == kind]  # fmt: skip
        assert value == (found[0] if len(found) == 1 else found), reading


def test_every_type_and_event_is_among_them() -> None:
    """And no object is unknown, but for the one that is made to be."""
    messages = [DECODE[row["kind"]](bytes.fromhex(row["octets"])) for row in ROWS]
    unknown = [one for each in messages for one in objects(each) if isinstance(one, Unknown)]

    found = [one for one in messages if isinstance(one, ProactiveCommand)]
    envelopes = [one for one in messages if isinstance(one, Envelope)]
    events = [one.object.events for each in envelopes for one in each.parts
              if isinstance(one.object, EventList)]  # fmt: skip

    assert set(CommandType) == {one.details.type for one in found}
    assert set(EnvelopeTag) == {one.tag for one in envelopes}
    assert set(EventCode) == {one for several in events for one in several}
    assert [Unknown(0x0077, b"\1", three_octets=True)] == unknown


COMMANDS = [row for row in ROWS if row["kind"] == "command"]


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: str(row["name"]))
def test_flags_of_comprehension(row: dict[str, Any]) -> None:
    """Each object with and without its flag is the same object, in the octets that came."""
    message = ProactiveCommand.decode(bytes.fromhex(row["octets"]))
    turned = tuple([Part(part.object, not part.comprehension) for part in message.parts])
    other = ProactiveCommand(message.details, message.devices, turned, (False, False))

    assert other == ProactiveCommand.decode(other.encode())


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: str(row["name"]))
def test_another_order(row: dict[str, Any]) -> None:
    """Behind details and identities objects may stand in any order, and keep it."""
    message = ProactiveCommand.decode(bytes.fromhex(row["octets"]))
    other = ProactiveCommand(message.details, message.devices, message.parts[::-1], message.flags)

    assert other == ProactiveCommand.decode(other.encode())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["name"]))
def test_cut_short(row: dict[str, Any]) -> None:
    """Wherever a message ends too early it is refused, or is a shorter message of its own."""
    octets = bytes.fromhex(row["octets"])
    for end in range(len(octets)):
        try:
            again = DECODE[row["kind"]](octets[:end]).encode()
        except PeerError as exc:
            again = octets[:end] if exc.answer is not None else b"no answer"

        assert octets[:end] == again


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes]:
    """Change some octets of a message, or put an object of any tag behind it."""
    row = draw(st.sampled_from(ROWS))
    octets = bytearray.fromhex(row["octets"])
    for _ in range(draw(st.integers(0, 3))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    more = draw(st.binary(max_size=6))
    octets += bytes([draw(st.integers(1, 255)), len(more)]) + more
    if row["kind"] != "response" and octets[1] < 0x80 and len(octets) < 0x82:
        octets[1] = len(octets) - 2
    return row["kind"], bytes(octets)


@settings(max_examples=500)
@given(changed())
def test_changed(found: tuple[str, bytes]) -> None:
    """Whatever became of a message, it is refused with an answer, or comes back as it is."""
    kind, octets = found
    try:
        again = DECODE[kind](octets).encode()
    except PeerError as exc:
        again = octets if exc.answer is not None else b"no answer"

    assert octets == again


@pytest.mark.parametrize("tag", ["7F0000", "7F8000"])
@pytest.mark.parametrize("row", COMMANDS[:3], ids=lambda row: str(row["name"]))
def test_a_tag_that_is_none(row: dict[str, Any], tag: str) -> None:
    """Zero in three octets is no tag. TS 101 220 clause 7.1.1.2."""
    octets = bytes.fromhex(row["octets"] + tag + "00")
    octets = octets[:1] + bytes([octets[1] + 4]) + octets[2:]
    with pytest.raises(PeerError) as caught:
        ProactiveCommand.decode(octets)

    assert GeneralResult.DATA_NOT_UNDERSTOOD == caught.value.answer
