"""The report of the card: its octets, its size, its keys, and what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.semi import swapped
from cardsync.ota.application import APPLICATION_TAR
from cardsync.ota.packet import ResponseStatus, SecurityLevel, Spi
from cardsync.ota.report import (
    LONGEST_REQUEST,
    GenuineReport,
    Report,
    ReportReason,
    derive_report_keys,
    frame,
    read_report,
    secure_report,
    unframe,
)
from cardsync.ota.security import Algorithm, Key, KeySet, PacketRejected
from cardsync.ota.session import ReceivingEntity, SendingEntity
from cardsync.transport.user_data import COMMAND_HEADER, LARGEST_OCTETS, UserData

KEYS = KeySet(1, Key(Algorithm.AES, bytes(range(16))), Key(Algorithm.AES, bytes(range(16, 32))))
OTHER = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, bytes(16)))
TRIPLE = KeySet(
    2,
    Key(Algorithm.TRIPLE_DES_2, bytes(range(16))),
    Key(Algorithm.TRIPLE_DES_3, bytes(range(24))),
)
IMEI = "490154203237518"
ICCID = "8988211000000000017"
PHONE = Report(ReportReason.OTHER_TERMINAL, IMEI, "de", b"profile!", 8, 0b10_0001, "inventory")

reports = st.builds(
    Report,
    st.sampled_from(ReportReason),
    st.none() | st.from_regex(r"\A[0-9]{15}\Z"),
    st.none() | st.from_regex(r"\A[a-z]{2}\Z"),
    st.none() | st.binary(min_size=8, max_size=8),
    st.none() | st.integers(0, 255),
    st.integers(0, 127),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=LONGEST_REQUEST),
    st.just(b"") | st.binary(min_size=8, max_size=8),
)


def test_octets() -> None:
    """Another phone in this card: version, then objects in the order of their tags."""
    octets = (
        bytes.fromhex("01 01 01 01 02 08 94 10 45 02 23 73 15 F8 03 02 64 65 04 08")
        + b"profile!"
        + bytes.fromhex("05 01 08 06 01 21 07 09")
        + b"inventory"
    )

    assert octets == PHONE.encode()
    assert PHONE == Report.decode(octets)


@given(reports)
def test_both_ways(report: Report) -> None:
    """What is written is read."""
    assert report == Report.decode(report.encode())


@given(reports, st.integers(0, 0xFFFFFFFFFF - 1))
def test_one_short_message(report: Report, counter: int) -> None:
    """Every report fits one short message, and is read where its counter rises."""
    packet = secure_report(report, KEYS, counter + 1)

    assert LARGEST_OCTETS >= UserData(packet, COMMAND_HEADER).length()
    assert GenuineReport(report, 1, counter + 1) == read_report(packet, {1: KEYS}, {1: counter})


def test_long_names_are_cut() -> None:
    """A longer name of a request is cut where a character ends."""
    name = "x" * (LONGEST_REQUEST - 1) + "é"
    report = Report.decode(Report(ReportReason.FALLBACK, request=name).encode())

    assert "x" * (LONGEST_REQUEST - 1) == report.request


@given(st.binary(max_size=60))
def test_any_octets(octets: bytes) -> None:
    """What is no report is a `PeerError` and nothing else."""
    with contextlib.suppress(PeerError):
        Report.decode(octets)


@pytest.mark.parametrize(
    "octets",
    ["02", "01", "01 0101", "01 010109", "01 0201F8", "01 010101 010101", "01 010101 0303646566",
     "01 010101 03026431", "01 010101 040101", "01 010101 07020A0A", "01 010101 0701FF",
     "01 010101 060102 0501"],
)  # fmt: skip
def test_malformed(octets: str) -> None:
    """Another version, no reason, out of order, wrong lengths, no text: refused."""
    with pytest.raises(PeerError):
        Report.decode(bytes.fromhex(octets))


def test_unknown_tags_are_passed_over() -> None:
    """A later card may say more."""
    assert Report(ReportReason.RULE) == Report.decode(bytes.fromhex("01 010103 FE020000"))


def test_keys_are_separate() -> None:
    """Keys of reports are neither those of commands nor each other, and the same each time."""
    derived = derive_report_keys(KEYS)
    octets = {derived.kic.octets, derived.kid.octets, KEYS.kic.octets, KEYS.kid.octets}

    assert 4 == len(octets)
    assert derived == derive_report_keys(KEYS)
    assert derive_report_keys(TRIPLE).kid.algorithm is Algorithm.AES


def test_weak_keys() -> None:
    """Single DES can be searched: nothing is derived from it, and no report of it is genuine."""
    weak = KeySet(3, KEYS.kic, Key(Algorithm.DES, bytes(8)))
    with pytest.raises(LocalError):
        derive_report_keys(weak)
    with pytest.raises(PacketRejected):
        read_report(secure_report(PHONE, KEYS, 1), {3: weak}, {})


@pytest.mark.parametrize(
    ("packet", "status"),
    [
        (secure_report(PHONE, OTHER, 9), ResponseStatus.CHECKSUM_FAILED),
        (secure_report(PHONE, KEYS, 5), ResponseStatus.COUNTER_LOW),
        (secure_report(PHONE, KEYS, 4), ResponseStatus.COUNTER_LOW),
        (secure_report(PHONE, TRIPLE, 9), ResponseStatus.UNIDENTIFIED_SECURITY_ERROR),
    ],
)
def test_refused(packet: bytes, status: ResponseStatus) -> None:
    """Other keys, a counter that does not rise, a key set that is not there."""
    with pytest.raises(PacketRejected) as caught:
        read_report(packet, {1: KEYS}, {1: 5})

    assert status is caught.value.status


def test_every_bit_counts() -> None:
    """A report of which one bit is another is refused."""
    packet = secure_report(PHONE, KEYS, 1)
    for place in range(8 * len(packet)):
        changed = bytearray(packet)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(PeerError):
            read_report(bytes(changed), {1: KEYS}, {})


def test_no_reflection() -> None:
    """A report sent back to the card is no command, and a command is no report."""
    card = ReceivingEntity({1: KEYS}, {APPLICATION_TAR: SecurityLevel()}, {})
    with pytest.raises(PacketRejected):
        card.receive_data(secure_report(PHONE, KEYS, 1))
    command = SendingEntity(KEYS, Spi(), APPLICATION_TAR).secure(PHONE.encode(), 1)
    with pytest.raises(PacketRejected):
        read_report(command, {1: KEYS}, {})


def test_frame() -> None:
    """In a stream: length, ICCID, packet; nothing while octets are missing."""
    iccid = swapped(ICCID.ljust(20, "F"))
    octets = frame(iccid, b"packet")

    assert bytes.fromhex("0010") + iccid + b"packet" == octets
    assert (ICCID, b"packet") == unframe(octets)
    assert unframe(octets[:-1]) is None
    assert unframe(b"\0") is None
    for wrong in (b"\0\0", b"\0\x0a", b"\xff\xff"):
        with pytest.raises(PeerError):
            unframe(wrong)
    with pytest.raises(LocalError):
        frame(b"", b"")
