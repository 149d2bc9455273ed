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

_COMMANDS: dict[ChangeKind, type[Add] | type[Replace] | type[Delete]] = {
    ChangeKind.ADD: Add,
    ChangeKind.REPLACE: Replace,
    ChangeKind.DELETE: Delete,
}
_ESCAPED = re.compile(rb"[&<>\r]")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no character for (clause 2.2); such data goes in base64."""


@dataclass(frozen=True, slots=True)
class _Overhead:
    """Upper bounds of the octets around things, without names, types and data."""

    sync: int
    command: int
    item: int
    chunk: int  # in addition: Size or Format, and MoreData


_WBXML = _Overhead(sync=32, command=24, item=16, chunk=24)
_XML = _Overhead(sync=130, command=100, item=90, chunk=150)


@dataclass(frozen=True, slots=True)
class Piece:
    """A change, or a chunk of one: `size` of the whole goes with the first of several chunks."""

    change: Change
    data: bytes | None
    size: int | None = None
    more: bool = False


class _Meter:
    """Counts what still fits into a Sync; `room` is what is left, in octets."""

    def __init__(self, item_type: str, room: int, enough: int, *, is_xml: bool) -> None:
        self._is_xml = is_xml
        self._overhead = _XML if self._is_xml else _WBXML
        self._command = self._overhead.command + len(item_type)
        self._kinds: set[ChangeKind] = set()
        self.room = room - self._overhead.sync
        self.may_cut = self.room >= enough

    def take(self, change: Change, rest: bytes, *, is_rest: bool) -> bool:
        """Take an item if it fits; the rest of a cut one may need a command of its own."""
        needs = self._around(change) + self._written(rest)
        if is_rest or change.kind not in self._kinds:
            needs += self._command
        if needs > self.room:
            return False
        self.room -= needs
        if not is_rest:
            self._kinds.add(change.kind)
        return True

    def cut(self, change: Change, rest: bytes) -> int:
        """Give how many octets of an item make a chunk that fills the message."""
        room = self.room - self._around(change) - self._command - self._overhead.chunk
        octets = room = max(room, MIN_ROOM // 4)
        while self._written(rest[:octets]) > room and octets > MIN_ROOM // 8:
            octets = octets * 7 // 8
        while octets < len(rest) and rest[octets] & 0xC0 == 0x80 and octets > MIN_ROOM // 8:
            octets -= 1  # a character of UTF-8 stays whole
        return octets

    def _around(self, change: Change) -> int:
        name = change.peer if change.kind is not ChangeKind.ADD else None
        names = max(len((name or "").encode()), len(change.identifier.encode()))
        return self._overhead.item + (5 * names if self._is_xml else names)

    def _written(self, data: bytes) -> int:
        """Count the octets of data as XML or WBXML writes them."""
        if not self._is_xml:
            return len(data)
        if _is_text(data):
            return len(data) + 4 * len(_ESCAPED.findall(data))
        return (len(data) + 2) // 3 * 4 + self._overhead.chunk


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

    def take(self, meter: _Meter) -> Iterator[Piece]:
        """Take what fits; what does not waits for the next message, or is cut if alone."""
        taken = False
        while self._next is not None:
            change = self._next
            rest = (change.data or b"")[self.offset :]
            if meter.take(change, rest, is_rest=self.offset > 0):
                yield self._rest(change, rest)
            elif taken or not meter.may_cut:
                return
            else:
                yield self._chunk(change, rest, meter.cut(change, rest))
                return
            taken = True

    def _rest(self, change: Change, rest: bytes) -> Piece:
        self._next = next(self._changes, None)
        self.offset = 0
        return Piece(change, None if change.data is None else rest)

    def _chunk(self, change: Change, rest: bytes, octets: int) -> Piece:
        if len(rest) <= octets:
            return self._rest(change, rest)
        size = len(rest) if self.offset == 0 else None
        self.offset += octets
        return Piece(change, rest[:octets], size, more=True)


class Letter:
    """A message while it is written: commands get their numbers, items what room there is."""

    def __init__(self, header: SyncHdr, content_type: str, limit: int) -> None:
        self.header = header
        self._content_type = content_type
        self._is_xml = not is_wbxml(content_type)
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
        """Give how many octets the message can still take."""
        return self._limit - len(self.encode(final=True))

    def cost(self, *names: str) -> int:
        """Bound the octets of something that has these names and no data."""
        item, escapes = (_XML.item, 5) if self._is_xml else (_WBXML.item, 1)
        return item + escapes * sum(len(name.encode()) for name in names)

    def sync(
        self, sync: Sync, supply: Supply, item_type: str, address: Address
    ) -> tuple[tuple[Piece, ...], tuple[Manipulation, ...]]:
        """Fill a Sync with what fits of a supply and add it; give what went, and in what."""
        names = [place.uri for place in (sync.target, sync.source) if place]
        room = max(self.room() - self.cost(*names), MIN_ROOM)
        meter = _Meter(item_type, room, enough=self._limit // 3, is_xml=self._is_xml)
        pieces = tuple(supply.take(meter))
        commands = self._manipulations(pieces, item_type, address)
        self.add(replace(sync, commands=commands))
        return pieces, commands

    def message(self, *, final: bool) -> Message:
        """Give the message as it stands."""
        return Message(self.header, tuple(self._commands), final)

    def encode(self, *, final: bool) -> bytes:
        """Give the octets of the message as it stands."""
        return codec.encode(self.message(final=final), self._content_type)

    def _manipulations(
        self, pieces: Sequence[Piece], item_type: str, address: Address
    ) -> tuple[Manipulation, ...]:
        """Write pieces as few commands; the rest of a cut item comes before all others."""
        at = 1 if pieces and _is_rest(pieces[0]) else 0
        ordered = [*pieces[:at], *sorted(pieces[at:], key=_sort)]
        return tuple(
            self._command(kind, tuple(group), kept or item_type, address)
            for (kind, kept), group in groupby(ordered, key=_sort)
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
        if data is not None and self._is_xml and not _is_text(data):
            data, form = base64.b64encode(data), "b64"
        meta = Meta(format=form, size=piece.size) if form or piece.size is not None else None
        return Item(named.target, named.source, meta, data, piece.more)


def _sort(piece: Piece) -> tuple[ChangeKind, str]:
    return piece.change.kind, piece.change.type or ""


def is_wbxml(content_type: str) -> bool:
    """Say whether a representation is the binary one."""
    return codec.media_type(content_type) == codec.WBXML


def _is_text(data: bytes) -> bool:
    try:
        return not _UNWRITABLE.search(data.decode())
    except UnicodeDecodeError:
        return False


def _is_rest(piece: Piece) -> bool:
    """Say whether this ends an item that was cut."""
    return piece.data is not None and len(piece.data) != len(piece.change.data or b"")
