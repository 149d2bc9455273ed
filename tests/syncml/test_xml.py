"""XML, both ways. SyncML Representation Protocol 1.2 clause 6, XML 1.0."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError
from cardsync.syncml import tree, xml
from cardsync.syncml.elements import (
    Add,
    Alert,
    Anchor,
    Item,
    Location,
    Message,
    Meta,
    Put,
    Sync,
    SyncHdr,
    Unread,
    Version,
)
from syncml_messages import PRINTABLE, Strategies, device, everything

HEADER = (
    "<SyncHdr><VerDTD>1.2</VerDTD><VerProto>SyncML/1.2</VerProto><SessionID>1</SessionID>"
    "<MsgID>2</MsgID><Target><LocURI>a</LocURI></Target><Source><LocURI>b</LocURI></Source>"
    "</SyncHdr>"
)
SHORT = SyncHdr("1", 2, Location("a"), Location("b"))


def _document(body: str, before: str = "", space: str = ' xmlns="SYNCML:SYNCML1.2"') -> bytes:
    return f"{before}<SyncML{space}>{HEADER}<SyncBody>{body}</SyncBody></SyncML>".encode()


def _refusal(octets: bytes) -> tree.MalformedMessage:
    with pytest.raises(tree.MalformedMessage) as caught:
        xml.decode(octets)
    return caught.value


def test_document() -> None:
    """Declaration, name spaces of message and meta-information, escapes."""
    add = Add(3, (Item(source=Location("9"), data=b"<&>\r\n"),), Meta(type="t"))
    octets = b'<?xml version="1.0" encoding="UTF-8"?>' + _document(
        '<Add><CmdID>3</CmdID><Meta><Type xmlns="syncml:metinf">t</Type></Meta><Item><Source>'
        "<LocURI>9</LocURI></Source><Data>&lt;&amp;&gt;&#13;\n</Data></Item></Add><Final/>"
    )
    message = Message(SHORT, (add,), final=True)

    assert octets == xml.encode(message)
    assert message == xml.decode(octets)


@pytest.mark.parametrize("version", Version)
def test_everything(version: Version) -> None:
    """Every command and every element comes back as it was, device information in line."""
    message = everything(version)
    commands = tuple([each for each in message.commands if not isinstance(each, Sync)])

    assert Message(message.header, commands) == xml.decode(
        xml.encode(Message(message.header, commands))
    )


@given(Strategies(PRINTABLE, st.text(PRINTABLE, max_size=200).map(str.encode)).messages())
def test_round_trip(message: Message) -> None:
    """Whatever can be said in characters of XML comes back as it was."""
    assert message == xml.decode(xml.encode(message))


@pytest.mark.parametrize("octets", [b"\xff", b"a\0b", b"\x1b", "\uffff".encode()])
def test_no_characters(octets: bytes) -> None:
    """What XML has no characters for must come in base64: a mistake of ours."""
    with pytest.raises(LocalError):
        xml.encode(Message(SHORT, (Add(1, (Item(data=octets),)),)))


def test_half_a_surrogate_pair() -> None:
    """Nor does it have these."""
    with pytest.raises(LocalError):
        xml.encode(Message(SyncHdr("\udc00", 1, Location("a"), Location("b"))))


def test_base64_stays() -> None:
    """The session decodes what Format says is base64."""
    item = Item(meta=Meta(format="b64"), data=b"AAEC")
    message = Message(SHORT, (Add(1, (item,)),))

    assert message == xml.decode(xml.encode(message))


@pytest.mark.parametrize(
    "octets",
    [
        _document("<Alert><CmdID>1</CmdID></Alert>", space=""),
        _document("<Alert><CmdID> 1\n</CmdID></Alert>", space=' xmlns="SYNCML:SYNCML1.1"'),
        _document("<Alert><CmdID>1</CmdID></Alert>", space=' xmlns="syncml:syncml"'),
        _document(
            "<Alert><CmdID>1</CmdID></Alert>",
            '<?xml version="1.0"?><!DOCTYPE SyncML PUBLIC "-//SYNCML//DTD SyncML 1.2//EN" '
            '"http://www.example.org/no.dtd">',
        ),
        _document("<Alert><CmdID><![CDATA[1]]></CmdID></Alert><!-- no more -->"),
        _document("<s:Alert><s:CmdID>1</s:CmdID></s:Alert>", space=' xmlns:s="SYNCML:SYNCML1.2"'),
        _document("\n<Alert  lang='x'>\n<CmdID>1</CmdID>\n</Alert>\n"),
        "\ufeff".encode() + _document("<Alert><CmdID>1</CmdID></Alert>"),
        _document("<Alert><CmdID>1</CmdID></Alert>").decode().encode("utf-16"),
        _document(
            "<Alert><CmdID>1</CmdID></Alert>", '<?xml version="1.0" encoding="windows-1252"?>'
        ),
    ],
)
def test_other_forms(octets: bytes) -> None:
    """Name spaces or none, prefixes, a bare DOCTYPE, CDATA, white space, other encodings."""
    assert Message(SHORT, (Alert(1),)) == xml.decode(octets)


def test_meta_information_in_line() -> None:
    """Anchors in the data of an item, MetInf around or not, with name space or not."""
    item = "<Alert><CmdID>1</CmdID><Item><Data>%s</Data></Item></Alert>"
    anchor = "<Anchor><Last>1</Last><Next>2</Next></Anchor>"
    expected = (Alert(1, 0, (Item(data=Meta(anchor=Anchor("2", "1"))),)),)

    for data in (anchor, f"\n <MetInf xmlns='syncml:metinf'>{anchor}</MetInf>\n"):
        assert expected == xml.decode(_document(item % data)).commands


def test_unknown_elements() -> None:
    """Foreign names and foreign name spaces are passed over with all they hold."""
    body = (
        "<New><Alert><CmdID>9</CmdID></Alert></New><Alert xmlns='urn:foreign'/>"
        "<Alert><CmdID>1</CmdID><x:CmdID xmlns:x='urn:x'>2</x:CmdID><New>3</New></Alert>"
    )

    assert (Alert(1),) == xml.decode(_document(body)).commands


@pytest.mark.parametrize("inside", ["<note>x</note>", "x<b xmlns='urn:x'/>", "a <New/> b"])
def test_item_in_markup(inside: str) -> None:
    """A peer should escape it (clause 6.1.6); where it does not, it is kept as it was written."""
    octets = _document(f"<Add><CmdID>1</CmdID><Item><Data> {inside}\n</Data></Item></Add>")

    assert (Add(1, (Item(data=inside.encode()),)),) == xml.decode(octets).commands


def test_elements_of_ours_in_data() -> None:
    """What SyncML knows, and has nothing to say there, is no item."""
    octets = _document("<Add><CmdID>1</CmdID><Item><Data><Item/></Data></Item></Add>")
    (command,) = xml.decode(octets).commands

    assert isinstance(command, Unread)
    assert " in Add/Item/Data/" in command.reason


def test_device_information_as_text() -> None:
    """Some peers escape the document, or put it into CDATA."""
    put = Put(1, (Item(data=device("1.2")),))
    inner = xml.encode(Message(SHORT, (put,))).decode()
    document = inner[inner.index("<DevInf") : inner.index("</Data>")]
    octets = _document(
        "<Put><CmdID>1</CmdID><Item><Meta><Type>application/vnd.syncml-devinf+xml</Type></Meta>"
        f"<Data><![CDATA[{document}]]></Data></Item></Put>"
    )
    command = xml.decode(octets).commands[0]

    assert isinstance(command, Put)
    assert device("1.2") == command.items[0].data


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<SyncML>",
        b"<SyncML/><SyncML/>",
        _document("<Alert><CmdID>1</CmdID></Sync>"),
        _document("<s:Alert/>"),
        _document("<Alert>&unknown;</Alert>"),
        _document("", '<!DOCTYPE SyncML SYSTEM "x.dtd">').replace(b"<MsgID>", b"<MsgID>&x;"),
        _document("", "<!DOCTYPE SyncML [<!ELEMENT SyncML ANY>]>"),
        _document("", '<!DOCTYPE SyncML [<!ENTITY a "b">]>'),
        _document("", "<?xml version='1.0' encoding='no-such'?>"),
        _document("", "<?xml version='1.0' encoding='gb18030'?>").replace(b">1<", b">\xff<"),
        b"\xff\xfe" + _document(""),
    ],
)
def test_refused(octets: bytes) -> None:
    """No XML, no name space, entities, declarations, encodings that are not there."""
    assert tree.BAD_FORMAT == _refusal(octets).answer


def test_another_root() -> None:
    """The root is a SyncML element."""
    assert () == _refusal(b"<html/>").path
    assert ("Sync",) == _refusal(b"<Sync/>").path


def test_entity_bomb() -> None:
    """Ten times ten times ten is not begun."""
    levels = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(9))
    octets = _document("<Alert>&a9;</Alert>", f'<!DOCTYPE SyncML [<!ENTITY a0 "x">{levels}]>')

    assert "declarations" in str(_refusal(octets))


def test_depth() -> None:
    """Elements stand at most 32 deep."""
    octets = _document("<Atomic>" * 31 + "</Atomic>" * 31)

    assert "more than 32" in str(_refusal(octets))


def test_number_of_elements() -> None:
    """There is an upper bound, which unknown elements do not escape."""
    most = tree.MAX_ELEMENTS - 11  # which the message has without them

    assert Message(SHORT) == xml.decode(_document("<New/>" * most))
    assert tree.TOO_LARGE == _refusal(_document("<New/>" * (most + 1))).answer


def test_size() -> None:
    """There is an upper bound for the whole."""
    assert tree.TOO_LARGE == _refusal(_document(" " * tree.MAX_OCTETS)).answer


@given(st.data())
def test_mutated_octets(data: st.DataObject) -> None:
    """After some octets of a good message were changed it is a message or it is malformed."""
    octets = bytearray(xml.encode(Message(SHORT, everything(Version.V1_2).commands[:6])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(tree.MalformedMessage):
        xml.decode(bytes(octets))


@given(st.lists(st.sampled_from([*"<>/&;!?[]='\" a", "SyncML", "Data", "CDATA"]), max_size=60))
def test_random_markup(pieces: list[str]) -> None:
    """Whatever comes, it is a message or it is malformed."""
    text = "".join(pieces)
    for octets in (text.encode(), _document(text)):
        with suppress(tree.MalformedMessage):
            xml.decode(octets)
