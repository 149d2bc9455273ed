"""Device information in its two forms. SyncML Device Information 1.2 clause 5, 1.1 clause 5."""

from dataclasses import replace

import pytest

from cardsync.errors import LocalError
from cardsync.syncml import codec, xml
from cardsync.syncml.devinf import ContentType, CtCap, DevInf, FilterCap, Property, PropParam
from cardsync.syncml.elements import Command, Item, Location, Message, Put, SyncHdr, Unread
from syncml_messages import device

SHORT = SyncHdr("1", 2, Location("a"), Location("b"))
START = xml.encode(Message(SHORT)).partition(b"</SyncBody>")[0]
STORE = (
    "<DataStore><SourceRef>./x</SourceRef><Rx-Pref><CTType>a</CTType><VerCT>1</VerCT></Rx-Pref>"
    "<Tx-Pref><CTType>a</CTType><VerCT>1</VerCT></Tx-Pref>%s<SyncCap><SyncType>1</SyncType>"
    "</SyncCap></DataStore>"
)
TOP = "<DevInf><VerDTD>1.1</VerDTD><DevID>d</DevID><DevTyp>pda</DevTyp>%s</DevInf>"


def _put(inside: str) -> Command:
    put = f"<Put><CmdID>1</CmdID><Item><Data>{TOP % inside}</Data></Item></Put></SyncBody></SyncML>"
    return xml.decode(START + put.encode()).commands[0]


def _unread(inside: str) -> Unread:
    """Read a Put that cannot be read."""
    command = _put(inside)
    assert isinstance(command, Unread)
    return command


def _read(inside: str) -> DevInf:
    """Read device information that stands in a Put."""
    command = _put(inside)
    assert isinstance(command, Put)
    data = command.items[0].data
    assert isinstance(data, DevInf)
    return data


def _written(info: DevInf) -> str:
    message = Message(SHORT, (Put(1, (Item(data=info),)),))
    assert codec.encode(message, codec.WBXML)
    return xml.encode(message).decode()


def test_types_of_1_2() -> None:
    """Each property is an element, and its type stands in the datastore."""
    text = _written(device("1.2"))

    assert "<CTCap><CTType>text/x-vcard</CTType><VerCT>2.1</VerCT><FieldLevel/><Property>" in text
    assert text.index("<CTCap>") < text.index("<DSMem>") < text.index("<SupportHierarchicalSync/>")


def test_types_of_1_1() -> None:
    """Properties and parameters follow each other flat, behind the datastores."""
    text = _written(device("1.1"))

    assert (
        "</DataStore><CTCap><CTType>text/x-vcard</CTType><PropName>TEL</PropName>"
        "<DataType>chr</DataType><Size>40</Size><ValEnum>CELL</ValEnum><ValEnum>HOME</ValEnum>"
        "<DisplayName>Phone</DisplayName><ParamName>TYPE</ParamName><DataType>chr</DataType>"
        "<ValEnum>WORK</ValEnum><DisplayName>Kind</DisplayName><PropName>FN</PropName></CTCap>"
    ) in text


def test_types_of_1_2_for_an_older_peer() -> None:
    """What stands in datastores is written once, flat, without what is new in 1.2."""
    text = _written(replace(device("1.2"), version="1.1"))

    assert 1 == text.count("<CTCap>") == text.count("<PropName>TEL<")
    assert not [name for name in ("Property>", "MaxOccur", "Hierarch", "NoTrunc") if name in text]


def test_types_in_the_wrong_place() -> None:
    """From 1.2 on they do not stand beside the datastores: a mistake of ours."""
    cap = CtCap(ContentType("a", "1"))
    with pytest.raises(LocalError):
        _written(replace(device("1.2"), ct_caps=(cap,)))


def test_no_types() -> None:
    """Without content types there is no CTCap. NOCTCAP, as some peers call it."""
    info = replace(device("1.1"), ct_caps=())

    assert "CTCap" not in _written(info)


def test_flat_types() -> None:
    """One CTCap may hold several types; a size and values belong to what is named before them."""
    info = _read(
        "<CTCap><CTType>a</CTType><PropName>p</PropName><DataType>chr</DataType><Size>5</Size>"
        "<ParamName>q</ParamName><Size>6</Size><ValEnum>v</ValEnum><PropName>r</PropName>"
        "<CTType>b</CTType></CTCap><CTCap><CTType>c</CTType><PropName>s</PropName></CTCap>"
    )
    first = Property("p", "chr", max_size=5, params=(PropParam("q", values=("v",)),))

    assert (
        CtCap(ContentType("a", ""), (first, Property("r"))),
        CtCap(ContentType("b", "")),
        CtCap(ContentType("c", ""), (Property("s"),)),
    ) == info.ct_caps


def test_versions_of_a_type() -> None:
    """Some peers list several versions after one type."""
    info = _read(STORE % "<Tx><CTType>a</CTType><VerCT>1</VerCT><VerCT>2</VerCT></Tx>")

    assert (ContentType("a", "1"), ContentType("a", "2")) == info.datastores[0].tx


def test_unknown_things() -> None:
    """A private SyncType is kept, foreign elements are passed over, and so is a version."""
    info = _read(
        (STORE % "<MaxObjSize>5</MaxObjSize><FilterCap><CTType>a</CTType></FilterCap>").replace(
            "</SyncCap>", "<SyncType>390001</SyncType></SyncCap>"
        )
    )

    assert (1, 390001) == info.datastores[0].sync_types
    assert (FilterCap(ContentType("a", "")),) == info.datastores[0].filter_caps


@pytest.mark.parametrize(
    "inside",
    [
        STORE.replace("SourceRef", "DisplayName") % "",
        STORE.replace(">1<", ">all<") % "",
        "<DevID>second</DevID>",
        "<Ext><XVal>a</XVal></Ext>",
        "<CTCap><PropName>p</PropName><CTType>a</CTType></CTCap>",
        "<CTCap><CTType>a</CTType><Property/></CTCap>",
        "<CTCap><CTType>a</CTType><PropName>p</PropName><Size>big</Size></CTCap>",
    ],
)
def test_refused(inside: str) -> None:
    """What says something must be readable, and be known by its name."""
    assert " in Put/Item/Data/DevInf" in _unread(inside).reason
