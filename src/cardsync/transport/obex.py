"""Packets and headers of OBEX. IrDA Object Exchange Protocol 1.3 clauses 2 and 3.

A packet is a code, its length in two octets, and headers; Connect and its answer have three
fields more. The binding of SyncML to it is that of OMA-TS-SyncML_OBEXBinding-V1_2.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.carrier import Fields

TARGET = b"SYNCML-SYNC"
"""The service that a connection is for: data synchronization. Binding clause 5."""

FINAL = 0x80
"""The bit of a code that says that nothing of the request follows. Clause 3.1."""

VERSION = 0x10
SMALLEST_PACKET = 255
"""Octets that every side must take. Clause 3.3.1.4."""

LARGEST_PACKET = 0x8000
"""Octets of a packet that we take, and that we send where the peer takes them."""

_MOST_HEADERS = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a connection, in octets."""

    packet: int = LARGEST_PACKET
    body: int = 1 << 20


class Opcode(IntEnum):
    """What a request asks, without `FINAL`. Clause 3.3."""

    CONNECT = 0x00
    DISCONNECT = 0x01
    PUT = 0x02
    GET = 0x03
    ABORT = 0x7F


class Code(IntEnum):
    """What a response says, with `FINAL`. Clause 3.2.1, the names are those of HTTP."""

    CONTINUE = 0x90
    SUCCESS = 0xA0
    BAD_REQUEST = 0xC0
    FORBIDDEN = 0xC3
    NOT_FOUND = 0xC4
    CONFLICT = 0xC9
    ENTITY_TOO_LARGE = 0xCD
    UNSUPPORTED_MEDIA_TYPE = 0xCF
    INTERNAL_SERVER_ERROR = 0xD0
    NOT_IMPLEMENTED = 0xD1
    SERVICE_UNAVAILABLE = 0xD3


class HeaderId(IntEnum):
    """What a header is; its two highest bits tell how its value is written. Clause 2.1."""

    NAME = 0x01
    TYPE = 0x42
    TARGET = 0x46
    HTTP = 0x47
    BODY = 0x48
    END_OF_BODY = 0x49
    WHO = 0x4A
    LENGTH = 0xC3
    CONNECTION_ID = 0xCB


def code_of(http_status: int) -> int:
    """Give the code for a status of HTTP; what has none becomes an error of the server."""
    kind, detail = divmod(http_status, 100)
    if kind not in {2, 3, 4, 5} or detail > 15:
        return Code.BAD_REQUEST if kind == 4 else Code.INTERNAL_SERVER_ERROR
    return FINAL | kind << 4 | detail


def http_status(code: int) -> int | None:
    """Give the status of HTTP for a code; None if it has none."""
    kind, detail = code >> 4 & 0x07, code & 0x0F
    return kind * 100 + detail if kind in {2, 3, 4, 5} else None


