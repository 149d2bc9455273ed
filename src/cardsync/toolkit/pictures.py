"""The picture that an icon identifier stands for: an instance of EF.IMG.

TS 31.102 clause 4.6.1.1 and annex B (TS 51.011 annex G).
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader

Rgb = tuple[int, int, int]

_BLACK_AND_WHITE: tuple[Rgb, ...] = ((0, 0, 0), (255, 255, 255))


class ImageCoding(IntEnum):
    """How a picture is coded."""

    BASIC = 0x11
    COLOUR = 0x21
    COLOUR_WITH_TRANSPARENCY = 0x22


@dataclass(frozen=True, slots=True)
class Picture:
    """`width` by `height` pixels, 1 to 255 each; a pixel is an index into the palette.

    `pixels` has one octet a pixel, row by row. With transparency the last colour is none.
    """

    width: int
    height: int
    pixels: bytes
    palette: tuple[Rgb, ...] = _BLACK_AND_WHITE

    @property
    def rows(self) -> tuple[bytes, ...]:
        """Give the pixels of each row, from the top."""
        starts = range(0, self.width * self.height, self.width)
        return tuple([self.pixels[at : at + self.width] for at in starts])

    @classmethod
    def decode(cls, coding: int, octets: bytes) -> Self:
        """Read a picture; `PeerError` where the octets are not one. What follows is not read."""
        reader = Reader(octets)
        width, height = reader.uint8(), reader.uint8()
        if coding == ImageCoding.BASIC:
            return cls(width, height, _unpacked(reader, 1, width * height))
        if coding not in set(ImageCoding):
            raise PeerError(f"image coding {coding:02X} is none of TS 31.102 clause 4.6.1.1")
        bits, colours, place = reader.uint8(), reader.uint8() or 256, reader.uint16()
        if not 1 <= bits <= 8:
            raise PeerError(f"{bits} bits a pixel are not 1 to 8")
        pixels = _unpacked(reader, bits, width * height)
        table = octets[place : place + 3 * colours]
        if len(table) < 3 * colours or max(pixels, default=0) >= colours:
            raise PeerError(f"the table of {colours} colours at {place} is not whole")
        palette = [(table[at], table[at + 1], table[at + 2]) for at in range(0, len(table), 3)]
        return cls(width, height, pixels, tuple(palette))


def _unpacked(reader: Reader, bits: int, pixels: int) -> bytes:
    """Read pixels of some bits, the first in the highest bits; rows are not aligned."""
    octets = reader.octets((bits * pixels + 7) // 8)
    written = "".join([f"{octet:08b}" for octet in octets])
    return bytes([int(written[at : at + bits], 2) for at in range(0, bits * pixels, bits)])
