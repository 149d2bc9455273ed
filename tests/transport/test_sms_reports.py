"""SMS-SUBMIT-REPORT, SMS-STATUS-REPORT and SMS-COMMAND. TS 23.040 clauses 9.2.2.2a to 9.2.2.4."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets import text
from cardsync.transport.sms import Address, TimeStamp
from cardsync.transport.sms_reports import Command, Optional, StatusReport, SubmitReport
from cardsync.transport.user_data import InformationElement, UserData

Tpdu = SubmitReport | StatusReport | Command

TIME = TimeStamp(bytes.fromhex("62113011223400"))
NUMBER = Address("31641600986")
HEADER = (InformationElement(0x05, bytes(4)),)
WAY: dict[type, Callable[[bytes], Tpdu]] = {
    SubmitReport: partial(SubmitReport.decode, failed=False),
    StatusReport: StatusReport.decode,
    Command: Command.decode,
}
NOTE = UserData(text.encode_septets("Hi"))
STATUS = "170B911346610089F6" + "62113011223400" * 2
ROWS: list[tuple[str, Tpdu]] = [
    ("010062113011223400", SubmitReport(TIME)),
    ("0101621130112234007F", SubmitReport(TIME, Optional(protocol=0x7F))),
    ("01046211301122340002C834", SubmitReport(TIME, Optional(user_data=NOTE))),
    (
        "41066211301122340004 0806050400000000 41",
        SubmitReport(TIME, Optional(None, 4, UserData(b"A", HEADER))),
    ),
    ("06" + STATUS + "00", StatusReport(0x17, NUMBER, TIME, TIME, 0)),
    ("0E" + STATUS + "30", StatusReport(0x17, NUMBER, TIME, TIME, 0x30, loop_prevention=True)),
    (
        "22" + STATUS + "46",
        StatusReport(0x17, NUMBER, TIME, TIME, 0x46, more_messages=True, of_command=True),
    ),
    ("06" + STATUS + "0000", StatusReport(0x17, NUMBER, TIME, TIME, 0, Optional())),
    (
        "06" + STATUS + "00070000" + "02C834",
        StatusReport(0x17, NUMBER, TIME, TIME, 0, Optional(0, 0, NOTE)),
    ),
    ("02010002170B911346610089F600", Command(1, 2, 0x17, NUMBER)),
    (
        "62010002170B911346610089F602AABB",
        Command(1, 2, 0x17, NUMBER, b"\xaa\xbb", has_header=True, status_report=True),
    ),
]


@pytest.mark.parametrize(("octets", "built"), ROWS, ids=lambda one: str(one)[:30])
def test_both_ways(octets: str, built: Tpdu) -> None:
    """Each field, and the octets again."""
    assert bytes.fromhex(octets) == built.encode()
    assert built == WAY[type(built)](bytes.fromhex(octets))


def test_a_failure() -> None:
    """TP-FCS stands where the report came in an RP-ERROR. Clause 9.2.3.22."""
    octets = bytes.fromhex("01C40062113011223400")

    assert SubmitReport(TIME, failure=0xC4) == SubmitReport.decode(octets, failed=True)
    assert octets == SubmitReport(TIME, failure=0xC4).encode()


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (SubmitReport, "000062113011223400"),
        (SubmitReport, "210062113011223400"),
        (SubmitReport, "010862113011223400"),
        (SubmitReport, "01006211301122340000"),
        (StatusReport, "06" + STATUS),
        (StatusReport, "16" + STATUS + "00"),
        (StatusReport, "06" + STATUS + "0008"),
        (Command, "02010002170B911346610089F6"),
        (Command, "02010002170B911346610089F60000"),
        (Command, "06010002170B911346610089F600"),
    ],
)
def test_malformed(kind: type, octets: str) -> None:
    """Another type, bits not in use, too short, too long."""
    with pytest.raises(PeerError):
        WAY[kind](bytes.fromhex(octets))


def test_a_command_that_is_too_long() -> None:
    """TP-CD has 146 octets at most. Clause 9.2.3.20."""
    with pytest.raises(LocalError, match="147 octets"):
        Command(1, 0, 0, NUMBER, bytes(147))


@given(
    st.sampled_from(list(WAY)),
    st.sampled_from([row for row, _ in ROWS]),
    st.integers(0, 40),
    st.binary(max_size=3),
)
def test_any_octets(kind: type, octets: str, place: int, put: bytes) -> None:
    """Refused, or read to what is read again from its own octets."""
    changed = bytearray.fromhex(octets)
    changed[place : place + len(put)] = put
    try:
        found = WAY[kind](bytes(changed))
    except (PeerError, LocalError):
        return

    assert found == WAY[kind](found.encode())
