"""Content pushed in short messages: WSP without connection behind ports. WAP-235, TS 23.040."""

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.transport import push
from cardsync.transport.push import Application, Pushed
from cardsync.transport.sms import Address, Deliver, TimeStamp, TypeOfNumber
from cardsync.transport.user_data import Ports, Reassembler, UserData
from peers import need

DS = "application/vnd.syncml.ds.notification"
ONE = Pushed(DS, b"digest and trigger", Application.SYNCML)


def test_octets() -> None:
    """Ports 2948 and 9200; transaction, Push, three octets of headers; type 4E; application 05."""
    (part,) = push.write(ONE, 1)

    assert bytes.fromhex("06 05 04 0B84 23F0") == part.encode()[:7]
    assert bytes.fromhex("01 06 03 CE AF 85") + ONE.body == part.data


def test_each_part_has_the_ports() -> None:
    """A long one is cut, and every part says where it goes. TS 23.040 clause 9.2.3.24.4."""
    parts = push.write(Pushed(DS, bytes(300), Application.SYNCML), 255)
    joined = [Reassembler().receive_data("x", part) for part in parts[:-1]]

    assert 3 == len(parts)
    assert [None, None] == joined
    assert [Ports(2948, 9200)] * 3 == [part.ports for part in parts]
    assert [140, 140] == [part.length() for part in parts[:-1]]


@given(st.binary(max_size=600), st.sampled_from([None, 0, 5, 127, 128, 0x8080]))
def test_comes_back(body: bytes, application: int | None) -> None:
    """What is written is read, whatever its length."""
    pushed = Pushed("application/vnd.syncml+wbxml", body, application)
    whole, joiner = None, Reassembler()
    for part in push.write(pushed, 7):
        whole = joiner.receive_data("x", part)

    assert whole is not None
    assert pushed == push.read(whole)


def test_other_messages_push_nothing() -> None:
    """Without ports, or to another port, it is somebody else's."""
    (part,) = push.write(ONE, 1)

    assert push.read(UserData(part.data)) is None
    assert push.read(UserData(part.data, (Ports(9200, 2948).element(),))) is None


def test_application_in_words() -> None:
    """An application that is named by its URN has no number of ours."""
    data = bytes.fromhex("01060BCE AF 782D7761703A6D6500") + b"body"

    assert Pushed(DS, b"body") == push.read(UserData(data, (push.PORTS.element(),)))


@pytest.mark.parametrize("octets", ["", "01", "0140", "0106", "010605CE", "0104CE"])
def test_no_push(octets: str) -> None:
    """What goes there and is no push is refused."""
    with pytest.raises(PeerError):
        push.read(UserData(bytes.fromhex(octets), (push.PORTS.element(),)))


@pytest.mark.peer("tshark")
def test_tshark_reads_it(tmp_path: Path) -> None:
    """An independent decoder finds the push behind the ports, and its headers."""
    (part,) = push.write(ONE, 1)
    number = Address("12345678", TypeOfNumber.UNKNOWN)
    tpdu = Deliver(number, TimeStamp.of(22, 7, 25, 0, 0, 0), part, coding=4).encode()
    trace = tmp_path / "push.pcap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 147)  # 147: a private link type
    trace.write_bytes(head + struct.pack("<IIII", 0, 0, len(tpdu), len(tpdu)) + tpdu)
    command = [need("tshark"), "-r", str(trace), "-V"]
    command += ["-o", 'uat:user_dlts:"User 0 (DLT=147)","gsm_sms","0","","0",""']
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "Malformed" not in shown
    for words in (
        "PDU Type: Push (0x06)",
        "x-wap-application:push.syncml",
        "(2948)",
        "(9200)",
    ):
        assert words in shown
