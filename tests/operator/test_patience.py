"""HTTP of the operator: what slow and silent clients can hold, and for how long."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cardsync.operator import patience
from cardsync.operator.patience import HEAD_SECONDS, MAX_HEAD, REQUEST_SECONDS, PatientProtocol

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


@dataclass
class Loop:
    """A clock that is turned by hand, and what it shall call when."""

    now: float = 0.0
    calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def call_later(self, seconds: float, call: Callable[[], None]) -> "Handle":
        """Note a call."""
        self.calls.append((self.now + seconds, call))
        return Handle(self, self.calls[-1])

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        due = [each for each in self.calls if each[0] <= self.now]
        self.calls = [each for each in self.calls if each not in due]
        for _, call in due:
            call()

    def create_task(self, work: Coroutine[Any, Any, None], **_: Any) -> "asyncio.Future[None]":
        """Do nothing: the test answers itself."""
        work.close()
        return asyncio.Future(loop=asyncio.new_event_loop())


@dataclass
class Handle:
    """What call_later gives."""

    loop: Loop
    call: tuple[float, Callable[[], None]]

    def cancel(self) -> None:
        """Call it not."""
        self.loop.calls = [each for each in self.loop.calls if each is not self.call]


class Line(asyncio.Transport):
    """A connection."""

    closed = False

    def abort(self) -> None:
        """End it."""
        self.closed = True

    close = abort

    def is_closing(self) -> bool:
        """Say whether it was ended."""
        return self.closed

    def pause_reading(self) -> None:
        """Hold nothing back."""

    resume_reading = pause_reading

    def write(self, data: Any) -> None:
        """Send nothing."""


@dataclass
class Connection:
    """uvicorn's half of a connection."""

    loop: Loop = field(default_factory=Loop)
    line: Line = field(default_factory=Line)
    server: ServerState = field(default_factory=ServerState)
    most: int | None = None

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            _nothing, log_config=None, timeout_keep_alive=20, limit_concurrency=self.most
        )
        self.http = PatientProtocol(config, self.server, {}, self.loop)
        self.http.connection_made(self.line)

    def say(self, octets: bytes) -> None:
        """Let the client say something."""
        self.http.data_received(octets)

    def answer(self) -> None:
        """Let the application answer whole."""
        self.http.cycle.response_complete = True
        self.http.on_response_complete()


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nothing. It has three arguments: uvicorn calls what takes none, to see what it is."""


@pytest.fixture
def connection() -> Connection:
    """Give a connection."""
    return Connection()


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(("first", "more"), [(b"\r\n", b"\r\n"), (GET, b"X: y\r\n")])
def test_head_bit_by_bit(
    connection: Connection, first: bytes, more: bytes, *, before: bool
) -> None:
    """Its time is over however steadily it comes, for a first request and for the next."""
    if before:
        connection.say(GET + b"\r\n")
        connection.answer()
    connection.say(first)
    for _ in range(int(HEAD_SECONDS)):
        assert not connection.line.closed
        connection.say(more)
        connection.loop.turn(1)

    assert connection.line.closed


def test_silence(connection: Connection) -> None:
    """Nothing at all is no more."""
    connection.loop.turn(HEAD_SECONDS - 1)
    assert not connection.line.closed
    connection.loop.turn(1)
    assert connection.line.closed


def test_head_without_end(connection: Connection) -> None:
    """Nor may it be endless."""
    connection.say(GET)
    for _ in range(MAX_HEAD // 1000):
        connection.say(b"X: " + b"y" * 995 + b"\r\n")
    assert not connection.line.closed
    connection.say(b"X: " + b"y" * 995 + b"\r\n")

    assert connection.line.closed


def test_requests_that_come_in_time(connection: Connection) -> None:
    """Who speaks at once may do so all day; between requests uvicorn waits 20 seconds."""
    for _ in range(50):
        connection.say(GET)
        connection.loop.turn(HEAD_SECONDS - 1)
        connection.say(b"\r\n")
        connection.loop.turn(REQUEST_SECONDS - 1)
        connection.answer()
        connection.loop.turn(19)

    assert not connection.line.closed
    connection.loop.turn(1)
    assert connection.line.closed


def test_answer_that_nobody_takes(connection: Connection) -> None:
    """A request has its time, too, and so has one that came with the one before."""
    connection.say((GET + b"\r\n") * 2)
    connection.http.cycle.response_complete = False
    connection.http.on_response_complete()
    connection.loop.turn(REQUEST_SECONDS)

    assert connection.line.closed


def test_place_of_who_waits_longest() -> None:
    """A new connection gets it; who has a request keeps his, and who was answered waits again."""
    server = ServerState()
    many = [Connection(server=server, most=4) for _ in range(3)]
    many[0].say(GET + b"\r\n")
    many[2].say(GET + b"\r\n")
    many[2].answer()

    for closed in ([1], [1, 2], [1, 2, 3]):
        many.append(Connection(server=server, most=4))
        assert closed == [number for number, each in enumerate(many) if each.line.closed]
        assert 3 == len(server.connections)


def test_a_server_of_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in a server that runs: who dribbles is hung up."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.2)

    async def dribble() -> bytes:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(_nothing, http=PatientProtocol, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        read = asyncio.create_task(reader.read())
        while not read.done():
            writer.write(b"\r\n")
            await asyncio.sleep(0.01)
        writer.close()
        server.should_exit = True
        await task
        return read.result() if read.exception() is None else b""

    assert b"" == asyncio.run(dribble())
