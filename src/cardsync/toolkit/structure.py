"""Which objects a message must have.

TS 102 223 clause 6.6 and TS 31.111 clause 6.6 (commands), clause 7 of both (envelopes), our
specification (REQUEST SYNCHRONIZATION). Where one of several objects is enough they stand in one
tuple. What is optional is not listed.
"""

from cardsync.errors import PeerError
from cardsync.toolkit import (
    browser,
    calls,
    channels,
    information,
    network,
    objects,
    readers,
    texts,
)
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, GeneralResult
from cardsync.toolkit.data_object import DataObject

_Needs = tuple[tuple[type[DataObject], ...], ...]

COMMANDS: dict[int, _Needs] = {
    CommandType.POLL_INTERVAL: ((objects.Duration,),),
    CommandType.SET_UP_EVENT_LIST: ((objects.EventList,),),
    CommandType.SET_UP_CALL: ((calls.Address, calls.ImsUri),),
    CommandType.SEND_SS: ((calls.SsString,),),
    CommandType.SEND_USSD: ((calls.UssdString,),),
    CommandType.SEND_SHORT_MESSAGE: ((calls.SmsTpdu, calls.CdmaSmsTpdu),),
    CommandType.SEND_DTMF: ((calls.DtmfString,),),
    CommandType.LAUNCH_BROWSER: ((browser.Url,),),
    CommandType.DISPLAY_TEXT: ((texts.TextString,),),
    CommandType.GET_INKEY: ((texts.TextString,),),
    CommandType.GET_INPUT: ((texts.TextString,), (texts.ResponseLength,)),
    CommandType.SELECT_ITEM: ((texts.Item,),),
    CommandType.SET_UP_MENU: ((texts.AlphaIdentifier,), (texts.Item,)),
    CommandType.TIMER_MANAGEMENT: ((objects.TimerIdentifier,),),
    CommandType.SET_UP_IDLE_MODE_TEXT: ((texts.TextString,),),
    CommandType.PERFORM_CARD_APDU: ((readers.CApdu,),),
    CommandType.RUN_AT_COMMAND: ((readers.AtCommand,),),
    CommandType.OPEN_CHANNEL: (
        (channels.BearerDescription, channels.TransportLevel, network.Iari),
        (channels.BufferSize,),
    ),
    CommandType.RECEIVE_DATA: ((channels.ChannelDataLength,),),
    CommandType.SEND_DATA: ((channels.ChannelData,),),
    CommandType.SERVICE_SEARCH: ((channels.ServiceSearch,),),
    CommandType.GET_SERVICE_INFORMATION: ((channels.AttributeInformation,),),
    CommandType.DECLARE_SERVICE: ((channels.ServiceRecord,),),
    CommandType.SET_FRAMES: ((browser.FrameIdentifier,),),
    CommandType.RETRIEVE_MULTIMEDIA_MESSAGE: (
        (browser.MultimediaMessageReference,),
        (readers.FileList,),
    ),
    CommandType.SUBMIT_MULTIMEDIA_MESSAGE: ((readers.FileList,),),
    CommandType.DISPLAY_MULTIMEDIA_MESSAGE: ((readers.FileList,),),
    CommandType.ACTIVATE: ((channels.ActivateDescriptor,),),
    CommandType.CONTACTLESS_STATE_CHANGED: ((channels.ContactlessFunctionalityState,),),
}
"""What a command must have, by its type."""

QUALIFIED: dict[tuple[int, int], _Needs] = {
    (CommandType.REFRESH, 0x01): ((readers.FileList,),),
    (CommandType.REFRESH, 0x02): ((readers.FileList,),),
    (CommandType.REFRESH, 0x07): ((network.PlmnWithAccessTechnologyList,),),
    (CommandType.REFRESH, 0x08): ((network.PlmnList,),),
    (CommandType.TIMER_MANAGEMENT, 0x00): ((objects.TimerValue,),),
    (CommandType.LANGUAGE_NOTIFICATION, 0x01): ((information.Language,),),
}
"""What a command must have besides, by its type and its qualifier."""

_OPERATION = 0x03  # bits 1 and 2 of the qualifier: start, cancel, query status, capabilities
_REFERENCE: _Needs = ((so.SessionReference,),)
SYNCHRONIZATION: _Needs = tuple(
    [
        (wanted, so.ProfileReference)
        for wanted in (
            so.SynchronizationProtocol,
            so.TransportList,
            so.SynchronizationType,
            so.SourceDatabase,
            so.TargetDatabase,
        )
    ]
)
"""What REQUEST SYNCHRONIZATION must have to start: all of it, or a profile in its place."""

ENVELOPES: dict[int, _Needs] = {
    EnvelopeTag.SMS_PP_DOWNLOAD: ((calls.SmsTpdu,),),
    EnvelopeTag.CELL_BROADCAST_DOWNLOAD: ((calls.CellBroadcastPage,),),
    EnvelopeTag.MENU_SELECTION: ((texts.ItemIdentifier,),),
    EnvelopeTag.CALL_CONTROL: (
        (
            calls.Address,
            calls.SsString,
            calls.UssdString,
            calls.ImsUri,
            network.PdpContextActivationParameters,
            network.EpsPdnConnectionActivationParameters,
            network.PduSessionEstablishmentParameters,
        ),
    ),
    EnvelopeTag.MO_SHORT_MESSAGE_CONTROL: ((calls.Address, calls.ImsUri),),
    EnvelopeTag.EVENT_DOWNLOAD: ((objects.EventList,),),
    EnvelopeTag.TIMER_EXPIRATION: ((objects.TimerIdentifier,), (objects.TimerValue,)),
    EnvelopeTag.USSD_DOWNLOAD: ((calls.UssdString,),),
}
"""What an envelope must have besides its device identities, by its BER tag."""

