"""A long thing that arrives in numbered blocks, over any number of packets and resets.

LOAD and STORE DATA, GlobalPlatform Card Specification 2.3 clauses 11.6 and 11.11. What has come
lies in one cell of memory, so that the sender may go on after a reset, or send again what was
taken already because the answer to it was lost.
"""

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.octets.reader import Reader

_LARGEST = 16 * 1024


class Pieces:
    """The blocks that are in the cell `name`, and for which AID they are."""

    def __init__(self, memory: Memory, name: str) -> None:
        self._memory = memory
        self._name = name

    def begin(self, aid: bytes) -> None:
        """Forget what came, and wait for block 0."""
        self._memory.write(self._name, _lv(aid))

    def take(self, number: int, block: bytes, *, last: bool) -> tuple[bytes, bytes] | None:
        """Take a block of at most 255 octets; give the AID and the whole with the last one.

        Raises `PeerError` with a status word for a block out of turn, or too much of them.
        """
        aid, blocks = self._read()
        if number < len(blocks) and blocks[number] == block and not last:
            return None
        if number != len(blocks):
            raise PeerError("another block is expected", answer=SW.INCORRECT_P1_P2)
        blocks.append(block)
        if sum(map(len, blocks)) > _LARGEST:
            raise PeerError(f"more than {_LARGEST} octets", answer=SW.NOT_ENOUGH_MEMORY)
        self._memory.write(self._name, b"" if last else b"".join(map(_lv, (aid, *blocks))))
        return (aid, b"".join(blocks)) if last else None

    def _read(self) -> tuple[bytes, list[bytes]]:
        reader = Reader(self._memory.read(self._name))
        if not len(reader):
            raise PeerError("nothing was announced", answer=SW.CONDITIONS_NOT_SATISFIED)
        aid, blocks = reader.octets(reader.uint8()), list[bytes]()
        while len(reader):
            blocks.append(reader.octets(reader.uint8()))
        return aid, blocks


def _lv(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets
