"""XML: the other representation. Representation Protocol 1.2 clause 6.

Read by expat with handlers that refuse internal subsets, where entities would be declared, and
pass over a bare DOCTYPE, attributes and elements of foreign name spaces. Written without DOCTYPE,
with the name spaces that libsynthesis and libwbxml look for.
"""

import re
from typing import Final, Self
from xml.parsers import expat

from cardsync.errors import LocalError
from cardsync.syncml import device, reading, tokens, writing
from cardsync.syncml.devinf import CtCap, DevInf
from cardsync.syncml.elements import Message, Version
from cardsync.syncml.tree import (
    BAD_FORMAT,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_OCTETS,
    TOO_LARGE,
    UNKNOWN,
    Budget,
    MalformedMessage,
    Node,
)

_SEPARATOR: Final = " "
_ROOTS: Final = frozenset({"SyncML", "DevInf"})
_ENCODING: Final = re.compile(rb"<\?xml[^>]{1,80}?encoding\s{0,9}=\s{0,9}[\"']([\w.-]{1,20})")
_SEVERAL_OCTETS: Final = frozenset(
    b"gb2312 gbk gb18030 big5 shift_jis euc-jp iso-2022-jp euc-kr".split()
)
_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>'
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 clause 2.2 knows no other characters; clause 2.11 would lose a carriage return."""


def encode(message: Message) -> bytes:
    """Write a message; `LocalError` if it cannot be written."""
    writer = Writer.begin(message.header.version)
    writing.message(writer, message)
    return b"".join(writer.pieces)


def decode(octets: bytes) -> Message:
    """Read a message; `MalformedMessage` if it is none."""
    budget = Budget()
    return reading.message(parse(octets, budget), lambda document: parse(document, budget))


def parse(octets: bytes, budget: Budget) -> Node:
    """Read a document to a tree; raise `MalformedMessage`."""
    if len(octets) > MAX_OCTETS:
        raise MalformedMessage(f"more than {MAX_OCTETS} octets", answer=TOO_LARGE)
    octets, encoding = _in_utf_8(octets.lstrip(b" \t\r\n"))  # some peers begin with a line end
    return _Handlers(budget, encoding).parse(octets)


class _Handlers:
    """Builds the tree of one document while expat reads it.

    The characters that came since the last tag are in `_pieces`, where expat itself puts them.
    """

    __slots__ = (
        "_budget", "_encoding", "_left", "_lists", "_names", "_octets", "_parser", "_pieces",
        "_space", "_stack",
    )  # fmt: skip

    def __init__(self, budget: Budget, encoding: str | None) -> None:
        self._budget = budget
        self._left = budget.elements
        self._stack: list[Node] = []
        self._lists: list[list[Node]] = [[]]
        self._pieces: list[str] = []
        self._names: dict[str, str] = {}  # what expat calls an element: what we do, "" if unknown
        self._space = ""
        self._octets = b""
        self._encoding = encoding
        self._parser = expat.ParserCreate(encoding, _SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._pieces.append
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.SkippedEntityHandler = self._skipped

    def parse(self, octets: bytes) -> Node:
        """Read the document; raise `MalformedMessage`."""
        self._octets = octets
        try:
            self._parser.Parse(octets, True)
        except expat.ExpatError as exc:
            raise self._refusal(expat.ErrorString(exc.code)) from None
        except (LookupError, ValueError):  # of an encoding that Python does not have
            raise self._refusal("the encoding cannot be read") from None
        finally:
            self._let_go()
            self._budget.elements = self._left
        return self._lists[0][0]

    def _let_go(self) -> None:
        """Take the handlers away: expat and they would hold each other, and the tree, for long."""
        parser = self._parser
        parser.StartElementHandler = parser.EndElementHandler = None
        parser.CharacterDataHandler = parser.SkippedEntityHandler = None
        parser.StartDoctypeDeclHandler = None

    def _refusal(self, reason: str, answer: int = BAD_FORMAT) -> MalformedMessage:
        return MalformedMessage(
            reason,
            offset=max(self._parser.CurrentByteIndex, 0),
            path=[node.name or "?" for node in self._stack],
            answer=answer,
        )

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        local = self._names.get(name)
        if local is None:
            unknown = f"?{name.rpartition(_SEPARATOR)[2]}" if self._budget.shows_unknown else ""
            local = self._names[name] = self._local(name) or unknown
        self._left -= 1
        if self._left < 0:
            raise self._refusal(f"more than {MAX_ELEMENTS} elements", TOO_LARGE)
        if len(self._stack) == MAX_DEPTH:
            raise self._refusal(f"more than {MAX_DEPTH} elements in each other")
        node = Node(local, self._parser.CurrentByteIndex)
        inside: list[Node] = []
        node.children = inside
        if local:
            self._lists[-1].append(node)
        else:
            self._drop(node)
        self._stack.append(node)
        self._lists.append(inside)
        self._pieces.clear()

    def _local(self, name: str) -> str:
        """Give the name that an element has in our tables; "" for one that is in none.

        The name space of a root by our name is ours, too: some peers call it as they like.
        """
        space, _, local = name.rpartition(_SEPARATOR)
        if not self._stack and local in _ROOTS:
            self._space = space
        ours = space in ("", self._space) or space.lower().startswith("syncml:")
        return local if ours and local in tokens.KNOWN else ""

    def _drop(self, node: Node) -> None:
        """Keep an unknown element out, but not the characters before it; in data it is kept."""
        if not self._stack:
            raise self._refusal("an unknown element")
        if self._stack[-1].name == "Data":
            node.name = UNKNOWN
            self._lists[-1].append(node)
        self._stack[-1].text += "".join(self._pieces).encode()

    def _end(self, _name: str) -> None:
        node = self._stack.pop()
        if self._lists.pop():
            # What stands between elements says nothing, unless an item is written in XML itself.
            node.text = self._inline(node) if node.name == "Data" else b""
        elif self._pieces:
            node.text += "".join(self._pieces).encode()
        self._pieces.clear()

    def _inline(self, node: Node) -> bytes:
        """Give the markup of an item that stands in its Data as it is, which then has no elements.

        Representation Protocol 1.2, Data and Format. It is as it was written, in UTF-8.
        """
        if all(child.name != UNKNOWN for child in node.children):
            return b""
        told = _ENCODING.match(self._octets)
        encoding = self._encoding or (told[1].decode() if told else width(self._octets[:2]))
        node.children = ()
        try:
            end_of_tag = ">".encode(encoding)
            start = self._octets.index(end_of_tag, node.offset) + len(end_of_tag)
            markup = self._octets[start : self._parser.CurrentByteIndex]
            return markup.decode(encoding).strip().encode()
        except (LookupError, UnicodeError):
            raise self._refusal("an item in markup that cannot be read") from None

    def _doctype(self, _name: str, _system: str | None, _public: str | None, inside: int) -> None:
        if inside:
            raise self._refusal("a document type with declarations of its own")

    def _skipped(self, *_entity: object) -> None:
        raise self._refusal("an unknown entity")


def width(first: bytes) -> str:
    """Tell by its first two octets how wide the characters of a document are. XML 1.0 annex F."""
    if first in {b"\xfe\xff", b"\0<"}:
        return "utf-16-be"
    return "utf-16-le" if first in {b"\xff\xfe", b"<\0"} else "utf-8"


def _in_utf_8(octets: bytes) -> tuple[bytes, str | None]:
    """Read characters that expat cannot, of several octets; give what to tell it of them."""
    told = _ENCODING.match(octets)
    if told is None or told[1].lower() not in _SEVERAL_OCTETS:
        return octets, None
    try:
        return octets.decode(told[1].decode()).encode(), "utf-8"
    except UnicodeDecodeError:
        raise MalformedMessage("not a character of the encoding") from None


def _starts(names: tuple[str, ...], spaces: dict[str, str]) -> dict[str, bytes]:
    """Give the start tag of each name, with a name space for some."""
    tags = {}
    for name in names:
        space = f' xmlns="{spaces[name]}"' if name in spaces else ""
        tags[name] = f"<{name}{space}>".encode()
    return tags


def _ends(starts: dict[str, bytes]) -> dict[str, bytes]:
    return {name: f"</{name}>".encode() for name in starts}


def _escape(octets: bytes) -> bytes:
    """Write what would be markup, or be lost, as references."""
    for plain, escape in _ESCAPES:
        octets = octets.replace(plain, escape)
    return octets


_ESCAPES: Final = ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b"\r", b"&#13;"))
_FIRST: Final = {blank: f"&#{ord(blank)};".encode() for blank in " \t\n"}
_OF_METINF: Final = dict.fromkeys(tokens.METINF_CHILDREN, tokens.METINF_NAMESPACE)
_NAMES: Final = tuple(name for name in (*tokens.SYNCML, *tokens.METINF) if name)
_STARTS: Final = {
    version: _starts(_NAMES, {**_OF_METINF, "SyncML": space})
    for version, space in tokens.NAMESPACES.items()
}
_DEVICE_STARTS: Final = _starts(
    (*(name for name in tokens.DEVINF if name), "Size"), {"DevInf": tokens.DEVINF_NAMESPACE}
)
_FIELD_STARTS: Final = {
    **_DEVICE_STARTS,
    **_starts(("Property",), {"Property": tokens.DEVINF_NAMESPACE}),
}
_MESSAGE_ENDS: Final = _ends(_STARTS[Version.V1_2])
_DEVICE_ENDS: Final = _ends(_DEVICE_STARTS)


class Writer:
    """Writes one document, or a part of one that has names of its own; see `tree.Writer`."""

    __slots__ = ("_ends", "_starts", "pieces")

    def __init__(self, pieces: list[bytes], starts: dict[str, bytes]) -> None:
        self.pieces = pieces
        self._starts = starts
        of_device = starts is _DEVICE_STARTS or starts is _FIELD_STARTS
        self._ends = _DEVICE_ENDS if of_device else _MESSAGE_ENDS

    @classmethod
    def begin(cls, version: Version) -> Self:
        """Begin a document."""
        return cls([_DECLARATION], _STARTS[version])

    def open(self, name: str) -> None:
        """Begin an element that holds elements."""
        self.pieces.append(self._starts[name])

    def close(self, name: str) -> None:
        """End it."""
        self.pieces.append(self._ends[name])

    def text(self, name: str, text: str) -> None:
        """Write characters; `LocalError` for those that XML does not have."""
        if not text.isprintable() and _FORBIDDEN.search(text):
            raise LocalError(f"{name} has a character that XML does not have")
        self.pieces += (self._starts[name], _escape(text.encode()), self._ends[name])

    def octets(self, name: str, octets: bytes) -> None:
        """Write UTF-8; `LocalError` for other octets, which the caller sends in base64.

        A blank at the beginning is written as a reference: some peers pass over the others.
        """
        try:
            text = octets.decode()
        except UnicodeDecodeError:
            raise LocalError(f"{name} is no text: XML carries it in base64 only") from None
        self.text(name, text)
        if text[:1] in _FIRST:
            self.pieces[-2] = _FIRST[text[0]] + self.pieces[-2][1:]

    def flag(self, name: str) -> None:
        """Write an element that is empty."""
        self.pieces.append(self._starts[name][:-1] + b"/>")

    def device(self, name: str, info: DevInf | CtCap) -> None:
        """Write device information in line, and the properties of a filter without a CTCap."""
        self.open(name)
        if isinstance(info, DevInf):
            device.write(Writer(self.pieces, _DEVICE_STARTS), info)
        else:
            device.write_fields(Writer(self.pieces, _FIELD_STARTS), info)
        self.close(name)

    def mark(self) -> tuple[int, int]:
        """Remember the number of pieces."""
        return len(self.pieces), 0

    def back(self, mark: tuple[int, int]) -> None:
        """Forget what was written since that place."""
        del self.pieces[mark[0] :]

    def settle(self) -> None:
        """Do nothing: any place will do."""

    def size(self, mark: tuple[int, int]) -> int:
        """Count the octets since that place."""
        return sum(map(len, self.pieces[mark[0] :]))
