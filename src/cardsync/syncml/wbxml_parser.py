"""WBXML octets to a tree of nodes. WAP-192 "Binary XML Content Format" 1.3, clauses 5 and 7."""

from typing import Final

from cardsync.syncml import tokens
from cardsync.syncml.tokens import FIRST_TAG, HAS_ATTRIBUTES, HAS_CONTENT, TAG_BITS, Page, Token
from cardsync.syncml.tree import (
    BAD_FORMAT,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_OCTETS,
    TOO_LARGE,
    UNKNOWN,
    UNSUPPORTED_TYPE,
    Budget,
    MalformedMessage,
    Node,
)

_VERSIONS: Final = frozenset({0x01, 0x02, 0x03})  # 1.1 to 1.3; 1.0 has another header
_END: Final = int(Token.END)
_STR_I: Final = int(Token.STR_I)
_OPAQUE: Final = int(Token.OPAQUE)
_SWITCH_PAGE: Final = int(Token.SWITCH_PAGE)
_WITH_STRING: Final = frozenset({0x03, 0x40, 0x41, 0x42})
_WITH_NUMBER: Final = frozenset({0x02, 0x04, 0x80, 0x81, 0x82, 0x83})
_LITERAL_TAGS: Final = frozenset({0x04, 0x44, 0x84, 0xC4})
"""Global tokens by what follows them: STR_I and EXT_I; ENTITY, LITERAL, EXT_T and STR_T; and the
four of LITERAL as a tag. Clause 7.1."""

_MAX_CODE_POINT: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


def by_token(*pages: Page) -> tuple[Page, ...]:
    """Give the names of a document: 256 code pages of 256 tokens, "" where none is assigned."""
    none = ("",) * 0x100
    known = tuple(none[:HAS_CONTENT] + page + none[HAS_ATTRIBUTES:] for page in pages)
    return known + (none,) * (0x100 - len(pages))


