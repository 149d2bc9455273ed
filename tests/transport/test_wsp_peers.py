"""WSP judged by others: Kannel carries our exchanges, tshark reads our datagrams."""

import asyncio
import random
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cardsync.octets import pcapng
from cardsync.transport import wsp, wtp
from cardsync.transport.carrier import Answered, CarrierError, Failure, Fields
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_codes import HEADER_NAMES, http_status
from cardsync.transport.wsp_headers import text_header
from cardsync.transport.wsp_server import WspServer
from cardsync.transport.wtp_codes import ProviderAbort, Trailer
from cardsync.transport.wtp_sar import Limits
from peers import need
from transport.datagrams import concatenated
from transport.gateway import lossy_path, running

WBXML = "application/vnd.syncml+wbxml"
OCTETS = "application/octet-stream; charset=utf-8"  # which tshark does not look into
BOTH = pytest.mark.parametrize("connectionless", [False, True])
Heard = list[tuple[str, bytes]]


class Echo(BaseHTTPRequestHandler):
    """Answers a POST with its body reversed; the path says what else happens."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]  # the server of `http`
        status = {"/busy": 503, "/moved": 302}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "17")
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The server behind the gateway, and what it has seen."""

    def __init__(self) -> None:
        """Take a free port."""
        super().__init__(("127.0.0.1", 0), Echo)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def http() -> Iterator[Server]:
    """Give a server behind the gateway."""
    server = Server()
    with running(server):
        yield server


@pytest.mark.peer("bearerbox")
@BOTH
def test_kannel_carries_exchanges(kannel: str, http: Server, connectionless: bool) -> None:
    """Bodies of 900 and 60,000 octets go through a real gateway unchanged, and come back."""
    dice = random.Random(3)
    with WspCarrier(kannel, connectionless=connectionless) as carrier:
        for size in (900, 60_000, 0, 1400):
            body = dice.randbytes(size)
            answer = carrier.exchange(f"{http.url}/syncml?s=1", WBXML, body)

            assert (WBXML, body[::-1]) == answer
            path, headers, seen = http.seen.pop()
            assert ("/syncml?s=1", body) == (path, seen)
            assert (WBXML, "cardsync") == (headers["Content-Type"], headers["User-Agent"])
            assert "Kannel" in headers["Via"]


@pytest.mark.peer("bearerbox")
@BOTH
def test_kannel_passes_statuses(kannel: str, http: Server, connectionless: bool) -> None:
    """What the server behind refuses comes back as its status, and the pause that it asks for."""
    errors = []
    with WspCarrier(kannel, connectionless=connectionless) as carrier:
        for url in (f"{http.url}/busy", f"{http.url}/moved", "http://127.0.0.1:1/"):
            with pytest.raises(CarrierError) as caught:
                carrier.exchange(url, WBXML, b"abc")
            errors.append((caught.value.kind, caught.value.status, caught.value.retry_after))

    refused = Failure.REFUSED
    assert [(refused, 503, 17.0), (refused, 302, 17.0), (refused, 502, None)] == errors


@pytest.mark.peer("bearerbox")
def test_kannel_takes_a_character_set(kannel: str, http: Server) -> None:
    """Parameters of a content type pass a gateway too."""
    with WspCarrier(kannel) as carrier:
        kind, _ = carrier.exchange(http.url, f"{WBXML}; charset=utf-8", b"abc")

    assert f"{WBXML}; charset=utf-8" == kind
    assert f"{WBXML}; charset=utf-8" == http.seen[0][1]["Content-Type"]


@pytest.mark.peer("bearerbox")
def test_kannel_over_a_lossy_path(kannel: str, http: Server) -> None:
    """A fifth of the packets of an invocation and of a result are lost: all is sent again.

    Kannel names nothing that is missing inside a group, so groups have one packet; its own
    timers are of seconds, so acknowledgements and the ends of its groups are spared.
    """
    lost: set[bytes] = set()
    seen: list[bytes] = []

    def loses(there: bool, datagram: bytes) -> bool:
        pdu = wtp.decode(datagram)
        inside = isinstance(pdu, wtp.SegmentedResult) and pdu.trailer is Trailer.MORE
        if not inside and not (there and isinstance(pdu, wtp.Invoke | wtp.SegmentedInvoke)):
            return False
        name = datagram[1:4]  # without the indicator of repetition
        seen.append(name)
        if name in lost or len(seen) % 5:
            return False
        lost.add(name)
        return True

    body = random.Random(5).randbytes(20_000)
    limits = Limits(group=1, retry=0.2)
    with (
        lossy_path(kannel, loses) as port,
        WspCarrier("127.0.0.1", port, limits=limits) as carrier,
    ):
        assert (WBXML, body[::-1]) == carrier.exchange(http.url, WBXML, body)
    assert len(lost) >= 4


