"""Recorded messages as trees: what nobody knows is shown, too, and what is no message."""

import pytest

from cardsync.errors import PeerError
from cardsync.syncml import codec, show
from cardsync.syncml.elements import Message, Version
from syncml_messages import header

HEAD = codec.encode(Message(header(Version.V1_2)), codec.XML).decode().partition("<SyncBody")[0]


def names(tree: show.Tree) -> list[object]:
    """Give the names in a tree, in order."""
    children = tree.get("children", [])
    assert isinstance(children, list)
    return [tree["name"], *[name for child in children for name in names(child)]]


def test_unknown_elements_of_xml() -> None:
    """A vendor's own elements stand in the tree, with what they hold, even in data."""
    text = (
        f"{HEAD}<SyncBody><v:Own xmlns:v='urn:vendor'><Flag/>5</v:Own><Add><CmdID>1</CmdID><Item>"
        "<Data><note>text</note></Data></Item></Add></SyncBody></SyncML>"
    )
    told = list(show.lines(show.tree(text.encode())))
    (at,) = [number for number, line in enumerate(told) if "?Own" in line]

    assert ["    ?Own", "      ?Flag"] == [line.partition(":")[0] for line in told[at : at + 2]]
    assert "          ?note: text" in told


def test_unknown_elements_of_wbxml() -> None:
    """A token without a name is shown by its number; a literal by its name."""
    octets = bytes.fromhex(
        "02 A401 6A 04" + b"Own\0".hex() + "6D 7F 03 7800 01 44 00 03 7900 01 05 01"
    )
    tree = show.tree(octets)

    assert ["SyncML", "?3F", "?Own", "Add"] == names(tree)
    assert "  ?3F: x" in list(show.lines(tree))


def test_flag_with_elements_and_text() -> None:
    """Characters beside elements are no fields; the elements are shown."""
    tree = show.tree(f"{HEAD}<SyncBody>x<Final/></SyncBody></SyncML>".encode())

    assert ["SyncBody", "Final"] == names(tree)[-2:]


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 200 OK\r\n\r\n<SyncML/>", b"\x04\x01\x6a\0"])
def test_neither(octets: bytes) -> None:
    """What begins as no message of either representation is said to be none."""
    with pytest.raises(PeerError, match="neither XML nor WBXML"):
        show.tree(octets)


@pytest.mark.parametrize("kind", ["wbxml", "xml"])
def test_device_information_alone(kind: str) -> None:
    """A document of its own, as tools record it."""
    wbxml = bytes.fromhex("02 A403 6A 00 4A 65 03312E3200 01 49 03646576 00 01 01")
    xml = b"<DevInf xmlns='syncml:devinf'><VerDTD>1.2</VerDTD><DevID>dev</DevID></DevInf>"
    tree = show.tree(wbxml if kind == "wbxml" else xml)

    assert ["DevInf", "VerDTD", "DevID"] == names(tree)


def test_the_first_reason_is_told() -> None:
    """Of octets that are neither it is said why they are no message."""
    with pytest.raises(PeerError, match="no SyncML"):
        show.tree(bytes.fromhex("02 05 6A 00 45 01"))
