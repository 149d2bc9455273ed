"""Streams of the card's channels over TCP sockets. TS 102 223 clause 6.4.27.2."""

import socket
from contextlib import suppress

from cardsync.terminal.channels import StreamEnded

PATIENCE = 5.0
"""Seconds to connect, and to send: the card waits for its answer meanwhile."""


class SocketStream:
    """A TCP connection; receiving never waits."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, octets: bytes) -> None:
        """Send all octets."""
        try:
            self._socket.settimeout(PATIENCE)
            self._socket.sendall(octets)
        except OSError as exc:
            raise StreamEnded("the connection was lost") from exc

    def receive(self, most: int) -> bytes:
        """Give what has come; raise `StreamEnded` at the end of the stream."""
        if most <= 0:
            return b""
        try:
            self._socket.setblocking(False)
            octets = self._socket.recv(most)
        except BlockingIOError:
            return b""
        except OSError as exc:
            raise StreamEnded("the connection was lost") from exc
        if not octets:
            raise StreamEnded("the other side has closed the connection")
        return octets

    def close(self) -> None:
        """Close in order, so that what was sent arrives."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()


def connect(address: str, port: int) -> SocketStream:
    """Open a connection to an IP address; raise `StreamEnded` if it cannot be had."""
    try:
        return SocketStream(socket.create_connection((address, port), PATIENCE))
    except OSError as exc:
        raise StreamEnded(f"{address} port {port} cannot be reached") from exc
