"""Every proactive command: its octets, its objects, both ways. TS 102 223 clauses 6.6 and 6.8.

The octets are those of TS 31.124 and TS 102 384 where the docstring or the row says so; the
others follow the tables of clause 6.6.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.toolkit import commands, objects
from cardsync.toolkit.browser import (
    BrowserIdentity,
    FrameIdentifier,
    FrameLayout,
    MultimediaMessageReference,
    Url,
)
from cardsync.toolkit.calls import Address, DtmfString, SmsTpdu, SsString, Subaddress, UssdString
from cardsync.toolkit.channels import (
    ActivateDescriptor,
    AttributeInformation,
    BearerDescription,
    BufferSize,
    ChannelData,
    ChannelDataLength,
    ContactlessFunctionalityState,
    NetworkAccessName,
    OtherAddress,
    ServiceRecord,
    ServiceSearch,
    TransportLevel,
)
from cardsync.toolkit.codes import (
    AddressType,
    BearerType,
    CommandType,
    Device,
    EventCode,
    GeneralResult,
    LocalInformation,
    TimeUnit,
    ToneCode,
    TransportProtocol,
)
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse, command
from cardsync.toolkit.data_object import DataObject, Unknown
from cardsync.toolkit.information import Language
from cardsync.toolkit.looks import (
    Colour,
    ItemTextAttributeList,
    TextAttribute,
    TextFormat,
    TextSize,
)
from cardsync.toolkit.network import GeographicalLocationParameters
from cardsync.toolkit.objects import Duration, TimerIdentifier, TimerValue
from cardsync.toolkit.readers import (
    AtCommand,
    CApdu,
    EcatSequenceNumber,
    EncryptedTlvList,
    FileList,
    LsiNumbers,
    Mac,
    SaTemplate,
)
from cardsync.toolkit.texts import (
    AlphaIdentifier,
    DefaultText,
    IconIdentifier,
    Item,
    ItemIconIdentifierList,
    ItemsNextAction,
    ResponseLength,
    TextString,
    Tone,
)


def may(one: DataObject) -> Part:
    """Give an object whose comprehension is not required."""
    return Part(one, comprehension=False)


NETWORK = Device.NETWORK
NUMBER = Address("012340123456C1C2")
ITEMS = (Item(1, "Item 1"), Item(2, "Item 2"), Item(3, "Item 3"))
GREEN_ON_YELLOW = Colour.DARK_GREEN, Colour.BRIGHT_YELLOW
LOOK = TextFormat(0, 6, *GREEN_ON_YELLOW, size=TextSize.SMALL)
TPDU = bytes.fromhex("0100099110325476F840F40C") + b"Test Message"
USSD = bytes.fromhex(
    "41E19058341E9149E592D9743EA151E9945AB55EB1596D2B2C1E93CBE6333AAD5EB3DBEE373C2E9FD3EBF63B3EAF"
    "6FC564335ACD76C3E560"
)

COMMANDS = [
    (  # TS 31.124 clause 27.22.4.7, sequence 1.2
        "D010 8103010101 82028182 9205013F002FE2",
        command(CommandType.REFRESH, FileList(1, b"\x3f\x00\x2f\xe2"), qualifier=1),
    ),
    ("D009 8103010200 82028182", command(CommandType.MORE_TIME)),  # 27.22.4.4, sequence 1.1
    ("D00D 8103010300 82028182 84020114", commands.poll_interval(20)),  # 27.22.4.6, sequence 1.1
    ("D009 8103010400 82028182", command(CommandType.POLLING_OFF)),  # 27.22.4.14, sequence 1.1
    (  # 27.22.4.16, sequence 1.1
        "D00C 8103010500 82028182 990104",
        commands.set_up_event_list((EventCode.USER_ACTIVITY,)),
    ),
    (  # 27.22.4.13, sequence 1.11
        ("D02B 8103011000 82028183 850C43616C6C6564207061727479 8609911032042143651C2C"
        "880780509595959595"),
        command(
            CommandType.SET_UP_CALL,
            AlphaIdentifier("Called party"),
            NUMBER,
            Subaddress(bytes.fromhex("80509595959595")),
            to=NETWORK,
        ),
    ),
    (  # 27.22.4.11, sequence 1.1
        ("D029 8103011100 82028183 850C43616C6C20466F7277617264"
        "891091AA120A214365870921436587A901FB"),
        command(
            CommandType.SEND_SS,
            AlphaIdentifier("Call Forward"),
            SsString("**21*01234567890123456789*10#"),
            to=NETWORK,
        ),
    ),
    (  # 27.22.4.12, sequence 1.1
        "D050 8103011200 82028183 850A372D6269742055535344 8A39F0" + USSD.hex(),
        command(
            CommandType.SEND_USSD, AlphaIdentifier("7-bit USSD"), UssdString(0xF0, USSD), to=NETWORK
        ),
    ),
    (  # 27.22.4.10, sequence 1.1
        "D037 8103011300 82028183 850753656E6420534D 86099111223344556677F8 8B18" + TPDU.hex(),
        command(
            CommandType.SEND_SHORT_MESSAGE,
            AlphaIdentifier("Send SM"),
            Address("112233445566778"),
            SmsTpdu(TPDU),
            to=NETWORK,
        ),
    ),
    (  # 27.22.4.24, sequence 1.3
        "D013 8103011400 82028183 8500 AC06C1CCCCCCCC2C",
        command(
            CommandType.SEND_DTMF, AlphaIdentifier(""), DtmfString("1CCCCCCCCCC2"), to=NETWORK
        ),
    ),
    (  # 27.22.4.26, sequence 1.3: "Browser identity, default URL"
        "D00E 8103011500 82028182 300100 3100",
        command(CommandType.LAUNCH_BROWSER, may(BrowserIdentity(0)), may(Url(""))),
    ),
    (
        "D011 8103011600 82028182 F606010203040506",
        command(
            CommandType.GEOGRAPHICAL_LOCATION_REQUEST,
            GeographicalLocationParameters(1, 2, 3, 4, 5, 6),
        ),
    ),
    (  # 27.22.4.5, sequence 1.1
        "D01B 8103012000 82028103 85094469616C20546F6E65 8E0101 84020105",
        command(
            CommandType.PLAY_TONE,
            AlphaIdentifier("Dial Tone"),
            Tone(ToneCode.DIAL),
            Duration(TimeUnit.SECONDS, 5),
            to=Device.EARPIECE,
        ),
    ),
    (  # 27.22.4.1, sequence 5.3
        "D01A 8103012180 82028102 8D0B0442617369632049636F6E 9E020101",
        command(
            CommandType.DISPLAY_TEXT,
            TextString("Basic Icon"),
            IconIdentifier(1, 1),
            qualifier=0x80,
            to=Device.DISPLAY,
        ),
    ),
    (  # 27.22.4.2, sequence 1.5
        "D015 8103012201 82028182 8D0A04456E74657220227122",
        command(CommandType.GET_INKEY, TextString('Enter "q"'), qualifier=1),
    ),
    (  # after 27.22.4.3, sequence 5.2
        "D01A 8103012300 82028182 8D0704456E7465723A 9102A0A0 170304 2A2A",
        command(
            CommandType.GET_INPUT,
            TextString("Enter:"),
            ResponseLength(160, 160),
            may(DefaultText("**")),
        ),
    ),
    (  # 27.22.4.9, sequence 2.1
        ("D039 8103012400 82028182 850E546F6F6C6B69742053656C656374 8F07014974656D2031"
        "8F07024974656D2032 8F07034974656D2033 1803131026"),
        command(
            CommandType.SELECT_ITEM,
            AlphaIdentifier("Toolkit Select"),
            *ITEMS,
            may(ItemsNextAction((0x13, 0x10, 0x26))),
        ),
    ),
    (  # 27.22.4.8, sequence 4.1
        ("D03C 8103012500 82028182 850C546F6F6C6B6974204D656E75 8F07014974656D2031"
        "8F07024974656D2032 8F07034974656D2033 9E020101 9F0401050505"),
        command(
            CommandType.SET_UP_MENU,
            AlphaIdentifier("Toolkit Menu"),
            *ITEMS,
            IconIdentifier(1, 1),
            ItemIconIdentifierList(1, (5, 5, 5)),
        ),
    ),
    (  # 27.22.4.8, sequence 6.5
        ("D048 8103012500 82028182 850E546F6F6C6B6974204D656E752031 8F07014974656D2031"
        "8F07024974656D2032 8F07034974656D2033 D004000E08B4 D10C000608B4000608B4000608B4"),
        command(
            CommandType.SET_UP_MENU,
            AlphaIdentifier("Toolkit Menu 1"),
            *ITEMS,
            TextAttribute((TextFormat(0, 14, *GREEN_ON_YELLOW, size=TextSize.SMALL),)),
            ItemTextAttributeList((LOOK, LOOK, LOOK)),
        ),
    ),
    (  # 27.22.4.8, sequence 1.1: the menu is taken away
        "D00D 8103012500 82028182 8500 8F00",
        command(CommandType.SET_UP_MENU, AlphaIdentifier(""), Item(0, "")),
    ),
    (  # 27.22.4.15, sequence 1.2
        "D009 8103012601 82028182",
        commands.provide_local_information(LocalInformation.IMEI),
    ),
    ("D011 8103012700 82028182 A40101 A503005000", commands.start_timer(1, 300)),  # 27.22.4.21
    (  # 27.22.4.22, sequence 1.1; then one that takes the text away
        "D01A 8103012800 82028182 8D0F0449646C65204D6F64652054657874",
        command(CommandType.SET_UP_IDLE_MODE_TEXT, TextString("Idle Mode Text")),
    ),
    ("D00B 8103012800 82028182 8D00", command(CommandType.SET_UP_IDLE_MODE_TEXT,
                                              TextString("", None))),
    (  # 27.22.4.17, sequence 1.1
        "D012 8103013000 82028111 A207A0A40000023F00",
        command(
            CommandType.PERFORM_CARD_APDU,
            CApdu(bytes.fromhex("A0A40000023F00")),
            to=Device.CARD_READER_1,
        ),
    ),
    ("D009 8103013100 82028111", command(CommandType.POWER_ON_CARD, to=Device.CARD_READER_1)),
    ("D009 8103013200 82028111", command(CommandType.POWER_OFF_CARD, to=Device.CARD_READER_1)),
    ("D009 8103013300 82028182", command(CommandType.GET_READER_STATUS)),  # 27.22.4.20
    (  # 27.22.4.23, sequence 2.4
        "D023 8103013400 82028182 850B436F6C6F75722049636F6E A80741542B43474D49 9E020102",
        command(
            CommandType.RUN_AT_COMMAND,
            AlphaIdentifier("Colour Icon"),
            AtCommand("AT+CGMI"),
            IconIdentifier(1, 2),
        ),
    ),
    (  # 27.22.4.25, sequence 1.1
        "D00D 8103013501 82028182 AD027365",
        command(CommandType.LANGUAGE_NOTIFICATION, Language("se"), qualifier=1),
    ),
    (  # 27.22.4.27, sequence 2.3
        ("D04B 8103014001 82028182 05074F70656E204944 350702030403041F02 39020578"
        "470A06546573744770027273 0D08F4557365724C6F67 0D08F4557365725077 64 3C0301AD9C"
        "3E052101010101"),
        command(
            CommandType.OPEN_CHANNEL,
            may(AlphaIdentifier("Open ID")),
            may(BearerDescription(BearerType.PACKET, bytes.fromhex("030403041F02"))),
            may(BufferSize(1400)),
            may(NetworkAccessName(("TestGp", "rs"))),
            may(TextString("UserLog", 0xF4)),
            may(TextString("UserPwd", 0xF4)),
            may(TransportLevel(TransportProtocol.UDP_CLIENT_REMOTE, 44444)),
            may(OtherAddress(AddressType.IPV4, b"\1\1\1\1")),
            qualifier=1,
        ),
    ),
    ("D009 8103014100 82028121", command(CommandType.CLOSE_CHANNEL, to=Device.CHANNEL_1)),
    (  # 27.22.4.29, sequence 1.1
        "D00C 8103014200 82028121 B701C8",
        command(CommandType.RECEIVE_DATA, ChannelDataLength(200), to=Device.CHANNEL_1),
    ),
    (  # 27.22.4.30, sequence 1.1
        "D013 8103014301 82028121 B6080001020304050607",
        command(
            CommandType.SEND_DATA, ChannelData(bytes(range(8))), qualifier=1, to=Device.CHANNEL_1
        ),
    ),
    ("D009 8103014400 82028182", command(CommandType.GET_CHANNEL_STATUS)),
    ("D00D 8103014500 82028182 C3020102", command(CommandType.SERVICE_SEARCH,
                                                  ServiceSearch(1, b"\2"))),
    ("D00D 8103014600 82028182 C4020102", command(CommandType.GET_SERVICE_INFORMATION,
                                                  AttributeInformation(1, b"\2"))),
    ("D00D 8103014700 82028182 C1020102", command(CommandType.DECLARE_SERVICE,
                                                  ServiceRecord(1, b"\2"))),
    (
        "D011 8103015000 82028182 680101 E603013232",
        command(CommandType.SET_FRAMES, may(FrameIdentifier(1)), FrameLayout(1, (50, 50))),
    ),
    ("D009 8103015100 82028182", command(CommandType.GET_FRAMES_STATUS)),
    (
        "D011 8103016000 82028183 EA0101 9203012FE2",
        command(
            CommandType.RETRIEVE_MULTIMEDIA_MESSAGE,
            MultimediaMessageReference(b"\1"),
            FileList(1, b"\x2f\xe2"),
            to=NETWORK,
        ),
    ),
    (
        "D00E 8103016100 82028183 9203013F00",
        command(CommandType.SUBMIT_MULTIMEDIA_MESSAGE, FileList(1, b"\x3f\0"), to=NETWORK),
    ),
    (
        "D00E 8103016200 82028102 9203013F00",
        command(CommandType.DISPLAY_MULTIMEDIA_MESSAGE, FileList(1, b"\x3f\0"), to=Device.DISPLAY),
    ),
    ("D00C 8103017000 82028182 FB0101", command(CommandType.ACTIVATE, ActivateDescriptor(1))),
    ("D00C 8103017100 82028182 D40100", command(CommandType.CONTACTLESS_STATE_CHANGED,
                                                ContactlessFunctionalityState(0))),
    (
        "D015 8103017200 82028182 A103000001 E00102 A20103",
        command(
            CommandType.COMMAND_CONTAINER,
            EcatSequenceNumber(b"\0\0\1"),
            Mac(b"\2"),
            EncryptedTlvList(b"\3"),
        ),
    ),
    (
        "D00C 8103017300 82028182 A30101",
        command(CommandType.ENCAPSULATED_SESSION_CONTROL, SaTemplate(b"\1")),
    ),
    ("D00C 8103017900 82028182 920101", command(CommandType.LSI_COMMAND, LsiNumbers(b"\1"))),
]  # fmt: skip


def octets_of(text: str) -> bytes:
    """Give the octets of a row; the outer length is set, so that a row can be read by eye."""
    body = bytes.fromhex(text[4:])
    return b"\xd0" + (b"" if len(body) < 128 else b"\x81") + bytes([len(body)]) + body


@pytest.mark.parametrize(("text", "built"), COMMANDS, ids=lambda one: str(one)[:18])
def test_a_command_both_ways(text: str, built: ProactiveCommand) -> None:
    """The octets give the objects, the objects the octets. TS 102 223 clause 6.6."""
    octets = octets_of(text)

    assert built == ProactiveCommand.decode(octets)
    assert octets == built.encode()
    assert () == built.unknown


def test_every_type_of_command_has_its_row() -> None:
    """Types 01 to 79 of TS 102 223 clause 9.4."""
    assert set(CommandType) == {built.details.type for _, built in COMMANDS}


RESPONSES = [
    ("810301218082028281830100", GeneralResult.PERFORMED, ()),  # DISPLAY TEXT 1.1
    ("810301218082028281830104", GeneralResult.ICON_NOT_DISPLAYED, ()),  # 5.1B
    ("810301218082028281830111", GeneralResult.BACKWARD_MOVE, ()),  # 1.7
    ("81030110008202828183022002", GeneralResult.TERMINAL_UNABLE, ()),  # SET UP CALL 1.6
    ("810301270282028281830124A40103", GeneralResult.CONTRADICTION_WITH_TIMER,
     (TimerIdentifier(3),)),
    ("81030103008202828183010084020114", GeneralResult.PERFORMED,
     (Duration(TimeUnit.SECONDS, 20),)),
    ("810301270282028281830100A40102A503328585", GeneralResult.PERFORMED,
     (TimerIdentifier(2), TimerValue(23 * 3600 + 58 * 60 + 58))),
    ("8103012300820282818301008D0104", GeneralResult.PERFORMED, (TextString(""),)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "general", "found"), RESPONSES)
def test_a_response_both_ways(text: str, general: int, found: tuple[DataObject, ...]) -> None:
    """TS 31.124, the responses of clause 27.22.4. TS 102 223 clause 6.8."""
    response = TerminalResponse.decode(bytes.fromhex(text))

    assert general == response.result.general
    assert found == tuple(part.object for part in response.parts)
    assert (general < 0x10) == response.performed
    assert bytes.fromhex(text) == response.encode()


def test_a_response_without_flags() -> None:
    """Terminals in use leave the flags of identities and result out; they stay out."""
    octets = bytes.fromhex("8103012180 02028281 030100")
    response = TerminalResponse.decode(octets)

    assert (True, False, False) == response.flags
    assert octets == response.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8103012180",
        "810301218082028281",
        "820282818103012180830100",
        "8103012180830100",
        "81030121808202828183",
        "8102012182028281830100",
    ],
)
def test_a_response_that_is_none(text: str) -> None:
    """Details, identities, result, in this order; the card owes `6A80`."""
    with pytest.raises(PeerError) as caught:
        TerminalResponse.decode(bytes.fromhex(text))

    assert SW.INCORRECT_DATA == caught.value.answer


MISSING = GeneralResult.VALUES_MISSING
NOT_UNDERSTOOD = GeneralResult.DATA_NOT_UNDERSTOOD

REFUSED = [
    ("", NOT_UNDERSTOOD, "nothing"),
    ("D0", NOT_UNDERSTOOD, "no length"),
    ("D00A810301210082028182", NOT_UNDERSTOOD, "too short"),
    ("D009810301040082028182FF", NOT_UNDERSTOOD, "too long"),
    ("D109810301040082028182", NOT_UNDERSTOOD, "an envelope"),
    ("D08109810301040082028182", NOT_UNDERSTOOD, "a length in two octets"),
    ("D007810181", NOT_UNDERSTOOD, "a TLV that is cut off"),
    ("D00400000000", NOT_UNDERSTOOD, "no tag"),
    ("D000", MISSING, "no details"),
    ("D0058103010400", MISSING, "no identities"),
    ("D009820281828103010400", MISSING, "the wrong order"),
    ("D008810201048202 8182".replace(" ", ""), NOT_UNDERSTOOD, "details of two octets"),
    ("D0098103012100 82028102".replace(" ", ""), MISSING, "DISPLAY TEXT without a text"),
    ("D00D8103010300 8202818284020100".replace(" ", ""), NOT_UNDERSTOOD, "an interval of 0"),
    ("D00D8103010300 8202818284020301".replace(" ", ""), NOT_UNDERSTOOD, "a unit that is none"),
    ("D00F81030125008202818285008F008F00", NOT_UNDERSTOOD, "two null items: 27.22.4.8 negative"),
    ("D01681030125008202818285008F008F07014974656D2031", NOT_UNDERSTOOD, "an item behind it"),
    ("D00D81030124008202818285008F00", NOT_UNDERSTOOD, "a choice of nothing"),
    ("D00C8103012700 82028182A40101".replace(" ", ""), MISSING, "a timer without a time"),
]


@pytest.mark.parametrize(("text", "owed", "why"), REFUSED)
def test_a_command_that_is_none(text: str, owed: int, why: str) -> None:
    """Each is refused with the general result that is owed. TS 102 223 clause 8.12."""
    with pytest.raises(PeerError) as caught:
        ProactiveCommand.decode(bytes.fromhex(text))

    assert owed == caught.value.answer, why


def test_what_must_be_understood_and_is_not() -> None:
    """An unknown object is ignored, or owes `32` if its flag is set. TS 102 223 clause 6.2."""
    octets = bytes.fromhex("D015 8103010400 82028182 DF0101 5F0102 7FFE7F00".replace(" ", ""))
    octets = octets[:1] + bytes([len(octets) - 2]) + octets[2:]
    decoded = ProactiveCommand.decode(octets)

    assert octets == decoded.encode()
    assert (Unknown(0x5F, b"\1"), Unknown(0x7E7F, b"", three_octets=True)) == decoded.unknown


def test_flags_of_the_first_two_objects_are_kept() -> None:
    """Neither order nor flags of what a card sends are changed."""
    octets = bytes.fromhex("D009 0103010400 02028182")

    assert octets == ProactiveCommand.decode(octets).encode()


def test_the_objects_are_found_by_their_class() -> None:
    """The first, all, or `36` where one is needed; a default text is no text string."""
    decoded = ProactiveCommand.decode(octets_of(COMMANDS[15][0]))

    assert TextString("Enter:") == commands.first(decoded.parts, TextString)
    assert DefaultText("**") == commands.required(decoded.parts, DefaultText)
    assert (ResponseLength(160, 160),) == commands.every(decoded.parts, ResponseLength)
    assert commands.first(decoded.parts, Item) is None
    with pytest.raises(PeerError) as caught:
        commands.required(decoded.parts, Item)

    assert MISSING == caught.value.answer


MADE = [
    (commands.display_text("Hi"), "D00F 8103012101 82028102 8D03044869"),
    (commands.display_text("你", high_priority=False), "D00F 8103012100 82028102 8D03084F60"),
    (commands.ask_yes_no("?"), "D00E 8103012204 82028182 8D02043F"),
    (commands.set_up_menu("A", ((7, "b"),)), "D010 8103012500 82028182 850141 8F020762"),
    (commands.launch_browser("http://a"), "D013 8103011500 82028182 B108687474703A2F2F61"),
    (commands.send_short_message(b"\1\0"), "D00D 8103011300 82028183 8B020100"),
]


@pytest.mark.parametrize(("made", "text"), MADE)
def test_commands_that_the_card_makes(made: ProactiveCommand, text: str) -> None:
    """What the application says is what a terminal reads."""
    assert octets_of(text) == made.encode()
    assert made == ProactiveCommand.decode(made.encode())


def mutated() -> st.SearchStrategy[bytes]:
    """Give the octets of a command with some of them changed, cut out or put in."""
    rows = st.sampled_from([octets_of(text) for text, _ in COMMANDS])
    edit = st.tuples(st.integers(0, 80), st.integers(0, 2), st.binary(max_size=3))

    def change(octets: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
        for at, gone, put in edits:
            octets = octets[:at] + put + octets[at + gone :]
        return octets

    return st.builds(change, rows, st.lists(edit, max_size=3))


@given(st.one_of(st.binary(max_size=60), mutated()))
def test_any_octets_as_a_command(octets: bytes) -> None:
    """Refused with a general result, or the same again; nothing else is raised."""
    try:
        decoded = ProactiveCommand.decode(octets)
    except PeerError as exc:
        owed, again = exc.answer, octets
    else:
        owed, again = MISSING, decoded.encode()

    assert owed in {MISSING, NOT_UNDERSTOOD}
    assert octets == again


@given(st.one_of(st.binary(max_size=60), mutated().map(lambda octets: octets[2:])))
def test_any_octets_as_a_response(octets: bytes) -> None:
    """Refused with a status word, or the same again."""
    try:
        decoded = TerminalResponse.decode(octets)
    except PeerError as exc:
        owed, again = exc.answer, octets
    else:
        owed, again = SW.INCORRECT_DATA, decoded.encode()

    assert SW.INCORRECT_DATA == owed
    assert octets == again


def test_the_catalogue_names_what_is_in_daily_use() -> None:
    """`objects` gives the classes under one name each."""
    assert (Address, SmsTpdu, Url) == (objects.Address, objects.SmsTpdu, objects.Url)
    assert (AlphaIdentifier, TextString) == (objects.AlphaIdentifier, objects.TextString)
