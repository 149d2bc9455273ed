"""A message of any length, as its octets come: cut into whole messages that each are small.

    pieces = Pieces(content_type)
    for octets in coming:
        for piece in pieces.feed(octets):
            message = codec.decode(piece, content_type)
    message = codec.decode(pieces.finish(), content_type)

Each piece has the header, and around its items the commands in which they stood, under the same
CmdID: a Status for one of them is one for the whole. Only the last has Final. A message within
comfort is one piece, octet for octet as it came. Cuts are made between commands, and between the
items of one; never in an Atomic, which is done as a whole or not at all. What is in memory is the
piece that is being read, never the message.
"""

from dataclasses import dataclass
from typing import Final

from cardsync.syncml import codec
from cardsync.syncml.outline import Began, Outline, WbxmlOutline, XmlOutline
from cardsync.syncml.tree import (
    MAX_DEPTH,
    MAX_OCTETS,
    TOO_LARGE,
    UNSUPPORTED_TYPE,
    MalformedMessage,
)

COMFORT: Final = 1 << 18
"""Octets behind which a piece ends as soon as it can."""

_COMMANDS: Final = frozenset(
    ("Add", "Alert", "Atomic", "Copy", "Delete", "Exec", "Get", "Map", "Move", "Put", "Replace",
     "Results", "Search", "Sequence", "Status", "Sync")
)  # fmt: skip
_CONTENT: Final = {
    "SyncML": frozenset({"SyncBody"}),
    **dict.fromkeys(("SyncBody", "Sync", "Sequence"), _COMMANDS),
    **dict.fromkeys(("Add", "Copy", "Delete", "Move", "Replace"), frozenset({"Item"})),
    "Map": frozenset({"MapItem"}),
}
"""What stands in an element beside its fields, and can be cut off from what stands before it."""


@dataclass(slots=True)
class _Open:
    """An element that has begun; `shell` is what stands in it before the first of its content."""

    tag: Began
    content: frozenset[str]
    shell: bytes | None = None
    page: int = 0
    """The code page behind the shell."""


class Pieces:
    """Cuts one message; a piece ends behind `comfort` octets, as soon as it can.

    Raises `MalformedMessage`: 415 for a content type that is none of ours.
    """

    def __init__(self, content_type: str, comfort: int = COMFORT) -> None:
        self._outline = _outline(codec.media_type(content_type))
        self._comfort = comfort
        self._head = b""  # of the next piece, before what is in
        self._data = bytearray()  # whose first octet has the offset
        self._offset = 0
        self._stack: list[_Open] = []

    def feed(self, octets: bytes) -> list[bytes]:
        """Take the next octets; give what pieces are whole with them.

        Raises `MalformedMessage`: 413 for an item, or an Atomic, of more than 8 MiB.
        """
        if not self._data and not self._offset:
            octets = octets.lstrip(self._outline.blank)
        self._data += octets
        found = []
        for tag in self._outline.feed(octets):
            if not isinstance(tag, Began):
                del self._stack[-1:]
                continue
            piece = self._begin(tag)
            if piece:
                found.append(piece)
        if len(self._head) + len(self._data) > MAX_OCTETS:
            raise MalformedMessage(f"more than {MAX_OCTETS} octets in one", answer=TOO_LARGE)
        return found

    def finish(self) -> bytes:
        """Give the last piece, which may be the only one."""
        return self._head + bytes(self._data)

    def _begin(self, tag: Began) -> bytes:
        """Go into an element; give the piece that ends before it, or b""."""
        piece = b""
        if len(self._stack) == MAX_DEPTH:
            raise MalformedMessage(f"more than {MAX_DEPTH} elements in each other")
        parent = self._stack[-1] if self._stack else None
        is_content = parent is None or tag.name in parent.content
        if parent is not None and is_content:
            if parent.shell is None:
                parent.shell, parent.page = self._shell(parent.tag, tag), tag.page
            elif tag.offset - self._offset >= self._comfort:
                piece = self._cut(tag)
        content = _CONTENT.get(tag.name, frozenset()) if is_content else frozenset[str]()
        self._stack.append(_Open(tag, content))
        return piece

    def _shell(self, begin: Began, end: Began) -> bytes:
        """Give the octets from an element to the first of its content."""
        start = begin.offset if len(self._stack) > 1 else 0  # with what stands before the root
        return bytes(self._data[start - self._offset : end.offset - self._offset])

    def _cut(self, tag: Began) -> bytes:
        """End a piece before an element, and begin the next with all that is open."""
        length = tag.offset - self._offset
        closing = b"".join(each.tag.close for each in reversed(self._stack))
        piece = self._head + bytes(self._data[:length]) + closing
        del self._data[:length]
        self._offset = tag.offset
        self._head = self._reopened(tag)
        if len(self._head) > COMFORT:
            raise MalformedMessage(f"more than {COMFORT} octets around an item", answer=TOO_LARGE)
        return piece

    def _reopened(self, tag: Began) -> bytes:
        """Write again what an element stands in."""
        octets, page = b"", 0
        for number, each in enumerate(self._stack):
            turn = self._outline.turn(page, each.tag.page) if number else b""
            octets += turn + (each.shell or b"")
            page = each.page
        return octets + self._outline.turn(page, tag.page)


def _outline(kind: str) -> Outline:
    if kind == codec.WBXML:
        return WbxmlOutline()
    if kind == codec.XML:
        return XmlOutline()
    raise MalformedMessage("not a representation of SyncML", answer=UNSUPPORTED_TYPE)
