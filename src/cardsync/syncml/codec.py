"""Messages by content type, and messages that grow until they are full.

A session that must keep to a MaxMsgSize builds its message by a `MessageBuilder` and asks it
with each command whether it still fits; nothing is written twice:

    builder = MessageBuilder(header, WBXML, max_msg_size)
    for status in owed:
        builder.add(status)
    builder.begin(Sync(cmd_id=3, target=..., source=...))
    while changes and builder.add(next_add(changes)):
        changes.pop()
    builder.end()
    octets = builder.finish(final=not changes)
"""

from typing import Final

from cardsync.errors import LocalError
from cardsync.syncml import wbxml, writing, xml
from cardsync.syncml.elements import Atomic, Command, Message, Sequence, Sync, SyncHdr, Version
from cardsync.syncml.tree import UNSUPPORTED_TYPE, MalformedMessage, Writer

WBXML: Final = "application/vnd.syncml+wbxml"
XML: Final = "application/vnd.syncml+xml"
"""Media types of the two representations."""


def media_type(content_type: str) -> str:
    """Give a content type without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()


def encode(message: Message, content_type: str) -> bytes:
    """Write a message; `LocalError` if it cannot be written or the type is none of ours."""
    kind = media_type(content_type)
    if kind == WBXML:
        return wbxml.encode(message)
    if kind == XML:
        return xml.encode(message)
    raise LocalError(f"{kind} is no representation of SyncML")


def decode(octets: bytes, content_type: str) -> Message:
    """Read a message; `MalformedMessage`, answer 415 for a type that is none of ours."""
    kind = media_type(content_type)
    if kind == WBXML:
        return wbxml.decode(octets)
    if kind == XML:
        return xml.decode(octets)
    raise MalformedMessage("not a representation of SyncML", answer=UNSUPPORTED_TYPE)


def encoded_size(command: Command, content_type: str) -> int:
    """Count the octets that one command adds to a message, at most."""
    writer = _writer(content_type, Version.V1_2)
    mark = writer.mark()
    writing.command(writer, command)
    return writer.size(mark)


class MessageBuilder:
    """Writes one message of at most `limit` octets, command by command."""

    __slots__ = ("_limit", "_open", "_size", "_tail", "_writer")

    def __init__(self, header: SyncHdr, content_type: str, limit: int | None = None) -> None:
        """Begin with the header; `LocalError` if already that is too long."""
        self._writer = _writer(content_type, header.version)
        self._limit = limit
        self._open: list[str] = []
        mark = self._writer.mark()
        writing.end(self._writer, final=True)
        self._tail = self._writer.size(mark)
        self._writer.back(mark)
        writing.begin(self._writer, header)
        self._size = self._writer.size((0, 0))
        if limit is not None and self.size > limit:
            raise LocalError(f"a header of {self.size} octets in a message of {limit}")

    @property
    def size(self) -> int:
        """The octets of the message if it were finished now as the last of its package."""
        return self._size + self._tail

    @property
    def room(self) -> int | None:
        """How many octets more there may be; None without a limit."""
        return None if self._limit is None else self._limit - self.size

    def add(self, command: Command) -> bool:
        """Write a command into what is open; False, and nothing is written, if it does not fit."""
        mark = self._writer.mark()
        writing.command(self._writer, command)
        return self._keep(mark)

    def begin(self, container: Sync | Atomic | Sequence) -> bool:
        """Open a command for the commands that follow; its own are not looked at."""
        name = type(container).__name__
        mark = self._writer.mark()
        writing.begin_container(self._writer, container)
        self._writer.close(name)
        if not self._keep(mark):
            return False
        self._writer.pieces.pop()  # the end, which has its place in the count
        self._open.append(name)
        return True

    def end(self) -> None:
        """Close the command that was opened last."""
        self._writer.close(self._open.pop())

    def finish(self, *, final: bool) -> bytes:
        """Close all that is open and give the message; `final` ends the package."""
        while self._open:
            self.end()
        writing.end(self._writer, final=final)
        return b"".join(self._writer.pieces)

    def _keep(self, mark: tuple[int, int]) -> bool:
        added = self._writer.size(mark)
        if self._limit is not None and self.size + added > self._limit:
            self._writer.back(mark)
            return False
        self._size += added
        return True


def _writer(content_type: str, version: Version) -> Writer:
    """Begin a document of this representation."""
    kind = media_type(content_type)
    if kind == WBXML:
        return wbxml.Writer.begin(version)
    if kind == XML:
        return xml.Writer.begin(version)
    raise LocalError(f"{kind} is no representation of SyncML")
