"""What of a datastore's changes fits into a Sync: the commands that carry them, octet by octet.

OMA DS Protocol 1.2, "Large object handling": an item that would not even fit into a message of
its own goes in chunks, the size of the whole with the first, MoreData behind all but the last.
"""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from cardsync.errors import LocalError
from cardsync.syncml import codec, fields
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.elements import Add, Delete, Item, Meta, Replace
from cardsync.syncml.status import StatusCode

Manipulation = Add | Replace | Delete
"""What carries items."""

Address = Callable[[Change], Item]
"""How a role names an item on the wire: an Item with its Target or Source alone."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the items of a database go: their usual type, their names, what the peer takes.

    `most` is its MaxObjSize in octets, None for any; `field_level` says that it merges the
    fields of items that have some into what it has.
    """

    type: str
    address: Address
    most: int | None = None
    field_level: bool = False


_LENGTHS: Final = 16
"""Octets that the lengths, the Size and the MoreData of a chunk take in WBXML, at most."""

_LEAST: Final = 12
"""Octets of a chunk, however little room there is."""

_COMMANDS: Final[dict[ChangeKind, type[Add] | type[Replace] | type[Delete]]] = {
    ChangeKind.ADD: Add,
    ChangeKind.REPLACE: Replace,
    ChangeKind.DELETE: Delete,
    ChangeKind.SOFT_DELETE: Delete,
}
_ORDER: Final = {kind: at for at, kind in enumerate(reversed(_COMMANDS), 1)}
"""The rest of a cut item comes before all others; what is deleted makes room for what comes."""

_BLANKS: Final = frozenset(b" \t\r\n")

