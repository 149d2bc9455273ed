"""What every data object of the Card Application Toolkit is, and how one is found by its tag.

TS 102 223 clause 8, TS 31.111 clause 8; tags from TS 101 220 clause 7.2. An object that exists is
valid. `decode` turns a TLV into its object, or into `Unknown`, which keeps its octets. What was
decoded is encoded to the same octets.

Some tags have a second meaning in some messages (TS 101 220 table 7.23). A class says in which:
a type of command, the BER tag of an envelope, or `of_event` of an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import ClassVar, Self, TypeVar

from cardsync.errors import CardsyncError, PeerError
from cardsync.octets.tlv import ComprehensionTlv, encode_comprehension_tag, encode_length
from cardsync.toolkit.codes import GeneralResult


class MalformedObject(PeerError):
    """A data object cannot be read; the command that holds it is answered `32`."""

    def __init__(self, name: str, value: bytes, reason: object) -> None:
        super().__init__(
            f"{name} cannot be read from {len(value)} octets: {reason}",
            answer=GeneralResult.DATA_NOT_UNDERSTOOD,
        )


class DataObject:
    """A data object: `value` gives its octets, `read` makes one of octets, `TAG` is its tag."""

    __slots__ = ()
    TAG: ClassVar[int]
    THREE_OCTETS: ClassVar[bool] = False
    HEADS: ClassVar[tuple[bytes, bytes]]
    """The octets of the tag, without and with comprehension required."""

    def value(self) -> bytes:
        """Give the value octets."""
        raise NotImplementedError

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Make the object of its value octets; raise `ValueError` or a `CardsyncError`."""
        raise NotImplementedError

    def encode(self, *, comprehension: bool = True) -> bytes:
        """Give the octets of the TLV, with or without comprehension required."""
        value = self.value()
        return self.HEADS[comprehension] + encode_length(len(value)) + value


@dataclass(frozen=True, slots=True)
class Unknown(DataObject):
    """An object that we do not know; its octets are kept. `octets` are those of its value."""

    tag: int
    octets: bytes
    three_octets: bool = False

    def value(self) -> bytes:
        """Give the value octets as they came."""
        return self.octets

    def encode(self, *, comprehension: bool = True) -> bytes:
        """Give the octets of the TLV as they came."""
        return ComprehensionTlv(self.tag, self.octets, comprehension, self.three_octets).encode()


_KNOWN: dict[tuple[int, bool], type[DataObject]] = {}
_ELSEWHERE: dict[tuple[int, int | None], type[DataObject]] = {}
_Object = TypeVar("_Object", bound=type[DataObject])


def of_event(event: int) -> int:
    """Name the download of an event as a place in which tags have a meaning of their own."""
    return 0x100 | event


def known(tag: int, *places: int, three_octets: bool = False) -> Callable[[_Object], _Object]:
    """Register a class under its tag: everywhere, or in these messages alone."""

    def register(cls: _Object) -> _Object:
        cls.TAG, cls.THREE_OCTETS = tag, three_octets
        without, required = (
            encode_comprehension_tag(tag, comprehension=flag, three_octets=three_octets)
            for flag in (False, True)
        )
        cls.HEADS = without, required
        if places:
            _ELSEWHERE.update({(tag, place): cls for place in places})
        else:
            _KNOWN[tag, three_octets] = cls
        return cls

    return register


def classes() -> tuple[type[DataObject], ...]:
    """Give every class that is registered, each once."""
    return tuple(dict.fromkeys((*_KNOWN.values(), *_ELSEWHERE.values())))


def read(tag: int, three_octets: bool, value: bytes, place: int | None = None) -> DataObject:
    """Make the object of a tag and a value; raise `MalformedObject` if its class cannot read it."""
    if len(value) <= _SHORT:
        return _read_short(tag, three_octets, value, place)
    return _read(tag, three_octets, value, place)


def _read(tag: int, three_octets: bool, value: bytes, place: int | None) -> DataObject:
    cls = _KNOWN.get((tag, three_octets))
    if not three_octets:
        cls = _ELSEWHERE.get((tag, place), cls)
    if cls is None:
        return Unknown(tag, value, three_octets)
    try:
        return cls.read(value)
    except (ValueError, CardsyncError) as exc:
        raise MalformedObject(cls.__name__, value, exc) from exc


_SHORT = 3
_read_short = lru_cache(maxsize=1024)(_read)
"""The same few short objects come again and again, and an object that is the same is shared."""


def decode(tlv: ComprehensionTlv, place: int | None = None) -> DataObject:
    """Make the object of a TLV in the message `place`; raise `MalformedObject`."""
    return read(tlv.tag, tlv.three_octets, tlv.value, place)


def code(enumeration: type[IntEnum], octet: int) -> int:
    """Name an octet if its list has it, else keep it as it is."""
    try:
        return enumeration(octet)
    except ValueError:
        return octet


def within(name: str, number: int, low: int, high: int) -> None:
    """Raise `ValueError` if a number is out of its range."""
    if not low <= number <= high:
        raise ValueError(f"{name} {number} is not {low} to {high}")


@dataclass(frozen=True, slots=True)
class Octets(DataObject):
    """The shape of an object whose octets belong to another standard and stand as they are."""

    octets: bytes
    LENGTHS: ClassVar[range] = range(0x10000)

    def __post_init__(self) -> None:
        if len(self.octets) not in self.LENGTHS:
            raise ValueError(f"{len(self.octets)} octets are too few or too many")

    def value(self) -> bytes:
        """Give the octets."""
        return self.octets

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Take the octets."""
        return cls(value)


@dataclass(frozen=True, slots=True)
class Characters(Octets):
    """The shape of an object whose octets are characters, UTF-8 or ASCII."""

    @property
    def text(self) -> str:
        """The characters; raises `PeerError` if the octets are none."""
        try:
            return self.octets.decode()
        except UnicodeDecodeError as exc:
            raise PeerError(f"octet {exc.start} of {len(self.octets)} is no UTF-8") from exc


@dataclass(frozen=True, slots=True)
class Code(DataObject):
    """The shape of an object that is one octet out of a list; what the list lacks is kept."""

    code: int
    CODES: ClassVar[type[IntEnum] | None] = None

    def __post_init__(self) -> None:
        within("code", self.code, 0, 255)

    def value(self) -> bytes:
        """Give one octet."""
        return bytes([self.code])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet."""
        (octet,) = value
        return cls(octet if cls.CODES is None else code(cls.CODES, octet))


class Fields(DataObject):
    """The shape of an object whose fields are one octet each."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            within(name, getattr(self, name), 0, 255)

    def value(self) -> bytes:
        """Give one octet a field."""
        return bytes([getattr(self, name) for name in self.__slots__])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one octet a field."""
        if len(value) != len(cls.__slots__):
            raise ValueError(f"{len(cls.__slots__)} octets are expected")
        return cls(*value)
