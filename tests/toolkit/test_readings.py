"""What objects make of their octets, by name. TS 102 223 clause 8, TS 31.111 clause 8."""

from typing import Any

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit import bearers, browser, calls, channels, information, network, readers
from cardsync.toolkit.codes import BearerType, CommandType, GeneralResult, TerminalProblem
from cardsync.toolkit.commands import Part, ProactiveCommand, command
from cardsync.toolkit.data_object import DataObject, Unknown
from cardsync.toolkit.objects import Result, TimerValue
from cardsync.toolkit.reasons import REASONS, BipProblem, CallControlProblem, FramesProblem


def at(text: str, cell: str) -> information.LocationInformation:
    """Give a place in network 001 01 by its area and cell, in hexadecimal digits."""
    return information.LocationInformation("001", "01", bytes.fromhex(text + cell))


def bearer(kind: int, text: str) -> channels.BearerDescription:
    """Give a bearer with its parameters in hexadecimal digits."""
    return channels.BearerDescription(kind, bytes.fromhex(text))


GPRS = bearers.PacketParameters(3, 4, 3, 4, 31, 2)
UTRAN = bearers.ExtendedPacketParameters(2, 64, 128, 0, 0, 2, 0x96, 4, 7, 3, 0, 3, 2)
READINGS: list[tuple[DataObject, str, Any]] = [
    (at("0001", "0002"), "area", 1),
    (at("0001", "0002"), "cell", 2),
    (at("0001", "0002"), "e_utran_cell", None),
    (at("0001", "00020003"), "cell", 2),
    (at("0001", "00020003"), "extended_cell", 3),
    (at("0001", "0000002F"), "e_utran_cell", 2),
    (at("000102", "0000000304"), "area", 0x102),
    (at("000102", "0000000030"), "ng_ran_cell", 3),
    (at("000102", "0000000030"), "cell", None),
    (at("0001", "0002"), "ng_ran_cell", None),
    (at("0001", "0002"), "extended_cell", None),
    (at("", ""), "area", None),
    (network.TrackingAreaIdentification("001", "01", b"\0\2"), "tracking_area", 2),
    (network.RoutingAreaIdentification("001", "01", b"\0\2\3"), "location_area", 2),
    (network.RoutingAreaIdentification("001", "01", b"\0\2\3"), "routing_area", 3),
    (
        network.PlmnWithAccessTechnologyList(bytes.fromhex("00F110400013006280 00")),
        "networks",
        (("001", "01", "4000"), ("310", "260", "8000")),
    ),
    (bearer(BearerType.PACKET, "030403041F02"), "quality", GPRS),
    (bearer(BearerType.PACKET, "0304"), "quality", None),
    (
        bearer(BearerType.CIRCUIT_SWITCHED_DATA, "070001"),
        "quality",
        bearers.CircuitSwitchedParameters(7, 0, 1),
    ),
    (bearer(BearerType.PACKET_EXTENDED, "0200400080000000000296040703000302"), "quality", UTRAN),
    (
        bearer(BearerType.E_UTRAN, "09010203040000000002"),
        "quality",
        bearers.EvolvedPacketParameters(9, 1, 2, 3, 4, 0, 0, 0, 0, 2),
    ),
    (bearer(BearerType.NG_RAN, "03"), "quality", bearers.NextGenerationParameters(3)),
    (bearer(BearerType.DEFAULT, ""), "quality", None),
    (channels.OtherAddress(0x21, b"\1\2\3\4"), "host", "1.2.3.4"),
    (channels.OtherAddress(0x57, bytes(15) + b"\1"), "host", "::1"),
    (channels.OtherAddress(0x21, b"\1\2\3"), "host", None),
    (channels.OtherAddress(None), "host", None),
    (channels.ChannelStatus(0x01, b"\5"), "dropped", True),
    (channels.ChannelStatus(0x81, b"\0"), "dropped", False),
    (calls.CellBroadcastPage(bytes.fromhex("C011100196110041")), "scope", 3),
    (calls.CellBroadcastPage(bytes.fromhex("C011100196110041")), "message_code", 1),
    (calls.CellBroadcastPage(bytes.fromhex("C011100196110041")), "update_number", 1),
    (calls.Cause(bytes.fromhex("E090")), "number", 16),
    (calls.Cause(bytes.fromhex("608190")), "number", 16),
    (calls.Cause(b""), "number", None),
    (calls.ImsUri(b"sip:user@test.3gpp.com"), "text", "sip:user@test.3gpp.com"),
    (network.ImsStatusCode(b"403"), "text", "403"),
    (browser.BrowsingStatus(b"404"), "text", "404"),
    (TimerValue(86_399), "clock", "23:59:59"),
    (Result(0x20, b"\1"), "reason", TerminalProblem.SCREEN_BUSY),
    (Result(0x3A, b"\3"), "reason", BipProblem.CHANNEL_INVALID),
    (Result(0x39, b"\1"), "reason", CallControlProblem.NOT_ALLOWED),
    (Result(0x3C, b"\x03"), "reason", FramesProblem.NO_FRAME),
    (Result(0x3A, b"\x77"), "reason", 0x77),
    (Result(0x3A), "reason", None),
    (Result(0x00, b"\1"), "reason", None),
]


