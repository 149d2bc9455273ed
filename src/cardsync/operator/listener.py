"""Where cards report by a channel that they open themselves: a port of TCP.

A frame is its length, the ICCID and the secured packet (`cardsync.ota.report`). Nothing is ever
answered: whoever has no keys learns nothing, and the card has no need to wait. One connection
brings a few frames and ends; how many there are at a time, and how long one may take, is bounded.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from cardsync.errors import ConfigError, PeerError
from cardsync.operator.reports import Reports
from cardsync.operator.server import Background, Operator
from cardsync.ota.report import LONGEST_FRAME, unframe

PATIENCE = 30.0
"""Seconds that a connection may take."""

MOST_CONNECTIONS = 100
MOST_FRAMES = 4
"""That one connection brings."""

_LENGTH = 2

_LOG = logging.getLogger(__name__)


class Listener:
    """Takes reports from TCP connections; `arrivals` counts the frames: taken, refused, away."""

    def __init__(
        self, reports: Reports, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.arrivals: Counter[str] = Counter()
        self._reports = reports
        self._clock = clock
        self._open = 0

    async def start(self, listening: socket.socket) -> asyncio.Server:
        """Take what comes to a socket that listens."""
        return await asyncio.start_server(self._serve, sock=listening, limit=LONGEST_FRAME)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._open < MOST_CONNECTIONS:
                self._open += 1
                try:
                    async with asyncio.timeout(PATIENCE):
                        await self._read(reader)
                finally:
                    self._open -= 1
        except (TimeoutError, ConnectionError):
            pass  # whoever it was comes again
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Read frames until the end, or until one that none of ours is."""
        for _ in range(MOST_FRAMES):
            try:
                head = await reader.readexactly(_LENGTH)
                length = int.from_bytes(head, "big")
                if length > LONGEST_FRAME:
                    return
                frame = unframe(head + await reader.readexactly(length))
            except (asyncio.IncompleteReadError, PeerError):
                return
            if frame is None:
                return
            arrival = await asyncio.to_thread(self._take, *frame)
            self.arrivals[arrival] += 1
            if arrival != "taken":
                return

    def _take(self, iccid: str, packet: bytes) -> str:
        try:
            self._reports.take(iccid, packet, "bip", self._clock())
        except PeerError:
            return "refused"
        except psycopg.OperationalError as error:
            _LOG.warning("a report by a channel is lost, the database cannot be used: %s", error)
            return "away"
        return "taken"


def listen(host: str, port: int) -> socket.socket:
    """Listen; port 0 takes a free one. Raises `ConfigError` if that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"reports cannot be taken on {host} port {port}: {error}; choose another port"
        ) from error


def background(listening: socket.socket) -> Background:
    """Give what runs beside the server and takes reports from a socket."""

    async def run(running: Operator) -> None:
        listener = Listener(Reports(running.database, running.cards))
        async with await listener.start(listening) as server:
            await server.serve_forever()

    return run
