"""Capabilities of a WSP session and their negotiation. WAP-230-WSP-20010705-a clause 8.3."""

from dataclasses import dataclass
from typing import Self

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader
from cardsync.transport.wsp_codes import Capability, Options
from cardsync.transport.wsp_values import encode_uintvar, peek

DEFAULT_SDU = 1400
"""Octets of a PDU of WSP where nothing else is agreed. Clause 8.3.2.1."""

_MOST_CAPABILITIES = 32
_SHORT = 0x80


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one side asks for or grants; None is what it does not mention.

    SDU sizes are octets of a whole PDU of WSP, 0 for no limit. `other` holds
    identifiers and values of what we do not negotiate.
    """

    client_sdu: int | None = None
    server_sdu: int | None = None
    options: Options | None = None
    method_mor: int | None = None
    push_mor: int | None = None
    other: tuple[tuple[int, bytes], ...] = ()

    def encode(self) -> bytes:
        """Give the octets of what is mentioned. Clause 8.3.1."""
        sizes = (
            (Capability.CLIENT_SDU_SIZE, self.client_sdu),
            (Capability.SERVER_SDU_SIZE, self.server_sdu),
        )
        counts = (
            (Capability.PROTOCOL_OPTIONS, self.options),
            (Capability.METHOD_MOR, self.method_mor),
            (Capability.PUSH_MOR, self.push_mor),
        )
        items = {code: encode_uintvar(size) for code, size in sizes if size is not None}
        items |= {code: bytes([count]) for code, count in counts if count is not None}
        return b"".join(
            encode_uintvar(len(value) + 1) + bytes([_SHORT | code]) + value
            for code, value in (*items.items(), *self.other)
        )

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read capabilities; of one said twice the first counts. Raises `PeerError`."""
        items = _items(octets)
        options = _octet(items.pop(Capability.PROTOCOL_OPTIONS, None))
        return cls(
            _size(items.pop(Capability.CLIENT_SDU_SIZE, None)),
            _size(items.pop(Capability.SERVER_SDU_SIZE, None)),
            None if options is None else Options(options),
            _octet(items.pop(Capability.METHOD_MOR, None)),
            _octet(items.pop(Capability.PUSH_MOR, None)),
            tuple(items.items()),
        )

    def grant(self, largest: int, methods: int) -> Self:
        """Answer what a client asks for: SDUs to `largest` octets, `methods` at a time.

        Clause 8.3.2: what it did not ask for keeps its default, and what we do not offer
        (pushes, suspension, further methods and pages) is answered with nothing of it.
        """
        return type(self)(
            _narrower(self.client_sdu, largest),
            _narrower(self.server_sdu, largest),
            None if self.options is None else Options(0),
            None if self.method_mor is None else min(self.method_mor, methods),
            None if self.push_mor is None else 0,
        )


def _narrower(asked: int | None, largest: int) -> int | None:
    if asked is None:
        return None
    return min(asked, largest) or largest  # 0 is no limit: the other one's holds


def _size(value: bytes | None) -> int | None:
    return None if value is None else Reader(value).uintvar()


def _octet(value: bytes | None) -> int | None:
    return None if value is None else Reader(value).uint8()


def _items(octets: bytes) -> dict[int, bytes]:
    reader, items = Reader(octets), dict[int, bytes]()
    while len(reader):
        inner = reader.sub(reader.uintvar())
        if not len(inner):
            raise PeerError("a capability of no octets")
        if peek(inner) & _SHORT:
            items.setdefault(inner.uint8() & 0x7F, inner.rest())
        # One with a name is of nobody whom we know.
        if len(items) > _MOST_CAPABILITIES:
            raise PeerError(f"more than {_MOST_CAPABILITIES} capabilities")
    return items