class Parser:
    """Reads one document, once, by `root`."""

    __slots__ = (
        "_budget", "_charset", "_code_pages", "_data", "_left", "_lists", "_names", "_pieces",
        "_pos", "_stack", "_table",
    )  # fmt: skip

    def __init__(self, data: bytes, pages: tuple[Page, ...], budget: Budget) -> None:
        self._data = data
        self._code_pages = pages
        self._budget = budget
        self._left = budget.elements
        self._pos = 0
        self._charset = "utf-8"
        self._table = b""
        self._names: Page = pages[0]
        self._stack: list[Node] = []  # the elements that are open,
        self._lists: list[list[Node]] = [[]]  # what stands in them,
        self._pieces: dict[int, list[bytes]] = {}  # and their characters, by depth

    def root(self) -> Node:
        """Read the whole document; raise `MalformedMessage`."""
        if len(self._data) > MAX_OCTETS:
            raise self._refusal(f"more than {MAX_OCTETS} octets", TOO_LARGE)
        try:
            self._header()
            self._elements()
        except (IndexError, ValueError):  # of reading beyond the end, of looking for a NUL
            self._pos = len(self._data)
            raise self._refusal("octets end too early") from None
        finally:
            self._budget.elements = self._left
        if self._pos != len(self._data):
            raise self._refusal("octets are left over")
        return self._lists[0][0]

    def _refusal(self, reason: str, answer: int = BAD_FORMAT) -> MalformedMessage:
        path = [node.name or "?" for node in self._stack]
        return MalformedMessage(reason, offset=self._pos, path=path, answer=answer)

    def _header(self) -> None:
        """Read version, public identifier, character set, string table. Clause 5.3.

        The root tells what the document is: some peers write the identifier of another one.
        """
        if self._data[0] not in _VERSIONS:
            raise self._refusal("not a version of WBXML that we read", UNSUPPORTED_TYPE)
        self._pos = 1
        public = self._uintvar()
        index = None if public else self._uintvar()
        charset = tokens.CHARSETS.get(self._uintvar())
        if charset is None:
            raise self._refusal("character set is not supported", UNSUPPORTED_TYPE)
        self._charset = charset
        self._table = self._octets(self._uintvar())
        if index is not None:
            self._from_table(index)

    def _elements(self) -> None:
        """Read one token after the other until the root is closed; most of them without a call."""
        data, stack, lists, pieces = self._data, self._stack, self._lists, self._pieces
        string = _STR_I if self._charset == "utf-8" else -1
        names, inside, pos = self._names, lists[0], self._pos
        while stack or not inside:
            token = data[pos]
            name = names[token]
            pos += 1
            if name and self._left and len(stack) < MAX_DEPTH:
                self._left -= 1
                node = Node(name, pos - 1)
                inside.append(node)
                stop = 0
                if data[pos] == string:
                    stop = data.index(0, pos) + 1
                    text = data[pos + 1 : stop - 1]
                elif data[pos] == _OPAQUE:
                    self._pos = pos + 1
                    text = self._octets(self._uintvar())
                    stop = self._pos
                if stop and data[stop] == _END:
                    node.text = text
                    pos = stop + 1
                else:
                    inside = self._enter(node)
            elif token == _END and stack and not pieces:
                stack.pop()
                lists.pop()
                inside = lists[-1]
            elif token == _SWITCH_PAGE:
                names = self._names = self._code_pages[data[pos]]
                pos += 1
            else:
                self._pos = pos
                self._other(token)
                inside, pos = lists[-1], self._pos
        self._pos = pos

    def _other(self, token: int) -> None:
        """Read what follows a token that is rare, and refuse what must be refused.

        Usual are elements that hold one string, one opaque, or elements.
        """
        if token & TAG_BITS >= FIRST_TAG:
            name = self._names[token & TAG_BITS | HAS_CONTENT]
            node = Node(name or self._unknown(f"{token & TAG_BITS:02X}"), self._pos - 1)
            self._attach(node)
            self._rare(node, token)
        elif token == _END:
            self._close()
        else:
            self._global(token)

    def _rare(self, node: Node, token: int) -> None:
        """Go on after the tag of an element that is empty or has attributes."""
        if token & HAS_ATTRIBUTES:
            self._skip_attributes()
        if token & HAS_CONTENT:
            self._open(node)

    def _attach(self, node: Node) -> None:
        """Put an element into the one that is open; one that no table knows is dropped."""
        self._left -= 1
        if self._left < 0:
            raise self._refusal(f"more than {MAX_ELEMENTS} elements", TOO_LARGE)
        if not node.name and self._stack and self._stack[-1].name == "Data":
            node.name = UNKNOWN
        if node.name:
            self._lists[-1].append(node)
        elif not self._stack:
            raise self._refusal("an unknown element")

    def _unknown(self, name: str) -> str:
        """Name an element that no table knows, if it shall be seen."""
        return f"?{name}" if self._budget.shows_unknown else ""

    def _open(self, node: Node) -> None:
        if len(self._stack) == MAX_DEPTH:
            raise self._refusal(f"more than {MAX_DEPTH} elements in each other")
        self._enter(node)

    def _enter(self, node: Node) -> list[Node]:
        """Give where the elements in an element go, which is open now."""
        inside: list[Node] = []
        node.children = inside
        self._stack.append(node)
        self._lists.append(inside)
        return inside

    def _close(self) -> None:
        if not self._stack:
            raise self._refusal("an end without a beginning")
        pieces = self._pieces.pop(len(self._stack), None)
        self._lists.pop()
        node = self._stack.pop()
        if pieces:
            node.text = b"".join(pieces)

    def _global(self, token: int) -> None:
        """Read what follows a token that is no tag. Clauses 5.8 and 7.1."""
        if token == Token.PI:
            self._skip_attributes()
        elif token in _LITERAL_TAGS:
            self._literal(token)
        elif self._stack:
            self._pieces.setdefault(len(self._stack), []).append(self._content(token))
        else:
            raise self._refusal("content outside of the root")

    def _content(self, token: int) -> bytes:
        """Read characters or octets; extension tokens mean nothing here."""
        if token == Token.OPAQUE:
            return self._octets(self._uintvar())
        if token == _STR_I:
            return self._characters(self._string())
        if token == Token.STR_T:
            found = self._from_table(self._uintvar())
            self._budget.text -= len(found)
            if self._budget.text < 0:
                raise self._refusal("the string table is used too often", TOO_LARGE)
            return self._characters(found)
        code = self._uintvar() if token == Token.ENTITY else -1
        if not 0 <= code <= _MAX_CODE_POINT or code in _SURROGATES:
            raise self._refusal("no character")
        return chr(code).encode()

    def _literal(self, token: int) -> None:
        """Read an element whose name stands in the string table. Clause 5.8.4.5."""
        start = self._pos - 1
        name = self._from_table(self._uintvar()).decode("latin-1")
        node = Node(name if name in self._names else self._unknown(name), start)
        self._attach(node)
        self._rare(node, token)

    def _skip_attributes(self) -> None:
        """Pass over attributes, of which SyncML has none, or an instruction. Clause 5.8.3."""
        while (token := self._data[self._pos]) != _END:
            self._pos += 1
            if token in _WITH_STRING:
                self._string()
            elif token in _WITH_NUMBER:
                self._uintvar()
            elif token == Token.OPAQUE:
                self._octets(self._uintvar())
            elif token == Token.SWITCH_PAGE:
                self._pos += 1
        self._pos += 1

    def _characters(self, octets: bytes) -> bytes:
        """Give characters as UTF-8."""
        if self._charset == "utf-8":
            return octets
        try:
            return octets.decode(self._charset).encode()
        except UnicodeDecodeError:
            raise self._refusal("not a character of the character set") from None

    def _string(self) -> bytes:
        start = self._pos
        stop = self._data.index(0, start)
        self._pos = stop + 1
        return self._data[start:stop]

    def _from_table(self, index: int) -> bytes:
        """Give the string at an index; the last one need not be ended."""
        if index >= len(self._table):
            raise self._refusal("not in the string table")
        stop = self._table.find(0, index)
        return self._table[index:] if stop < 0 else self._table[index:stop]

    def _octets(self, count: int) -> bytes:
        start = self._pos
        self._pos = start + count
        if self._pos > len(self._data):
            raise IndexError
        return self._data[start : self._pos]

    def _uintvar(self) -> int:
        """Read an unsigned integer of at most 32 bits. Clause 5.1, mb_u_int32."""
        value = 0
        for _ in range(5):
            octet = self._data[self._pos]
            self._pos += 1
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                break
        else:
            raise self._refusal("a number of more than 32 bits")
        return value