def read(heard: Heard, folder: Path, *fields: str) -> list[list[str]]:
    """Let tshark read datagrams; give fields of each, behind whether it is malformed."""
    path = folder / "wsp.pcapng"
    blocks = [pcapng.header()]
    for where, datagram in heard:
        source, target = (int(end.rsplit(":", 1)[1]) for end in where.split(">"))
        blocks.append(pcapng.packet(pcapng.udp(source, target, datagram), 0.0))
    path.write_bytes(b"".join(blocks))
    arguments = ["-T", "fields", "-e", "_ws.malformed", "-e", "_ws.expert.message"]
    for field in fields:
        arguments += ["-e", field]
    command = [need("tshark"), "-r", str(path), *arguments]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in found.split("\n")[:-1]]


@pytest.mark.peer("bearerbox")
@pytest.mark.peer("tshark")
def test_tshark_reads_a_session(kannel: str, http: Server, tmp_path: Path) -> None:
    """Connect, Post, Reply and Disconnect of a session with Kannel, none malformed."""
    heard: Heard = []
    body = random.Random(4).randbytes(6000)
    with WspCarrier(kannel, tap=lambda *said: heard.append(said)) as carrier:
        carrier.exchange(f"{http.url}/syncml", OCTETS, body)
    lines = read(
        heard, tmp_path, "wtp.pdu_type", "wsp.pdu_type", "wsp.uri", "wsp.header.user_agent"
    )

    assert all(line[:2] == ["", ""] for line in lines)
    kinds = [line[3] for line in lines if line[3]]
    assert [f"0x{kind:02x}" for kind in (1, 2, 0x60, 4, 5)] == kinds
    assert f"{http.url}/syncml" in {line[4] for line in lines}
    assert "cardsync" == lines[0][5]
    assert {"0x01", "0x02", "0x03", "0x05", "0x06"} == {line[2] for line in lines}


@pytest.mark.peer("tshark")
def test_tshark_reads_our_server(tmp_path: Path) -> None:
    """Both halves are ours, in both modes: none of their datagrams is malformed."""
    heard: Heard = []

    async def handle(_url: str, kind: str, body: bytes, fields: Fields) -> Answered:
        return 200, kind, body, fields

    def exchange(port: int, connectionless: bool) -> None:
        # As the ports are known to tshark.
        usual = "9200" if connectionless else "9201"
        with WspCarrier(
            "127.0.0.1",
            port,
            connectionless=connectionless,
            tap=lambda where, octets: heard.append((where.replace(str(port), usual), octets)),
        ) as carrier:
            carrier.exchange("http://operator.example/s", OCTETS, bytes(3000))

    async def journey() -> None:
        async with WspServer(handle, port=0, unit_port=0) as server:
            for mode, port in enumerate(server.ports):
                await asyncio.to_thread(exchange, port, bool(mode))

    asyncio.run(journey())
    lines = read(heard, tmp_path, "wsp.pdu_type", "wsp.reply.status")

    assert all(line[:2] == ["", ""] for line in lines)
    assert ["0x20", "0x20"] == [line[3] for line in lines if line[3]]


@pytest.mark.peer("tshark")
def test_tshark_reads_the_rare_pdus(tmp_path: Path) -> None:
    """Aborts, negative acknowledgements, redirections, concatenation, pushes."""
    redirect = wsp.Redirect((wsp.Address(bytes([192, 0, 2, 1]), 9201, 0x0B),), permanent=True)
    push = wsp.Push("application/vnd.syncml.notification", b"x", (text_header("X-A", "b"),))
    there, here = "127.0.0.1:5000>127.0.0.1:9201", "127.0.0.1:9201>127.0.0.1:5000"
    aborted = wtp.Abort(2, ProviderAbort.MESSAGETOOLARGE)
    given_up = wtp.Abort(3, 0xE8, user=True)
    heard = [
        (there, wtp.encode(wtp.NegativeAck(1, (2, 3)))),
        (there, concatenated(wtp.Ack(1, 5), aborted, given_up)),
        (here, wtp.encode(wtp.Result(0x8004, redirect.encode()))),
        ("127.0.0.1:9200>127.0.0.1:5000", wsp.unit(1, push)),
    ]
    fields = ("wtp.header.missing_packets", "wtp.abort.reason.provider", "wtp.abort.reason.user",
              "wsp.address.ipv4", "wsp.pdu_type")  # fmt: skip
    lines = read(heard, tmp_path, *fields)

    assert all(line[:2] == ["", ""] for line in lines)
    assert "2" == lines[0][2]
    assert ["0x09", "0xe8"] == lines[1][3:5]
    assert ["192.0.2.1", "0x03"] == lines[2][5:7]
    assert "0x06" == lines[3][6]


@pytest.mark.peer("tshark")
def test_tshark_has_the_same_tables() -> None:
    """The codes of statuses and headers are those that tshark knows."""
    command = [need("tshark"), "-G", "values"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in found.splitlines() if line.startswith("V\twsp.")]
    statuses = {int(row[2], 0): int(row[3][:3]) for row in rows if row[1] == "wsp.reply.status"}
    names = [row[3].split(" (")[0] for row in rows if row[1] == "wsp.header.name_value"]

    assert {code: http_status(code) for code in statuses} == statuses
    assert [name.lower() for name in HEADER_NAMES] == [
        name.lower() for name in names[: len(HEADER_NAMES)]
    ]
