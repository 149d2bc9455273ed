"""A message cut into small ones as its octets come: nothing is lost, doubled or taken apart."""

import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.syncml import codec
from cardsync.syncml.elements import (
    Add,
    Alert,
    AlertCode,
    Atomic,
    Command,
    Item,
    Location,
    Map,
    MapItem,
    Message,
    Meta,
    Replace,
    Sequence,
    Sync,
    Version,
)
from cardsync.syncml.pieces import COMFORT, Pieces
from syncml_messages import everything, header

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
NAMES = Location("./cards"), Location("cards")


def cut(octets: bytes, content_type: str, size: int, comfort: int) -> list[bytes]:
    """Feed a message `size` octets at a time."""
    pieces = Pieces(content_type, comfort)
    found: list[bytes] = []
    for start in range(0, len(octets), size):
        found += pieces.feed(octets[start : start + size])
    return [*found, pieces.finish()]


def flat(commands: tuple[Command, ...], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give each item with all commands around it, or each command that has none."""
    for command in commands:
        if isinstance(command, Sync | Sequence) and command.commands:
            yield from flat(command.commands, (*path, replace(command, commands=())))
        elif isinstance(command, Add | Replace | Map) and command.items:
            shell = type(command), command.cmd_id, command.meta
            yield from ((*path, shell, item) for item in command.items)
        else:
            yield (*path, command)


def cards(number: int, octets: int = 40) -> tuple[Item, ...]:
    """Give items."""
    return tuple(
        Item(source=Location(f"c{each}"), data=f"{each}".encode().ljust(octets, b"."))
        for each in range(number)
    )


def message(number: int, octets: int = 40) -> Message:
    """Give a message with items in a Sync, in a Sequence, in an Atomic, and some Maps."""
    meta = Meta(type="text/x-vcard", format="chr")
    atomic = Atomic(20, (Add(21, cards(number, octets), meta),))
    ordered = Sequence(10, (Add(11, cards(number, octets), meta), Replace(12, cards(2), meta)))
    pairs = tuple(MapItem(f"{each}", f"c{each}") for each in range(number))
    body = (Alert(1, AlertCode.NEXT_MESSAGE), Add(2, cards(number, octets), meta), ordered, atomic)
    sync = Sync(3, *NAMES, Meta(max_obj_size=5), number * 3, commands=(*body, Replace(4, cards(1))))
    told = header(Version.V1_2)
    return Message(told, (sync, Map(5, *NAMES, pairs), replace(sync, cmd_id=6)), final=True)


@BOTH
@given(st.integers(1, 3000), st.integers(1, 1500))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost(content_type: str, size: int, comfort: int) -> None:
    """Each item comes once, in order, within the commands that it stood in; Final comes last."""
    whole = message(9)
    octets = codec.encode(whole, content_type)
    found = [codec.decode(each, content_type) for each in cut(octets, content_type, size, comfort)]

    assert {whole.header} == {each.header for each in found}
    assert [False] * (len(found) - 1) + [True] == [each.final for each in found]
    assert list(flat(whole.commands)) == [one for each in found for one in flat(each.commands)]


@BOTH
@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_within_comfort(content_type: str, version: Version, size: int) -> None:
    """What is small is one piece, octet for octet."""
    whole = everything(version) if content_type == codec.WBXML else message(9)
    octets = codec.encode(whole, content_type)

    assert [octets] == cut(octets, content_type, size, COMFORT)


@BOTH
def test_every_command_by_itself(content_type: str) -> None:
    """With no comfort at all each command, each item, is a piece; an Atomic stays whole."""
    whole = message(3)
    octets = codec.encode(whole, content_type)
    found = [codec.decode(each, content_type) for each in cut(octets, content_type, 64, 1)]
    atomics = [
        each for part in found for sync in part.commands if isinstance(sync, Sync)
        for each in sync.commands if isinstance(each, Atomic)
    ]  # fmt: skip

    assert len(found) > 2
    assert [3, 3] == [sum(len(add.items) for add in each.commands if isinstance(add, Add))
                      for each in atomics]  # fmt: skip


@BOTH
def test_memory_is_that_of_a_piece(content_type: str) -> None:
    """Of six megabytes no more is held than a few pieces; no tree, no list of items."""
    sync = Sync(1, *NAMES, commands=(Add(2, cards(6000, 900)), Replace(3, cards(100))))
    octets = codec.encode(Message(header(Version.V1_2), (sync,), final=True), content_type)
    pieces = Pieces(content_type, 1 << 16)
    largest = number = 0
    tracemalloc.start()
    for start in range(0, len(octets), 1 << 14):
        for piece in pieces.feed(octets[start : start + (1 << 14)]):
            largest, number = max(largest, len(piece)), number + 1
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(octets) > 5_000_000
    assert number > 30
    assert largest < 70_000
    assert held < 1_000_000


DOCTYPE = '<!DOCTYPE SyncML PUBLIC "-//SYNCML//DTD SyncML 1.1//EN" "x">\n'


@pytest.mark.parametrize(
    ("start", "encoding"),
    [
        (f'<?xml version="1.0"?>\n{DOCTYPE}', "ascii"),
        (f'<?xml version="1.0"?>\n{DOCTYPE}', "utf-16"),
        ("\r\n  ", "ascii"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "latin-1"),
    ],
)
def test_manners_of_xml(start: str, encoding: str) -> None:
    """Prefixes, comments, document types, UTF-16: all stays as it was written."""
    head = codec.encode(Message(header(Version.V1_1)), codec.XML).decode().partition("?>")[2]
    head = head.partition("<SyncBody")[0].replace("<", "<s:").replace("<s:/", "</s:")
    head = head.replace("xmlns=", "xmlns:s=", 1)
    items = "".join(
        f"<!-- {each} --><s:Item><s:Source><s:LocURI>{each}</s:LocURI></s:Source>"
        f"<s:Data><![CDATA[a<b>{each}]]></s:Data></s:Item>\n" for each in range(20)
    )  # fmt: skip
    text = (
        f"{start}{head}<s:SyncBody><s:Sync><s:CmdID>1</s:CmdID><s:Add><s:CmdID>2</s:CmdID>{items}"
        "</s:Add></s:Sync><s:Final/></s:SyncBody></s:SyncML>"
    )
    octets = text.encode(encoding)
    found = cut(octets, codec.XML, 11, 300)
    told = [codec.decode(each, codec.XML) for each in found]

    assert len(found) > 3
    assert list(flat(codec.decode(octets, codec.XML).commands)) == [
        one for each in told for one in flat(each.commands)
    ]


def test_manners_of_wbxml() -> None:
    """String table, literal, attributes, entity, instruction, pages: all is passed over."""
    octets = bytes.fromhex(
        "02 00 00 6A 22"  # 1.2, public identifier and names in a table of 34 octets
        + (b"-//SYNCML//DTD SyncML 1.0//EN\0Foo\0").hex()
        + "ED 05 03 6100 01"  # SyncML, with an attribute that is passed over
        "6C 71 03312E3000 01 72 0353796E634D4C2F312E3000 01 65 033100 01 5B 033100 01"
        "6E 57 036100 01 01 67 57 036200 01 01 01"  # SyncHdr
        "43 05 03 7800 01"  # an instruction
        "6B 45 4B 033100 01 44 1E 036900 01"  # SyncBody, Add, CmdID, a literal element Foo
        "5A 0001 53 03742F7000 01 0000 01"  # Meta, Type on the other page
        "54 67 57 033100 01 01 4F 02 41 C3 02 0001 01 01"  # Item: an entity and an opaque
        "54 67 57 033200 01 01 4F 83 1E 01 01"  # Item: from the table
        "01 12 01 01"
    )
    found = cut(octets, codec.WBXML, 1, 1)
    whole = codec.decode(octets, codec.WBXML)
    told = [codec.decode(each, codec.WBXML) for each in found]

    assert 2 == len(found)
    assert list(flat(whole.commands)) == [one for each in told for one in flat(each.commands)]
    assert [b"A\0\1", b"Foo"] == [item[-1].data for item in flat(whole.commands)]


@BOTH
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_else_is_raised(content_type: str, data: st.DataObject) -> None:
    """Whatever comes is cut, or refused by a `PeerError`, and so is each piece when it is read."""
    octets = bytearray(codec.encode(message(3), content_type))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(octets)))
        octets[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    read = 0
    with suppress(PeerError):
        found = cut(bytes(octets), content_type, data.draw(st.integers(1, 999)), 100)
        for piece in found:
            codec.decode(piece, content_type)
            read += len(piece)

        assert read >= len(octets.strip())


@pytest.mark.parametrize(
    ("content_type", "octets", "reason"),
    [
        (codec.XML, b'<!DOCTYPE SyncML [<!ENTITY a "b">]><SyncML/>', "declarations"),
        (codec.XML, b"<SyncML>" * 40, "elements in each other"),
        (codec.XML, b"<SyncML><a>" + bytes(3), "offset 11"),
        (codec.WBXML, bytes.fromhex("02A4016A00") + b"\x6d" * 40, "elements in each other"),
        (codec.WBXML, bytes.fromhex("02A4016A00 6D C3 FFFFFFFF7F"), "octets"),
        (codec.WBXML, bytes.fromhex("02A4016A00 6D C3 FFFFFFFFFF7F"), "32 bits"),
        (codec.WBXML, bytes.fromhex("02A4016A FFFFFF7F"), "octets"),
        ("text/plain", b"", "not a representation"),
    ],
)
def test_refused(content_type: str, octets: bytes, reason: str) -> None:
    """What would cost too much, or is none, is refused when it is seen."""
    with pytest.raises(PeerError, match=reason):
        cut(octets, content_type, 5, 100)


@BOTH
def test_too_long_an_item(content_type: str) -> None:
    """An item of more than a message may have is refused before it is whole."""
    octets = codec.encode(message(1, (8 << 20) + (1 << 17)), content_type)

    with pytest.raises(PeerError, match="8388608 octets"):
        cut(octets, content_type, 1 << 16, COMFORT)