_CALL: _Needs = ((calls.TransactionIdentifier,),)
_TECHNOLOGY: _Needs = ((information.AccessTechnology,),)
_WHERE = (
    information.LocationInformation,
    network.RoutingAreaIdentification,
    network.TrackingAreaIdentification,
)
EVENTS: dict[int, _Needs] = {
    EventCode.MT_CALL: _CALL,
    EventCode.CALL_CONNECTED: _CALL,
    EventCode.CALL_DISCONNECTED: _CALL,
    EventCode.LOCATION_STATUS: ((information.LocationStatus,),),
    EventCode.CARD_READER_STATUS: ((readers.CardReaderStatus,),),
    EventCode.LANGUAGE_SELECTION: ((information.Language,),),
    EventCode.BROWSER_TERMINATION: ((browser.BrowserTerminationCause,),),
    EventCode.DATA_AVAILABLE: ((channels.ChannelStatus,), (channels.ChannelDataLength,)),
    EventCode.CHANNEL_STATUS: ((channels.ChannelStatus,),),
    EventCode.ACCESS_TECHNOLOGY_CHANGE: _TECHNOLOGY,
    EventCode.DISPLAY_PARAMETERS_CHANGED: ((information.DisplayParameters,),),
    EventCode.NETWORK_SEARCH_MODE_CHANGE: ((information.NetworkSearchMode,),),
    EventCode.BROWSING_STATUS: ((browser.BrowsingStatus,),),
    EventCode.FRAMES_INFORMATION_CHANGE: ((browser.FramesInformation,),),
    EventCode.WLAN_ACCESS_STATUS: ((network.WlanAccessStatus,),),
    EventCode.NETWORK_REJECTION: (_WHERE,),
    EventCode.ACCESS_TECHNOLOGY_CHANGE_MULTIPLE: _TECHNOLOGY,
    EventCode.CSG_CELL_SELECTION: ((network.CsgCellSelectionStatus,),),
    EventCode.CONTACTLESS_STATE_REQUEST: ((channels.ContactlessStateRequest,),),
    EventCode.IMS_REGISTRATION: ((network.ImpuList, network.ImsStatusCode),),
    EventCode.INCOMING_IMS_DATA: ((network.Iari,),),
    EventCode.POLL_INTERVAL_NEGOTIATION: ((objects.Duration,),),
    EventCode.DATA_CONNECTION_STATUS_CHANGE: ((network.DataConnectionStatus,),),
}
"""What the download of one event must have besides. TS 102 223 and TS 31.111 clause 7.5."""

_WITH_ITEMS = frozenset({CommandType.SELECT_ITEM, CommandType.SET_UP_MENU})


def check(command: int, qualifier: int, found: tuple[DataObject, ...]) -> None:
    """Raise `PeerError` if a command lacks what it must have (`36`) or has a menu that is none."""
    _need(COMMANDS.get(command, ()), found)
    if (command, qualifier) in QUALIFIED:
        _need(QUALIFIED[command, qualifier], found)
    if command == so.CODE_POINTS.command:
        _need(_synchronization(qualifier & _OPERATION, found), found)
    if command in _WITH_ITEMS:
        _check_items(command, found)


def check_envelope(tag: int, found: tuple[DataObject, ...]) -> None:
    """Raise `PeerError` if an envelope lacks what it must have."""
    _need(((objects.DeviceIdentities,),), found)
    _need(ENVELOPES.get(tag, ()), found)
    if tag == EnvelopeTag.EVENT_DOWNLOAD:
        _check_event(found)


def _check_event(found: tuple[DataObject, ...]) -> None:
    """Raise `PeerError` if an event lacks what belongs to it; of several events none is checked."""
    events = next(one for one in found if isinstance(one, objects.EventList)).events
    if len(events) == 1:
        _need(EVENTS.get(events[0], ()), found)


def _synchronization(operation: int, found: tuple[DataObject, ...]) -> _Needs:
    """Give what an operation must have: a session that is to be known again has a reference."""
    if operation:
        return _REFERENCE if operation < _OPERATION else ()
    told = [one.mode for one in found if isinstance(one, so.Notification)]
    return SYNCHRONIZATION + _REFERENCE if any(told) else SYNCHRONIZATION


def _need(needs: _Needs, found: tuple[DataObject, ...]) -> None:
    kinds = {type(one) for one in found}
    for wanted in needs:
        if kinds.isdisjoint(wanted):
            names = " or ".join([each.__name__ for each in wanted])
            raise PeerError(f"{names} is missing", answer=GeneralResult.VALUES_MISSING)


def _check_items(command: int, found: tuple[DataObject, ...]) -> None:
    """Allow the null item alone, to take a menu away. TS 102 223 clauses 6.4.8 and 6.6.7."""
    items = [one for one in found if isinstance(one, texts.Item)]
    alone = command == CommandType.SET_UP_MENU and len(items) == 1
    if not alone and not all(item.identifier for item in items):
        message = "an item without an identifier stands beside others or is to be chosen"
        raise PeerError(message, answer=GeneralResult.DATA_NOT_UNDERSTOOD)
