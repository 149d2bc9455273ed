"""Exchanges as GSMTAP, read by tshark: an independent reader of commands and envelopes."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cardsync.octets import pcapng, tlv
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import commands, envelope, trace
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import PROACTIVE_COMMAND_TAG, EnvelopeTag, EventCode, LocalInformation
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.information import Language
from cardsync.toolkit.objects import Result
from cardsync.toolkit.parts import content
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.synchronization import accepted, request_synchronization, status_event
from peers import need
from vectors import load

OK = ResponseApdu(SW.OK)
READ = {PROACTIVE_COMMAND_TAG, EnvelopeTag.SMS_PP_DOWNLOAD, EnvelopeTag.EVENT_DOWNLOAD}
"""Messages into which tshark 4.0 looks; of other envelopes it shows the tag."""
MALFORMED = re.compile(r"_ws\.malformed|Malformed")


def fetch(octets: bytes) -> tuple[CommandApdu, ResponseApdu]:
    """Give the exchange that brings a command."""
    return CommandApdu(0x80, Ins.FETCH, le=len(octets)), ResponseApdu(SW.OK, octets)


def response(octets: bytes) -> tuple[CommandApdu, ResponseApdu]:
    """Give the exchange that brings a response."""
    return CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=octets), OK


def brought(octets: bytes) -> tuple[CommandApdu, ResponseApdu]:
    """Give the exchange that brings an envelope."""
    return CommandApdu(0x80, Ins.ENVELOPE, data=octets), OK


def tshark(exchanges: list[tuple[CommandApdu, ResponseApdu]], folder: Path) -> list[Any]:
    """Give the layers of each exchange as tshark reads them."""
    path = folder / "trace.pcapng"
    packets = [pcapng.packet(trace.packet(*one), float(at)) for at, one in enumerate(exchanges)]
    path.write_bytes(pcapng.header() + b"".join(packets))
    asked = [need("tshark"), "-r", str(path), "-T", "json", "--no-duplicate-keys"]
    told = subprocess.run(asked, check=True, capture_output=True)
    return [packet["_source"]["layers"] for packet in json.loads(told.stdout)]


def found(layers: Any, name: str) -> list[str]:
    """Give all values of a field, however deep it stands."""
    if isinstance(layers, list):
        return [value for one in layers for value in found(one, name)]
    if not isinstance(layers, dict):
        return []
    here = layers.get(name, [])
    values = here if isinstance(here, list) else [here]
    return values + [value for inner in layers.values() for value in found(inner, name)]


def test_the_header() -> None:
    """Version 2, four words, type SIM; then command, data and status word."""
    octets = trace.gsmtap(CommandApdu(0x80, Ins.FETCH, le=2), ResponseApdu(SW.OK, b"ab"))

    assert bytes.fromhex("02040400" + "00" * 12 + "8012000002" + "6162" + "9000") == octets


def test_a_whole_session(tmp_path: Path) -> None:
    """Profile, fetch, response, envelope: each is known by name, none is malformed."""
    profile = TerminalProfile.of(Feature.DISPLAY_TEXT, Feature.REQUEST_SYNCHRONIZATION)
    asked = commands.provide_local_information(LocalInformation.IMEI)
    answer = TerminalResponse(asked.details, Result(0))
    layers = tshark(
        [
            (CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=profile.octets), OK),
            fetch(asked.encode()),
            response(answer.encode()),
            brought(envelope.event_download(EventCode.LANGUAGE_SELECTION, Language("se")).encode()),
            brought(envelope.menu_selection(2).encode()),
            brought(envelope.timer_expiration(1, 30).encode()),
        ],
        tmp_path,
    )

    assert ["0x10", "0x12", "0x14", "0xc2", "0xc2", "0xc2"] == [
        found(one, "gsm_sim.apdu.ins")[0] for one in layers
    ]
    assert ["0x26"] == [code.lower() for code in found(layers[1], "etsi_cat.comp_tlv.cmd_type")]
    assert not MALFORMED.search(json.dumps(layers))


def test_request_synchronization_is_a_row_of_readable_objects(tmp_path: Path) -> None:
    """Command, response and event: type F5 and three-octet tags; nothing is malformed."""
    command = request_synchronization(
        so.SynchronizationProtocol(so.Protocol.SYNCML_DS),
        so.TransportList((so.Transport.HTTP,)),
        so.SynchronizationType(203),
        so.SourceDatabase.of_imei("490154203237518", "./dm"),
        so.TargetDatabase.of_uri("http://dm.mno.example/s", "./dm"),
        so.SessionReference(b"\0\1"),
    )
    answer = accepted(command, Result(0))
    event = status_event(b"\0\1", Result(0), so.Summary(added=3))
    exchanges = [fetch(command.encode()), response(answer.encode()), brought(event.encode())]
    layers = tshark(exchanges, tmp_path)

    assert ["0xf5"] == [code.lower() for code in found(layers[0], "etsi_cat.comp_tlv.cmd_type")]
    assert not MALFORMED.search(json.dumps(layers))
    split = found(layers[0], "etsi_cat.comp_tlv")

    assert [part.object.value().hex(":") for part in command.parts] == split[2:]


WRITE: dict[str, Callable[[bytes], tuple[CommandApdu, ResponseApdu]]] = {
    "command": lambda octets: fetch(ProactiveCommand.decode(octets).encode()),
    "response": lambda octets: response(TerminalResponse.decode(octets).encode()),
    "envelope": lambda octets: brought(envelope.Envelope.decode(octets).encode()),
}


def agree(kind: str, messages: dict[str, bytes], folder: Path, broken: frozenset[str]) -> None:
    """Compare type and split of what we write with what tshark sees.

    It calls none malformed but those that are `broken` in it.
    """
    layers = tshark([WRITE[kind](octets) for octets in messages.values()], folder)
    wrong = set()
    for (name, octets), read in zip(messages.items(), layers, strict=True):
        body = octets if kind == "response" else content(octets, range(0x100))[1]
        parts = list(tlv.walk_comprehension(body))
        if MALFORMED.search(json.dumps(read)):
            wrong.add(name)
        if kind == "response" or octets[0] in READ:
            values = [part.value.hex(":") for part in parts]
            assert values == found(read, "etsi_cat.comp_tlv"), name
        if kind != "response":
            assert [f"0x{octets[0]:02x}"] == found(read, "gsm_sim.cat.ber_tlv_tag"), name
        if kind != "envelope":
            types = found(read, "etsi_cat.comp_tlv.cmd_type")
            assert [parts[0].value[1]] == [int(code, 16) for code in types], name

    assert broken == wrong


@pytest.mark.parametrize("kind", WRITE)
def test_our_octets_of_every_vector(kind: str, tmp_path: Path) -> None:
    """What we write of each message of TS 31.124 has the type and the split that tshark sees."""
    messages = {
        one["name"]: bytes.fromhex(one["pdu"])
        for one in load("cat_31124.json")["vectors"]
        if one["kind"] == kind and not one["name"].startswith("Setup Menu Negative")
    }

    agree(kind, messages, tmp_path, frozenset())


BROKEN = {
    "command": frozenset(
        {
            "REFRESH NAA session reset",  # it reads twelve octets of any AID
            "REFRESH steering of roaming I-WLAN",  # it reads a list of networks as one
            "OC UTRAN extended",  # it reads the type of PDP from all seventeen octets
        }
    ),
    "response": frozenset(),
    "envelope": frozenset(
        {
            "MT call uri",  # it knows F3 as a routing area alone
            "data conn ok",  # it knows 8B as a short message alone
        }
    ),
}
"""Messages whose objects tshark 4.0 reads in another way than their clause."""


@pytest.mark.parametrize("kind", WRITE)
def test_messages_by_hand(kind: str, tmp_path: Path) -> None:
    """The same of each message of messages.json, but for what tshark itself reads wrongly."""
    rows = json.loads((Path(__file__).parent / "messages.json").read_text())
    messages = {row["name"]: bytes.fromhex(row["octets"]) for row in rows if row["kind"] == kind}

    agree(kind, messages, tmp_path, BROKEN[kind])
