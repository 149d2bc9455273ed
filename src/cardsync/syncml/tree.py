"""What both representations are read into and written through.

    octets --(wbxml.parse, xml.parse)--> Node --(reading.message)--> Message
    Message --(writing.message)--> Writer (wbxml, xml) --> octets

A `Node` is an element by its name, without name space: no name means two things at the same
place. Elements that no table knows are not in the tree, as Representation Protocol 1.2 asks,
but in the data of an item, which is then refused.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cardsync.errors import PeerError
from cardsync.syncml.devinf import CtCap, DevInf
from cardsync.syncml.elements import SyncHdr

MAX_OCTETS: Final = 8 << 20
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 250_000
MAX_TEXT: Final = 16 << 20
"""Bounds of one message: its octets, its depth and number of elements with all documents that
lie in it, and the octets that references to a string table may amount to."""

BAD_FORMAT: Final = 400
TOO_LARGE: Final = 413
UNSUPPORTED_TYPE: Final = 415
DTD_VERSION_NOT_SUPPORTED: Final = 505
PROTOCOL_VERSION_NOT_SUPPORTED: Final = 513
"""SyncML status codes, Representation Protocol 1.2 clause 10."""


UNKNOWN: Final = "?"
"""The name of an element that no table knows, in data, where it would be lost content."""


class MalformedMessage(PeerError):
    """Octets are not a SyncML message that we can read.

    `answer` is the SyncML status owed; `offset` the octet and `path` the element where reading
    stopped. `header` is there when it could be read, so that the status has somewhere to go; of
    a version that we do not speak it says 1.2.
    """

    def __init__(
        self,
        reason: str,
        *,
        offset: int = 0,
        path: Sequence[str] = (),
        answer: int = BAD_FORMAT,
        header: SyncHdr | None = None,
    ) -> None:
        where = "/".join(path) or "the document"
        super().__init__(f"{reason} in {where} at offset {offset}", answer=answer)
        self.offset = offset
        self.path = tuple(path)
        self.header = header


class Node:
    """An element as it was read: `text` is its UTF-8 or opaque octets, `offset` where it began."""

    __slots__ = ("children", "name", "offset", "text")

    def __init__(self, name: str, offset: int) -> None:
        self.name = name
        self.offset = offset
        self.text = b""
        self.children: Sequence[Node] = ()


class Unreadable(Exception):
    """An element does not say what it must; `reading` makes it a `MalformedMessage` with a path."""

    def __init__(self, node: Node, reason: str, answer: int = BAD_FORMAT) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason
        self.answer = answer


class Budget:
    """What one message may still cost; the documents in it share it with it.

    `shows_unknown` puts elements that no table knows into the tree, by names that begin with "?".
    """

    __slots__ = ("elements", "shows_unknown", "text")

    def __init__(self, *, shows_unknown: bool = False) -> None:
        self.elements = MAX_ELEMENTS
        self.text = MAX_TEXT
        self.shows_unknown = shows_unknown


Nested = Callable[[bytes], Node]
"""Reads a document that lies in the data of an item; raises `MalformedMessage`."""


def path_to(root: Node, wanted: Node) -> list[str]:
    """Give the names from the root to one node; nothing if it is not there."""
    if root is wanted:
        return [root.name]
    for child in root.children:
        path = path_to(child, wanted)
        if path:
            return [root.name, *path]
    return []


class Writer(Protocol):
    """Writes one message, element by element; the names are those of `tokens`."""

    pieces: list[bytes]
    """What was written, to be joined."""

    def open(self, name: str) -> None:
        """Begin an element that holds elements."""

    def close(self, name: str, /) -> None:
        """End it."""

    def text(self, name: str, text: str) -> None:
        """Write an element that holds characters."""

    def octets(self, name: str, octets: bytes) -> None:
        """Write an element that holds what an item carries; `LocalError` if it cannot."""

    def flag(self, name: str) -> None:
        """Write an element that is empty."""

    def device(self, name: str, info: DevInf | CtCap) -> None:
        """Write an element that holds device information, or the properties of a filter."""

    def mark(self) -> tuple[int, int]:
        """Remember this place."""

    def back(self, mark: tuple[int, int]) -> None:
        """Forget what was written since that place."""

    def settle(self) -> None:
        """Make this a place at which something that was written elsewhere can follow."""

    def size(self, mark: tuple[int, int]) -> int:
        """Count the octets written since that place, with what it takes to begin a command next."""


_LISTS: Final = (
    "Item MapItem TargetRef SourceRef EMI DataStore CTCap Ext Rx Tx Property PropParam ValEnum "
    "VerCT SyncType XVal Filter-Rx FilterCap CTType PropName ParamName DataType Size DisplayName "
    "FilterKeyword Add Alert Atomic Copy Delete Exec Get Map Move Put Replace Results Search "
    "Sequence Status Sync"
)
"""What may stand more than once in some element; the last ones in the flat CTCap of 1.1."""

_REPEATED: Final = frozenset(_LISTS.split())
_MAX_DIGITS: Final = 20


def once(node: Node, also: str = "") -> dict[str, Node]:
    """Give the elements in a node by name; refuse a second one, but of lists and of `also`."""
    children = node.children
    parts = {child.name: child for child in children}
    if len(parts) != len(children):
        seen: set[str] = set()
        for child in children:
            if child.name in seen and child.name not in _REPEATED and child.name != also:
                raise Unreadable(child, "element is doubled")
            seen.add(child.name)
    return parts


def each(node: Node, name: str) -> list[Node]:
    """Give all elements of one name, in order."""
    return [child for child in node.children if child.name == name]


def required(node: Node, parts: dict[str, Node], name: str) -> Node:
    """Give the element that must be there."""
    found = parts.get(name)
    if found is None:
        raise Unreadable(node, f"{name} is missing")
    return found


def text(node: Node) -> str:
    """Give the characters of an element."""
    try:
        return node.text.decode()
    except UnicodeDecodeError:
        raise Unreadable(node, "characters are not UTF-8") from None


def number(node: Node) -> int:
    """Give the number that an element says in decimal digits, below 2 to the power of 64."""
    digits = node.text.strip()
    value = int(digits) if digits.isdigit() and len(digits) <= _MAX_DIGITS else -1
    if not 0 <= value < 1 << 64:
        raise Unreadable(node, "not a number")
    return value


def optional_text(parts: dict[str, Node], name: str) -> str | None:
    """Give the characters of an element that may be missing."""
    found = parts.get(name)
    return None if found is None else text(found)


def optional_number(parts: dict[str, Node], name: str) -> int | None:
    """Give the number of an element that may be missing, or empty, which says as little."""
    found = parts.get(name)
    return None if found is None or not found.text.strip() else number(found)
