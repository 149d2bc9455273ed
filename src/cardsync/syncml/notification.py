"""Server-alerted notification: by it a server asks a client to begin. Package 0.

From 1.2 on it is a few octets of its own kind (OMA DS Protocol 1.2, "Server Alerted Sync"; OMA
Notification 1.2 clause 5), small enough for a short message:

    digest  16 octets   H(B64(H(server:password)):nonce:B64(H(all that follows)))
    version 10 bits, user interaction 2, initiator 1, reserved 27, session 16, length of name 8
    name of the server
    number of databases 4 bits, reserved 4; for each of them
        kind 4 bits (Alert less 200), reserved 4, content type 24, length of name 8, name
    what a vendor adds

In 1.1 it is a SyncML message with an Alert for each database.
"""

import base64
import hmac
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import md5
from typing import Final, Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.syncml import codec
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Item,
    Location,
    Message,
    Meta,
    SyncHdr,
)
from cardsync.syncml.kinds import BY_SERVER
from cardsync.syncml.status import StatusCode

VERSION: Final = 12
"""The version in tenths: 1.2."""

MEDIA_TYPE: Final = "application/vnd.syncml.ds.notification"
"""What it travels as where a media type is told."""

CONTENT_TYPES: Final = {
    "text/plain": 0x03,
    "text/x-vcalendar": 0x06,
    "text/x-vcard": 0x07,
}
"""Numbers of content types, WAP-230 table 40; 0 leaves it to the client."""

_DIGEST: Final = 16
_LONGEST_NAME: Final = 255
_MOST: Final = 15


