"""WSP and OBEX beside HTTP: where they listen, what reaches the application, what is told."""

import asyncio
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from cardsync.errors import ConfigError
from cardsync.transport import wsp as wsp_units
from cardsync.transport.carrier import Answered, CarrierError, Fields
from cardsync.transport.doors import Doors, opened
from cardsync.transport.obex_client import ObexCarrier
from cardsync.transport.wsp_client import WspCarrier
from cardsync.transport.wsp_codes import http_status

WBXML = "application/vnd.syncml+wbxml"
ALL = Doors(("127.0.0.1", 0), ("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("wsp", "obex", "doors"),
    [
        (None, None, Doors()),
        ("127.0.0.1", "127.0.0.1", Doors(("127.0.0.1", 9201), ("127.0.0.1", 650))),
        ("[::1]:9301", None, Doors(("::1", 9301))),
        (None, "dm.example:0", Doors(None, ("dm.example", 0))),
    ],
)
def test_places(wsp: str | None, obex: str | None, doors: Doors) -> None:
    """HOST or HOST:PORT; the usual ports are those of WAP and IANA. Nothing by default."""
    assert doors == Doors.read(wsp, obex)


@pytest.mark.parametrize("wrong", ["", ":9201", "a:b", "a:65536", "a/b", "::1", "a:1", "a..b"])
def test_places_that_are_none(wrong: str) -> None:
    """The message tells what is expected; at port 1 there would be no port below."""
    with pytest.raises(ConfigError, match=r"--wsp .*HOST or HOST:PORT is expected"):
        Doors.read(wrong, None)


def exchange(urls: dict[str, str]) -> list[tuple[str, bytes]]:
    """Send a message by each carrier."""
    answers = []
    with WspCarrier() as wsp, WspCarrier(connectionless=True) as unit, ObexCarrier() as obex:
        ways = (("wsp", wsp), ("wsp-connectionless", unit), ("obex", obex))
        for scheme, carrier in ways:
            answers.append(carrier.exchange(f"{urls[scheme]}?s=1.a", WBXML, scheme.encode()))
        for scheme, carrier in ways[:2]:
            with pytest.raises(CarrierError) as caught:
                carrier.exchange(urls[scheme].replace("/dm", "/other"), WBXML, b"")
            assert 404 == caught.value.status
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(("127.0.0.1", urlsplit(urls["wsp-connectionless"]).port))
        end.settimeout(20)
        end.send(wsp_units.unit(9, wsp_units.Post("http://[/dm", WBXML, b"", ())))
        _, reply = wsp_units.read_unit(end.recv(1000))
        assert isinstance(reply, wsp_units.Reply)
        assert 400 == http_status(reply.status)
    return answers


def test_one_application() -> None:
    """All three reach the same function; OBEX alone has no query. Another path is 404."""
    heard: list[tuple[bytes, str | None]] = []

    async def answer(body: bytes, content_type: str, query: str | None, fields: Fields) -> Answered:
        heard.append((body, query))
        return 200, content_type, body[::-1], fields

    async def run() -> list[tuple[str, bytes]]:
        async with opened(ALL, "/dm", answer) as urls:
            return await asyncio.to_thread(exchange, urls)

    names = [b"wsp", b"wsp-connectionless", b"obex"]
    assert [(WBXML, name[::-1]) for name in names] == asyncio.run(run())
    assert list(zip(names, ["s=1.a", "s=1.a", None], strict=True)) == heard


def test_port_that_somebody_has() -> None:
    """It is told, with what to do; what was opened before is closed again."""

    async def answer(body: bytes, content_type: str, _: str | None, fields: Fields) -> Answered:
        return 200, content_type, body, fields

    async def run(doors: Doors) -> None:
        async with opened(doors, "/dm", answer):
            raise AssertionError("opened")

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            wsp = free.getsockname()[1]
        for _ in range(2):
            doors = Doors(("127.0.0.1", wsp), ("127.0.0.1", port))
            with pytest.raises(ConfigError, match=f"--obex 127.0.0.1:{port}: cannot listen"):
                asyncio.run(run(doors))
