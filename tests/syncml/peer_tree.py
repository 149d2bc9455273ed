"""SyncML messages read and written a second time, owing nothing to `cardsync.syncml`.

Written from the DTDs of SyncML 1.0 to 1.2 and from WAP-192: what both codecs agree on, two people
have read in the standard. It is for messages that are right: nothing is bounded here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

_SYNCML = (
    "Add Alert Archive Atomic Chal Cmd CmdID CmdRef Copy Cred Data Delete Exec Final Get Item Lang"
    " LocName LocURI Map MapItem Meta MsgID MsgRef NoResp NoResults Put Replace RespURI Results"
    " Search Sequence SessionID SftDel Source SourceRef Status Sync SyncBody SyncHdr SyncML Target"
    " TargetRef - VerDTD VerProto NumberOfChanges MoreData Field Filter Record FilterType"
    " SourceParent TargetParent Move Correlator"
)
_METINF = (
    "Anchor EMI Format FreeID FreeMem Last Mark MaxMsgSize Mem MetInf Next NextNonce SharedMem Size"
    " Type Version MaxObjSize FieldLevel"
)
_DEVINF = (
    "CTCap CTType DataStore DataType DevID DevInf DevTyp DisplayName DSMem Ext FwV HwV Man"
    " MaxGUIDSize MaxID MaxMem Mod OEM ParamName PropName Rx Rx-Pref SharedMem Size SourceRef SwV"
    " SyncCap SyncType Tx Tx-Pref ValEnum VerCT VerDTD XNam XVal UTC SupportNumberOfChanges"
    " SupportLargeObjs Property PropParam MaxOccur NoTruncate - Filter-Rx FilterCap"
    " FilterKeywordCGI FieldLevel SupportHierarchicalSync"
)
_PAGES = {
    space: {name: 5 + at for at, name in enumerate(names.split())}
    for space, names in (("", _SYNCML), ("metinf", _METINF), ("devinf", _DEVINF))
}
_PUBLIC = {"1.0": (0x0FD1, 0x0FD2), "1.1": (0x0FD3, 0x0FD4), "1.2": (0x1201, 0x1203)}
_IN_META = {"Meta", "MetInf", "Anchor", "Mem"}


@dataclass
class Node:
    """An element: those in it, or its octets."""

    name: str
    parts: list["Node"] = field(default_factory=list)
    data: bytes | None = None

    def all(self, path: str) -> list["Node"]:
        """Give every element below, by its names from here."""
        found = [self]
        for step in path.split("/"):
            found = [part for each in found for part in each.parts if part.name == step]
        return found

    def one(self, path: str) -> "Node | None":
        """Give the first one."""
        return next(iter(self.all(path)), None)

    def octets(self, path: str) -> bytes:
        """Give the octets of the first one, none if it is not there."""
        return next((each.data or b"" for each in self.all(path)), b"")

    def text(self, path: str) -> str:
        """Give its text."""
        return self.octets(path).decode()


def node(name: str, *parts: Node | str | int | bytes | None) -> Node:
    """Make an element of elements or of octets; None is left out."""
    made = Node(name)
    for part in parts:
        if isinstance(part, Node):
            made.parts.append(part)
        elif part is not None:
            made.data = part if isinstance(part, bytes) else str(part).encode()
    return made


def encode(message: Node, version: str, *, binary: bool) -> bytes:
    """Write a message."""
    if binary:
        return bytes(_document(message, "", _PUBLIC[version][0], version))
    space = f' xmlns="SYNCML:SYNCML{version}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>{_xml(message, space, "")}'.encode()


def decode(octets: bytes) -> Node:
    """Read a message."""
    if octets.lstrip()[:1] == b"<":
        return _of_xml(ET.fromstring(octets))
    return _Binary(octets).document()


def _space(name: str, parent: str, space: str) -> str:
    """Say in which of the three vocabularies an element is."""
    if name == "DevInf" or space == "devinf":
        return "devinf"
    return "metinf" if name in _PAGES["metinf"] and (parent in _IN_META or space) else ""


def _xml(each: Node, attributes: str, space: str) -> str:
    text = escape((each.data or b"").decode(), {"\r": "&#13;"})
    inside = []
    for part in each.parts:
        other = _space(part.name, each.name, space)
        added = f' xmlns="syncml:{other}"' if other != space else ""
        inside.append(_xml(part, added, other))
    return f"<{each.name}{attributes}>{text}{''.join(inside)}</{each.name}>"


def _of_xml(element: ET.Element) -> Node:
    parts = [_of_xml(each) for each in element]
    text = None if parts else (element.text or "").encode()
    return Node(element.tag.rpartition("}")[2], parts, text)


def _number(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def _document(root: Node, space: str, public: int, version: str) -> Iterator[int]:
    yield from (2, *_number(public), 0x6A, 0)
    page = 0

    def written(each: Node, space: str) -> Iterator[int]:
        nonlocal page
        wanted = 1 if space == "metinf" else 0
        if page != wanted:
            yield from (0, wanted)
            page = wanted
        has_any = bool(each.parts) or each.data is not None
        yield _PAGES[space][each.name] | 0x40 * has_any
        if each.data is not None:
            yield from (0xC3, *_number(len(each.data)), *each.data)
        for part in each.parts:
            other = _space(part.name, each.name, space)
            if other == "devinf" != space:
                inner = bytes(_document(part, "devinf", _PUBLIC[version][1], version))
                yield from (0xC3, *_number(len(inner)), *inner)
            else:
                yield from written(part, other)
        if has_any:
            yield 1

    yield from written(root, space)


class _Binary:
    """Reads WBXML."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def document(self) -> Node:
        """Read the whole: version, public identifier, character set, string table, the root."""
        self._take(1)
        public, index = self._number(), 0
        index = self._number() if public == 0 else 0
        assert 0x6A == self._number()
        self._table = self._take(self._number())
        named = self._table[index:].partition(b"\0")[0] if public == 0 else b""
        devinf = b"DevInf" in named or public in {pair[1] for pair in _PUBLIC.values()}
        self._pages = [
            {code: name for name, code in _PAGES[space].items()}
            for space in ("devinf" if devinf else "", "metinf")
        ]
        self._page = 0
        holder = Node("")
        self._into(holder)
        return holder.parts[0]

    def _into(self, parent: Node) -> None:
        """Read what is in an element, to its end."""
        while self._at < len(self._octets):
            (token,) = self._take(1)
            if token == 0:
                (self._page,) = self._take(1)
            elif token == 1:
                return
            elif token in (3, 0x83, 0xC3):
                self._string(parent, token)
            else:
                made = Node(self._pages[self._page][token & 0x3F])
                parent.parts.append(made)
                if token & 0x40:
                    self._into(made)

    def _string(self, parent: Node, token: int) -> None:
        if token == 3:
            octets = self._take(self._octets.index(b"\0", self._at) - self._at)
            self._take(1)
        elif token == 0x83:
            octets = self._table[self._number() :].partition(b"\0")[0]
        else:
            octets = self._take(self._number())
        if token == 0xC3 and parent.name == "Data" and octets[:1] in (b"\1", b"\2", b"\3"):
            parent.parts.append(_Binary(octets).document())
        else:
            parent.data = (parent.data or b"") + octets

    def _number(self) -> int:
        value = 0
        while True:
            (octet,) = self._take(1)
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                return value

    def _take(self, size: int) -> bytes:
        self._at += size
        assert self._at <= len(self._octets)
        return self._octets[self._at - size : self._at]
