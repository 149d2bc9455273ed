"""What is true of every data object. TS 102 223 clause 8, TS 101 220 table 7.23."""

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.octets.tlv import ComprehensionTlv
from cardsync.toolkit import data_object
from cardsync.toolkit.codes import (
    AccessTechnologyCode,
    CommandType,
    EnvelopeTag,
    EventCode,
    GeneralResult,
)
from cardsync.toolkit.data_object import DataObject, MalformedObject, Unknown, of_event
from cardsync.toolkit.objects import CommandDetails, calls, information, network, readers, texts
from vectors import load

CLASSES = data_object.classes()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_is_a_frozen_value_with_its_clause(cls: type[DataObject]) -> None:
    """Frozen, slotted, and its docstring says where it stands."""
    assert is_dataclass(cls)
    assert "__dict__" not in dir(cls)

    doc = cls.__doc__ or ""
    ours = cls.THREE_OCTETS

    assert ours or "lause" in doc or "table 7.23" in doc


@settings(max_examples=20)
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@given(value=st.binary(max_size=24))
def test_what_was_read_is_written_to_the_same_octets(cls: type[DataObject], value: bytes) -> None:
    """Any octets are refused with the result that is owed, or are the same again."""
    places = [at for (_, at), known in data_object._ELSEWHERE.items() if known is cls]
    place = places[0] if places else None
    try:
        found = data_object.read(cls.TAG, cls.THREE_OCTETS, value, place)
    except MalformedObject as exc:
        found, owed = None, exc.answer
    else:
        owed = GeneralResult.DATA_NOT_UNDERSTOOD

    assert GeneralResult.DATA_NOT_UNDERSTOOD == owed
    assert found is None or (cls, value) == (type(found), found.value())
    assert found is None or found == cls.read(value)


def test_an_object_cannot_be_changed() -> None:
    """It is a value."""
    details = CommandDetails(1, CommandType.REFRESH)
    with pytest.raises(FrozenInstanceError):
        details.number = 2  # type: ignore[misc]  # that is what the test is about

    assert ["number", "type", "qualifier"] == [field.name for field in fields(details)]


def test_an_unknown_object_is_kept() -> None:
    """In one octet and in three; nothing of it is lost."""
    for one in (ComprehensionTlv(0x5F, b"ab"), ComprehensionTlv(0x1234, b"", three_octets=True)):
        found = data_object.decode(one)

        assert Unknown(one.tag, one.value, one.three_octets) == found
        assert one.value == found.value()
        assert one.encode() == found.encode(comprehension=False)


def test_the_flag_of_comprehension() -> None:
    """Bit 8 of the tag. TS 101 220 clause 7.1.1."""
    details = CommandDetails(1, CommandType.DISPLAY_TEXT, 0x80)

    assert bytes.fromhex("8103012180") == details.encode()
    assert bytes.fromhex("0103012180") == details.encode(comprehension=False)


ELSEWHERE = [
    (0x31, CommandType.LAUNCH_BROWSER, "Url"),
    (0x31, CommandType.SET_UP_CALL, "ImsUri"),
    (0x31, CommandType.PROVIDE_LOCAL_INFORMATION, "RejectedSlicesInformation"),
    (0x12, CommandType.REFRESH, "FileList"),
    (0x12, CommandType.LSI_COMMAND, "LsiNumbers"),
    (0x12, CommandType.COMMAND_CONTAINER, "CatServiceList"),
    (0x22, CommandType.PERFORM_CARD_APDU, "CApdu"),
    (0x22, CommandType.COMMAND_CONTAINER, "EncryptedTlvList"),
    (0x3A, CommandType.GET_READER_STATUS, "CardReaderIdentifier"),
    (0x3A, CommandType.REFRESH, "RefreshEnforcementPolicy"),
    (0x40, CommandType.OPEN_CHANNEL, "DnsServerAddress"),
    (0x40, of_event(EventCode.DISPLAY_PARAMETERS_CHANGED), "DisplayParameters"),
    (0x0B, EnvelopeTag.SMS_PP_DOWNLOAD, "SmsTpdu"),
    (0x0B, of_event(EventCode.DATA_CONNECTION_STATUS_CHANGE), "ConnectionType"),
    (0x57, of_event(EventCode.NETWORK_REJECTION), "ExtendedRejectionCause"),
    (0x57, of_event(EventCode.CSG_CELL_SELECTION), "HnbName"),
    (0x77, of_event(EventCode.IMS_REGISTRATION), "ImpuList"),
    (0x77, EnvelopeTag.GEOGRAPHICAL_LOCATION, "GadShape"),
]


@pytest.mark.parametrize(("tag", "place", "name"), ELSEWHERE)
def test_tags_with_a_meaning_of_their_own_in_some_messages(tag: int, place: int, name: str) -> None:
    """TS 101 220 table 7.23: one tag, two meanings, told apart by the message."""
    for octets in ("01", "010203", "01020304"):
        try:
            found = data_object.read(
                tag, three_octets=False, value=bytes.fromhex(octets), place=place
            )
        except MalformedObject:
            continue

        assert name == type(found).__name__
        return
    pytest.fail("none of the octets was read")


def test_every_tag_of_the_table_is_known() -> None:
    """TS 101 220 table 7.23 as the folder of vectors has it."""
    assigned = {int(tag, 16) for tag in load("codepoints.json")["comprehension_tags"]["assigned"]}

    assert set() == assigned - {tag for tag, three_octets in data_object._KNOWN if not three_octets}


def test_lists_of_codes_agree_with_the_table() -> None:
    """Types of command and events, by number."""
    points = load("codepoints.json")
    types = {int(code, 16) for code, name in points["type_of_command"]["assigned"].items()
             if not name.startswith(("void", "reserved", "End"))}  # fmt: skip
    events = {int(code, 16) for code, name in points["events"]["assigned"].items()
              if not name.startswith(("void", "reserved"))}  # fmt: skip

    assert types == set(CommandType)
    assert events == set(EventCode)


def test_a_code_that_the_list_lacks_is_kept() -> None:
    """A later release may know it."""
    assert [0x08, 0x7F] == [data_object.code(AccessTechnologyCode, octet) for octet in (0x08, 0x7F)]
    assert AccessTechnologyCode.E_UTRAN is data_object.code(AccessTechnologyCode, 8)


SHAPES = [
    (lambda: network.MeasurementQualifier(256), "code 256"),
    (lambda: texts.ItemIdentifier(-1), "identifier -1"),
    (lambda: information.Esn(b"abc"), "too few"),
    (lambda: readers.CardReaderStatus.read(b""), "1 octets are expected"),
    (lambda: calls.Address.read(b""), "type of number"),
]


@pytest.mark.parametrize(("make", "message"), SHAPES)
def test_an_object_that_exists_is_valid(make: object, message: str) -> None:
    """What its octets cannot hold cannot be made."""
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_shapes_give_nothing_of_themselves() -> None:
    """A data object without a value of its own is none."""
    with pytest.raises(NotImplementedError):
        DataObject().value()
    with pytest.raises(NotImplementedError):
        DataObject.read(b"")


def test_an_error_keeps_the_octets_to_itself() -> None:
    """They may be a secret: a password for a channel is a text string like any other."""
    with pytest.raises(MalformedObject) as caught:
        data_object.read(0x0D, three_octets=False, value=b"\x08secre")

    assert "secre" not in str(caught.value)
    assert b"secre".hex() not in str(caught.value).lower()
