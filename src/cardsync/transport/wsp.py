"""PDUs of the Wireless Session Protocol, one class to a PDU. WAP-230-WSP-20010705-a clause 8.2.

In connectionless mode an octet of the transaction stands before each of them: `unit` and
`read_unit`, clause 8.1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.wsp_capabilities import Capabilities
from cardsync.transport.wsp_codes import PduType, Reason
from cardsync.transport.wsp_headers import Headers, decode_headers, encode_headers
from cardsync.transport.wsp_values import (
    encode_content_type,
    encode_uintvar,
    read_content_type,
)

VERSION = 0x10
"""Version 1.0 of the protocol: the only one there is. Clause 8.2.2.1."""

_MOST_ADDRESSES = 32


class MalformedPdu(PeerError):
    """A PDU cannot be read; `answer` is the reason of the abort that is owed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, answer=Reason.PROTOERR)


@dataclass(frozen=True, slots=True)
class Connect:
    """A client asks for a session. Clause 8.2.2.1."""

    capabilities: Capabilities
    headers: Headers = ()
    version: int = VERSION

    def encode(self) -> bytes:
        """Give the octets."""
        head = bytes([PduType.CONNECT, self.version])
        return head + _with_capabilities(self.capabilities, self.headers)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        version = reader.uint8()
        return cls(*_read_capabilities(reader), version)


@dataclass(frozen=True, slots=True)
class ConnectReply:
    """A server accepts a session. Clause 8.2.2.2."""

    session_id: int
    capabilities: Capabilities
    headers: Headers = ()

    def encode(self) -> bytes:
        """Give the octets."""
        head = bytes([PduType.CONNECT_REPLY]) + encode_uintvar(self.session_id)
        return head + _with_capabilities(self.capabilities, self.headers)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        return cls(reader.uintvar(), *_read_capabilities(reader))


@dataclass(frozen=True, slots=True)
class Address:
    """Where a session may go: octets of an IPv4 or IPv6 address, or of a number. Clause 8.2.2.3."""

    address: bytes
    port: int | None = None
    bearer: int | None = None

    def encode(self) -> bytes:
        """Give the octets."""
        flags = (self.bearer is not None) << 7 | (self.port is not None) << 6
        octets = bytes([flags | len(self.address)])
        octets += b"" if self.bearer is None else bytes([self.bearer])
        octets += b"" if self.port is None else self.port.to_bytes(2, "big")
        return octets + self.address

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read one address."""
        flags = reader.uint8()
        bearer = reader.uint8() if flags & 0x80 else None
        port = reader.uint16() if flags & 0x40 else None
        return cls(reader.octets(flags & 0x3F), port, bearer)


@dataclass(frozen=True, slots=True)
class Redirect:
    """A server sends a client elsewhere in place of accepting it. Clause 8.2.2.3."""

    addresses: tuple[Address, ...]
    permanent: bool = False
    reuse_security: bool = False

    def encode(self) -> bytes:
        """Give the octets."""
        flags = self.permanent << 7 | self.reuse_security << 6
        head = bytes([PduType.REDIRECT, flags])
        return head + b"".join(address.encode() for address in self.addresses)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        flags, addresses = reader.uint8(), list[Address]()
        while len(reader):
            addresses.append(Address.decode(reader))
            if len(addresses) > _MOST_ADDRESSES:
                raise MalformedPdu(f"more than {_MOST_ADDRESSES} addresses")
        return cls(tuple(addresses), bool(flags & 0x80), bool(flags & 0x40))


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The end of a session. Clause 8.2.2.4."""

    session_id: int

    def encode(self) -> bytes:
        """Give the octets."""
        return bytes([PduType.DISCONNECT]) + encode_uintvar(self.session_id)

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        return cls(reader.uintvar())


@dataclass(frozen=True, slots=True)
class Get:
    """A method without a body: `method` is 40 to 4F. Clause 8.2.3.1."""

    uri: str
    headers: Headers = ()
    method: int = PduType.GET

    def encode(self) -> bytes:
        """Give the octets. `LocalError` for an address that is not ASCII."""
        uri = _ascii(self.uri)
        head = bytes([self.method]) + encode_uintvar(len(uri)) + uri
        return head + encode_headers(self.headers)


