"""What a message must have. TS 102 223 and TS 31.111 clauses 6.6 and 7."""

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit import structure
from cardsync.toolkit.browser import Url
from cardsync.toolkit.calls import Address, CdmaSmsTpdu, ImsUri, SmsTpdu
from cardsync.toolkit.channels import BearerDescription, BufferSize, TransportLevel
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, GeneralResult
from cardsync.toolkit.data_object import DataObject
from cardsync.toolkit.network import PlmnWithAccessTechnologyList
from cardsync.toolkit.objects import TERMINAL_TO_UICC, EventList, TimerIdentifier, TimerValue
from cardsync.toolkit.readers import FileList
from cardsync.toolkit.texts import AlphaIdentifier, DefaultText, Item, ResponseLength, TextString


@pytest.mark.parametrize("command", structure.COMMANDS, ids=lambda one: one.name)
def test_a_command_with_nothing_in_it(command: CommandType) -> None:
    """Each command of the table needs something: `36`."""
    with pytest.raises(PeerError) as caught:
        structure.check(command, 0xFF, ())

    assert GeneralResult.VALUES_MISSING == caught.value.answer


@pytest.mark.parametrize("command", set(CommandType) - set(structure.COMMANDS))
def test_a_command_that_needs_nothing(command: CommandType) -> None:
    """The others have optional objects alone."""
    structure.check(command, 0xFF, ())


BUFFER = BufferSize(1400)
ENOUGH: list[tuple[CommandType, int, tuple[DataObject, ...]]] = [
    (CommandType.SET_UP_CALL, 0, (Address("1"),)),
    (CommandType.SET_UP_CALL, 0, (ImsUri(b"sip:a"),)),
    (CommandType.SEND_SHORT_MESSAGE, 0, (SmsTpdu(b""),)),
    (CommandType.SEND_SHORT_MESSAGE, 0, (CdmaSmsTpdu(b""),)),
    (CommandType.OPEN_CHANNEL, 0, (BearerDescription(3), BUFFER)),
    (CommandType.OPEN_CHANNEL, 0, (TransportLevel(3, 80), BUFFER)),
    (CommandType.REFRESH, 0x04, ()),
    (CommandType.REFRESH, 0x01, (FileList(0, b""),)),
    (CommandType.REFRESH, 0x07, (PlmnWithAccessTechnologyList(b""),)),
    (CommandType.TIMER_MANAGEMENT, 0x01, (TimerIdentifier(1),)),
    (CommandType.TIMER_MANAGEMENT, 0x00, (TimerIdentifier(1), TimerValue(1))),
    (CommandType.LANGUAGE_NOTIFICATION, 0x00, ()),
    (CommandType.SET_UP_MENU, 0, (AlphaIdentifier(""), Item(0, ""))),
    (CommandType.SET_UP_MENU, 0, (AlphaIdentifier(""), Item(1, "a"), Item(2, "b"))),
]


@pytest.mark.parametrize(("command", "qualifier", "found"), ENOUGH)
def test_enough(command: int, qualifier: int, found: tuple[DataObject, ...]) -> None:
    """One of two is enough where the table says so; some need more by their qualifier."""
    structure.check(command, qualifier, found)


TOO_LITTLE: list[tuple[CommandType, int, tuple[DataObject, ...]]] = [
    (CommandType.OPEN_CHANNEL, 0, (BearerDescription(3),)),
    (CommandType.GET_INPUT, 0, (DefaultText("a"), ResponseLength(0, 1))),
    (CommandType.GET_INPUT, 0, (TextString("a"),)),
    (CommandType.LAUNCH_BROWSER, 0, (ImsUri(b""),)),
    (CommandType.REFRESH, 0x01, ()),
    (CommandType.REFRESH, 0x02, ()),
    (CommandType.REFRESH, 0x07, ()),
    (CommandType.REFRESH, 0x08, ()),
    (CommandType.TIMER_MANAGEMENT, 0x00, (TimerIdentifier(1),)),
    (CommandType.LANGUAGE_NOTIFICATION, 0x01, ()),
    (CommandType.SET_UP_MENU, 0, (Item(1, "a"),)),
]


@pytest.mark.parametrize(("command", "qualifier", "found"), TOO_LITTLE)
def test_too_little(command: int, qualifier: int, found: tuple[DataObject, ...]) -> None:
    """A default text is no text string, an IMS URI no URL."""
    with pytest.raises(PeerError, match="is missing") as caught:
        structure.check(command, qualifier, found)

    assert GeneralResult.VALUES_MISSING == caught.value.answer


@pytest.mark.parametrize("command", [CommandType.SET_UP_MENU, CommandType.SELECT_ITEM])
def test_a_null_item_beside_others(command: CommandType) -> None:
    """`32`. TS 31.124 clause 27.22.4.8, the negative ones."""
    with pytest.raises(PeerError) as caught:
        structure.check(command, 0, (AlphaIdentifier(""), Item(0, ""), Item(1, "a")))

    assert GeneralResult.DATA_NOT_UNDERSTOOD == caught.value.answer


@pytest.mark.parametrize("tag", structure.ENVELOPES, ids=lambda one: one.name)
def test_an_envelope_with_nothing_in_it(tag: EnvelopeTag) -> None:
    """Identities, and what the envelope is for."""
    for found in ((), (TERMINAL_TO_UICC,)):
        with pytest.raises(PeerError, match="is missing"):
            structure.check_envelope(tag, found)
    with pytest.raises(PeerError, match="DeviceIdentities is missing"):
        structure.check_envelope(tag, (Url(""),))


@pytest.mark.parametrize("event", EventCode, ids=lambda one: one.name)
def test_an_event_with_nothing_in_it(event: EventCode) -> None:
    """Most events bring something. TS 102 223 and TS 31.111 clause 7.5."""
    found = (EventList((event,)), TERMINAL_TO_UICC)
    if event not in structure.EVENTS:
        structure.check_envelope(EnvelopeTag.EVENT_DOWNLOAD, found)
        return
    with pytest.raises(PeerError, match="is missing"):
        structure.check_envelope(EnvelopeTag.EVENT_DOWNLOAD, found)


def test_events_that_need_nothing() -> None:
    """They say all by their name, or what they bring may be left out; several are not checked."""
    free = set(EventCode) - set(structure.EVENTS)

    assert {
        EventCode.USER_ACTIVITY,
        EventCode.IDLE_SCREEN_AVAILABLE,
        EventCode.LOCAL_CONNECTION,
        EventCode.HCI_CONNECTIVITY,
        EventCode.PROFILE_CONTAINER,
        EventCode.SECURED_PROFILE_CONTAINER,
        EventCode.CAG_CELL_SELECTION,
        EventCode.SLICES_STATUS_CHANGE,
    } == free

    structure.check_envelope(
        EnvelopeTag.EVENT_DOWNLOAD, (EventList((EventCode.MT_CALL, 3)), TERMINAL_TO_UICC)
    )
