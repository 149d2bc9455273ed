"""User data of a short message: header, concatenation, reassembly. TS 23.040 clause 9.2.3.24.

A message longer than one TPDU is cut by `segment` and joined by `Reassembler`, which holds no
clock: what never becomes complete is dropped when newer messages need its place.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets import text
from cardsync.octets.reader import Reader

LARGEST_OCTETS = 140  # of TP-UD, header included
LARGEST_SEPTETS = 160


class Alphabet(IntEnum):
    """How TP-UD is counted and packed, from TP-DCS. TS 23.038 clause 4."""

    GSM7 = 0
    OCTETS = 1
    UCS2 = 2


class Iei(IntEnum):
    """Information element identifiers that we use. TS 23.040 clause 9.2.3.24."""

    CONCATENATED = 0x00
    PORTS_16 = 0x05  # clause 9.2.3.24.4
    CONCATENATED_16 = 0x08
    COMMAND_PACKET = 0x70  # CPI of TS 31.115 clause 4.2
    RESPONSE_PACKET = 0x71  # RPI of TS 31.115 clause 4.4


@dataclass(frozen=True, slots=True)
class InformationElement:
    """One element of the header: `identifier` 0 to FF (known ones in `Iei`), its octets."""

    identifier: int
    value: bytes = b""

    def encode(self) -> bytes:
        """Give the octets."""
        return bytes([self.identifier, len(self.value)]) + self.value


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of 16 bits: to which application, from which. TS 23.040 clause 9.2.3.24.4."""

    destination: int
    source: int

    def element(self) -> InformationElement:
        """Give the information element."""
        octets = self.destination.to_bytes(2, "big") + self.source.to_bytes(2, "big")
        return InformationElement(Iei.PORTS_16, octets)


