"""Codes of the Wireless Session Protocol. WAP-230-WSP-20010705-a annex A, and WINA's tables."""

from collections.abc import Mapping
from enum import IntEnum, IntFlag


class PduType(IntEnum):
    """What a PDU is. Table 34."""

    CONNECT = 0x01
    CONNECT_REPLY = 0x02
    REDIRECT = 0x03
    REPLY = 0x04
    DISCONNECT = 0x05
    PUSH = 0x06
    CONFIRMED_PUSH = 0x07
    SUSPEND = 0x08
    RESUME = 0x09
    GET = 0x40
    OPTIONS = 0x41
    HEAD = 0x42
    DELETE = 0x43
    TRACE = 0x44
    POST = 0x60
    PUT = 0x61


class Reason(IntEnum):
    """Why WSP ends a transaction or a session. Table 35."""

    PROTOERR = 0xE0
    DISCONNECT = 0xE1
    SUSPEND = 0xE2
    RESUME = 0xE3
    CONGESTION = 0xE4
    CONNECTERR = 0xE5
    MRUEXCEEDED = 0xE6
    MOREXCEEDED = 0xE7
    PEERREQ = 0xE8
    NETERR = 0xE9
    USERREQ = 0xEA
    USERRFS = 0xEB
    USERPND = 0xEC
    USERDCR = 0xED
    USERDCU = 0xEE


class Capability(IntEnum):
    """What a session negotiates. Table 37."""

    CLIENT_SDU_SIZE = 0x00
    SERVER_SDU_SIZE = 0x01
    PROTOCOL_OPTIONS = 0x02
    METHOD_MOR = 0x03
    PUSH_MOR = 0x04
    EXTENDED_METHODS = 0x05
    HEADER_CODE_PAGES = 0x06
    ALIASES = 0x07
    CLIENT_MESSAGE_SIZE = 0x08
    SERVER_MESSAGE_SIZE = 0x09


class Options(IntFlag):
    """The flags of `PROTOCOL_OPTIONS`. Clause 8.3.2.2."""

    CONFIRMED_PUSH = 0x80
    PUSH = 0x40
    SESSION_RESUME = 0x20
    ACKNOWLEDGEMENT_HEADERS = 0x10
    LARGE_DATA_TRANSFER = 0x08


class ParameterCode(IntEnum):
    """Parameters of a content type that have a code. Table 38."""

    Q = 0x00
    CHARSET = 0x01
    TYPE = 0x09


class FieldName(IntEnum):
    """Headers that have a code and that we write or read. Table 39."""

    ACCEPT = 0x00
    CONTENT_TYPE = 0x11
    LOCATION = 0x1C
    RETRY_AFTER = 0x25
    USER_AGENT = 0x29
    X_WAP_APPLICATION_ID = 0x2F
    PUSH_FLAG = 0x34


# WAP-230 table 36: of each class of HTTP the first code on the air, and how many there are.
_STATUS_CLASSES: Mapping[int, tuple[int, int]] = {
    1: (0x10, 2),
    2: (0x20, 7),
    3: (0x30, 8),
    4: (0x40, 18),
    5: (0x60, 6),
}


def status_code(http_status: int) -> int:
    """Give the octet for a status of HTTP; what has none becomes the first of its class."""
    first, count = _STATUS_CLASSES.get(http_status // 100, _STATUS_CLASSES[5])
    detail = http_status % 100
    return first + (detail if detail < count else 0)


def http_status(code: int) -> int | None:
    """Give the status of HTTP for an octet; None if it is none."""
    for kind, (first, count) in _STATUS_CLASSES.items():
        if first <= code < first + count:
            return kind * 100 + code - first
    return None


HEADER_NAMES: tuple[str, ...] = (
    "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Age",
    "Allow", "Authorization", "Cache-Control", "Connection", "Content-Base", "Content-Encoding",
    "Content-Language", "Content-Length", "Content-Location", "Content-MD5", "Content-Range",
    "Content-Type", "Date", "Etag", "Expires", "From", "Host", "If-Modified-Since", "If-Match",
    "If-None-Match", "If-Range", "If-Unmodified-Since", "Location", "Last-Modified",
    "Max-Forwards", "Pragma", "Proxy-Authenticate", "Proxy-Authorization", "Public", "Range",
    "Referer", "Retry-After", "Server", "Transfer-Encoding", "Upgrade", "User-Agent", "Vary",
    "Via", "Warning", "WWW-Authenticate", "Content-Disposition", "X-Wap-Application-Id",
    "X-Wap-Content-URI", "X-Wap-Initiator-URI", "Accept-Application", "Bearer-Indication",
    "Push-Flag", "Profile", "Profile-Diff", "Profile-Warning", "Expect", "TE", "Trailer",
    "Accept-Charset", "Accept-Encoding", "Cache-Control", "Content-Range", "X-Wap-Tod",
    "Content-ID", "Set-Cookie", "Cookie", "Encoding-Version", "Profile-Warning",
    "Content-Disposition", "X-WAP-Security", "Cache-Control", "Expect", "X-Wap-Loc-Invocation",
    "X-Wap-Loc-Delivery",
)  # fmt: skip
"""Names of headers by their code. Table 39 and its later versions."""

CONTENT_TYPES: Mapping[int, str] = {
    0x00: "*/*",
    0x01: "text/*",
    0x02: "text/html",
    0x03: "text/plain",
    0x06: "text/x-vCalendar",
    0x07: "text/x-vCard",
    0x08: "text/vnd.wap.wml",
    0x0B: "multipart/*",
    0x0C: "multipart/mixed",
    0x10: "application/*",
    0x12: "application/x-www-form-urlencoded",
    0x14: "application/vnd.wap.wmlc",
    0x23: "application/vnd.wap.multipart.mixed",
    0x27: "application/xml",
    0x28: "text/xml",
    0x29: "application/vnd.wap.wbxml",
    0x35: "text/vnd.wap.connectivity-xml",
    0x36: "application/vnd.wap.connectivity-wbxml",
    0x3B: "application/xhtml+xml",
    0x42: "application/vnd.syncml.dm+wbxml",
    0x43: "application/vnd.syncml.dm+xml",
    0x44: "application/vnd.syncml.notification",
    0x4E: "application/vnd.syncml.ds.notification",
}
"""Content types by their code: those that SyncML and gateways speak of. Table 40 and WINA.

SyncML's own, `application/vnd.syncml+xml` and `+wbxml`, have none and go as text.
"""

WRITTEN_CONTENT_TYPES: Mapping[str, int] = {
    name.lower(): code
    for code, name in CONTENT_TYPES.items()
    if code <= 0x36 or code in {0x44, 0x4E}
}
"""Those that we write as codes: gateways of version 1.3 know them up to 36; a notification goes
to no gateway."""

CHARSETS: Mapping[int, str] = {
    3: "us-ascii",
    4: "iso-8859-1",
    17: "shift_JIS",
    106: "utf-8",
    1000: "iso-10646-ucs-2",
    1015: "utf-16",
    2026: "big5",
}
"""Character sets by IANA's MIBenum. Table 42."""

CHARSET_CODES: Mapping[str, int] = {name.lower(): code for code, name in CHARSETS.items()}
