"""A recorded message as a tree that a person, or a program, can read.

Credentials and nonces do not show unless they are asked for. Device information that lies in a
message as a document of its own is opened.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from cardsync.errors import PeerError
from cardsync.syncml import codec, wbxml, xml
from cardsync.syncml.elements import AlertCode
from cardsync.syncml.pieces import Pieces
from cardsync.syncml.status import words
from cardsync.syncml.tree import (
    MAX_OCTETS,
    UNSUPPORTED_TYPE,
    Budget,
    MalformedMessage,
    Node,
)

Tree = dict[str, object]
"""`name`, then `children`, or `text`, or `hex` of what is no text; `means` of a code with words."""

_STEP: Final = 1 << 16
"""Octets of a long message that are looked at at once."""

_DOCUMENTS: Final = frozenset({b"\x01", b"\x02", b"\x03"})
"""First octets of WBXML 1.1 to 1.3."""

_SECRET: Final = frozenset({("Cred", "Data"), ("Meta", "NextNonce"), ("MetInf", "NextNonce")})
_ALERTS: Final = {str(code.value): code.name.lower().replace("_", " ") for code in AlertCode}


def representation(octets: bytes) -> str:
    """Tell the media type of a message by its first octets: XML begins with "<" or a mark."""
    is_xml = octets.lstrip().startswith((b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    return codec.XML if is_xml else codec.WBXML


def trees(octets: bytes, *, secrets: bool = False) -> Iterator[Tree]:
    """Read a message of any length: one of more than 8 MiB comes in `pieces`, with its header each.

    Raises `MalformedMessage`.
    """
    if len(octets) <= MAX_OCTETS:
        yield tree(octets, secrets=secrets)
        return
    pieces = Pieces(representation(octets))
    for start in range(0, len(octets), _STEP):
        for piece in pieces.feed(octets[start : start + _STEP]):
            yield tree(piece, secrets=secrets)
    yield tree(pieces.finish(), secrets=secrets)


def tree(octets: bytes, *, secrets: bool = False) -> Tree:
    """Read a message, or device information alone; raise `MalformedMessage`.

    Elements that no table knows are shown: `?NAME`, or `?TOKEN` in WBXML.
    """
    return _tree(_root(octets), "", secrets=secrets)


def _root(octets: bytes) -> Node:
    budget = Budget(shows_unknown=True)
    if representation(octets) == codec.XML:
        return xml.parse(octets, budget)
    if octets[:1] not in _DOCUMENTS:
        raise MalformedMessage("neither XML nor WBXML", answer=UNSUPPORTED_TYPE)
    try:
        return wbxml.parse(octets, budget)
    except PeerError:
        with suppress(PeerError):
            device = wbxml.parse_device(octets, budget)
            if device.name == "DevInf":
                return device
        raise


def lines(branch: Tree, depth: int = 0) -> Iterator[str]:
    """Write a tree, an element a line, what it holds behind it or indented below it."""
    start = "  " * depth + str(branch["name"])
    text = str(branch.get("text", branch.get("hex", "")))
    means = f"  ({branch['means']})" if "means" in branch else ""
    if "\n" in text.strip():
        yield f"{start}:"
        yield from ("  " * (depth + 2) + line for line in text.strip().splitlines())
    else:
        yield f"{start}: {text}{means}" if text else start
    children = branch.get("children")
    if isinstance(children, list):
        for child in children:
            yield from lines(child, depth + 1)


def _tree(node: Node, parent: str, *, secrets: bool) -> Tree:
    found: Tree = {"name": node.name}
    children = node.children or _document(node)
    if children:
        found["children"] = [_tree(child, node.name, secrets=secrets) for child in children]
    elif node.text and (parent, node.name) in _SECRET and not secrets:
        found["text"] = f"[{len(node.text)} octets, not shown]"
    elif node.text:
        _tell(found, node.text)
        means = _means(parent, node.name, str(found.get("text")))
        if means:
            found["means"] = means
    return found


def _tell(found: Tree, octets: bytes) -> None:
    try:
        found["text"] = octets.decode()
    except UnicodeDecodeError:
        found["hex"] = octets.hex()


def _document(node: Node) -> tuple[Node, ...]:
    """Open a document in the data of an item, if it is one."""
    if node.name != "Data" or node.text[:1] not in _DOCUMENTS:
        return ()
    try:
        return (wbxml.parse_device(node.text, Budget(shows_unknown=True)),)
    except PeerError:
        return ()


def _means(parent: str, name: str, text: str) -> str:
    """Say a code in words."""
    if name != "Data" or not text.isdecimal() or len(text) != 3:
        return ""
    if parent == "Status":
        return words(int(text)).removeprefix(text).strip()
    return _ALERTS.get(text, "") if parent == "Alert" else ""
