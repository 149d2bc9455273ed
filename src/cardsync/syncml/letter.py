"""One message while it is written, and what of a datastore's changes still fits into it.

OMA DS Protocol 1.2, "Multiple messages in package" and "Large object handling": no message is
longer than the receiver's MaxMsgSize; an item that would not even fit into a message of its
own goes in chunks, its size before it, MoreData behind all but the last.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby

from cardsync.syncml import codec
from cardsync.syncml.datastore import Change, ChangeKind
from cardsync.syncml.elements import (
    Add,
    Command,
    Delete,
    Item,
    Message,
    Meta,
    Replace,
    Sync,
    SyncHdr,
)

Manipulation = Add | Replace | Delete
"""What carries items."""

Address = Callable[[Change], Item]
"""How a role names an item on the wire: an Item with its Target or Source alone."""

MIN_ROOM = 512
"""Octets of items that every message may have, however much its statuses take."""

_WBXML_ITEM, _XML_ITEM = 40, 180  # octets around an item's name and data, an upper bound
_WBXML_SYNC, _XML_SYNC = 60, 400  # octets around a Sync and its three commands, likewise
_COMMANDS: dict[ChangeKind, type[Add] | type[Replace] | type[Delete]] = {
    ChangeKind.ADD: Add,
    ChangeKind.REPLACE: Replace,
    ChangeKind.DELETE: Delete,
}
_ESCAPED = re.compile(rb"[&<>\r]")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no character for (clause 2.2); such data goes in base64."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A change, or a chunk of one: `size` of the whole goes with the first of several chunks."""

    change: Change
    data: bytes | None
    size: int | None = None
    more: bool = False


class Supply:
    """Changes that wait to be sent, the first perhaps in part.

    `offset` octets of the first one have been sent. Nothing is read before it is needed.
    """

    def __init__(self, changes: Iterable[Change], offset: int = 0) -> None:
        self._changes = iter(changes)
        self._next = next(self._changes, None)
        self.offset = offset

    @property
    def done(self) -> bool:
        """Say whether everything has been taken."""
        return self._next is None

    def take(self, room: int, cost: Callable[[Change], int], enough: int) -> Iterator[Piece]:
        """Take what fits into `room` octets; `cost` is what an item needs beside its rest.

        What does not fit waits for the next message, or is cut if there was `enough` room.
        """
        whole = room
        while self._next is not None:
            change = self._next
            rest = (change.data or b"")[self.offset :]
            needs = cost(change)
            if needs + len(rest) <= room:
                room -= needs + len(rest)
                yield self._rest(change, rest)
            elif room == whole >= enough:
                yield self._chunk(change, rest, max(room - needs, MIN_ROOM // 2))
                return
            else:
                return

    def _rest(self, change: Change, rest: bytes) -> Piece:
        self._next = next(self._changes, None)
        self.offset = 0
        return Piece(change, None if change.data is None else rest)

    def _chunk(self, change: Change, rest: bytes, octets: int) -> Piece:
        """Cut what does not fit into a message of its own."""
        if len(rest) <= octets:
            return self._rest(change, rest)
        while rest[octets] & 0xC0 == 0x80 and octets > MIN_ROOM // 4:  # keep UTF-8 whole
            octets -= 1
        size = len(rest) if self.offset == 0 else None
        self.offset += octets
        return Piece(change, rest[:octets], size, more=True)


class Letter:
    """A message while it is written: commands get their numbers, items what room there is."""

    def __init__(self, header: SyncHdr, content_type: str, limit: int) -> None:
        self.header = header
        self._content_type = content_type
        self._limit = limit
        self._ids = count(1)
        self._commands: list[Command] = []

    def number(self) -> int:
        """Give the CmdID of the next command."""
        return next(self._ids)

    def add(self, command: Command) -> None:
        """Put a command at the end."""
        self._commands.append(command)

    def extend(self, commands: Iterable[Command]) -> None:
        """Put commands at the end, in order."""
        self._commands.extend(commands)

    def room(self) -> int:
        """Give how many octets of items the message can still take."""
        overhead = self._by_type(_WBXML_SYNC, _XML_SYNC)
        return self._limit - len(self.encode(final=True)) - overhead

    def sync(
        self, sync: Sync, supply: Supply, item_type: str, address: Address
    ) -> tuple[tuple[Piece, ...], tuple[Manipulation, ...]]:
        """Fill a Sync with what fits of a supply and add it; give what went, and in what."""
        room = max(self.room(), MIN_ROOM) - len(item_type)
        pieces = tuple(supply.take(room, self._cost, self._limit // 2))
        commands = self._manipulations(pieces, item_type, address)
        self.add(replace(sync, commands=commands))
        return pieces, commands

    def cost(self, *names: str) -> int:
        """Bound the octets of something that has these names and no data."""
        return self._by_type(_WBXML_ITEM, _XML_ITEM) + sum(len(n.encode()) for n in names)

    def message(self, *, final: bool) -> Message:
        """Give the message as it stands."""
        return Message(self.header, tuple(self._commands), final)

    def encode(self, *, final: bool) -> bytes:
        """Give the octets of the message as it stands."""
        return codec.encode(self.message(final=final), self._content_type)

    def _by_type(self, wbxml: int, xml: int) -> int:
        return wbxml if "wbxml" in self._content_type else xml

    def _cost(self, change: Change) -> int:
        """Bound what an item takes beside its data, and what XML adds to the data."""
        octets = self.cost(change.peer or change.identifier, change.identifier)
        if "wbxml" in self._content_type or change.data is None:
            return octets
        return octets + max(4 * len(_ESCAPED.findall(change.data)), len(change.data) // 3 + 8)

    def _manipulations(
        self, pieces: Sequence[Piece], item_type: str, address: Address
    ) -> tuple[Manipulation, ...]:
        """Write pieces as few commands; a chunk keeps its place at the beginning or the end."""
        ordered = pieces
        if not any(piece.more or _is_rest(piece) for piece in pieces):
            ordered = sorted(pieces, key=lambda piece: piece.change.kind)
        return tuple(
            self._command(kind, tuple(group), item_type, address)
            for kind, group in groupby(ordered, key=lambda piece: piece.change.kind)
        )

    def _command(
        self, kind: ChangeKind, pieces: tuple[Piece, ...], item_type: str, address: Address
    ) -> Manipulation:
        items = tuple(self._item(piece, address) for piece in pieces)
        meta = None if kind is ChangeKind.DELETE else Meta(type=item_type)
        return _COMMANDS[kind](self.number(), items, meta)

    def _item(self, piece: Piece, address: Address) -> Item:
        named = address(piece.change)
        data, form = piece.data, None
        if data is not None and "wbxml" not in self._content_type and not _is_text(data):
            data, form = base64.b64encode(data), "b64"
        meta = Meta(format=form, size=piece.size) if form or piece.size is not None else None
        return Item(named.target, named.source, meta, data, piece.more)


def _is_text(data: bytes) -> bool:
    try:
        return not _UNWRITABLE.search(data.decode())
    except UnicodeDecodeError:
        return False


def _is_rest(piece: Piece) -> bool:
    """Say whether this is the last chunk of an item."""
    return piece.data is not None and len(piece.data) != len(piece.change.data or b"")
