"""Messages by content type, and messages that grow until they are full.

A session that must keep to a MaxMsgSize builds its message by a `MessageBuilder` and asks it
with each command whether it still fits; nothing is written twice:

    builder = MessageBuilder(header, WBXML, max_msg_size)
    for status in owed:
        builder.add(status)
    builder.begin(Sync(cmd_id=3, target=..., source=...))
    builder.begin(Add(cmd_id=4, items=(), meta=Meta(type="text/plain")))
    while waiting and builder.add(waiting[0]):
        waiting.popleft()
    octets = builder.finish(final=not waiting)

An item that would not even fit into a message of its own is cut: `room` says what is left, and
`encoded_size` of the item without data what goes around a chunk, to which WBXML adds up to six
octets for its length, and XML what its escapes take.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cardsync.errors import LocalError
from cardsync.syncml import wbxml, writing, xml
from cardsync.syncml.elements import Command, Item, Message, SyncHdr, Version
from cardsync.syncml.tree import UNSUPPORTED_TYPE, MalformedMessage, Writer
from cardsync.syncml.writing import Container

WBXML: Final = "application/vnd.syncml+wbxml"
XML: Final = "application/vnd.syncml+xml"
"""Media types of the two representations."""

_ALSO: Final = {
    "application/vnd.syncml-wbxml": WBXML,
    "application/vnd.syncml-xml": XML,
    "application/xml": XML,
    "text/xml": XML,
}
"""What the first devices of 1.0 call them, and some servers."""


def media_type(content_type: str) -> str:
    """Give a content type without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()


def known(content_type: str) -> str:
    """Give the representation that a content type means, or its media type if it is none."""
    kind = media_type(content_type)
    return _ALSO.get(kind, kind)


def encode(message: Message, content_type: str) -> bytes:
    """Write a message; `LocalError` if it cannot be written or the type is none of ours."""
    kind = known(content_type)
    if kind == WBXML:
        return wbxml.encode(message)
    if kind == XML:
        return xml.encode(message)
    raise LocalError(f"{kind} is no representation of SyncML")


def decode(octets: bytes, content_type: str) -> Message:
    """Read a message; `MalformedMessage`, answer 415 for a type that is none of ours."""
    kind = known(content_type)
    if kind == WBXML:
        return wbxml.decode(octets)
    if kind == XML:
        return xml.decode(octets)
    raise MalformedMessage("not a representation of SyncML", answer=UNSUPPORTED_TYPE)


def encode_item(item: Item, content_type: str) -> bytes:
    """Write one item for `MessageBuilder.put`; `LocalError` if it cannot be written."""
    writer = _writer(content_type, Version.V1_2)
    before = len(writer.pieces)
    writing.item(writer, item)
    writer.settle()
    return b"".join(writer.pieces[before:])


def encoded_size(element: Command | Item, content_type: str) -> int:
    """Count the octets that one command or item adds to a message."""
    writer = _writer(content_type, Version.V1_2)
    mark = writer.mark()
    _write(writer, element)
    return writer.size(mark)


def _write(writer: Writer, element: Command | Item) -> None:
    if isinstance(element, Item):
        writing.item(writer, element)
    else:
        writing.command(writer, element)


class MessageBuilder:
    """Writes one message of at most `limit` octets, command by command or item by item.

    After a `LocalError` of an element that cannot be written the message is as it was before.
    """

    __slots__ = (
        "_begin_of_body",
        "_content_type",
        "_header",
        "_open",
        "_size",
        "_tail",
        "_writer",
        "limit",
    )

    def __init__(self, header: SyncHdr, content_type: str, limit: int | None = None) -> None:
        """Begin with the header; `LocalError` if already that is too long."""
        self._writer = _writer(content_type, header.version)
        self._content_type = content_type
        self.limit = limit
        self._header = header
        self._open: list[str] = []
        mark = self._writer.mark()
        writing.end(self._writer, final=True)
        self._tail = self._writer.size(mark)
        self._writer.back(mark)
        writing.begin(self._writer, header)
        self._begin_of_body = len(self._writer.pieces)
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
        return None if self.limit is None else self.limit - self.size

    def add(self, element: Command | Item) -> bool:
        """Write an element into what is open; False, and nothing is written, if it does not fit."""
        return self._keep(lambda: _write(self._writer, element))

    def put(self, item: bytes) -> None:
        """Put what `encode_item` wrote into what is open; the caller has seen that it fits."""
        self._writer.settle()
        self._writer.pieces.append(item)
        self._size += len(item)

    def begin(self, container: Container) -> bool:
        """Open a command for what follows; what it holds itself is not looked at."""
        name = type(container).__name__
        if not self._keep(lambda: self._begin(container, name)):
            return False
        self._writer.pieces.pop()  # the end, which has its place in the count
        self._open.append(name)
        return True

    def _begin(self, container: Container, name: str) -> None:
        writing.begin_container(self._writer, container)
        self._writer.close(name)

    def end(self) -> None:
        """Close the command that was opened last."""
        self._writer.close(self._open.pop())

    def finish(self, *, final: bool, no_resp: bool = False) -> bytes:
        """Close all that is open and give the message; `final` ends the package.

        `no_resp` is put into the header now, if only now it is known that nothing is asked.
        """
        while self._open:
            self.end()
        writing.end(self._writer, final=final)
        if no_resp:
            head = _writer(self._content_type, self._header.version)
            writing.begin(head, replace(self._header, no_resp=True))
            return b"".join((*head.pieces, *self._writer.pieces[self._begin_of_body :]))
        return b"".join(self._writer.pieces)

    def _keep(self, write: Callable[[], None]) -> bool:
        """Write, and take back what does not fit or cannot be written."""
        mark = self._writer.mark()
        try:
            write()
        except LocalError:
            self._writer.back(mark)
            raise
        added = self._writer.size(mark)
        if self.limit is not None and self.size + added > self.limit:
            self._writer.back(mark)
            return False
        self._size += added
        return True


def _writer(content_type: str, version: Version) -> Writer:
    """Begin a document of this representation."""
    kind = known(content_type)
    if kind == WBXML:
        return wbxml.Writer.begin(version)
    if kind == XML:
        return xml.Writer.begin(version)
    raise LocalError(f"{kind} is no representation of SyncML")
