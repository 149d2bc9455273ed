"""The trace of a run: APDU, SMPP, HTTP, WSP and OBEX in one pcapng file.

Each SyncML message lies in a file of its own. What the packets carry is what crossed; their IP,
UDP and TCP headers are made here, with the usual ports in place of those that happened to be free.
The password of an SMPP bind is blotted out: a trace is passed on.
"""

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

from cardsync.octets import pcapng
from cardsync.octets.apdu import CommandApdu, ResponseApdu
from cardsync.toolkit import trace
from cardsync.transport.smpp_codes import CommandId

_CLIENT_PORTS = 40_000
_BINDS = {CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER}
_AUTHORIZATION = re.compile(rb"(?im)^(authorization|x-syncml-hmac):[^\r\n]*")


class Capture:
    """Writes the trace to `path` and messages to the folder `messages`; for several threads.

    With `live` each APDU exchange goes to port 4729 of this machine too, where Wireshark listens.
    """

    def __init__(self, path: Path, messages: Path, *, live: bool = False) -> None:
        self._live = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if live else None
        self.path, self.messages = path, messages
        self._lock = threading.Lock()
        self._streams: dict[frozenset[str], tuple[str, pcapng.TcpStream]] = {}
        self._clients: dict[frozenset[str], tuple[str, int]] = {}
        self._number = 0
        messages.mkdir(parents=True, exist_ok=True)
        for old in messages.iterdir():
            old.unlink()
        self._file = path.open("wb")
        self._write(pcapng.header())

    def close(self) -> None:
        """Close the trace."""
        with self._lock:
            self._file.close()
        if self._live is not None:
            self._live.close()

    def apdu(self, command: CommandApdu, response: ResponseApdu) -> None:
        """Put an APDU exchange into the trace."""
        with self._lock:
            self._write(pcapng.packet(trace.packet(command, response), time.time()))
        if self._live is not None:
            with contextlib.suppress(OSError):  # nobody listens: a trace is no reason to fail
                datagram = trace.gsmtap(command, response)
                self._live.sendto(datagram, ("127.0.0.1", trace.GSMTAP_PORT))

    def smpp(self, way: str, octets: bytes) -> None:
        """Put an SMPP PDU into the trace; `way` is `from>to`."""
        self._tcp(way, _without_password(octets), 2775)

    def http(self, way: str, octets: bytes) -> None:
        """Put octets of an HTTP connection into the trace."""
        self._tcp(way, _AUTHORIZATION.sub(rb"\1: -", octets), 8080)

    def wsp(self, way: str, octets: bytes) -> None:
        """Put a datagram of WSP over WTP into the trace."""
        self._udp(way, octets, 9201)

    def wsp_connectionless(self, way: str, octets: bytes) -> None:
        """Put a datagram of WSP without connection into the trace."""
        self._udp(way, octets, 9200)

    def obex(self, way: str, octets: bytes) -> None:
        """Put octets of an OBEX connection into the trace."""
        self._tcp(way, octets, 650)

    def message(self, kind: str, octets: bytes) -> None:
        """Keep a SyncML message in a file of its own."""
        with self._lock:
            self._number += 1
            suffix = "xml" if octets[:1] == b"<" else "wbxml"
            path = self.messages / f"{self._number:03}-{kind}.{suffix}"
        path.write_bytes(octets)

    def _tcp(self, way: str, octets: bytes, port: int) -> None:
        source, _, destination = way.partition(">")
        with self._lock:
            now, key = time.time(), frozenset({source, destination})
            if key not in self._streams:
                stream = pcapng.TcpStream(_CLIENT_PORTS + len(self._streams), port)
                self._streams[key] = (source, stream)
                for packet in stream.opening():
                    self._write(pcapng.packet(packet, now))
            client, stream = self._streams[key]
            for packet in stream.data(octets, from_client=source == client):
                self._write(pcapng.packet(packet, now))

    def _udp(self, way: str, octets: bytes, port: int) -> None:
        """Write a datagram; who speaks first of two ends is the client."""
        source, _, destination = way.partition(">")
        with self._lock:
            ends = self._clients.setdefault(
                frozenset({source, destination}), (source, _CLIENT_PORTS + len(self._clients))
            )
            ports = (ends[1], port) if source == ends[0] else (port, ends[1])
            self._write(pcapng.packet(pcapng.udp(*ports, octets), time.time()))

    def _write(self, block: bytes) -> None:
        self._file.write(block)
        self._file.flush()


def _without_password(octets: bytes) -> bytes:
    """Blot out the second C-octet string of a bind. SMPP 3.4 clause 4.1."""
    if len(octets) < 16 or int.from_bytes(octets[4:8], "big") not in _BINDS:
        return octets
    start = octets.index(0, 16) + 1
    end = octets.index(0, start)
    return octets[:start] + b"*" * (end - start) + octets[end:]
