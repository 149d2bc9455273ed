"""Whole SyncML sessions by WSP: through Kannel to an HTTP server, and to our own WSP server."""

import asyncio
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cardsync.fleet.syncml_client import Order, synchronize
from cardsync.fleet.syncml_http import HttpServer
from cardsync.fleet.syncml_server import Settings, SyncmlServer
from cardsync.syncml import codec
from cardsync.syncml.auth import Account, Scheme
from cardsync.terminal.databases.sources import open_source
from cardsync.transport.carrier import Answered, Fields
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_server import WspServer
from syncml.pair import Pair
from transport.gateway import running
from transport.journeys import journey

BOTH = pytest.mark.parametrize("connectionless", [False, True])
TYPES = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])


@pytest.mark.peer("bearerbox")
@BOTH
@TYPES
def test_sessions_through_kannel(kannel: str, connectionless: bool, content_type: str) -> None:
    """Three sessions through a real WAP gateway, with 200 items: both sides are equal."""
    pair = Pair(content_type=content_type)

    class Operator(BaseHTTPRequestHandler):
        """The server half of the pair, behind HTTP."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer."""
            body = pair.server.post(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Operator)
    url = f"http://127.0.0.1:{server.server_port}/syncml"
    with (
        running(server),
        WspCarrier(kannel, connectionless=connectionless) as carrier,
    ):
        journey(pair, carrier, url)

    assert pair.server.served >= 6


@BOTH
def test_sessions_without_a_gateway(connectionless: bool) -> None:
    """The same directly with our own server, whose handler is the server half."""
    pair = Pair()

    async def handle(_url: str, content_type: str, body: bytes, fields: Fields) -> Answered:
        return 200, content_type, pair.server.post(body), fields

    def go(port: int) -> None:
        with WspCarrier("127.0.0.1", port, connectionless=connectionless) as carrier:
            journey(pair, carrier, "http://operator.example/syncml")

    async def run() -> None:
        async with WspServer(handle, port=0, unit_port=0) as server:
            await asyncio.to_thread(go, server.ports[connectionless])

    asyncio.run(run())


@pytest.mark.peer("bearerbox")
@BOTH
def test_mac_through_kannel(kannel: str, tmp_path: Path, connectionless: bool) -> None:
    """`x-syncml-hmac` goes by a gateway as a token text, both ways. WAP-230 clause 8.4.2.6."""
    source = {side: open_source(f"db={tmp_path / side}") for side in "cs"}
    (tmp_path / "c" / "a").write_text("one")
    own = Account(Scheme.MAC, "server", b"own secret")
    settings = Settings({"u": b"secret"}, Scheme.MAC, account=own)
    server = HttpServer("127.0.0.1", 0, SyncmlServer([source["s"]], settings).serve)
    order = Order(server.url, account=Account(Scheme.MAC, "u", b"secret"), server=own)
    with running(server), WspCarrier(kannel, connectionless=connectionless) as carrier:
        results = [synchronize(order, [source["c"]], carrier) for _ in range(2)]
    for each in source.values():
        each.close()

    assert [200, 200] == [each.status for each in results]
    assert 2 == results[1].round_trips
    assert "one" == (tmp_path / "s" / "a").read_text()