COMMAND_HEADER = (InformationElement(Iei.COMMAND_PACKET),)
RESPONSE_HEADER = (InformationElement(Iei.RESPONSE_PACKET),)


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Segment `sequence` (from 1) of `total`; `wide` for a reference of 16 bits.

    TS 23.040 clauses 9.2.3.24.1 and 9.2.3.24.8.
    """

    reference: int
    total: int
    sequence: int
    wide: bool = False

    def element(self) -> InformationElement:
        """Give the information element."""
        identifier = Iei.CONCATENATED_16 if self.wide else Iei.CONCATENATED
        reference = self.reference.to_bytes(2 if self.wide else 1, "big")
        return InformationElement(identifier, reference + bytes([self.total, self.sequence]))


_CONCATENATION_LENGTH = {Iei.CONCATENATED: 3, Iei.CONCATENATED_16: 4}


@dataclass(frozen=True, slots=True)
class UserData:
    """Header elements and data: octets, or septets held one to an octet where TP-DCS says so."""

    data: bytes = b""
    header: tuple[InformationElement, ...] = ()

    def encode(self, alphabet: Alphabet = Alphabet.OCTETS) -> bytes:
        """Give TP-UD; raise `LocalError` where it is longer than one short message."""
        head = self._head()
        if alphabet is Alphabet.GSM7:
            octets = head + text.pack(self.data, -8 * len(head) % 7)
        else:
            octets = head + self.data
        if len(octets) > LARGEST_OCTETS:
            raise LocalError(f"{len(octets)} octets of user data do not fit one short message")
        return octets

    def length(self, alphabet: Alphabet = Alphabet.OCTETS) -> int:
        """Give TP-UDL: octets, or septets with those that the header takes."""
        head = len(self._head())
        if alphabet is Alphabet.GSM7:
            head = (8 * head + 6) // 7
        return head + len(self.data)

    def _head(self) -> bytes:
        if not self.header:
            return b""
        elements = b"".join(element.encode() for element in self.header)
        return bytes([len(elements)]) + elements

    @classmethod
    def decode(
        cls, octets: bytes, length: int, *, has_header: bool, alphabet: Alphabet = Alphabet.OCTETS
    ) -> Self:
        """Read TP-UD of TP-UDL `length`; raise `PeerError` where the two disagree."""
        septets = alphabet is Alphabet.GSM7
        if length > (LARGEST_SEPTETS if septets else LARGEST_OCTETS):
            raise PeerError(f"TP-UDL {length} is more than a short message holds")
        expected = (7 * length + 7) // 8 if septets else length
        if len(octets) != expected:
            raise PeerError(f"TP-UDL {length} does not fit {len(octets)} octets of user data")
        reader = Reader(octets)
        header = _decode_header(reader) if has_header else ()
        if not septets:
            return cls(reader.rest(), header)
        fill = -8 * reader.offset % 7
        count = length - (8 * reader.offset + 6) // 7
        if count < 0:
            raise PeerError("the user data header is longer than TP-UDL")
        return cls(text.unpack(reader.rest(), count, fill), header)

    def element(self, identifier: int) -> InformationElement | None:
        """Give the last element of this kind: the last one counts. TS 23.040 clause 9.2.3.24."""
        found = [element for element in self.header if element.identifier == identifier]
        return found[-1] if found else None

    @property
    def ports(self) -> Ports | None:
        """To which application it goes, or None; an element of another length is ignored."""
        element = self.element(Iei.PORTS_16)
        if element is None or len(element.value) != 4:
            return None
        octets = element.value
        return Ports(int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big"))

    @property
    def concatenation(self) -> Concatenation | None:
        """Which segment this is, or None.

        An element with a total or sequence that cannot be is ignored, as clause 9.2.3.24.1 says.
        """
        for identifier, size in _CONCATENATION_LENGTH.items():
            element = self.element(identifier)
            if element is None or len(element.value) != size:
                continue
            total, sequence = element.value[-2:]
            if 1 <= sequence <= total:
                reference = int.from_bytes(element.value[:-2], "big")
                return Concatenation(reference, total, sequence, wide=size == 4)
        return None


def _decode_header(reader: Reader) -> tuple[InformationElement, ...]:
    inner = reader.sub(reader.uint8())
    elements = []
    while len(inner):
        identifier = inner.uint8()
        elements.append(InformationElement(identifier, inner.octets(inner.uint8())))
    return tuple(elements)


def segment(
    user_data: bytes,
    header_elements: tuple[InformationElement, ...],
    reference: int,
    *,
    wide: bool = False,
    in_each: tuple[InformationElement, ...] = (),
) -> tuple[UserData, ...]:
    """Cut octets into the user data of one or more short messages.

    Only the first carries `header_elements`, behind its concatenation element (TS 31.115
    clause 4.3); every further one that element alone, and every one those `in_each`, as ports
    must be (TS 23.040 clause 9.2.3.24.4). `reference` is 0 to 255, or to 65535 where `wide`.
    Raises `LocalError` beyond 255 segments.
    """
    whole = UserData(user_data, (*in_each, *header_elements))
    if whole.length() <= LARGEST_OCTETS:
        return (whole,)
    around = (Concatenation(0, 1, 1, wide).element(), *in_each)
    head = 1 + sum(len(element.encode()) for element in around)
    first = LARGEST_OCTETS - head - sum(len(element.encode()) for element in header_elements)
    step = LARGEST_OCTETS - head
    cuts = [0, *range(first, len(user_data), step), len(user_data)]
    total = len(cuts) - 1
    if total > 0xFF or not 0 <= reference <= (0xFFFF if wide else 0xFF):
        raise LocalError(f"{total} segments under reference {reference} cannot be written")
    return tuple(
        UserData(
            user_data[start:end],
            (
                Concatenation(reference, total, number, wide).element(),
                *in_each,
                *(header_elements if number == 1 else ()),
            ),
        )
        for number, (start, end) in enumerate(pairwise(cuts), 1)
    )


@dataclass(slots=True)
class _Partial:
    """A message of which some segments are here."""

    segments: dict[int, UserData] = field(default_factory=dict)

    def join(self, total: int) -> UserData | None:
        if len(self.segments) < total:
            return None
        parts = [self.segments[number] for number in range(1, total + 1)]
        header = tuple(
            element
            for part in parts
            for element in part.header
            if element.identifier not in _CONCATENATION_LENGTH
        )
        return UserData(b"".join(part.data for part in parts), header)


class Reassembler:
    """Joins segments that come in any order and more than once.

    At most `messages` are in progress, the oldest is dropped for a newer one; a message of more
    than `segments` is refused, so that the memory is bounded by the two.
    """

    def __init__(self, messages: int = 8, segments: int = 255) -> None:
        self._messages = messages
        self._segments = segments
        self._partials: dict[Hashable, _Partial] = {}

    def __len__(self) -> int:
        """Give the number of messages in progress."""
        return len(self._partials)

    def receive_data(self, originator: Hashable, user_data: UserData) -> UserData | None:
        """Take one short message; give the whole message once it is complete.

        The header of the whole is that of its segments without the concatenation elements.
        Raises `PeerError` for a message that would be too long.
        """
        part = user_data.concatenation
        if part is None:
            return user_data
        if part.total > self._segments:
            raise PeerError(f"{part.total} segments; at most {self._segments} are taken")
        key = (originator, part.wide, part.reference, part.total)
        partial = self._partials.get(key)
        if partial is None or partial.segments.get(part.sequence, user_data) != user_data:
            partial = self._begin(key)
        partial.segments[part.sequence] = user_data
        whole = partial.join(part.total)
        if whole is not None:
            del self._partials[key]
        return whole

    def _begin(self, key: Hashable) -> _Partial:
        # Another content under a known number means that the reference came round again.
        self._partials.pop(key, None)
        while len(self._partials) >= self._messages:
            del self._partials[next(iter(self._partials))]
        partial = self._partials[key] = _Partial()
        return partial
