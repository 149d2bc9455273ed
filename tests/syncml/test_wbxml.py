"""WBXML, both ways. WAP-192 "Binary XML Content Format" 1.3, tokens of the SyncML documents."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.syncml import tree, wbxml
from cardsync.syncml.elements import (
    Add,
    Alert,
    Cred,
    Delete,
    Item,
    Location,
    Message,
    Meta,
    Put,
    SyncHdr,
    Unread,
    Version,
)
from syncml_messages import WRITABLE, Strategies, device, everything, header

HEADER = bytes.fromhex(
    "6D 6C"  # SyncML, SyncHdr
    "71 03 31 2E 32 00 01"  # VerDTD 1.2
    "72 03 53 79 6E 63 4D 4C 2F 31 2E 32 00 01"  # VerProto SyncML/1.2
    "65 03 31 00 01"  # SessionID 1
    "5B 03 32 00 01"  # MsgID 2
    "6E 57 03 61 00 01 01"  # Target, LocURI a
    "67 57 03 62 00 01 01"  # Source, LocURI b
    "01 6B"  # SyncBody
)
ENDS = bytes.fromhex("01 01")
USUAL = bytes.fromhex("02 A4 01 6A 00")
SHORT = SyncHdr("1", 2, Location("a"), Location("b"))


def _body(tokens: str, start: bytes = USUAL) -> Message:
    """Decode a message whose body is given in hexadecimal."""
    return wbxml.decode(start + HEADER + bytes.fromhex(tokens) + ENDS)


def _refusal(octets: bytes) -> tree.MalformedMessage:
    """Decode what must be refused."""
    with pytest.raises(tree.MalformedMessage) as caught:
        wbxml.decode(octets)
    return caught.value


def _body_refusal(tokens: str) -> tree.MalformedMessage:
    return _refusal(USUAL + HEADER + bytes.fromhex(tokens) + ENDS)


@pytest.mark.parametrize(
    ("version", "start"),
    [
        (Version.V1_2, "02 A4 01 6A 00 6D 6C"),
        (Version.V1_1, "02 9F 53 6A 00 6D 6C"),
        (Version.V1_0, "02 00 00 6A 1D" + b"-//SYNCML//DTD SyncML 1.0//EN".hex() + "6D 6C"),
    ],
)
def test_header(version: Version, start: str) -> None:
    """Number of the public identifier, that of 1.0 in the string table. WBXML 1.3 clause 5.4."""
    octets = bytes.fromhex(start)

    assert octets == wbxml.encode(Message(header(version)))[: len(octets)]


@pytest.mark.parametrize(
    "start",
    [
        "03 A4 01 6A 00",
        "01 9F 53 6A 00",
        "02 9F 51 6A 00",  # 0x0FD1, SyncML 1.0
        "02 01 6A 00",  # unknown
        "02 A4 03 6A 00",  # of device information
        "02 00 01 6A 03 61 00 62",  # "b"
        "02 A4 01 03 00",  # US-ASCII
        "03 00 02 6A 20 61 00" + b"-//SYNCML//DTD SYNCML 1.2//EN\0".hex(),
    ],
)
def test_header_other_forms(start: str) -> None:
    """Any version from 1.1 on; the root tells the document, whatever its identifier is."""
    assert Message(SHORT) == _body("", bytes.fromhex(start))


@pytest.mark.parametrize(
    ("start", "answer"),
    [
        ("00 A4 01 6A 00", 415),  # WBXML 1.0
        ("02 A4 01 87 68 00", 415),  # UCS-2
        ("02 00 09 6A 03 61 00 62", 400),
        ("02 9F FF FF FF FF 7F 6A 00", 400),
        ("02 A4 01 6A 8F FF FF FF 7F", 400),
    ],
)
def test_header_refused(start: str, answer: int) -> None:
    """Another version, a foreign character set, a number that is too long."""
    assert answer == _refusal(bytes.fromhex(start) + HEADER + ENDS).answer


def test_commands_in_octets() -> None:
    """Tokens of both code pages, item data opaque. Representation Protocol 1.2, WBXML."""
    text = Meta(type="t")
    message = Message(
        SHORT,
        (
            Add(3, (Item(source=Location("9"), data=b"x\0y"),), text),
            Delete(4, (Item(target=Location("8")),)),
        ),
        final=True,
    )
    octets = bytes.fromhex(
        "45 4B 03 33 00 01"  # Add, CmdID 3
        "5A 00 01 53 03 74 00 01 01"  # Meta, page 1, Type t
        "00 00 54 67 57 03 39 00 01 01"  # page 0, Item, Source, LocURI 9
        "4F C3 03 78 00 79 01 01 01"  # Data, opaque
        "50 4B 03 34 00 01 54 6E 57 03 38 00 01 01 01 01"  # Delete, CmdID 4, Item, Target, LocURI
        "12"  # Final
    )

    assert USUAL + HEADER + octets + ENDS == wbxml.encode(message)
    assert message == wbxml.decode(USUAL + HEADER + octets + ENDS)


@pytest.mark.parametrize("version", Version)
def test_everything(version: Version) -> None:
    """Every command and every element comes back as it was, device information nested."""
    message = everything(version)

    assert message == wbxml.decode(wbxml.encode(message))


@given(Strategies(WRITABLE, st.binary(max_size=200)).messages())
def test_round_trip(message: Message) -> None:
    """Whatever can be said comes back as it was."""
    assert message == wbxml.decode(wbxml.encode(message))


def test_device_information_is_nested() -> None:
    """A document of its own with its own identifier lies in the data. Device Information 1.2."""
    put = Put(1, (Item(data=device("1.2")),), Meta(type="application/vnd.syncml-devinf+wbxml"))
    octets = wbxml.encode(Message(SHORT, (put,)))

    assert bytes.fromhex("02 A4 03 6A 00 4A 65 03 31 2E 32 00 01") in octets


def test_device_information_as_text() -> None:
    """Some peers put an XML document there."""
    document = (
        b"<DevInf xmlns='syncml:devinf'><VerDTD>1.1</VerDTD><DevID>d</DevID>"
        b"<DevTyp>phone</DevTyp></DevInf>"
    )
    meta = Meta(type="application/vnd.syncml-devinf+xml")
    octets = wbxml.encode(Message(SHORT, (Put(1, (Item(data=document),), meta),)))
    command = wbxml.decode(octets).commands[0]

    assert isinstance(command, Put)
    assert getattr(command.items[0].data, "device_id", None) == "d"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"rubbish", 415),
        (b"<DevInf/>", 400),
        (b"<Item/>", 400),
        (b"\x02\xa4\x03\x6a\x00\x0a", 400),
        (b"\x02\xa4\x03\x6a\x00\x0b", 400),
    ],
)
def test_device_information_refused(document: bytes, code: int) -> None:
    """It costs the Put, not the message."""
    meta = Meta(type="application/vnd.syncml-devinf+wbxml")
    put = Put(1, (Item(data=document),), meta)
    unread, alert = wbxml.decode(wbxml.encode(Message(SHORT, (put, Alert(2))))).commands

    assert isinstance(unread, Unread)
    assert (1, "Put", code) == (unread.cmd_id, unread.name, unread.code)
    assert " in Put/Item/Data at offset " in unread.reason
    assert Alert(2) == alert


def test_device_information_of_unknown_version() -> None:
    """There is none of 2.0."""
    with pytest.raises(LocalError):
        wbxml.encode(Message(SHORT, (Put(1, (Item(data=device("2.0")),)),)))


def test_raw_digest() -> None:
    """A digest is sent as it is in 1.0: any octets may stand in the data of credentials."""
    digest = bytes.fromhex("D4 1D 8C D9 8F 00 B2 04 E9 80 09 98 EC F8 42 7E")
    message = Message(
        SyncHdr("1", 1, Location("a"), Location("b"), Version.V1_0, cred=Cred(digest))
    )

    assert message == wbxml.decode(wbxml.encode(message))


def test_nul_in_text() -> None:
    """NUL would end a STR_I, so such text goes as OPAQUE."""
    message = Message(SyncHdr("a\0b", 1, Location(""), Location("é")))

    assert message == wbxml.decode(wbxml.encode(message))


def test_half_a_surrogate_pair() -> None:
    """What UTF-8 cannot carry is a mistake of ours."""
    with pytest.raises(LocalError):
        wbxml.encode(Message(SyncHdr("\ud800", 1, Location("a"), Location("b"))))


def test_string_table() -> None:
    """References into the string table, joined to other content. WBXML 1.3 clause 5.8.4.1."""
    start = bytes.fromhex("02 A4 01 6A 06 32 30 30 00 61 62")
    message = _body(
        "46 4B 03 31 00 01 4F 83 00 01 54 6E 57 83 04 03 63 00 83 05 01 01 01 01", start
    )

    assert (Alert(1, 200, (Item(Location("abcb")),)),) == message.commands


def test_entity() -> None:
    """Entities are characters by number. WBXML 1.3 clause 5.8.4.4."""
    message = _body("46 4B 03 31 00 01 54 6E 57 03 61 00 02 81 69 02 01 01 01 01 01")

    assert (Alert(1, 0, (Item(Location("aé\x01")),)),) == message.commands


@pytest.mark.parametrize("code", ["83 B0 00", "C4 80 00"])
def test_entity_refused(code: str) -> None:
    """Half a surrogate pair and what is beyond Unicode are no characters."""
    refusal = _body_refusal(f"46 4B 02 {code} 01 01")

    assert tree.BAD_FORMAT == refusal.answer


def test_character_set() -> None:
    """Characters of ISO 8859-1 become text; OPAQUE does not change."""
    start = bytes.fromhex("02 A4 01 04 00")
    message = _body("46 4B 03 31 00 01 54 6E 57 03 E5 00 01 01 4F C3 01 E5 01 01 01", start)

    assert (Alert(1, 0, (Item(Location("å"), data=b"\xe5"),)),) == message.commands


def test_character_set_refused() -> None:
    """What is no character of the set, or no UTF-8 where text must stand."""
    ascii_start = bytes.fromhex("02 A4 01 03 00")
    body = bytes.fromhex("46 4B 03 31 00 01 54 6E 57 03 E5 00 01 01 01 01")

    assert ("SyncML", "SyncBody", "Alert", "Item", "Target", "LocURI") == (
        _refusal(ascii_start + HEADER + body + ENDS).path
    )
    (unread,) = wbxml.decode(USUAL + HEADER + body + ENDS).commands
    assert isinstance(unread, Unread)
    assert " in Alert/Item/Target/LocURI " in unread.reason


def test_unknown_elements() -> None:
    """Tokens of no table, other code pages and literals are passed over with all they hold."""
    start = bytes.fromhex("02 A4 01 6A 06 58 00 43 6D 64 00")
    message = _body(
        "7D 03 61 00 46 01 01"  # token 0x3D holds text and an Alert
        "00 07 45 03 61 00 01 00 00"  # something of page 7
        "04 00 44 00 46 01 01"  # two literals X
        "46 4B 03 31 00 01 44 02 03 53 00 01 01",  # Alert, CmdID 1, the literal Cmd
        start,
    )

    assert (Alert(1),) == message.commands


def test_literal_name() -> None:
    """A literal may name an element that has a token. WBXML 1.3 clause 5.8.4.5."""
    start = bytes.fromhex("02 A4 01 6A 06 43 6D 64 49 44 00")

    assert (Alert(5),) == _body("46 44 00 03 35 00 01 01", start).commands


def test_attributes_and_instructions() -> None:
    """Attributes, of which SyncML has none, and instructions are passed over."""
    attributes = "05 03 61 00 83 00 81 02 40 61 00 80 05 C0 02 30 04 01 C3 02 01 01 00 01 06 85 01"
    message = _body(
        f"43 {attributes} C6 {attributes} CB {attributes} 03 31 00 01 01 92 {attributes}"
    )

    assert Message(SHORT, (Alert(1),), final=True) == message


@pytest.mark.parametrize(
    "tokens",
    [
        "46 4B 03 31 00 01 01 01",  # one end too many
        "46 4B 03 31 00 01",  # one too few
        "46 4B 83 05 01 01",  # a string that is not in the table
        "46 4B C0 01 01",  # extension
        "46 4B 40 61 00 01 01",  # extension with a string
        "46 4B C3 8F FF FF FF 7F 01 01",  # more octets than there are
        "46 4B 03 31",  # no end of the string
    ],
)
def test_body_refused(tokens: str) -> None:
    """What WBXML does not allow or SyncML gives no meaning."""
    assert tree.BAD_FORMAT == _body_refusal(tokens).answer


def test_left_over() -> None:
    """Nothing may follow the root."""
    octets = USUAL + HEADER + ENDS

    assert len(octets) == _refusal(octets + b"\0").offset


def test_another_root() -> None:
    """The root is a SyncML element, and nothing else stands outside."""
    for tokens in ("46 4B 03 31 00 01 01", "2D", "03 61 00", "3D"):
        assert tree.BAD_FORMAT == _refusal(USUAL + bytes.fromhex(tokens)).answer


def test_depth() -> None:
    """Elements stand at most 32 deep, in documents that lie in a message too."""
    octets = HEADER + bytes.fromhex("48") * 31 + b"\x01" * 31 + ENDS

    assert "more than 32" in str(_refusal(USUAL + octets))


def test_number_of_elements() -> None:
    """There is an upper bound, which unknown elements do not escape."""
    most = tree.MAX_ELEMENTS - 11  # which the message has without them

    assert Message(SHORT) == _body("3D" * most)
    assert tree.TOO_LARGE == _body_refusal("3D" * (most + 1)).answer


def test_size() -> None:
    """There is an upper bound for the whole."""
    assert tree.TOO_LARGE == _refusal(USUAL + bytes(tree.MAX_OCTETS)).answer


def test_string_table_bomb() -> None:
    """What references amount to is bounded: three octets could mean a megabyte."""
    start = bytes.fromhex("02 A4 01 6A 84 80 00") + b"a" * 0x10000
    references = "83 00" * (tree.MAX_TEXT // 0x10000 + 1)
    octets = HEADER + bytes.fromhex(f"46 4B 03 31 00 01 4F {references} 01 01") + ENDS

    assert tree.TOO_LARGE == _refusal(start + octets).answer


@given(st.binary(max_size=60))
def test_random_octets(octets: bytes) -> None:
    """Whatever comes, it is a message or it is malformed."""
    for start in (b"", USUAL, USUAL + HEADER):
        with suppress(tree.MalformedMessage):
            wbxml.decode(start + octets)


@given(st.data())
def test_mutated_octets(data: st.DataObject) -> None:
    """The same after some octets of a good message were changed, taken out or put in."""
    octets = bytearray(wbxml.encode(everything(data.draw(st.sampled_from(Version)))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(tree.MalformedMessage):
        wbxml.decode(bytes(octets))


def test_truncated() -> None:
    """A message that ends anywhere too early is malformed."""
    octets = wbxml.encode(everything(Version.V1_2))

    for length in range(len(octets)):
        assert tree.BAD_FORMAT == _refusal(octets[:length]).answer