@pytest.mark.parametrize(("one", "name", "value"), READINGS, ids=lambda one: str(one)[:40])
def test_a_reading(one: DataObject, name: str, value: object) -> None:
    """What an object says by name, None where it does not say it."""
    assert value == getattr(one, name)


def test_apdus_for_another_card() -> None:
    """TS 31.124 clause 27.22.4.17, sequence 1.1."""
    sent = readers.CApdu(bytes.fromhex("A0A40000023F00")).apdu
    back = readers.RApdu(bytes.fromhex("01029F16")).apdu

    assert (0xA0, 0xA4, b"\x3f\0") == (sent.cla, sent.ins, sent.data)
    assert (b"\1\2", 0x9F16) == (back.data, back.sw)


def test_characters_that_are_none() -> None:
    """Octets are kept; asking for their text is refused."""
    with pytest.raises(PeerError, match="octet 1 of 2 is no UTF-8"):
        _ = calls.ImsUri(b"a\xff").text


def test_every_reason_is_of_a_result() -> None:
    """TS 102 223 clauses 8.12.2 and 8.12.8 to 8.12.12: 0 is always "no specific cause"."""
    assert {0x20, 0x25, 0x26, 0x38, 0x39, 0x3A, 0x3C} == set(REASONS)
    assert {"NONE"} == {kind(0).name for kind in REASONS.values()}


@pytest.mark.parametrize(
    ("made", "owed"),
    [
        (command(CommandType.MORE_TIME), None),
        (command(0x09), GeneralResult.TYPE_NOT_UNDERSTOOD),
        (command(CommandType.MORE_TIME, Unknown(0x5A, b"")), GeneralResult.DATA_NOT_UNDERSTOOD),
        (command(CommandType.MORE_TIME, Part(Unknown(0x5A, b""), comprehension=False)), None),
    ],
    ids=["known", "type", "object", "object that may be ignored"],
)
def test_what_is_owed_for_what_nobody_knows(made: ProactiveCommand, owed: int | None) -> None:
    """TS 102 223 clause 6.10."""
    assert owed == made.owed


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("0005", information.TimingAdvance(0, 5)),
        ("010502", information.TimingAdvance(1, 1282, 2)),
        ("0100000502", information.TimingAdvance(1, 1282, 4)),
    ],
)
def test_timing_advance(text: str, built: information.TimingAdvance) -> None:
    """Of GERAN in one octet, of E-UTRAN in two. TS 31.111 clause 8.46."""
    assert built == information.TimingAdvance.read(bytes.fromhex(text))
    assert bytes.fromhex(text) == built.value()


@pytest.mark.parametrize("text", ["", "00", "000000000000"])
def test_no_timing_advance(text: str) -> None:
    """An advance has one to four octets."""
    with pytest.raises((PeerError, ValueError)):
        information.TimingAdvance.read(bytes.fromhex(text))
