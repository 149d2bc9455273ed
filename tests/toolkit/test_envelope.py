"""ENVELOPE: every kind and every event. TS 102 223 clause 7, TS 31.111 clause 7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.toolkit import envelope, objects
from cardsync.toolkit.browser import BrowserTerminationCause, BrowsingStatus, FramesInformation
from cardsync.toolkit.calls import (
    Address,
    CapabilityConfigurationParameters,
    Cause,
    CellBroadcastPage,
    SmsTpdu,
    TransactionIdentifier,
    UssdString,
)
from cardsync.toolkit.channels import ChannelDataLength, ChannelStatus, ContactlessStateRequest
from cardsync.toolkit.codes import EnvelopeTag, EventCode, SearchMode, TimeUnit
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.information import (
    AccessTechnology,
    DisplayParameters,
    Language,
    LocationInformation,
    LocationStatus,
    NetworkSearchMode,
)
from cardsync.toolkit.network import (
    CsgCellSelectionStatus,
    DataConnectionStatus,
    DataConnectionType,
    Iari,
    ImpuList,
    ImsStatusCode,
    RegistrationKind,
    RejectionCause,
    SessionManagementCause,
    SlicesStatus,
    TrackingAreaIdentification,
    WlanAccessStatus,
)
from cardsync.toolkit.objects import DeviceIdentities, EventList, TimerIdentifier, TimerValue
from cardsync.toolkit.parts import Part
from cardsync.toolkit.readers import CardReaderStatus, EcatSequenceNumber, EncryptedTlvList
from cardsync.toolkit.texts import HelpRequest, ItemIdentifier

CENTRE = Address("112233445566778")
PLACE = LocationInformation("001", "011", bytes.fromhex("00010001"))
TPDU = bytes.fromhex("04049121437F16891010000000000D") + b"Short Message"
PAGE = bytes.fromhex("C01110019611") + bytes(82)


def made(tag: EnvelopeTag, *found: DataObject | Part) -> Envelope:
    """Make an envelope of its objects; a part says itself whether it must be understood."""
    return Envelope(tag, tuple(one if isinstance(one, Part) else Part(one) for one in found))


def may(one: DataObject) -> Part:
    """Give an object whose comprehension is not required."""
    return Part(one, comprehension=False)


ENVELOPES = [
    (  # TS 31.124 clause 27.22.5.1, sequence 1.6
        "D12D 82028381 06099111223344556677F8 8B1C" + TPDU.hex(),
        made(EnvelopeTag.SMS_PP_DOWNLOAD, envelope.NETWORK_TO_UICC, may(CENTRE), SmsTpdu(TPDU)),
    ),
    (  # 27.22.5.2, sequence 1.7
        "D25E 82028381 8C58" + PAGE.hex(),
        made(
            EnvelopeTag.CELL_BROADCAST_DOWNLOAD, envelope.NETWORK_TO_UICC, CellBroadcastPage(PAGE)
        ),
    ),
    (  # 27.22.4.8, sequence 2.1: help
        "D309 82020181 900102 1500",
        made(
            EnvelopeTag.MENU_SELECTION,
            envelope.KEYPAD_TO_UICC,
            ItemIdentifier(2),
            may(HelpRequest()),
        ),
    ),
    (  # 27.22.6, sequence 1.1B
        "D423 82028281 860B9110325476981032547698 070706600402000581 130700111000010001",
        made(
            EnvelopeTag.CALL_CONTROL,
            objects.TERMINAL_TO_UICC,
            Address("01234567890123456789"),
            may(CapabilityConfigurationParameters(bytes.fromhex("06600402000581"))),
            may(PLACE),
        ),
    ),
    (  # 27.22.8, sequence 1.1B
        "D520 02028281 06099111223344556677F8 06069110325476F8 130700111000010001",
        made(
            EnvelopeTag.MO_SHORT_MESSAGE_CONTROL,
            may(objects.TERMINAL_TO_UICC),
            may(CENTRE),
            may(Address("012345678")),
            may(PLACE),
        ),
    ),
    (  # 27.22.4.21, sequence 2.2
        "D70C 82028281 A40101 A503000003",
        envelope.timer_expiration(1, 30),
    ),
    (
        "D908 82028381 8A020F41",
        made(EnvelopeTag.USSD_DOWNLOAD, envelope.NETWORK_TO_UICC, UssdString(0x0F, b"A")),
    ),
    ("D307 82020181 900112", envelope.menu_selection(18)),  # 27.22.4.8, sequence 1.1
]


@pytest.mark.parametrize(("text", "built"), ENVELOPES, ids=lambda one: str(one)[:16])
def test_an_envelope_both_ways(text: str, built: Envelope) -> None:
    """The octets give the objects, the objects the octets."""
    octets = bytes.fromhex(text)
    octets = octets[:1] + bytes([len(octets) - 2]) + octets[2:]

    assert built == Envelope.decode(octets)
    assert octets == built.encode()


def test_a_short_message_for_the_card() -> None:
    """With and without the centre; what is in it is found again. TS 31.111 clause 7.1.1.2."""
    told = Envelope.decode(envelope.sms_pp_download(TPDU, CENTRE).encode())
    bare = Envelope.decode(envelope.sms_pp_download(TPDU).encode())

    assert (TPDU, CENTRE) == (envelope.tpdu_of(told), envelope.centre_of(told))
    assert (TPDU, None) == (envelope.tpdu_of(bare), envelope.centre_of(bare))


NETWORK = envelope.NETWORK_TO_UICC
EVENTS: dict[EventCode, tuple[DataObject, ...]] = {
    EventCode.MT_CALL: (NETWORK, TransactionIdentifier((0,)), Address("9876", 0x81)),
    EventCode.CALL_CONNECTED: (NETWORK, TransactionIdentifier((0x80,))),
    EventCode.CALL_DISCONNECTED: (TransactionIdentifier((0x80,)), Cause(b"\xe0\x90")),
    EventCode.LOCATION_STATUS: (LocationStatus(0), PLACE),
    EventCode.USER_ACTIVITY: (),
    EventCode.IDLE_SCREEN_AVAILABLE: (),
    EventCode.CARD_READER_STATUS: (CardReaderStatus(0x59),),
    EventCode.LANGUAGE_SELECTION: (Language("se"),),
    EventCode.BROWSER_TERMINATION: (BrowserTerminationCause(0),),
    EventCode.DATA_AVAILABLE: (ChannelStatus(0x81, b"\0"), ChannelDataLength(255)),
    EventCode.CHANNEL_STATUS: (ChannelStatus(1, b"\5"),),
    EventCode.ACCESS_TECHNOLOGY_CHANGE: (AccessTechnology((8,)),),
    EventCode.DISPLAY_PARAMETERS_CHANGED: (DisplayParameters(8, 20, 0),),
    EventCode.LOCAL_CONNECTION: (),
    EventCode.NETWORK_SEARCH_MODE_CHANGE: (NetworkSearchMode(SearchMode.MANUAL),),
    EventCode.BROWSING_STATUS: (BrowsingStatus(b"404"),),
    EventCode.FRAMES_INFORMATION_CHANGE: (FramesInformation(b"\1"),),
    EventCode.WLAN_ACCESS_STATUS: (WlanAccessStatus(2),),
    EventCode.NETWORK_REJECTION: (
        TrackingAreaIdentification("001", "01", b"\0\1"),
        AccessTechnology((8,)),
        RegistrationKind(0x0B),
        RejectionCause(0x0C),
    ),
    EventCode.HCI_CONNECTIVITY: (),
    EventCode.ACCESS_TECHNOLOGY_CHANGE_MULTIPLE: (AccessTechnology((8, 10)),),
    EventCode.CSG_CELL_SELECTION: (AccessTechnology((8,)), CsgCellSelectionStatus(b"\1\0")),
    EventCode.CONTACTLESS_STATE_REQUEST: (ContactlessStateRequest(0),),
    EventCode.IMS_REGISTRATION: (ImpuList(b"\x80\1a"), ImsStatusCode(b"200")),
    EventCode.INCOMING_IMS_DATA: (Iari(b"urn"),),
    EventCode.PROFILE_CONTAINER: (EcatSequenceNumber(b"\0\0\1"),),
    EventCode.SECURED_PROFILE_CONTAINER: (EncryptedTlvList(b"\1"),),
    EventCode.POLL_INTERVAL_NEGOTIATION: (objects.Duration(TimeUnit.SECONDS, 30),),
    EventCode.DATA_CONNECTION_STATUS_CHANGE: (
        DataConnectionStatus(1),
        DataConnectionType(1),
        SessionManagementCause(0x1B),
    ),
    EventCode.CAG_CELL_SELECTION: (),
    EventCode.SLICES_STATUS_CHANGE: (SlicesStatus(b"\1"),),
}


@pytest.mark.parametrize("event", EventCode)
def test_every_event(event: EventCode) -> None:
    """Each event of clause 8.25 is told with what belongs to it and read again."""
    found = EVENTS[event]
    built = envelope.event_download(event, *[one for one in found if one != NETWORK],
                                    devices=NETWORK if NETWORK in found
                                    else objects.TERMINAL_TO_UICC)  # fmt: skip
    decoded = Envelope.decode(built.encode())

    assert built == decoded
    assert event == decoded.event
    assert EnvelopeTag.EVENT_DOWNLOAD == built.encode()[0]


REFUSED = [
    ("", "nothing"),
    ("D004820281 82".replace(" ", ""), "a command"),
    ("D182 0005 820281 82".replace(" ", ""), "a length in two octets"),
    ("8104820281 82".replace(" ", ""), "an object"),
    ("9F0104820281 82".replace(" ", ""), "a tag of two octets"),
    ("D304820281 81".replace(" ", ""), "a menu selection without an item"),
    ("D103 900101", "no identities"),
    ("D6048202 8281", "no event"),
    ("D70782028281A40101", "a timer without its value"),
    ("D70C82028281A40109A503000003", "a timer 9"),
    ("D3078202018190011200", "an octet too many"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_an_envelope_that_is_none(text: str, why: str) -> None:
    """The card owes `6A80`. TS 102 221 clause 10.2.1.5."""
    with pytest.raises(PeerError) as caught:
        Envelope.decode(bytes.fromhex(text))

    assert SW.INCORRECT_DATA == caught.value.answer, why


def test_an_envelope_of_another_kind_has_no_event() -> None:
    """Only an event download names one, and just one."""
    several = made(EnvelopeTag.EVENT_DOWNLOAD, EventList((3, 4)), objects.TERMINAL_TO_UICC)
    other = made(EnvelopeTag.MENU_SELECTION, EventList((3,)), ItemIdentifier(1))
    for one in (several, other):
        with pytest.raises(PeerError, match="one event"):
            _ = one.event


def test_identities_before_the_event() -> None:
    """As the telephony of Gecko writes it: the event still says what its objects are."""
    octets = bytes.fromhex("D60F 82028381 99011D 9D0101 AA0100 AE011B".replace(" ", ""))
    octets = bytes([0xD6, len(octets) - 2]) + octets[2:]
    decoded = Envelope.decode(octets)
    cause = SessionManagementCause(27)

    assert EventCode.DATA_CONNECTION_STATUS_CHANGE == decoded.event
    assert cause == decoded.parts[-1].object
    assert octets == decoded.encode()


def test_the_tag_of_prose_report_is_one_octet() -> None:
    """`DF`, though BER would go on behind it. TS 101 220 table 7.17."""
    octets = bytes.fromhex("DF0D 82028381 A607 20801041325400".replace(" ", ""))

    assert EnvelopeTag.PROSE_REPORT == Envelope.decode(octets).tag
    assert octets == Envelope.decode(octets).encode()


def test_the_proprietary_envelope_is_kept() -> None:
    """`CF`, terminal to UICC. TS 101 220 table 7.17."""
    octets = bytes.fromhex("CF07 82028281 5F0101")

    assert octets == Envelope.decode(octets).encode()


@given(st.one_of(
    st.binary(max_size=40),
    st.builds(lambda text, at, put: (octets := bytes.fromhex(text[5:]))[:at] + put + octets[at:],
              st.sampled_from([text for text, _ in ENVELOPES]), st.integers(0, 40),
              st.binary(max_size=4)).map(lambda body: bytes([0xD6, len(body) % 128]) + body),
))  # fmt: skip
def test_any_octets_as_an_envelope(octets: bytes) -> None:
    """Refused with a status word, or the same again."""
    try:
        decoded = Envelope.decode(octets)
    except PeerError as exc:
        owed, again = exc.answer, octets
    else:
        owed, again = SW.INCORRECT_DATA, decoded.encode()

    assert SW.INCORRECT_DATA == owed
    assert octets == again


def test_parts_are_values() -> None:
    """A part of an envelope is written as it stands in it."""
    part = may(TimerIdentifier(1))

    assert bytes.fromhex("240101") == part.encode()
    assert (TimerValue(30), DeviceIdentities(0x82, 0x81)) == tuple(
        one.object for one in reversed(envelope.timer_expiration(1, 30).parts[::2])
    )
