"""The non-volatile memory of the card: named cells of octets, changed all together or not at all.

An instruction runs inside `transaction`; if it raises, no cell has changed. `generation` rises
with every committed change, so that whoever keeps the image on a disk knows when to write it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from cardsync.errors import PeerError
from cardsync.octets.reader import Reader

_MAGIC = b"CSMEM2"
"""Ends with the version of what the cells hold: another one is refused, not half understood."""


class Memory:
    """Cells by name; a cell that is not there reads as empty octets."""

    def __init__(self) -> None:
        self._cells: dict[str, bytes] = {}
        self._names: dict[str, tuple[str, ...]] = {}  # by prefix, until a cell comes or goes
        self.generation = 0

    def read(self, name: str) -> bytes:
        """Give the octets of a cell."""
        return self._cells.get(name, b"")

    def write(self, name: str, octets: bytes) -> None:
        """Set a cell; empty octets take it away."""
        if self._cells.get(name, b"") == octets:
            return
        self.generation += 1
        if not octets or name not in self._cells:
            self._names.clear()
        if octets:
            self._cells[name] = octets
        else:
            del self._cells[name]

    def names(self, prefix: str) -> tuple[str, ...]:
        """Give the names that begin with `prefix`, sorted."""
        if prefix not in self._names:
            found = sorted([name for name in self._cells if name.startswith(prefix)])
            self._names[prefix] = tuple(found)
        return self._names[prefix]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo every change if the block raises."""
        before, generation = dict(self._cells), self.generation
        try:
            yield
        except BaseException:
            self._cells, self.generation = before, generation
            self._names.clear()
            raise

    def encode(self) -> bytes:
        """Give the image: each cell as name and content with their lengths, sorted by name."""
        parts = [_MAGIC]
        for name in sorted(self._cells):
            label, octets = name.encode(), self._cells[name]
            parts += [bytes([len(label)]), label, len(octets).to_bytes(3, "big"), octets]
        return b"".join(parts)

    @classmethod
    def decode(cls, image: bytes) -> Self:
        """Read an image; raise `PeerError` if it is none."""
        reader, memory = Reader(image), cls()
        magic = reader.octets(len(_MAGIC))
        if magic[:-1] == _MAGIC[:-1] and magic != _MAGIC:
            raise PeerError("the memory image is one of another version of cardsync")
        if magic != _MAGIC:
            raise PeerError("these octets are no memory image of a card")
        while len(reader):
            name = reader.octets(reader.uint8()).decode("utf-8", "replace")
            memory._cells[name] = reader.octets(reader.uint24())
        return memory