@dataclass(frozen=True, slots=True)
class Header:
    """One header; `value` is octets, or the number of one of four octets or of one."""

    identifier: int
    value: bytes | int

    def __len__(self) -> int:
        """Give the octets that it takes."""
        return {0x80: 2, 0xC0: 5}.get(self.identifier & 0xC0) or 3 + len(self._octets)

    @property
    def _octets(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else b""

    def encode(self) -> bytes:
        """Give the octets. Clause 2.1."""
        if isinstance(self.value, int):
            size = 4 if self.identifier & 0xC0 == 0xC0 else 1
            return bytes([self.identifier]) + self.value.to_bytes(size, "big")
        return bytes([self.identifier]) + (3 + len(self.value)).to_bytes(2, "big") + self.value

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read one header. Raises `PeerError`."""
        identifier = reader.uint8()
        if identifier & 0xC0 == 0xC0:
            return cls(identifier, reader.uint32())
        if identifier & 0x80:
            return cls(identifier, reader.uint8())
        length = reader.uint16()
        if length < 3:
            raise PeerError(f"header {identifier:02X} of {length} octets")
        return cls(identifier, reader.octets(length - 3))


Headers: TypeAlias = tuple[Header, ...]


def type_header(content_type: str) -> Header:
    """Give a Type header: ASCII that ends with 0. Clause 2.2.3."""
    if not content_type.isascii() or not content_type.isprintable():
        raise LocalError("a content type that cannot be written")
    return Header(HeaderId.TYPE, content_type.encode("ascii") + b"\0")


def fields_to_headers(fields: Fields) -> Headers:
    """Give what is beside a message as lines of HTTP, in UTF-8. Clause 2.2.10."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return (Header(HeaderId.HTTP, lines.encode()),) if lines else ()


def fields_of(headers: Headers) -> Fields:
    """Read what is beside a message, by names in lower case."""
    lines = (octets_of(headers, HeaderId.HTTP) or b"").decode(errors="replace").splitlines()
    parts = [line.partition(":") for line in lines]
    return {name.strip().lower(): value.strip() for name, colon, value in parts if colon}


def octets_of(headers: Headers, identifier: HeaderId) -> bytes | None:
    """Give the octets of a header; None if there is none."""
    for header in headers:
        if header.identifier == identifier and isinstance(header.value, bytes):
            return header.value
    return None


def number_of(headers: Headers, identifier: HeaderId) -> int | None:
    """Give the number of a header; None if there is none."""
    for header in headers:
        if header.identifier == identifier and isinstance(header.value, int):
            return header.value
    return None


def content_type_of(headers: Headers) -> str | None:
    """Give the content type, whether it ends with 0 or not; None if there is none."""
    octets = octets_of(headers, HeaderId.TYPE)
    return None if octets is None else octets.rstrip(b"\0").decode("latin-1")


def body_of(headers: Headers) -> bytes:
    """Give what there is of the body: of all its headers, in order."""
    bodies = {HeaderId.BODY, HeaderId.END_OF_BODY}
    return b"".join(
        header.value
        for header in headers
        if header.identifier in bodies and isinstance(header.value, bytes)
    )


@dataclass(frozen=True, slots=True)
class Packet:
    """A request or a response; `largest` is what Connect and its answer say that we take."""

    code: int
    headers: Headers = ()
    largest: int | None = None

    def encode(self) -> bytes:
        """Give the octets. `LocalError` if they are more than 65535."""
        fields = b""
        if self.largest is not None:
            fields = bytes([VERSION, 0]) + self.largest.to_bytes(2, "big")
        octets = fields + b"".join(header.encode() for header in self.headers)
        if len(octets) + 3 > 0xFFFF:
            raise LocalError(f"a packet of {len(octets) + 3} octets")
        return bytes([self.code]) + (3 + len(octets)).to_bytes(2, "big") + octets

    @classmethod
    def decode(cls, octets: bytes, *, connect: bool) -> Self:
        """Read a packet; `connect` where it is Connect or its answer. Raises `PeerError`."""
        reader = Reader(octets)
        code = reader.uint8()
        if reader.uint16() != len(octets):
            raise PeerError("a packet of another length than it says")
        largest = None
        if connect:
            largest = _largest(reader)
        return cls(code, tuple(_headers(reader)), largest)


def _largest(reader: Reader) -> int:
    if not len(reader):
        return SMALLEST_PACKET  # some that refuse leave the fields out
    reader.uint16()  # version and flags bind nobody, clause 3.3.1.2
    return max(reader.uint16(), SMALLEST_PACKET)


def _headers(reader: Reader) -> Iterable[Header]:
    count = 0
    while len(reader):
        count += 1
        if count > _MOST_HEADERS:
            raise PeerError(f"more than {_MOST_HEADERS} headers")
        yield Header.decode(reader)


class Framer:
    """Cuts a stream into packets of at most `largest` octets."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._octets = bytearray()

    def feed(self, data: bytes) -> None:
        """Take octets of the stream."""
        self._octets += data

    def take(self) -> bytes | None:
        """Give the octets of the next packet; None if it is not here.

        Raises `PeerError` where the stream cannot be cut any more.
        """
        if len(self._octets) < 3:
            return None
        length = int.from_bytes(self._octets[1:3], "big")
        if not 3 <= length <= self._largest:
            raise PeerError(f"a packet of {length} octets")
        if len(self._octets) < length:
            return None
        packet = bytes(self._octets[:length])
        del self._octets[:length]
        return packet


class Cutter:
    """Gives a body piece by piece, behind other headers, in packets of at most `room` octets."""

    def __init__(self, headers: Headers, body: bytes, room: int) -> None:
        """Begin with the headers; `LocalError` if they do not fit into a packet."""
        if sum(len(header) for header in headers) + 3 > room:
            raise LocalError(f"headers that do not fit into {room} octets")
        self._headers = headers
        self._body = body
        self._room = room
        self._sent = 0
        self.done = False

    def take(self) -> Headers:
        """Give the headers of the next packet; `done` is true with the last piece."""
        headers, self._headers = self._headers, ()
        space = self._room - sum(len(header) for header in headers) - 6
        if space < 0:
            return headers
        piece = self._body[self._sent : self._sent + space]
        self._sent += len(piece)
        self.done = self._sent == len(self._body)
        return (*headers, Header(HeaderId.END_OF_BODY if self.done else HeaderId.BODY, piece))
