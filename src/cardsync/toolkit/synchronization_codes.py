"""The numbers of REQUEST SYNCHRONIZATION, each list as our specification gives it.

Our specification: docs/request-synchronization.md. The command was never standardized; its code
points are experimental.
"""

from enum import IntEnum, IntFlag


class Protocol(IntEnum):
    """Synchronization protocols."""

    TERMINAL_DEFAULT = 0x00
    SYNCML_DS = 0x01
    OMA_DM = 0x02
    LWM2M = 0x03
    COMPACT_DELTA = 0x04


class Representation(IntEnum):
    """How the protocol is written."""

    ANY = 0x00
    WBXML = 0x01
    XML = 0x02
    CBOR = 0x03
    TLV = 0x04


class Transport(IntEnum):
    """Session and transport layers."""

    WSP = 0x01
    WSP_CONNECTIONLESS = 0x02
    HTTP = 0x03
    HTTPS = 0x04
    OBEX = 0x05
    COAP = 0x06
    COAPS = 0x07
    SMS = 0x08
    BIP = 0x09


class DeviceIdType(IntEnum):
    """How a device is named."""

    THIS_TERMINAL = 0x00
    IMEI = 0x01
    IMEISV = 0x02
    ICCID = 0x03
    URI = 0x04
    MEID = 0x05
    EID = 0x06


class DatabaseIdType(IntEnum):
    """How a database is named."""

    DEFAULT = 0x00
    URI = 0x01
    UICC_FILE = 0x02
    AID = 0x03
    WELL_KNOWN = 0x04


class AuthenticationScheme(IntEnum):
    """What the agent authenticates with."""

    NONE = 0x00
    STORED = 0x01
    TLS_PSK = 0x02
    GBA = 0x03
    IOT_SAFE = 0x04
    ONE_TIME_TOKEN = 0x05


class Phase(IntEnum):
    """How far a session is."""

    QUEUED = 0
    CONNECTING = 1
    EXCHANGING = 2
    DONE = 3


class Bearers(IntFlag):
    """What a session may run over, and when."""

    CELLULAR = 0x01
    ROAMING = 0x02
    WLAN = 0x04
    CHARGING_ONLY = 0x08
