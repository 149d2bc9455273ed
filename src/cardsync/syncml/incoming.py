"""The commands of a peer's Sync as changes.

OMA DS Protocol 1.2, "Large object handling"; Representation Protocol 1.2, Atomic and Sequence.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cardsync.syncml import fields
from cardsync.syncml.codec import media_type
from cardsync.syncml.datastore import ANY_TYPE, Change, ChangeKind
from cardsync.syncml.elements import Add, Atomic, Command, Delete, Item, Replace, Unread
from cardsync.syncml.elements import Sequence as Ordered
from cardsync.syncml.status import StatusCode

MAX_OBJECT: Final = 1 << 24
"""Octets of an object that we put together from chunks."""

Naming = Callable[[ChangeKind, Item], Change | None]
"""How a role reads the names of an item: a Change without its data; None if one is missing."""

Manipulation = Add | Replace | Delete
_PADDED: Final = re.compile(b"[^=]+=*|=+")
_FORMATS: Final = frozenset({"chr", "xml", "bin", "b64"})
_KINDS: Final = {Add: ChangeKind.ADD, Replace: ChangeKind.REPLACE, Delete: ChangeKind.DELETE}


@dataclass(frozen=True, slots=True)
class Chunk:
    """The beginning of an object that is not here yet; `size` is what the whole shall have.

    `data` is as it was sent, in the `form` that the first chunk told. `seams` are the places where
    a chunk that begins with an end of line follows one that ends with it.
    """

    database: str
    name: str
    size: int
    data: bytes = field(repr=False)
    field_level: bool = False
    form: str = "chr"
    seams: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """An item of the peer: the change that it asks for, or the code that it is owed already.

    `atomic` is the CmdID of the Atomic in which it stands, 0 if in none. `field_level` says that
    it is not the whole item.
    """

    command: Manipulation
    item: Item
    change: Change | None
    code: int = 0
    atomic: int = 0
    field_level: bool = False

    @property
    def type(self) -> str | None:
        """The media type of the item, if it is told."""
        return _type(self.command, self.item)


class Receiver:
    """Reads the items of one Sync; `chunk` is what an earlier message left unfinished.

    `unfinished` are the items of which the end never came. DS Protocol 1.2, Alert 223.
    `soft` is what a soft Delete comes to: it takes an item from the client and leaves it at the
    server, so that at a client it is a Delete like all others.
    """

    def __init__(
        self,
        database: str,
        content_type: str,
        naming: Naming,
        chunk: Chunk | None,
        *,
        soft: ChangeKind = ChangeKind.SOFT_DELETE,
    ) -> None:
        self._database = database
        self._content_type = media_type(content_type)
        self._naming = naming
        self._soft = soft
        self.chunk = chunk
        self.unfinished: list[str] = []
        self.unread: list[Unread] = []

    def read(self, commands: Sequence[Command], atomic: int = 0) -> Iterator[Received]:
        """Give every item of the commands that we serve, in order."""
        for command in commands:
            match command:
                case Add() | Replace() | Delete():
                    for item in command.items:
                        yield self._read(command, item, atomic)
                case Ordered():
                    yield from self.read(command.commands, atomic)
                case Unread():
                    self.unread.append(command)
                case Atomic() if not atomic and _is_whole(command.commands):
                    yield from self.read(command.commands, command.cmd_id)
                case Atomic():
                    yield from _unread(command.commands, atomic or command.cmd_id)

    def _read(self, command: Manipulation, item: Item, atomic: int) -> Received:
        level = self._is_field_level(command, item)
        code, data = self._data(command, item)
        if code == StatusCode.CHUNK_ACCEPTED and self.chunk and level:
            self.chunk = replace(self.chunk, field_level=True)
        if code == StatusCode.CHUNK_ACCEPTED and atomic:
            self.chunk, code = None, StatusCode.NOT_SUPPORTED
        is_soft = isinstance(command, Delete) and command.soft
        named = self._naming(self._soft if is_soft else _KINDS[type(command)], item)
        if named is None:
            code = StatusCode.INCOMPLETE
        if code or named is None:
            return Received(command, item, None, code, atomic)
        change = Change(named.kind, named.identifier, data, named.peer, named.token, named.type)
        return Received(command, item, change, 0, atomic, level)

    def _data(self, command: Manipulation, item: Item) -> tuple[int, bytes | None]:
        if isinstance(command, Delete):
            return 0, None
        code = self._refused(command, item)
        if code or not isinstance(item.data, bytes):
            return code or StatusCode.INCOMPLETE, None
        return self._joined(item, item.data, _format(command, item))

    def _is_field_level(self, command: Manipulation, item: Item) -> bool:
        """Say whether it is some fields alone; of chunks, the first one may be all that says so."""
        if any(meta and meta.field_level for meta in (item.meta, command.meta)):
            return True
        begun = self.chunk if not (item.meta and item.meta.size) else None
        return begun is not None and begun.field_level and begun.name == _name(item)

    def _refused(self, command: Manipulation, item: Item) -> int:
        """Give the status of an item that is not ours to take; 0 for one that is."""
        given = _type(command, item)
        if self._is_field_level(command, item) and not fields.are_known(
            given or self._content_type
        ):
            return StatusCode.NOT_SUPPORTED  # it has no fields
        foreign = given and self._content_type not in (ANY_TYPE, media_type(given))
        unknown = foreign or _format(command, item) not in _FORMATS
        return StatusCode.UNSUPPORTED_TYPE if unknown else 0

    def _joined(self, item: Item, data: bytes, form: str) -> tuple[int, bytes | None]:
        """Put the chunks of an object together. DS Protocol 1.2, "Large object handling"."""
        before, self.chunk = self._begun(item, data, form), None
        name = _name(item)
        size = item.meta.size if item.meta else None
        seams: tuple[int, ...] = ()
        if before is not None:
            seams = _seams(before, item, data)
            data, size, form = before.data + data, before.size, before.form
        expected = len(data) if size is None else size
        if item.more_data:
            if max(expected, len(data)) > MAX_OBJECT:
                return StatusCode.TOO_LARGE, None
            self.chunk = Chunk(self._database, name, expected, data, form=form, seams=seams)
            return StatusCode.CHUNK_ACCEPTED, None
        whole = _decoded(data, form)
        if whole is None:
            return StatusCode.BAD_REQUEST, None
        if before is None or _is_size(expected, data, form):
            return 0, whole
        mended = _with_line_ends(whole, expected, seams)
        return (StatusCode.SIZE_MISMATCH, None) if mended is None else (0, mended)

    def _begun(self, item: Item, data: bytes, form: str) -> Chunk | None:
        """Give the chunks before this one, if it goes on with them.

        A size begins an object: after a break a peer may send again what is here in part, in
        chunks or as a whole.
        """
        before = self.chunk
        if before is None:
            return None
        if (before.database, before.name) != (self._database, _name(item)):
            self.unfinished.append(before.name)
            return None
        is_anew = item.meta is not None and item.meta.size is not None
        if _is_size(before.size, data, form):
            is_anew |= not _is_size(before.size, before.data + data, before.form)
        return None if is_anew else before


def _unread(commands: Sequence[Command], atomic: int) -> Iterator[Received]:
    """Give the items of an Atomic that can only be refused as a whole."""
    for command in commands:
        if isinstance(command, Add | Replace | Delete):
            for item in command.items:
                yield Received(command, item, None, StatusCode.NOT_EXECUTED, atomic)
        elif isinstance(command, Ordered | Atomic):
            yield from _unread(command.commands, atomic)


def _is_whole(commands: Sequence[Command]) -> bool:
    """Say whether we can do all that stands in an Atomic; Atomic within Atomic is forbidden."""
    return all(
        _is_whole(command.commands)
        if isinstance(command, Ordered)
        else isinstance(command, Add | Replace | Delete)
        for command in commands
    )


def _type(command: Manipulation, item: Item) -> str | None:
    """Give the type of an item, which may stand at its command."""
    given = item.meta.type if item.meta and item.meta.type else None
    return given or (command.meta.type if command.meta else None)


def _format(command: Manipulation, item: Item) -> str:
    """Give the format of an item, which may stand at its command; chr where it is not told."""
    for meta in (item.meta, command.meta):
        if meta and meta.format:
            return meta.format.strip().lower()
    return "chr"


def _name(item: Item) -> str:
    named = item.source or item.target
    return named.uri if named else ""


def _seams(before: Chunk, item: Item, data: bytes) -> tuple[int, ...]:
    """Give the seams of what goes on; some peers tell where a chunk begins, as EMI datapos=N."""
    if not (before.data.endswith(b"\n") and data.startswith(b"\n")):
        return before.seams
    whole = len(before.data) + before.data.count(b"\n") - 2 * len(before.seams)
    if item.meta and f"datapos={whole}" in item.meta.emi:
        return before.seams
    return (*before.seams, len(before.data))


def _with_line_ends(text: bytes, size: int, seams: Sequence[int]) -> bytes | None:
    """Write the ends of lines as CR LF, if text then is as long as was said; None if not.

    Some peers count and write them so, which XML gives as LF alone, and one whose CR is in a
    chunk and LF in the next as two: all of the seams, or none.
    """
    split = b"".join(
        [
            text[start:end]
            for start, end in zip((0, *[s + 1 for s in seams]), (*seams, None), strict=True)
        ]
    )
    for each in (text, split):
        mended = each.replace(b"\n", b"\r\n")
        if len(mended) == size:
            return mended
    return None


def _is_size(size: int, data: bytes, form: str) -> bool:
    """Say whether data is as long as was said: as it was sent, or as it is decoded."""
    whole = _decoded(data, form)
    return size in (len(data), -1 if whole is None else len(whole))


def _decoded(data: bytes, form: str) -> bytes | None:
    """Undo base64, which may be written in lines; None where it is malformed.

    The whole of an object may have been encoded before it was cut, or each chunk by itself, with
    padding of its own.
    """
    if form != "b64":
        return data
    try:
        return b"".join(
            [
                base64.b64decode(part, validate=True)
                for part in _PADDED.findall(b"".join(data.split()))
            ]
        )
    except binascii.Error:
        return None
