"""The objects of a message in their order, and those that are looked for among them.

TS 102 223 clause 6.6 and 6.8: a message is a row of COMPREHENSION-TLVs. A `Part` keeps with each
object whether its comprehension is required, so that what was decoded is encoded to the same
octets.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import TypeVar

from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.reader import Reader
from cardsync.toolkit import data_object
from cardsync.toolkit.codes import EnvelopeTag, GeneralResult
from cardsync.toolkit.objects import CommandDetails, DataObject, EventList

_LEADING = 2  # objects that may say which message it is
_Wanted = TypeVar("_Wanted", bound=DataObject)


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a message, and whether the receiver must understand it."""

    object: DataObject
    comprehension: bool = True

    def encode(self) -> bytes:
        """Give the octets of the TLV."""
        return self.object.encode(comprehension=self.comprehension)


def content(data: bytes, tags: Container[int]) -> tuple[int, bytes]:
    """Take a message out of its BER-TLV: its tag, one of `tags`, and its octets.

    Raises `PeerError`; a length has only one way to be written. TS 101 220 clause 7.1.2. The tag
    is one octet, `DF` (ProSe report) too. Table 7.17.
    """
    reader = Reader(data)
    tag, length = reader.uint8(), tlv.decode_length(reader)
    value = reader.octets(length)
    reader.finish()
    if tag not in tags:
        raise PeerError(f"tag {tag:02X} at offset 0 is not the one of such a message")
    if len(data) - length > 1 + len(tlv.encode_length(length)):
        raise PeerError("the length at offset 1 is written in too many octets")
    return tag, value


def encode_parts(parts: tuple[Part, ...]) -> bytes:
    """Give the octets of the objects of a message."""
    return b"".join([part.object.encode(comprehension=part.comprehension) for part in parts])


def decode_parts(data: bytes, place: int | None = None) -> tuple[Part, ...]:
    """Read the objects of a message to its end; raise `PeerError` with `32` owed.

    `place` is the BER tag of an envelope. Command details, or in an event download the event, say
    for what follows in which message it stands; they come first, but there are terminals that put
    the device identities before the event.
    """
    found: list[Part] = []
    try:
        for tag, comprehension, three_octets, value in tlv.split_comprehension(data):
            one = data_object.read(tag, three_octets, value, place)
            if len(found) < _LEADING:
                place = _place(one, place)
            found.append(Part(one, comprehension))
    except PeerError as exc:
        if exc.answer is not None:
            raise
        raise PeerError(str(exc), answer=GeneralResult.DATA_NOT_UNDERSTOOD) from exc
    return tuple(found)


def _place(leading: DataObject, place: int | None) -> int | None:
    if isinstance(leading, CommandDetails):
        return leading.type
    if place == EnvelopeTag.EVENT_DOWNLOAD and isinstance(leading, EventList) and leading.events:
        return data_object.of_event(leading.events[0])
    return place


def standing(parts: tuple[Part, ...], at: int, wanted: type[_Wanted]) -> _Wanted:
    """Give the object that must stand at a place; raise `PeerError` with `36` owed."""
    found = parts[at].object if at < len(parts) else None
    if not isinstance(found, wanted):
        message = f"{wanted.__name__} is missing as object {at + 1} of the message"
        raise PeerError(message, answer=GeneralResult.VALUES_MISSING)
    return found


def first(parts: tuple[Part, ...], wanted: type[_Wanted]) -> _Wanted | None:
    """Give the first object of a class, or None."""
    for part in parts:
        if isinstance(part.object, wanted):
            return part.object
    return None


def every(parts: tuple[Part, ...], wanted: type[_Wanted]) -> tuple[_Wanted, ...]:
    """Give all objects of a class."""
    return tuple([part.object for part in parts if isinstance(part.object, wanted)])


def required(parts: tuple[Part, ...], wanted: type[_Wanted]) -> _Wanted:
    """Give the first object of a class; raise `PeerError` with `36` owed if there is none."""
    found = first(parts, wanted)
    if found is None:
        raise PeerError(f"{wanted.__name__} is missing", answer=GeneralResult.VALUES_MISSING)
    return found
