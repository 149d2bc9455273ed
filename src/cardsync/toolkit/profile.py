"""TERMINAL PROFILE: what a terminal says that it can do, bytes and bits numbered from 1.

TS 102 223 clause 5.2. A bit is a claim, not a proof.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Self

from cardsync.errors import PeerError
from cardsync.toolkit.features import Feature

__all__ = ["Difference", "Feature", "Quantity", "TerminalProfile"]

_NAMES = {feature.value: feature for feature in Feature}


class Quantity(Enum):
    """A number in the profile: its byte, its lowest bit, and how many bits it has."""

    SOFT_KEYS = (11, 1, 8)
    CHANNELS = (13, 6, 3)
    DISPLAY_HEIGHT = (14, 1, 5)
    DISPLAY_WIDTH = (15, 1, 7)
    MENU_WIDTH_REDUCTION = (16, 6, 3)
    TIA_VERSION = (19, 1, 4)
    FRAMES = (24, 1, 4)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one profile claims and another does not; bits without a name are byte and bit."""

    gained: tuple[Feature | tuple[int, int], ...]
    lost: tuple[Feature | tuple[int, int], ...]
    changed: tuple[tuple[Quantity, int, int], ...]
    """Quantities with what they were and what they are."""

    def __bool__(self) -> bool:
        """Say whether there is any difference."""
        return bool(self.gained or self.lost or self.changed)


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """A profile of at least one octet; bits beyond its end are 0."""

    octets: bytes

    def __post_init__(self) -> None:
        if not self.octets:
            raise PeerError("a terminal profile has at least one octet")

    def __contains__(self, feature: Feature) -> bool:
        """Say whether the terminal claims a facility."""
        byte, bit = feature.value
        return byte <= len(self.octets) and bool(self.octets[byte - 1] >> bit - 1 & 1)

    @property
    def bits(self) -> frozenset[tuple[int, int]]:
        """The bits that are set, as byte and bit, without those that are part of a number."""
        numbered = enumerate(self.octets, 1)
        found = {
            (byte, bit) for byte, octet in numbered for bit in range(1, 9) if octet >> bit - 1 & 1
        }
        return frozenset(found) - _IN_NUMBERS

    def quantity(self, quantity: Quantity) -> int:
        """Give a number; 0 where the profile ends before it."""
        byte, bit, size = quantity.value
        octet = self.octets[byte - 1] if byte <= len(self.octets) else 0
        return octet >> bit - 1 & (1 << size) - 1

    @property
    def features(self) -> tuple[Feature, ...]:
        """The facilities claimed, in the order of their bits."""
        return tuple([feature for feature in Feature if feature in self])

    @property
    def quantities(self) -> tuple[tuple[str, int], ...]:
        """The numbers that are not 0, by their names."""
        numbers = [(one.name, self.quantity(one)) for one in Quantity]
        return tuple([told for told in numbers if told[1]])

    @property
    def unnamed(self) -> tuple[tuple[int, int], ...]:
        """The bits that are set and have no name here, as byte and bit: a newer release's."""
        return tuple(sorted(self.bits - _NAMES.keys()))

    def compare(self, before: "TerminalProfile") -> Difference:
        """List what is different from an earlier profile, in the order of the bits."""
        numbers = [(one, before.quantity(one), self.quantity(one)) for one in Quantity]
        return Difference(
            _named(self.bits - before.bits),
            _named(before.bits - self.bits),
            tuple([change for change in numbers if change[1] != change[2]]),
        )

    @classmethod
    def of(cls, *features: Feature) -> Self:
        """Make a profile as long as its last facility, of one octet if there is none."""
        octets = bytearray(max([feature.value[0] for feature in features], default=1))
        for feature in features:
            byte, bit = feature.value
            octets[byte - 1] |= 1 << bit - 1
        return cls(bytes(octets))


_IN_NUMBERS = frozenset(
    (byte, bit)
    for byte, lowest, size in (quantity.value for quantity in Quantity)
    for bit in range(lowest, lowest + size)
)
"""Bits that are part of a number."""


def _named(bits: frozenset[tuple[int, int]]) -> tuple[Feature | tuple[int, int], ...]:
    return tuple([_NAMES.get(position, position) for position in sorted(bits)])
