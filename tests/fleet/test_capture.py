"""The trace of a run: what crossed, whole, without the password of the bind."""

import socket
import subprocess
from pathlib import Path

import pytest

from cardsync.fleet.capture import Capture
from cardsync.octets.apdu import CommandApdu, ResponseApdu
from cardsync.transport import wsp, wtp
from cardsync.transport.smpp import Pdu
from cardsync.transport.smpp_bodies import Bind
from cardsync.transport.smpp_codes import CommandId
from cardsync.transport.wsp_codes import status_code
from peers import need


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Give a capture in a folder of the test."""
    return Capture(tmp_path / "trace.pcapng", tmp_path / "messages")


def read(capture: Capture, *arguments: str) -> list[str]:
    """Let tshark read the trace."""
    capture.close()
    command = [need("tshark"), "-r", str(capture.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")


def test_apdu_exchange(capture: Capture) -> None:
    """An exchange is a GSMTAP datagram of a SIM that tshark names."""
    command = CommandApdu.decode(bytes.fromhex("00A40004023F0000"))
    capture.apdu(command, ResponseApdu(0x9000, bytes.fromhex("620A8202782183023F008A0105")))

    assert "SELECT" in read(capture)[0]


def test_password_of_a_bind_is_blotted_out(capture: Capture) -> None:
    """The octets of the password are stars of the same number; all else is as it was."""
    octets = Pdu(Bind(CommandId.BIND_TRANSCEIVER, "operator", "secret"), 1).encode()
    capture.smpp("127.0.0.1:1>127.0.0.1:2", octets)

    found = read(capture, "-T", "fields", "-e", "smpp.system_id", "-e", "smpp.password")
    assert "operator\t******" in found
    assert b"secret" not in capture.path.read_bytes()


def test_http_both_ways(capture: Capture) -> None:
    """A request and its answer are one TCP stream; credentials of HTTP are left out."""
    capture.http("a:1>b:2", b"GET / HTTP/1.1\r\nHost: b\r\nAuthorization: Basic x\r\n\r\n")
    capture.http("b:2>a:1", b"HTTP/1.1 204 No Content\r\n\r\n")

    lines = read(capture, "-Y", "http")
    assert "GET / HTTP/1.1" in lines[0]
    assert "204" in lines[1]
    assert b"Basic x" not in capture.path.read_bytes()


def test_messages_are_files(capture: Capture) -> None:
    """Each SyncML message is a file, in the order in which they crossed; old ones are gone."""
    capture.message("request", b"\x02\xa4")
    capture.message("response", b"<SyncML/>")
    capture.close()

    names = sorted(path.name for path in capture.messages.iterdir())
    assert ["001-request.wbxml", "002-response.xml"] == names
    Capture(capture.path, capture.messages).close()
    assert [] == list(capture.messages.iterdir())


def test_live(tmp_path: Path) -> None:
    """An exchange goes to port 4729 as it happens, as GSMTAP; without a listener nothing fails."""
    command = CommandApdu.decode(bytes.fromhex("00A40004023F0000"))
    capture = Capture(tmp_path / "trace.pcapng", tmp_path / "messages", live=True)
    capture.apdu(command, ResponseApdu(0x9000))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 4729))
        listener.settimeout(10)
        capture.apdu(command, ResponseApdu(0x9000))
        heard = listener.recv(1024)
    capture.close()

    assert bytes.fromhex("02040400") == heard[:4]
    assert bytes.fromhex("00A40004023F00009000") == heard[16:]


def test_wsp_both_ways(capture: Capture) -> None:
    """Datagrams of WSP have the usual ports, whoever listens where; tshark names them."""
    post = wsp.Post("http://a/dm", "text/plain", b"abc", ())
    reply = wsp.Reply(status_code(200), "text/plain", b"cba")
    capture.wsp_connectionless("a:5>b:6", wsp.unit(1, post))
    capture.wsp_connectionless("b:6>a:5", wsp.unit(1, reply))
    capture.wsp("a:7>b:8", wtp.encode(wtp.Invoke(1, post.encode())))
    capture.wsp("b:8>a:7", wtp.encode(wtp.Result(0x8001, reply.encode())))

    fields = ("-e", "udp.srcport", "-e", "udp.dstport", "-e", "wsp.pdu_type", "-e", "_ws.malformed")
    assert [
        ["40000", "9200", "0x60", ""],
        ["9200", "40000", "0x04", ""],
        ["40001", "9201", "0x60", ""],
        ["9201", "40001", "0x04", ""],
    ] == [line.split("\t") for line in read(capture, "-T", "fields", *fields)[:-1]]


def test_obex_both_ways(capture: Capture) -> None:
    """A connection of OBEX has its usual port."""
    capture.obex("a:1>b:2", bytes.fromhex("80 0007 10 00 1000"))
    capture.obex("b:2>a:1", bytes.fromhex("A0 0007 10 00 1000"))

    ports = read(capture, "-Y", "tcp.len > 0", "-T", "fields", "-e", "tcp.dstport")
    assert ["650", "40000"] == ports[:2]
