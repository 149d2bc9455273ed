"""ENVELOPE: what the terminal brings to the card unasked.

TS 102 223 clause 7 and TS 31.111 clause 7: SMS-PP download, event download, menu selection,
timer expiration, and any other as its objects.
"""

from dataclasses import dataclass
from typing import Self

from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW
from cardsync.toolkit import objects, structure
from cardsync.toolkit.codes import PROACTIVE_COMMAND_TAG, Device, EnvelopeTag
from cardsync.toolkit.objects import DataObject, DeviceIdentities
from cardsync.toolkit.parts import Part, content, decode_parts, encode_parts, first, required

NETWORK_TO_UICC = DeviceIdentities(Device.NETWORK, Device.UICC)
KEYPAD_TO_UICC = DeviceIdentities(Device.KEYPAD, Device.UICC)


_TAGS = frozenset(range(0xC0, 0x100)) - {PROACTIVE_COMMAND_TAG}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope: its BER tag (CF, D1 to E4) and its objects in their order."""

    tag: int
    parts: tuple[Part, ...]

    def encode(self) -> bytes:
        """Give the data field of ENVELOPE."""
        return tlv.encode(self.tag, encode_parts(self.parts))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the data field of ENVELOPE; raise `PeerError` with the status word `6A80` owed."""
        try:
            tag, value = content(data, _TAGS)
            parts = decode_parts(value, tag)
            structure.check_envelope(tag, tuple([part.object for part in parts]))
        except PeerError as exc:
            raise PeerError(str(exc), answer=SW.INCORRECT_DATA) from exc
        return cls(tag, parts)

    @property
    def event(self) -> int:
        """The event of an event download; raise `PeerError` if it does not name exactly one."""
        events = required(self.parts, objects.EventList).events
        if self.tag != EnvelopeTag.EVENT_DOWNLOAD or len(events) != 1:
            raise PeerError("an event download names one event", answer=SW.INCORRECT_DATA)
        return events[0]


def _parts(*found: DataObject | None) -> tuple[Part, ...]:
    return tuple([Part(one) for one in found if one is not None])


def sms_pp_download(tpdu: bytes, centre: objects.Address | None = None) -> Envelope:
    """Pass an SMS-DELIVER to the card. TS 31.111 clause 7.1.1.2."""
    parts = _parts(NETWORK_TO_UICC, centre, objects.SmsTpdu(tpdu))
    return Envelope(EnvelopeTag.SMS_PP_DOWNLOAD, parts)


def event_download(
    event: int, *found: DataObject, devices: DeviceIdentities = objects.TERMINAL_TO_UICC
) -> Envelope:
    """Tell of an event and of what belongs to it. TS 102 223 clause 7.5."""
    parts = _parts(objects.EventList((event,)), devices, *found)
    return Envelope(EnvelopeTag.EVENT_DOWNLOAD, parts)


def menu_selection(identifier: int) -> Envelope:
    """Tell which item of the menu the user chose. TS 102 223 clause 7.2."""
    parts = _parts(KEYPAD_TO_UICC, objects.ItemIdentifier(identifier))
    return Envelope(EnvelopeTag.MENU_SELECTION, parts)


def timer_expiration(identifier: int, seconds: int) -> Envelope:
    """Tell that a timer ran out, and how long it ran in fact. TS 102 223 clause 7.4."""
    timer = objects.TimerIdentifier(identifier), objects.TimerValue(seconds)
    return Envelope(EnvelopeTag.TIMER_EXPIRATION, _parts(objects.TERMINAL_TO_UICC, *timer))


def tpdu_of(envelope: Envelope) -> bytes:
    """Give the short message of an SMS-PP download; raise `PeerError` if there is none."""
    return required(envelope.parts, objects.SmsTpdu).tpdu


def centre_of(envelope: Envelope) -> objects.Address | None:
    """Give the address of the message centre, where it is told."""
    return first(envelope.parts, objects.Address)
