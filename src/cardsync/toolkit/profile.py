"""TERMINAL PROFILE: what a terminal says that it can do, bytes and bits numbered from 1.

TS 102 223 clause 5.2. A bit is a claim, not a proof.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Self

from cardsync.errors import PeerError


class Feature(Enum):
    """A facility: the byte of the profile and the bit in it."""

    PROFILE_DOWNLOAD = (1, 1)
    SMS_PP_DOWNLOAD = (1, 2)
    CELL_BROADCAST_DOWNLOAD = (1, 3)
    MENU_SELECTION = (1, 4)
    TIMER_EXPIRATION = (1, 6)
    COMMAND_RESULT = (2, 1)
    DISPLAY_TEXT = (3, 1)
    GET_INKEY = (3, 2)
    GET_INPUT = (3, 3)
    MORE_TIME = (3, 4)
    PLAY_TONE = (3, 5)
    POLL_INTERVAL = (3, 6)
    POLLING_OFF = (3, 7)
    REFRESH = (3, 8)
    SELECT_ITEM = (4, 1)
    SEND_SHORT_MESSAGE = (4, 2)
    SEND_SS = (4, 3)
    SEND_USSD = (4, 4)
    SET_UP_CALL = (4, 5)
    SET_UP_MENU = (4, 6)
    LOCAL_INFORMATION = (4, 7)
    LOCAL_INFORMATION_MEASUREMENT = (4, 8)
    SET_UP_EVENT_LIST = (5, 1)
    EVENT_MT_CALL = (5, 2)
    EVENT_CALL_CONNECTED = (5, 3)
    EVENT_CALL_DISCONNECTED = (5, 4)
    EVENT_LOCATION_STATUS = (5, 5)
    EVENT_USER_ACTIVITY = (5, 6)
    EVENT_IDLE_SCREEN = (5, 7)
    EVENT_CARD_READER_STATUS = (5, 8)
    EVENT_LANGUAGE_SELECTION = (6, 1)
    EVENT_BROWSER_TERMINATION = (6, 2)
    EVENT_DATA_AVAILABLE = (6, 3)
    EVENT_CHANNEL_STATUS = (6, 4)
    EVENT_ACCESS_TECHNOLOGY_CHANGE = (6, 5)
    TIMER_START_STOP = (8, 1)
    TIMER_GET_VALUE = (8, 2)
    LOCAL_INFORMATION_DATE_TIME = (8, 3)
    SET_UP_IDLE_MODE_TEXT = (8, 5)
    LOCAL_INFORMATION_LANGUAGE = (9, 4)
    LANGUAGE_NOTIFICATION = (9, 6)
    LAUNCH_BROWSER = (9, 7)
    LOCAL_INFORMATION_ACCESS_TECHNOLOGY = (9, 8)
    OPEN_CHANNEL = (12, 1)
    CLOSE_CHANNEL = (12, 2)
    RECEIVE_DATA = (12, 3)
    SEND_DATA = (12, 4)
    GET_CHANNEL_STATUS = (12, 5)
    REQUEST_SYNCHRONIZATION = (40, 1)
    SYNCHRONIZATION_STATUS = (40, 2)
    SYNCML_DS = (40, 3)
    OMA_DM = (40, 4)
    COMPACT_DELTA = (40, 5)
    SOURCE_IN_UICC = (40, 6)
    PROFILE_REFERENCE = (40, 7)
    CAPABILITY_QUERY = (40, 8)


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """A profile of at least one octet; bits beyond its end are 0."""

    octets: bytes

    def __post_init__(self) -> None:
        if not self.octets:
            raise PeerError("a terminal profile has at least one octet")

    def __contains__(self, feature: Feature) -> bool:
        """Say whether the terminal claims a facility."""
        byte, bit = feature.value
        return byte <= len(self.octets) and bool(self.octets[byte - 1] >> bit - 1 & 1)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The facilities claimed, in the order of their bits."""
        return tuple([feature for feature in Feature if feature in self])

    @classmethod
    def of(cls, *features: Feature) -> Self:
        """Make a profile as long as its last facility."""
        octets = bytearray(max(feature.value[0] for feature in features))
        for feature in features:
            byte, bit = feature.value
            octets[byte - 1] |= 1 << bit - 1
        return cls(bytes(octets))
