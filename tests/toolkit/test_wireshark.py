"""The Wireshark plug-in names every field of ours, in the words of the specification.

docs/wireshark/request_synchronization.lua under tshark, on captures that `toolkit.trace` writes.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import specification as document
from cardsync.octets import pcapng
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota.token import build_token, derive_token_key
from cardsync.toolkit import commands, trace
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import CommandType
from cardsync.toolkit.commands import TerminalResponse
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.objects import CommandDetails, Result, Unknown
from cardsync.toolkit.parts import Part
from cardsync.toolkit.synchronization import request_synchronization
from peers import need

Exchange = tuple[CommandApdu, ResponseApdu]

VECTORS = document.vectors()
_BITS = re.compile(r"^[.01 ]+ = ")
_CODE = re.compile(r" \(0x[0-9a-f]+\)$")


def fetched(octets: bytes) -> Exchange:
    """Give the FETCH of a command."""
    return CommandApdu(0x80, Ins.FETCH, le=len(octets)), ResponseApdu(0x9000, octets)


def answered(octets: bytes) -> Exchange:
    """Give a TERMINAL RESPONSE."""
    return CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=octets), ResponseApdu(0x9000)


def exchange(name: str) -> Exchange:
    """Give the exchange in which a vector crosses."""
    octets = VECTORS[name].octets
    match name[0]:
        case "C":
            return fetched(octets)
        case "R":
            return answered(octets)
        case "E":
            return CommandApdu(0x80, Ins.ENVELOPE, data=octets), ResponseApdu(0x9000)
        case _:
            return CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=octets), ResponseApdu(0x9000)


def tshark(folder: Path, exchanges: Iterable[Exchange], *arguments: str) -> str:
    """Write a capture, let tshark read it with the plug-in, give what it says.

    It must say nothing of Lua on the way.
    """
    capture = folder / "trace.pcapng"
    packets = [pcapng.packet(trace.packet(*each), 1_700_000_000.0) for each in exchanges]
    capture.write_bytes(pcapng.header() + b"".join(packets))
    plugin = f"lua_script:{document.PLUGIN}"
    command = [need("tshark"), "-X", plugin, "-r", str(capture), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert "lua" not in done.stderr.lower()
    return done.stdout


def dissect(folder: Path, exchanges: Iterable[Exchange], *options: str) -> list[ET.Element]:
    """Give the dissected packets; only what we mark ourselves is malformed."""
    packets = list(ET.fromstring(tshark(folder, exchanges, "-T", "pdml", *options)))
    found = [names([packet]) for packet in packets]

    assert not [one for one in found if "_ws.malformed" in one and "reqsync.malformed" not in one]
    assert "_ws.lua.error" not in names(packets)
    return packets


def fields(packets: Iterable[ET.Element]) -> list[ET.Element]:
    """Give all fields and protocols of packets."""
    return [one for packet in packets for one in packet.iter() if one.tag in {"field", "proto"}]


def names(packets: Iterable[ET.Element]) -> list[str]:
    """Give the names of all fields and protocols."""
    return [one.get("name", "") for one in fields(packets)]


def shown(packet: ET.Element) -> list[str]:
    """Give our fields of a packet in the words of the document: name and value, or a set bit."""
    told = []
    for one in packet.iter("field"):
        name = one.get("name", "").removeprefix("reqsync.")
        text = _BITS.sub("", one.get("showname", ""))
        if name in {one.get("name"), "message"} or text.endswith(": False"):
            continue
        if text.endswith(": True"):
            told.append(text.removesuffix(": True"))
        elif one.find("field") is None or not name.startswith(_WITH_BITS):
            told.append(f"{name} {_CODE.sub('', text.partition(': ')[2])}")
    return told


_WITH_BITS = ("qualifier", "categories", "constraints.bearers", "terminal_profile")


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ET.Element]:
    """Every vector of the document as tshark shows it."""
    packets = dissect(tmp_path_factory.mktemp("trace"), [exchange(name) for name in VECTORS])
    return dict(zip(VECTORS, packets, strict=True))


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_named(name: str, dissected: dict[str, ET.Element]) -> None:
    """Each vector shows all that annex C says, field by field, and nothing of it is malformed."""
    packet = dissected[name]

    assert list(VECTORS[name].content) == shown(packet)
    assert "reqsync.malformed" not in names([packet])


def test_messages_are_named(dissected: dict[str, ET.Element]) -> None:
    """A message says which of ours it is."""
    told = {
        one.get("show")
        for name, packet in dissected.items()
        for one in fields([packet])
        if one.get("name") == "reqsync.message" and name in {"C1", "R1", "E1"}
    }

    assert {"command", "TERMINAL RESPONSE", "event synchronization status"} == told


def test_info_column(tmp_path: Path) -> None:
    """The list of packets says what happens."""
    lines = tshark(tmp_path, map(exchange, ("C6", "E1")), "-T", "fields", "-e", "_ws.col.Info")

    assert ["REQUEST SYNCHRONIZATION cancel", "REQUEST SYNCHRONIZATION status"] == [
        line[line.index("REQUEST") :] for line in lines.splitlines()
    ]


def test_token_is_not_shown(dissected: dict[str, ET.Element]) -> None:
    """Of a one-time token our fields have the length alone (RS-49)."""
    token = build_token(
        derive_token_key(bytes(range(16))), bytes.fromhex("98001032547698103214"), "./devman", 7
    ).hex()
    ours = [
        " ".join(one.attrib.values())
        for one in fields([dissected["C3"]])
        if one.get("name", "").startswith("reqsync")
    ]

    assert "authentication_length 30" in shown(dissected["C3"])
    assert token in VECTORS["C3"].octets.hex()
    assert not [one for one in ours if token in one or token[:16] in one]


# Every value of every list.


OBJECTS: dict[str, Callable[[int], DataObject]] = {
    "Protocol": so.SynchronizationProtocol,
    "Representation": lambda value: so.SynchronizationProtocol(0, 0, value),
    "Transport": lambda value: so.TransportList((value,)),
    "Synchronization type": so.SynchronizationType,
    "Device identifier type": lambda value: so.SourceDatabase(value, b"", 0, b""),
    "Database identifier type": lambda value: so.TargetDatabase(0, b"", value, b""),
    "Well-known database": lambda value: so.TargetDatabase(0, b"", 4, bytes([value])),
    "Notification": so.Notification,
    "Authentication scheme": so.AuthenticationReference,
    "Phase": so.Summary,
    "General results": lambda value: Result(value, b"\0"),
    "Terminal problem": lambda value: Result(0x20, bytes([value])),
    "Refusal": lambda value: Result(0x22, bytes([value])),
    "Temporary problem": lambda value: Result(so.CODE_POINTS.temporary, bytes([value])),
    "Permanent error": lambda value: Result(so.CODE_POINTS.permanent, bytes([value])),
}
"""For each list an object that has a value of it."""

FIELDS = {
    "Protocol": "protocol",
    "Representation": "representation",
    "Transport": "transport",
    "Synchronization type": "type",
    "Device identifier type": "source.device_type",
    "Database identifier type": "target.database_type",
    "Well-known database": "target.database",
    "Notification": "notification",
    "Authentication scheme": "scheme",
    "Phase": "phase",
    "General results": "result",
    "Terminal problem": "result.terminal",
    "Refusal": "result.refusal",
    "Temporary problem": "result.temporary",
    "Permanent error": "result.permanent",
}


def carried(one: DataObject) -> Exchange:
    """Put an object into a command, or a result into a response."""
    if isinstance(one, Result):
        details = CommandDetails(1, so.CODE_POINTS.command)
        return answered(TerminalResponse(details, one).encode())
    return fetched(request_synchronization(one).encode())


def test_lists_are_named(tmp_path: Path) -> None:
    """The plug-in has every value of every list, by the name that the document gives it."""
    expected = [
        (title, value, f"{FIELDS[title]} {name}")
        for title in FIELDS
        for value, name in document.values(title).items()
    ]
    packets = dissect(tmp_path, [carried(OBJECTS[title](value)) for title, value, _ in expected])
    missing = [
        told
        for (_, _, told), packet in zip(expected, packets, strict=True)
        if told not in shown(packet)
    ]

    assert [] == missing


def test_bits_are_named(tmp_path: Path) -> None:
    """The plug-in has every bit of every mask, by the name that the document gives it."""
    profile = bytes(so.CODE_POINTS.profile_byte - 1) + b"\xff"
    everything = request_synchronization(so.CategoryMask(0xFFFF), so.Constraints(0, 0, 0xFF))
    command = everything.encode().replace(bytes.fromhex("f500"), bytes.fromhex("f5ff"))
    told = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=profile), ResponseApdu(0x9000)
    packets = dissect(tmp_path, [fetched(command), told])
    seen = {one for packet in packets for one in shown(packet)}
    titles = ("Category", "Bearers", "Qualifier", "Profile bit")

    assert not {name for title in titles for name in document.bits(title).values()} - seen


# What is not ours, and what is not right.


def test_preferences(tmp_path: Path) -> None:
    """The code points are preferences; those of annex A are the defaults."""
    moved = [f"-oreqsync.{name}:{value + 1}" for name, value in code_points().items()]
    packets = dissect(tmp_path, map(exchange, VECTORS), *moved)

    assert not [one for one in names(packets) if one.startswith("reqsync")]
    same = [f"-oreqsync.{name}:{value}" for name, value in code_points().items()]
    told = [shown(packet) for packet in dissect(tmp_path, map(exchange, VECTORS), *same)]
    assert [list(one.content) for one in VECTORS.values()] == told


def code_points() -> dict[str, int]:
    """Give the code points of annex A."""
    return {
        row[0]: int(row[1], 10 if row[0] == "profile_byte" else 16)
        for row in document.table("Code points")
    }


def test_other_commands_are_left_alone(tmp_path: Path) -> None:
    """DISPLAY TEXT, its response and a profile of 33 octets have nothing of ours."""
    text = fetched(commands.display_text("Hello").encode())
    done = answered(
        TerminalResponse(CommandDetails(1, CommandType.DISPLAY_TEXT), Result(0)).encode()
    )
    profile = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\xff" * 33), ResponseApdu(0x9000)
    status = CommandApdu(0x80, Ins.STATUS, 0, 0x0C), ResponseApdu(0x910B)
    packets = dissect(tmp_path, [text, done, profile, status])

    assert not [one for one in names(packets) if one.startswith("reqsync")]


def test_the_whole_standard_is_left_alone(tmp_path: Path) -> None:
    """Every type, event and envelope of the standard, and nothing of ours in any of them."""
    rows = json.loads((Path(__file__).parent / "messages.json").read_text())
    exchanges = []
    for row in rows:
        octets = bytes.fromhex(row["octets"])
        brought = CommandApdu(0x80, Ins.ENVELOPE, data=octets), ResponseApdu(0x9000)
        way = {"command": fetched, "response": answered}.get(row["kind"])
        exchanges.append(way(octets) if way else brought)

    assert "" == tshark(tmp_path, exchanges, "-Y", "reqsync or _ws.lua.error")


def spoiled(number: int, value: bytes) -> Exchange:
    """Put an object of ours with a wrong value into a command."""
    one = Unknown(so.CODE_POINTS.tags | number, value, three_octets=True)
    return fetched(commands.command(so.CODE_POINTS.command, Part(one)).encode())


def test_malformed_objects_are_marked(tmp_path: Path) -> None:
    """A value one octet too short or too long is marked; the plug-in reads on without an error."""
    limits = [(int(row[1], 16), int(row[2]), int(row[3])) for row in document.table(_LENGTHS)]
    short = [spoiled(number, bytes(low - 1)) for number, low, _ in limits]
    long = [
        spoiled(number, bytes(high + 1))
        for number, _, high in limits
        if number not in {0x04, 0x05, 0x0D}
    ]
    packets = dissect(tmp_path, [*short, *long])
    marked = ["reqsync.malformed" in names([packet]) for packet in packets]

    assert [True] * len(packets) == marked


_LENGTHS = "Lengths of values"


def test_no_octet_breaks_the_plugin(tmp_path: Path) -> None:
    """Whatever one octet of a vector becomes, the plug-in has no error of its own."""
    broken = [
        VECTORS[name].octets[:place] + octet + VECTORS[name].octets[place + 1 :]
        for name in VECTORS
        for place in range(len(VECTORS[name].octets))
        for octet in (b"\x00", b"\x7f", b"\xff")
    ]
    exchanges = [wrap(octets) for octets in broken for wrap in (fetched, answered)]

    assert "" == tshark(tmp_path, exchanges, "-Y", "_ws.lua.error")
