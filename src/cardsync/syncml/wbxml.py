"""WBXML: the binary representation. WAP-192 "Binary XML Content Format" 1.3.

Written as the usual peers write it: header of WBXML 1.2 with the number of the public
identifier (that of 1.0 in the string table), UTF-8, two code pages, text as STR_I, what an item
carries as OPAQUE, device information as a document of its own in OPAQUE. Read is all of WBXML
that can stand in a SyncML message: string table, entities, literals, attributes, instructions.
"""

from typing import Final, Self

from cardsync.errors import LocalError
from cardsync.syncml import device, reading, tokens, writing, xml
from cardsync.syncml.devinf import CtCap, DevInf
from cardsync.syncml.elements import Message, Version
from cardsync.syncml.tokens import HAS_CONTENT, NUMBERS, Page, Token
from cardsync.syncml.tree import Budget, MalformedMessage, Node
from cardsync.syncml.wbxml_parser import Parser, by_token

_WBXML_1_2: Final = 0x02
_MESSAGE: Final = by_token(tokens.SYNCML, tokens.METINF)
_DEVICE: Final = by_token(tokens.DEVINF)


def encode(message: Message) -> bytes:
    """Write a message; `LocalError` if it cannot be written."""
    writer = Writer.begin(message.header.version)
    writing.message(writer, message)
    return b"".join(writer.pieces)


def decode(octets: bytes) -> Message:
    """Read a message; `MalformedMessage` if it is none."""
    budget = Budget()

    def nested(document: bytes) -> Node:
        if document.startswith(b"<"):
            return xml.parse(document, budget)
        return parse_device(document, budget)

    return reading.message(parse(octets, budget), nested)


def parse(octets: bytes, budget: Budget) -> Node:
    """Read a message to a tree, without judging it; raise `MalformedMessage`."""
    root = Parser(octets, _MESSAGE, budget).root()
    if root.name != "SyncML":
        raise MalformedMessage("the root is no SyncML")
    return root


def parse_device(octets: bytes, budget: Budget) -> Node:
    """Read device information to a tree; raise `MalformedMessage`."""
    return Parser(octets, _DEVICE, budget).root()


def uintvar(value: int) -> bytes:
    """Write an unsigned integer in groups of seven bits. WBXML 1.3 clause 5.1, mb_u_int32."""
    if value < 0x80:
        return bytes((value,))
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(value & 0x7F | 0x80)
    return bytes(reversed(octets))


def _header(public_id: str) -> bytes:
    """Write version, public identifier, character set and string table. WBXML 1.3 clause 5.3."""
    charset = uintvar(tokens.UTF_8)
    if public_id in NUMBERS:
        return bytes((_WBXML_1_2,)) + uintvar(NUMBERS[public_id]) + charset + b"\0"
    table = public_id.encode()
    return bytes((_WBXML_1_2, 0, 0)) + charset + uintvar(len(table)) + table


class _Tags:
    """What is written for each name: its page, its tag alone, open, and with a string."""

    __slots__ = ("alone", "opened", "page", "string")

    def __init__(self, pages: tuple[Page, ...]) -> None:
        self.page: dict[str, int] = {}
        self.alone: dict[str, bytes] = {}
        self.opened: dict[str, bytes] = {}
        self.string: dict[str, bytes] = {}
        for number, page in enumerate(pages):
            for token, name in enumerate(page):
                if name:
                    self.page[name] = number
                    self._add(name, token)

    def _add(self, name: str, token: int) -> None:
        self.alone[name] = bytes((token,))
        self.opened[name] = bytes((token | HAS_CONTENT,))
        self.string[name] = bytes((token | HAS_CONTENT, Token.STR_I))


_MESSAGE_TAGS: Final = _Tags((tokens.SYNCML, tokens.METINF))
_DEVICE_TAGS: Final = _Tags((tokens.DEVINF,))
_DEVICE_TAGS.page["Size"] = 0
_DEVICE_TAGS.string["Size"] = _DEVICE_TAGS.string["MaxSize"]
_SWITCH: Final = tuple(bytes((Token.SWITCH_PAGE, page)) for page in (0, 1))
_END: Final = bytes((Token.END,))
_STRING_END: Final = bytes((0, Token.END))


class Writer:
    """Writes one document; see `tree.Writer`."""

    __slots__ = ("_alone", "_opened", "_page", "_pages", "_string", "pieces")

    def __init__(self, public_id: str, tags: _Tags) -> None:
        self.pieces = [_header(public_id)]
        self._page = 0
        self._pages = tags.page
        self._alone = tags.alone
        self._opened = tags.opened
        self._string = tags.string

    @classmethod
    def begin(cls, version: Version) -> Self:
        """Begin a message."""
        return cls(tokens.PUBLIC_IDS[version], _MESSAGE_TAGS)

    def _switch(self, name: str) -> None:
        page = self._pages[name]
        if page != self._page:
            self._page = page
            self.pieces.append(_SWITCH[page])

    def open(self, name: str) -> None:
        """Begin an element that holds elements."""
        self._switch(name)
        self.pieces.append(self._opened[name])

    def close(self, _name: str, /) -> None:
        """End it; in WBXML the name is not said again."""
        self.pieces.append(_END)

    def text(self, name: str, text: str) -> None:
        """Write characters as STR_I, or as OPAQUE where a NUL would end them."""
        octets = _encoded(text)
        if 0 in octets:
            self.octets(name, octets)
        elif octets:
            self._switch(name)
            self.pieces += (self._string[name], octets, _STRING_END)
        else:
            self.flag(name)

    def octets(self, name: str, octets: bytes) -> None:
        """Write what an item carries as OPAQUE, so that nothing in it matters."""
        if not octets:
            self.flag(name)
            return
        self._switch(name)
        opaque = bytes((Token.OPAQUE,)) + uintvar(len(octets))
        self.pieces += (self._opened[name], opaque, octets, _END)

    def flag(self, name: str) -> None:
        """Write an element that is empty."""
        self._switch(name)
        self.pieces.append(self._alone[name])

    def device(self, name: str, info: DevInf | CtCap) -> None:
        """Write device information as a document in OPAQUE. Device Information 1.2 clause 6.

        The properties of a filter, of which a document can have no more than one, are in CTCap.
        """
        version = info.version if isinstance(info, DevInf) else Version.V1_2.dtd
        inner = Writer(tokens.DEVINF_PUBLIC_IDS.get(version, ""), _DEVICE_TAGS)
        if isinstance(info, DevInf):
            device.write(inner, info)
        else:
            inner.open("CTCap")
            device.write_fields(inner, info)
            inner.close("CTCap")
        self.octets(name, b"".join(inner.pieces))

    def mark(self) -> tuple[int, int]:
        """Remember the number of pieces and the code page."""
        return len(self.pieces), self._page

    def back(self, mark: tuple[int, int]) -> None:
        """Forget what was written since that place."""
        del self.pieces[mark[0] :]
        self._page = mark[1]

    def settle(self) -> None:
        """Go back to the first code page."""
        if self._page:
            self._page = 0
            self.pieces.append(_SWITCH[0])

    def size(self, mark: tuple[int, int]) -> int:
        """Count the octets since that place, as if both places were on the first page."""
        switches = len(_SWITCH[0]) * (self._page - mark[1])
        return switches + sum(map(len, self.pieces[mark[0] :]))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise LocalError("half of a surrogate pair cannot be written") from None
