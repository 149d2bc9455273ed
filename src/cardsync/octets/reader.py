"""A bounded reader of octets: every read is checked, short input raises."""

from typing import Self

from cardsync.errors import PeerError, ShortInput

_UINTVAR_OCTETS = 5  # 32 bits in groups of seven, WAP-230 clause 8.1.2


class Reader:
    """Reads `data` from its beginning; `offset` is the position of the next octet."""

    __slots__ = ("_data", "_end", "offset")

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        self._data = data
        self._end = len(data) if end is None else end
        self.offset = offset

    def __len__(self) -> int:
        """Give the number of octets not yet read."""
        return self._end - self.offset

    def octets(self, count: int) -> bytes:
        """Read `count` octets; raise `ShortInput` if there are fewer."""
        start = self.offset
        if count > self._end - start:
            raise ShortInput(start, count, self._end - start)
        self.offset = start + count
        return self._data[start : self.offset]

    def uint8(self) -> int:
        """Read one octet as an unsigned integer."""
        start = self.offset
        if start >= self._end:
            raise ShortInput(start, 1, 0)
        self.offset = start + 1
        return self._data[start]

    def uint16(self) -> int:
        """Read two octets, most significant first."""
        return int.from_bytes(self.octets(2), "big")

    def uint24(self) -> int:
        """Read three octets, most significant first."""
        return int.from_bytes(self.octets(3), "big")

    def uint32(self) -> int:
        """Read four octets, most significant first."""
        return int.from_bytes(self.octets(4), "big")

    def uintvar(self) -> int:
        """Read a variable length unsigned integer of at most 32 bits. WAP-230 clause 8.1.2."""
        start, value = self.offset, 0
        for _ in range(_UINTVAR_OCTETS):
            octet = self.uint8()
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                if value >> 32:
                    break
                return value
        raise PeerError(f"uintvar at offset {start} is longer than 32 bits")

    def until(self, stop: int) -> bytes:
        """Read up to the octet `stop`, which is read but not returned."""
        found = self._data.find(bytes([stop]), self.offset, self._end)
        if found < 0:
            raise ShortInput(self._end, 1, 0)
        octets = self._data[self.offset : found]
        self.offset = found + 1
        return octets

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.octets(len(self))

    def sub(self, count: int) -> Self:
        """Give a reader of the next `count` octets and pass over them; its offsets are ours."""
        if count > len(self):
            raise ShortInput(self.offset, count, len(self))
        inner = type(self)(self._data, self.offset, self.offset + count)
        self.offset += count
        return inner

    def finish(self) -> None:
        """Raise `PeerError` if anything is left."""
        if self.offset < self._end:
            raise PeerError(f"{len(self)} octets are left over at offset {self.offset}")