_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no character for (clause 2.2); such data goes in base64."""


class Supply:
    """Changes that wait to be sent, the first perhaps in part.

    `offset` octets of the first one have been sent. Nothing is read before it is needed.
    """

    def __init__(self, changes: Iterable[Change], offset: int = 0) -> None:
        self._changes = iter(changes)
        self.next = next(self._changes, None)
        self.offset = offset

    @property
    def done(self) -> bool:
        """Say whether everything has been taken."""
        return self.next is None

    def advance(self) -> None:
        """Go on to the next change."""
        self.next = next(self._changes, None)
        self.offset = 0


@dataclass(slots=True)
class Filled:
    """A command of a Sync, and its items as they are written."""

    command: Manipulation
    kind: ChangeKind
    pieces: list[bytes] = field(default_factory=list)


class Filling:
    """Takes changes into the commands of one Sync, while there is room: `room` octets.

    `number` is the CmdID of the first command, `capacity` what an empty message would have room
    for; `is_fresh` says that no later message will have more room. An item that is too large even
    for that is cut where the peer knows of chunks (1.1 and later), else it is `left_out`, as is
    what has no characters in XML: with the status for it.
    `singly` gives each item a command of its own; some old peers look at the first one only.
    An object larger than the peer takes is `left_out`, too, with 413.
    """

    def __init__(
        self,
        content_type: str,
        manner: Manner,
        *,
        number: int,
        room: int,
        capacity: int,
        is_fresh: bool,
        chunks: bool,
        singly: bool,
    ) -> None:
        self.passed = ""  # the token of the last change that was taken, or left out
        self.whole: list[Change] = []
        self.left_out: list[tuple[Change, StatusCode]] = []
        self._content_type = content_type
        self._is_xml = codec.media_type(content_type) == codec.XML
        self._type = manner.type
        self._address = manner.address
        self._number = number
        self._room = room
        self._largest = capacity * 3 // 4
        self._is_fresh = is_fresh
        self._chunks = chunks
        self._singly = singly
        self._most = manner.most
        self._field_level = manner.field_level
        self._filled: dict[tuple[int, str, int], Filled] = {}

    def commands(self) -> list[Filled]:
        """Give the commands in the order in which they go."""
        return [self._filled[key] for key in sorted(self._filled)]

    def run(self, supply: Supply) -> None:
        """Take what fits; what does not waits for the next message, or is cut if it is alone."""
        while (change := supply.next) is not None:
            is_rest = supply.offset > 0
            rest = None if change.data is None else change.data[supply.offset :]
            if self._most is not None and len(change.data or b"") > self._most:
                self._leave_out(supply, change, StatusCode.TOO_LARGE)
                continue
            try:
                piece = self._encode(change, rest)
            except LocalError:
                self._leave_out(supply, change, StatusCode.BAD_REQUEST)
                continue
            if self._put(change, piece, is_rest):
                self.whole.append(change)
            elif self._filled or not (self._is_fresh or len(piece) > self._largest):
                return
            elif self._chunks and len(rest or b"") > _LEAST:
                self._cut(change, supply)
                return
            elif not self._is_fresh:
                return
            elif self._chunks:
                self._put(change, piece, is_rest, anyway=True)
                self.whole.append(change)
            else:
                self._leave_out(supply, change, StatusCode.TOO_LARGE)
                continue
            self._pass(supply, change)

    def _leave_out(self, supply: Supply, change: Change, code: StatusCode) -> None:
        self.left_out.append((change, code))
        self._pass(supply, change)

    def _pass(self, supply: Supply, change: Change) -> None:
        self.passed = change.token
        supply.advance()

    def _cut(self, change: Change, supply: Supply) -> None:
        """Take as much of an item as fills the message; if it is fresh, a little in any case."""
        rest = (change.data or b"")[supply.offset :]
        is_rest = supply.offset > 0
        size = None if is_rest else len(rest)
        is_text = _is_text(change.data or b"")
        around = len(self._encode(change, b"", size)) + self._cost(change, is_rest)
        wanted = max(min(self._room - around - _LENGTHS, len(rest) - 1), _LEAST)
        least = False
        while not least:
            least = wanted <= _LEAST
            octets = _boundary(rest, wanted, is_text=is_text)
            piece = self._encode(change, rest[:octets], size, more=True)
            if self._put(change, piece, is_rest, anyway=least and self._is_fresh):
                supply.offset += octets
                return
            wanted = max(wanted * 7 // 8, _LEAST)

    def _put(self, change: Change, piece: bytes, is_rest: bool, *, anyway: bool = False) -> bool:
        """Put an item into the command of its kind and type, if both fit."""
        needed = len(piece) + self._cost(change, is_rest)
        if needed > self._room and not anyway:
            return False
        self._room -= needed
        key = self._key(change, is_rest)
        if key not in self._filled:
            self._filled[key] = Filled(self._command(change), change.kind)
        self._filled[key].pieces.append(piece)
        return True

    def _key(self, change: Change, is_rest: bool) -> tuple[int, str, int]:
        order = 0 if is_rest else _ORDER[change.kind]
        return order, change.type or self._type, len(self._filled) if self._singly else 0

    def _command(self, change: Change) -> Manipulation:
        number = self._number + len(self._filled)
        if change.kind is ChangeKind.SOFT_DELETE:
            return Delete(number, (), soft=True)
        is_delete = change.kind is ChangeKind.DELETE
        kind = change.type or self._type
        some = self._field_level and fields.are_known(kind)
        meta = None if is_delete else Meta(type=kind, field_level=some)
        return _COMMANDS[change.kind](number, (), meta)

    def _cost(self, change: Change, is_rest: bool) -> int:
        """Count the octets of the command around an item, if it is not there yet."""
        if self._key(change, is_rest) in self._filled:
            return 0
        return codec.encoded_size(self._command(change), self._content_type)

    def _encode(
        self, change: Change, data: bytes | None, size: int | None = None, *, more: bool = False
    ) -> bytes:
        named = self._address(change)
        form = None
        if data is not None and self._is_xml and not _is_text(change.data or b""):
            data, form = base64.b64encode(data), "b64"
        meta = Meta(format=form, size=size) if form or size is not None else None
        item = replace(named, meta=meta, data=data, more_data=more)
        return codec.encode_item(item, self._content_type)


def _boundary(rest: bytes, octets: int, *, is_text: bool) -> int:
    """Go back to where a character of UTF-8 begins, or three octets end: base64 needs no rest.

    Text is cut within a word if it can be: some peers lose blanks at the ends of data in XML.
    """
    if not is_text:
        return octets - octets % 3
    for end in range(octets, octets // 2, -1):
        if rest[end] & 0xC0 != 0x80 and not _BLANKS & {rest[end - 1], rest[end]}:
            return end
    while rest[octets] & 0xC0 == 0x80:
        octets -= 1
    return octets


def _is_text(data: bytes) -> bool:
    try:
        return not _UNWRITABLE.search(data.decode())
    except UnicodeDecodeError:
        return False