class UserInteraction(IntEnum):
    """How the client shall treat the user. Notification 1.2 clause 5.2.2."""

    NOT_SPECIFIED = 0
    BACKGROUND = 1
    INFORMATIVE = 2
    INTERACTIVE = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A database of the server and the kind, 206 to 210. Raises `LocalError` for another one.

    `content_type` is a number of 24 bits, see `CONTENT_TYPES`.
    """

    kind: AlertCode
    database: str
    content_type: int = 0

    def __post_init__(self) -> None:
        if self.kind not in BY_SERVER:
            raise LocalError(f"a server does not ask for {self.kind.name} in a notification")
        if len(self.database.encode()) > _LONGEST_NAME:
            raise LocalError("the name of a database has more than 255 octets")
        if not 0 <= self.content_type < 1 << 24:
            raise LocalError(f"content type {self.content_type} is no number of 24 bits")


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification of version 1.2; `session_id` is of 16 bits.

    `by_server` says that the server, not the user at it, had the idea. `digest` is what came
    with it. Raises `LocalError` for what has no place in it.
    """

    server: str
    session_id: int
    asked: tuple[Asked, ...]
    interaction: UserInteraction = UserInteraction.NOT_SPECIFIED
    by_server: bool = True
    vendor: bytes = b""
    digest: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.session_id < 1 << 16:
            raise LocalError(f"session {self.session_id} is no number of 16 bits")
        if len(self.server.encode()) > _LONGEST_NAME:
            raise LocalError("the name of the server has more than 255 octets")
        if len(self.asked) > _MOST:
            raise LocalError(f"{len(self.asked)} databases; at most {_MOST}")

    def encode(self, password: bytes, nonce: bytes) -> bytes:
        """Write it with the digest over the password and the nonce that the client knows."""
        trigger = self.trigger()
        return _digest(self.server, password, nonce, trigger) + trigger

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read it, without judging the digest. Raises `PeerError` for what is malformed."""
        reader = Reader(octets)
        digest = reader.octets(_DIGEST)
        head = int.from_bytes(reader.octets(7))
        if head >> 46 != VERSION:
            raise PeerError("not a notification of version 1.2", answer=StatusCode.BAD_REQUEST)
        server = _name(reader)
        number = reader.uint8() >> 4
        asked = tuple([_asked(reader) for _ in range(number)])
        return cls(
            server=server,
            session_id=head & 0xFFFF,
            asked=asked,
            interaction=UserInteraction(head >> 44 & 3),
            by_server=bool(head >> 43 & 1),
            vendor=reader.rest(),
            digest=digest,
        )

    def verify(self, octets: bytes, password: bytes, nonce: bytes) -> None:
        """Compare the digest of what was read from `octets`. Raises `PeerError`, answer 401."""
        expected = _digest(self.server, password, nonce, octets[_DIGEST:])
        if not hmac.compare_digest(expected, self.digest):
            raise PeerError("digest does not match", answer=StatusCode.UNAUTHORIZED)

    def trigger(self) -> bytes:
        """Write all but the digest."""
        flags = self.interaction << 1 | self.by_server
        head = VERSION << 46 | flags << 43 | self.session_id
        parts = [head.to_bytes(7), _named(self.server), bytes([len(self.asked) << 4])]
        for each in self.asked:
            kind = each.kind - AlertCode.TWO_WAY
            parts.append(bytes([kind << 4]) + each.content_type.to_bytes(3))
            parts.append(_named(each.database))
        return b"".join((*parts, self.vendor))


def encode_1_1(
    header: SyncHdr, asked: tuple[Asked, ...], types: tuple[str, ...], content_type: str
) -> bytes:
    """Write a notification of 1.1 or 1.0: an Alert for each database, its media type beside it.

    `header` names server and client, with the server's credentials if it has any.
    """
    alerts = [
        Alert(
            number,
            each.kind,
            (Item(source=Location(each.database), meta=Meta(type=kind) if kind else None),),
        )
        for number, (each, kind) in enumerate(zip(asked, types, strict=True), 1)
    ]
    return codec.encode(Message(header, tuple(alerts), final=True), content_type)


def decode_1_1(octets: bytes, content_type: str) -> tuple[SyncHdr, tuple[Asked, ...]]:
    """Read a notification of 1.1 or 1.0. Raises `PeerError` for what is none."""
    message = codec.decode(octets, content_type)
    asked = []
    for command in message.commands:
        kind = next((code for code in BY_SERVER if code == getattr(command, "code", 0)), None)
        if not isinstance(command, Alert) or kind is None:
            raise PeerError("not a notification", answer=StatusCode.NOT_SUPPORTED)
        for item in command.items:
            if item.source is None:
                raise PeerError("an Alert without Source", answer=StatusCode.INCOMPLETE)
            given = item.meta.type if item.meta and item.meta.type else ""
            asked.append(Asked(kind, item.source.uri, CONTENT_TYPES.get(given.lower(), 0)))
    return message.header, tuple(asked)


def _digest(server: str, password: bytes, nonce: bytes, trigger: bytes) -> bytes:
    pair = base64.b64encode(_md5(server.encode() + b":" + password))
    return _md5(b":".join((pair, nonce, base64.b64encode(_md5(trigger)))))


def _md5(octets: bytes) -> bytes:
    """MD5, because the protocol says so; it protects nothing else of ours."""
    return md5(octets, usedforsecurity=False).digest()


def _named(name: str) -> bytes:
    octets = name.encode()
    return bytes([len(octets)]) + octets


def _name(reader: Reader) -> str:
    try:
        return reader.octets(reader.uint8()).decode()
    except UnicodeDecodeError as exc:
        raise PeerError("a name is not UTF-8", answer=StatusCode.BAD_REQUEST) from exc


def _asked(reader: Reader) -> Asked:
    code = (reader.uint8() >> 4) + AlertCode.TWO_WAY
    content_type = reader.uint24()
    kind = next((each for each in BY_SERVER if each == code), None)
    if kind is None:
        raise PeerError(f"a server does not ask for {code}", answer=StatusCode.NOT_SUPPORTED)
    return Asked(kind, _name(reader), content_type)
