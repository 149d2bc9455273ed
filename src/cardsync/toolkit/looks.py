"""How a text looks: its formats. TS 102 223 clauses 8.72 and 8.73, TS 23.040 9.2.3.24.10.1.1."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.toolkit.data_object import DataObject, known, within


class Alignment(IntEnum):
    """Where a line begins. TS 23.040 clause 9.2.3.24.10.1.1."""

    LEFT = 0
    CENTRE = 1
    RIGHT = 2
    OF_THE_LANGUAGE = 3


class TextSize(IntEnum):
    """How large the letters are."""

    NORMAL = 0
    LARGE = 1
    SMALL = 2
    RESERVED = 3


class Colour(IntEnum):
    """The colours of letters and of their ground."""

    BLACK = 0
    DARK_GREY = 1
    DARK_RED = 2
    DARK_YELLOW = 3
    DARK_GREEN = 4
    DARK_CYAN = 5
    DARK_BLUE = 6
    DARK_MAGENTA = 7
    GREY = 8
    WHITE = 9
    BRIGHT_RED = 10
    BRIGHT_YELLOW = 11
    BRIGHT_GREEN = 12
    BRIGHT_CYAN = 13
    BRIGHT_BLUE = 14
    BRIGHT_MAGENTA = 15


@dataclass(frozen=True, slots=True)
class TextFormat:
    """The look of `length` characters from `start` on, 0 to 255 each; length 0: of all.

    What a later format says of the same characters holds.
    """

    start: int
    length: int
    foreground: Colour = Colour.BLACK
    background: Colour = Colour.BLACK
    alignment: Alignment = Alignment.LEFT
    size: TextSize = TextSize.NORMAL
    bold: bool = False
    italic: bool = False
    underlined: bool = False
    struck: bool = False

    def __post_init__(self) -> None:
        within("start", self.start, 0, 255)
        within("length", self.length, 0, 255)

    def encode(self) -> bytes:
        """Give the four octets."""
        marks = self.bold, self.italic, self.underlined, self.struck
        style = self.alignment | self.size << 2
        for bit, mark in enumerate(marks, start=4):
            style |= mark << bit
        return bytes([self.start, self.length, style, self.foreground | self.background << 4])

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read four octets; each value of each is a format."""
        start, length, style, colour = octets
        marks = [bool(style >> bit & 1) for bit in range(4, 8)]
        colours = Colour(colour & 0x0F), Colour(colour >> 4)
        return cls(start, length, *colours, Alignment(style & 3), TextSize(style >> 2 & 3), *marks)


@dataclass(frozen=True, slots=True)
class _Formats(DataObject):
    """The shape of a list of formats."""

    formats: tuple[TextFormat, ...]

    def value(self) -> bytes:
        """Give four octets a format."""
        return b"".join([one.encode() for one in self.formats])

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read four octets a format."""
        if len(value) % 4:
            raise ValueError("a format has four octets")
        fours = [value[at : at + 4] for at in range(0, len(value), 4)]
        return cls(tuple([TextFormat.decode(four) for four in fours]))


@known(0x50)
@dataclass(frozen=True, slots=True)
class TextAttribute(_Formats):
    """How a text looks, one format after the other. TS 102 223 clause 8.72."""


@known(0x51)
@dataclass(frozen=True, slots=True)
class ItemTextAttributeList(_Formats):
    """How the items look, one format an item. TS 102 223 clause 8.73."""
