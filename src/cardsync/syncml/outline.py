"""Where the elements of a document begin and end, told as its octets come.

Nothing is kept of what stands in them, and nothing is judged but what stops the reading: whoever
cuts a message at these places decodes what he has cut. WAP-192 clauses 5 and 7, XML 1.0.
"""

from dataclasses import dataclass
from typing import Final, Protocol
from xml.parsers import expat

from cardsync.syncml import tokens
from cardsync.syncml.tokens import FIRST_TAG, HAS_ATTRIBUTES, HAS_CONTENT, TAG_BITS, Token
from cardsync.syncml.tree import MAX_OCTETS, TOO_LARGE, MalformedMessage
from cardsync.syncml.xml import width

_STRINGS: Final = frozenset({0x03, 0x40, 0x41, 0x42})
_NUMBERS: Final = frozenset({0x02, 0x80, 0x81, 0x82, 0x83})
_LITERALS: Final = frozenset({0x04, 0x44, 0x84, 0xC4})
_LONGEST_NUMBER: Final = 5
"""Global tokens by what follows them, and octets of mb_u_int32. WBXML 1.3 clauses 5.1 and 7.1."""


@dataclass(frozen=True, slots=True)
class Began:
    """An element begins at an offset; `close` ends it. `page` is the code page there, in WBXML."""

    name: str
    offset: int
    close: bytes
    page: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The element that began last, of those that have not ended, has ended."""


Tag = Began | Ended


class Outline(Protocol):
    """Of one document, which is fed in order."""

    blank: bytes
    """What may stand before the document."""

    def feed(self, octets: bytes, *, last: bool = False) -> list[Tag]:
        """Tell what begins and ends in these octets; raise `MalformedMessage`."""

    def turn(self, here: int, there: int, /) -> bytes:
        """Give what must stand between a place on one code page and a place on another."""


class XmlOutline:
    """By expat, which keeps what is not yet whole."""

    blank = b" \t\r\n"

    def __init__(self) -> None:
        self._found: list[Tag] = []
        self._first = b""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, octets: bytes, *, last: bool = False) -> list[Tag]:
        """See `Outline`."""
        self._first = (self._first + octets[:2])[:2]
        try:
            self._parser.Parse(octets, last)
        except expat.ExpatError as exc:
            where = max(self._parser.ErrorByteIndex, 0)
            raise MalformedMessage(expat.ErrorString(exc.code), offset=where) from None
        except (LookupError, ValueError):
            raise MalformedMessage("the encoding cannot be read") from None
        found, self._found = self._found, []
        return found

    def turn(self, _here: int, _there: int, /) -> bytes:
        """Give nothing: one place is as good as another."""
        return b""

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        close = f"</{name}>".encode(width(self._first))
        self._found.append(Began(local, self._parser.CurrentByteIndex, close))

    def _end(self, _name: str) -> None:
        self._found.append(Ended())

    def _doctype(self, _name: str, _system: str | None, _public: str | None, inside: int) -> None:
        if inside:
            raise MalformedMessage("a document type with declarations of its own")


class WbxmlOutline:
    """Token by token; one that is not yet whole is read again when more has come."""

    blank = b""

    def __init__(self) -> None:
        self._data = bytearray()
        self._before = 0  # octets that were read and let go
        self._page = 0
        self._is_header = True
        self._needed = 0  # octets without which the next token is not whole

    def feed(self, octets: bytes, *, last: bool = False) -> list[Tag]:
        """See `Outline`. What is missing in the end is for the decoder to say."""
        del last
        self._data += octets
        found: list[Tag] = []
        pos = 0
        try:
            while len(self._data) >= max(self._needed, pos + 1):
                self._needed = 0
                pos = self._header() if self._is_header else self._token(pos, found)
                self._is_header = False
        except IndexError:
            self._needed = max(self._needed - pos, len(self._data) - pos + 1)
        del self._data[:pos]
        self._before += pos
        return found

    def turn(self, here: int, there: int, /) -> bytes:
        """Switch the code page."""
        return b"" if here == there else bytes((Token.SWITCH_PAGE, there))

    def _header(self) -> int:
        """Pass over version, public identifier, character set, string table. Clause 5.3."""
        public, pos = self._number(1)
        if not public:
            _, pos = self._number(pos)
        _, pos = self._number(pos)
        length, pos = self._number(pos)
        return self._skip(pos, length)

    def _token(self, pos: int, found: list[Tag]) -> int:
        """Read the token at a place; give the place behind it."""
        token = self._data[pos]
        if token == Token.END:
            found.append(Ended())
            return pos + 1
        if token == Token.SWITCH_PAGE:
            self._page = self._data[pos + 1]
            return pos + 2
        if token == Token.PI:
            return self._attributes(pos + 1)
        if token in _LITERALS or token & TAG_BITS >= FIRST_TAG:
            return self._tag(token, pos, found)
        return self._value(token, pos + 1)

    def _tag(self, token: int, pos: int, found: list[Tag]) -> int:
        behind, name = pos + 1, ""
        if token in _LITERALS:
            _, behind = self._number(behind)
        elif self._page == 0:
            name = tokens.SYNCML[token & TAG_BITS]
        if token & HAS_ATTRIBUTES:
            behind = self._attributes(behind)
        found.append(Began(name, self._before + pos, bytes((Token.END,)), self._page))
        if not token & HAS_CONTENT:
            found.append(Ended())
        return behind

    def _value(self, token: int, pos: int) -> int:
        """Pass over what a global token brings. Clause 7.1."""
        if token in _STRINGS:
            stop = self._data.find(0, pos)
            if stop < 0:
                self._needed = pos + (len(self._data) - pos) * 5 // 4
                raise IndexError
            return stop + 1
        if token in _NUMBERS:
            return self._number(pos)[1]
        if token == Token.OPAQUE:
            length, pos = self._number(pos)
            return self._skip(pos, length)
        return pos

    def _attributes(self, pos: int) -> int:
        """Pass over attributes, to their end. Clause 5.8.3."""
        while (token := self._data[pos]) != Token.END:
            pos = pos + 2 if token == Token.SWITCH_PAGE else self._value(token, pos + 1)
        return pos + 1

    def _skip(self, pos: int, length: int) -> int:
        if length > MAX_OCTETS:
            raise MalformedMessage(f"more than {MAX_OCTETS} octets", answer=TOO_LARGE)
        if pos + length > len(self._data):
            self._needed = pos + length
            raise IndexError
        return pos + length

    def _number(self, pos: int) -> tuple[int, int]:
        """Read mb_u_int32; give it and the place behind it."""
        value = 0
        for at in range(pos, pos + _LONGEST_NUMBER):
            value = value << 7 | self._data[at] & 0x7F
            if self._data[at] < 0x80:
                return value, at + 1
        raise MalformedMessage("a number of more than 32 bits", offset=self._before + pos)
