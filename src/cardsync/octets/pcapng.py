"""Capture files that Wireshark opens: pcapng blocks, and IP packets made for what they carry.

draft-ietf-opsawg-pcapng clauses 4.1 to 4.3. Octets in, octets out; whoever holds the file writes
them. The IP, UDP and TCP headers are ours (a capture of an in-process exchange has none); what
they carry is what was exchanged.
"""

import struct
from dataclasses import dataclass, field

_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_ENHANCED_PACKET = 6
_LINKTYPE_RAW = 101
_COMMENT = 1
_LOOPBACK = bytes([127, 0, 0, 1])
_SEGMENT = 32_768  # an IPv4 packet holds at most 65,535 octets


def _block(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    size = len(padded) + 12
    return struct.pack("<II", kind, size) + padded + struct.pack("<I", size)


def header() -> bytes:
    """Give the blocks with which a file begins: a section, an interface of raw IP, microseconds."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SECTION, section) + _block(_INTERFACE, struct.pack("<HHI", _LINKTYPE_RAW, 0, 0))


def packet(octets: bytes, now: float, comment: str = "") -> bytes:
    """Give the block of one packet seen at `now`, seconds since 1970."""
    stamp = int(now * 1_000_000)
    body = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(octets), len(octets))
    body += octets + bytes(-len(octets) % 4)
    if comment:
        text = comment.encode()
        body += struct.pack("<HH", _COMMENT, len(text)) + text + bytes(-len(text) % 4)
        body += bytes(4)
    return _block(_ENHANCED_PACKET, body)


def _ip(protocol: int, payload: bytes) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, _LOOPBACK, _LOOPBACK
    )
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + payload


def udp(source: int, destination: int, payload: bytes) -> bytes:
    """Give an IP packet with a datagram; its checksum is left out, as UDP allows."""
    return _ip(17, struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload)


@dataclass(slots=True)
class TcpStream:
    """A connection between two ports of this machine; gives the packets of what crosses it."""

    client: int
    server: int
    _sent: dict[bool, int] = field(default_factory=lambda: {True: 1, False: 1})

    def opening(self) -> list[bytes]:
        """Give the three packets that open the connection."""
        return [self._packet(True, 0, 0, 0x02), self._packet(False, 0, 1, 0x12),
                self._packet(True, 1, 1, 0x10)]  # fmt: skip

    def data(self, payload: bytes, *, from_client: bool) -> list[bytes]:
        """Give the packets that carry `payload` in one direction."""
        packets = []
        for start in range(0, len(payload), _SEGMENT):
            chunk = payload[start : start + _SEGMENT]
            sequence, other = self._sent[from_client], self._sent[not from_client]
            packets.append(self._packet(from_client, sequence, other, 0x18, chunk))
            self._sent[from_client] = (sequence + len(chunk)) & 0xFFFFFFFF
        return packets

    def _packet(
        self, from_client: bool, sequence: int, other: int, flags: int, payload: bytes = b""
    ) -> bytes:
        ports = (self.client, self.server) if from_client else (self.server, self.client)
        head = struct.pack(">HHIIBBHHH", *ports, sequence, other, 0x50, flags, 65_535, 0, 0)
        return _ip(6, head + payload)