@dataclass(frozen=True, slots=True)
class Post:
    """A method with a body: `method` is 60 to 6F. Clause 8.2.3.2."""

    uri: str
    content_type: str
    body: bytes
    headers: Headers = ()
    method: int = PduType.POST

    def encode(self) -> bytes:
        """Give the octets. `LocalError` for an address or a content type that cannot be said."""
        uri = _ascii(self.uri)
        headers = encode_content_type(self.content_type) + encode_headers(self.headers)
        lengths = encode_uintvar(len(uri)) + encode_uintvar(len(headers))
        return bytes([self.method]) + lengths + uri + headers + self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a method, or to a Connect that is refused. Clause 8.2.3.3."""

    status: int  # table 36, as on the air
    content_type: str
    body: bytes
    headers: Headers = ()

    def encode(self) -> bytes:
        """Give the octets. `LocalError` for a content type that cannot be said."""
        headers = encode_content_type(self.content_type) + encode_headers(self.headers)
        head = bytes([PduType.REPLY, self.status]) + encode_uintvar(len(headers))
        return head + headers + self.body

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        status = reader.uint8()
        content_type, headers = _read_content_headers(reader.sub(reader.uintvar()))
        return cls(status, content_type, reader.rest(), headers)


@dataclass(frozen=True, slots=True)
class Push:
    """Content that nobody asked for, such as a notification in an SMS. Clause 8.2.4.1."""

    content_type: str
    body: bytes
    headers: Headers = ()

    def encode(self) -> bytes:
        """Give the octets. `LocalError` for a content type that cannot be said."""
        headers = encode_content_type(self.content_type) + encode_headers(self.headers)
        return bytes([PduType.PUSH]) + encode_uintvar(len(headers)) + headers + self.body

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Read what stands behind the type."""
        content_type, headers = _read_content_headers(reader.sub(reader.uintvar()))
        return cls(content_type, reader.rest(), headers)


@dataclass(frozen=True, slots=True)
class Other:
    """A PDU that we do not serve: suspension, confirmed push, and what later versions add."""

    kind: int


Pdu: TypeAlias = Connect | ConnectReply | Redirect | Disconnect | Get | Post | Reply | Push | Other

_READERS: Mapping[int, Callable[[Reader], Pdu]] = {
    PduType.CONNECT: Connect.decode,
    PduType.CONNECT_REPLY: ConnectReply.decode,
    PduType.REDIRECT: Redirect.decode,
    PduType.DISCONNECT: Disconnect.decode,
    PduType.REPLY: Reply.decode,
    PduType.PUSH: Push.decode,
}


def decode(octets: bytes) -> Pdu:
    """Read one PDU. Raises `MalformedPdu`."""
    reader = Reader(octets)
    try:
        kind = reader.uint8()
        if kind in _READERS:
            return _READERS[kind](reader)
        if kind >> 4 == PduType.GET >> 4:
            return _read_get(reader, kind)
        if kind >> 4 == PduType.POST >> 4:
            return _read_post(reader, kind)
    except MalformedPdu:
        raise
    except PeerError as exc:
        raise MalformedPdu(str(exc)) from exc
    return Other(kind)


def unit(tid: int, pdu: Get | Post | Reply | Push) -> bytes:
    """Give the datagram of a PDU in connectionless mode; `tid` is 0 to 255. Clause 8.1."""
    return bytes([tid]) + pdu.encode()


def read_unit(datagram: bytes) -> tuple[int, Pdu]:
    """Read a datagram in connectionless mode. Raises `MalformedPdu`."""
    if not datagram:
        raise MalformedPdu("an empty datagram")
    return datagram[0], decode(datagram[1:])


def is_uri(text: str) -> bool:
    """Tell whether an address can be written: printing ASCII without a space."""
    return text.isascii() and text.isprintable() and " " not in text


def _ascii(uri: str) -> bytes:
    if not is_uri(uri):
        # The address may hold a token: it is not repeated.
        raise LocalError("an address holds what no address may hold")
    return uri.encode("ascii")


def _with_capabilities(capabilities: Capabilities, headers: Headers) -> bytes:
    first, second = capabilities.encode(), encode_headers(headers)
    return encode_uintvar(len(first)) + encode_uintvar(len(second)) + first + second


def _read_capabilities(reader: Reader) -> tuple[Capabilities, Headers]:
    first, second = reader.uintvar(), reader.uintvar()
    capabilities = Capabilities.decode(reader.octets(first))
    return capabilities, decode_headers(reader.sub(second))


def _read_content_headers(reader: Reader) -> tuple[str, Headers]:
    """Read a content type and headers; some gateways leave both out where there is no body."""
    if not len(reader):
        return "", ()
    return read_content_type(reader), decode_headers(reader)


def _read_get(reader: Reader, kind: int) -> Get:
    uri = reader.octets(reader.uintvar()).decode("latin-1")
    return Get(uri, decode_headers(reader), kind)


def _read_post(reader: Reader, kind: int) -> Post:
    first, second = reader.uintvar(), reader.uintvar()
    uri = reader.octets(first).decode("latin-1")
    content_type, headers = _read_content_headers(reader.sub(second))
    return Post(uri, content_type, reader.rest(), headers, kind)
