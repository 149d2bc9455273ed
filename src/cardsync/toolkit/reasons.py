"""Additional information on a result: why a command could not be done.

TS 102 223 clauses 8.12.2 to 8.12.12, TS 31.111 clause 8.12.
"""

from enum import IntEnum

from cardsync.toolkit.codes import GeneralResult, TerminalProblem


class CallControlProblem(IntEnum):
    """Additional information of a refusal by call control. TS 31.111 clause 8.12.8."""

    NONE = 0x00
    NOT_ALLOWED = 0x01
    REQUEST_CHANGED = 0x02


class CardReaderProblem(IntEnum):
    """Additional information of `MULTIPLE_CARD_ERROR`. TS 102 223 clause 8.12.9."""

    NONE = 0x00
    READER_REMOVED = 0x01
    CARD_REMOVED = 0x02
    READER_BUSY = 0x03
    CARD_POWERED_OFF = 0x04
    C_APDU_FORMAT = 0x05
    MUTE_CARD = 0x06
    TRANSMISSION = 0x07
    PROTOCOL_NOT_SUPPORTED = 0x08
    READER_NOT_VALID = 0x09


class BrowserProblem(IntEnum):
    """Additional information of `LAUNCH_BROWSER_ERROR`. TS 102 223 clause 8.12.10."""

    NONE = 0x00
    BEARER_UNAVAILABLE = 0x01
    BROWSER_UNAVAILABLE = 0x02
    PROVISIONING_UNREADABLE = 0x03
    DEFAULT_URL_UNAVAILABLE = 0x04


class BipProblem(IntEnum):
    """Additional information of `BIP_ERROR`. TS 102 223 clause 8.12.11."""

    NONE = 0x00
    NO_CHANNEL = 0x01
    CHANNEL_CLOSED = 0x02
    CHANNEL_INVALID = 0x03
    BUFFER_SIZE = 0x04
    SECURITY = 0x05
    TRANSPORT_LEVEL = 0x06
    NOT_REACHABLE = 0x07
    SERVICE = 0x08
    SERVICE_UNKNOWN = 0x09
    PORT_UNAVAILABLE = 0x10
    LAUNCH_PARAMETERS = 0x11
    LAUNCH_FAILED = 0x12


class FramesProblem(IntEnum):
    """Additional information of `FRAMES_ERROR`. TS 102 223 clause 8.12.12."""

    NONE = 0x00
    FRAME_NOT_VALID = 0x01
    TOO_MANY = 0x02
    NO_FRAME = 0x03
    SIZE_NOT_SUPPORTED = 0x04
    DEFAULT_NOT_VALID = 0x05


REASONS: dict[int, type[IntEnum]] = {
    GeneralResult.TERMINAL_UNABLE: TerminalProblem,
    GeneralResult.CALL_CONTROL_TEMPORARY: CallControlProblem,
    GeneralResult.LAUNCH_BROWSER_ERROR: BrowserProblem,
    GeneralResult.MULTIPLE_CARD_ERROR: CardReaderProblem,
    GeneralResult.CALL_CONTROL_PERMANENT: CallControlProblem,
    GeneralResult.BIP_ERROR: BipProblem,
    GeneralResult.FRAMES_ERROR: FramesProblem,
}
"""What the first octet of additional information means, by the general result."""
