"""The commands of a peer's Sync as changes, and the Status commands that they are owed.

OMA SyncML Representation Protocol 1.2, Status: one Status for a command whose items all went
alike, without references; else one for each item, with its reference.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cardsync.syncml.codec import media_type
from cardsync.syncml.datastore import ANY_TYPE, Change, ChangeKind
from cardsync.syncml.elements import (
    Add,
    Command,
    Delete,
    Item,
    Meta,
    Replace,
    Status,
    Sync,
)
from cardsync.syncml.status import StatusCode

MAX_OBJECT = 1 << 24
"""Octets of an object that we put together from chunks."""

Naming = Callable[[ChangeKind, Item], Change | None]
"""How a role reads the names of an item: a Change without its data; None if one is missing."""

Manipulation = Add | Replace | Delete
_KINDS = {Add: ChangeKind.ADD, Replace: ChangeKind.REPLACE, Delete: ChangeKind.DELETE}


@dataclass(frozen=True, slots=True)
class Chunk:
    """The beginning of an object that is not here yet; `size` is what the whole shall have."""

    database: str
    name: str
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """An item of the peer: the change that it asks for, or the code that it is owed already."""

    command: Manipulation
    item: Item
    change: Change | None
    code: int = 0


class Receiver:
    """Reads the items of one Sync; `chunk` is what an earlier message left unfinished."""

    def __init__(
        self, database: str, content_type: str, naming: Naming, chunk: Chunk | None
    ) -> None:
        self._database = database
        self._content_type = media_type(content_type)
        self._naming = naming
        self.chunk = chunk

    def read(self, sync: Sync) -> Iterator[Received]:
        """Give every item of the commands that we serve, in order."""
        for command in sync.commands:
            if isinstance(command, Add | Replace | Delete):
                for item in command.items:
                    yield self._read(command, item)

    def _read(self, command: Manipulation, item: Item) -> Received:
        code, data = self._data(command, item)
        named = self._naming(_KINDS[type(command)], item)
        if named is None:
            code = StatusCode.INCOMPLETE
        if code or named is None:
            return Received(command, item, None, code)
        return Received(command, item, replace(named, data=data))

    def _data(self, command: Manipulation, item: Item) -> tuple[int, bytes | None]:
        if isinstance(command, Delete):
            return (StatusCode.NOT_SUPPORTED if command.soft else 0), None
        given = _type(command, item)
        if given and self._content_type not in (ANY_TYPE, media_type(given)):
            return StatusCode.UNSUPPORTED_TYPE, None
        if not isinstance(item.data, bytes):
            return StatusCode.INCOMPLETE, None
        data = _decoded(item.data, item.meta or command.meta)
        if data is None:
            return StatusCode.BAD_REQUEST, None
        return self._joined(item, data)

    def _joined(self, item: Item, data: bytes) -> tuple[int, bytes | None]:
        """Put the chunks of an object together. DS Protocol 1.2, "Large object handling"."""
        before, self.chunk = self.chunk, None
        name = _name(item)
        if before is not None and (before.database, before.name) == (self._database, name):
            data = before.data + data
            size = before.size
        else:
            size = item.meta.size if item.meta and item.meta.size is not None else len(data)
        if item.more_data:
            if max(size, len(data)) > MAX_OBJECT:
                return StatusCode.TOO_LARGE, None
            self.chunk = Chunk(self._database, name, size, data)
            return StatusCode.CHUNK_ACCEPTED, None
        if before is not None and size != len(data):
            return StatusCode.SIZE_MISMATCH, None
        return 0, data


def statuses(
    sync: Sync,
    results: Sequence[tuple[Received, int]],
    message: int,
    number: Callable[[], int],
) -> Iterator[Status]:
    """Answer every command of a Sync, in order; commands that we do not serve get 406."""
    codes: dict[int, list[tuple[Item, int]]] = {}
    for received, code in results:
        codes.setdefault(received.command.cmd_id, []).append((received.item, code))
    for command in sync.commands:
        name = type(command).__name__
        if not isinstance(command, Add | Replace | Delete):
            yield Status(number(), message, command.cmd_id, name, StatusCode.NOT_SUPPORTED)
        elif not command.no_resp:
            yield from _answer(command, codes.get(command.cmd_id, []), message, number)


def refuse(command: Command, code: int, message: int, number: Callable[[], int]) -> Status:
    """Answer a whole command."""
    return Status(number(), message, command.cmd_id, type(command).__name__, code)


def _answer(
    command: Manipulation,
    codes: Sequence[tuple[Item, int]],
    message: int,
    number: Callable[[], int],
) -> Iterator[Status]:
    name = type(command).__name__
    different = {code for _, code in codes}
    if different <= {StatusCode.OK, StatusCode.ADDED} and len(different) > 1:
        different = {StatusCode.OK}  # "completed successfully" is true of what was added, too
    if len(different) <= 1:
        code = next(iter(different), StatusCode.INCOMPLETE)
        yield Status(number(), message, command.cmd_id, name, code)
        return
    for item, code in codes:
        yield Status(
            cmd_id=number(),
            msg_ref=message,
            cmd_ref=command.cmd_id,
            cmd=name,
            code=code,
            target_refs=(item.target.uri,) if item.target else (),
            source_refs=(item.source.uri,) if item.source else (),
        )


def _type(command: Manipulation, item: Item) -> str | None:
    """Give the type of an item, which may stand at its command."""
    given = item.meta.type if item.meta and item.meta.type else None
    return given or (command.meta.type if command.meta else None)


def _name(item: Item) -> str:
    named = item.source or item.target
    return named.uri if named else ""


def _decoded(data: bytes, meta: Meta | None) -> bytes | None:
    """Undo base64; None where it is malformed."""
    if meta is None or meta.format != "b64":
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None
