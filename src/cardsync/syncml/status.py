"""Status codes of SyncML. OMA SyncML Representation Protocol 1.2, "Response Status Codes"."""

from enum import IntEnum
from typing import Final


class StatusCode(IntEnum):
    """The codes that our sessions send or understand; a peer may send others."""

    IN_PROGRESS = 101
    OK = 200
    ADDED = 201
    ACCEPTED = 202
    RESOLVED_WITH_MERGE = 207
    RESOLVED_WITH_CLIENT = 208
    RESOLVED_WITH_DUPLICATE = 209
    DELETED_UNARCHIVED = 210
    NOT_DELETED = 211
    AUTHENTICATED = 212
    CHUNK_ACCEPTED = 213
    CANCELLED = 214
    NOT_EXECUTED = 215
    ROLLED_BACK = 216
    MOVED_PERMANENTLY = 301
    FOUND_ELSEWHERE = 302
    SEE_OTHER = 303
    USE_PROXY = 305
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    NOT_ALLOWED = 405
    NOT_SUPPORTED = 406
    MISSING_CREDENTIALS = 407
    CONFLICT = 409
    INCOMPLETE = 412
    TOO_LARGE = 413
    UNSUPPORTED_TYPE = 415
    RETRY_LATER = 417
    ALREADY_EXISTS = 418
    RESOLVED_WITH_SERVER = 419
    DEVICE_FULL = 420
    UNKNOWN_GRAMMAR = 421
    BAD_QUERY = 422
    SIZE_MISMATCH = 424
    FAILED = 500
    BUSY = 503
    DTD_UNSUPPORTED = 505
    ATOMIC_FAILED = 507
    REFRESH_REQUIRED = 508
    NO_RESUME = 509
    DATASTORE_FAILED = 510
    SERVER_FAILED = 511
    PROTOCOL_UNSUPPORTED = 513


UNDERSTOOD: Final = frozenset(
    {
        StatusCode.ACCEPTED,
        StatusCode.CANCELLED,
        StatusCode.FOUND_ELSEWHERE,
        StatusCode.SEE_OTHER,
        StatusCode.USE_PROXY,
        StatusCode.RETRY_LATER,
        StatusCode.BUSY,
        StatusCode.NO_RESUME,
        StatusCode.SERVER_FAILED,
    }
)
"""What peers send and we never do; every other code above is sent by a session or a datastore."""

_WORDS: Final = {
    101: "in progress: the server is busy",
    200: "OK",
    201: "item added",
    202: "accepted for processing",
    203: "non-authoritative response",
    204: "no content",
    205: "reset content",
    206: "partial content",
    207: "conflict resolved with merge",
    208: "conflict resolved with client's command winning",
    209: "conflict resolved with duplicate",
    210: "delete without archive",
    211: "item not deleted",
    212: "authentication accepted",
    213: "chunked item accepted and buffered",
    214: "operation cancelled",
    215: "not executed",
    216: "atomic roll back OK",
    300: "multiple choices",
    301: "moved permanently",
    302: "found elsewhere",
    303: "see other",
    304: "not modified",
    305: "use proxy",
    400: "bad request",
    401: "invalid credentials",
    402: "payment required",
    403: "forbidden",
    404: "not found",
    405: "command not allowed",
    406: "optional feature not supported",
    407: "authentication required",
    408: "request timeout",
    409: "update conflict",
    410: "gone",
    411: "size required",
    412: "incomplete command",
    413: "request entity too large",
    414: "URI too long",
    415: "unsupported media type or format",
    416: "requested size too big",
    417: "retry later",
    418: "already exists",
    419: "conflict resolved with server data",
    420: "device full",
    421: "unknown search grammar",
    422: "bad CGI or filter query",
    423: "soft-delete conflict",
    424: "size mismatch",
    425: "permission denied",
    426: "partial item not accepted",
    427: "item not empty",
    428: "move failed",
    500: "command failed",
    501: "command not implemented",
    502: "bad gateway",
    503: "service unavailable",
    504: "gateway timeout",
    505: "DTD version not supported",
    506: "processing error",
    507: "atomic failed",
    508: "refresh required",
    509: "cannot resume",
    510: "data store failure",
    511: "server failure",
    512: "synchronization failed",
    513: "protocol version not supported",
    514: "operation cancelled",
    516: "atomic roll back failed",
    517: "atomic response too large to fit",
}


def words(code: int) -> str:
    """Say a status in words, after its number."""
    return f"{code} {_WORDS[code]}" if code in _WORDS else str(code)


def succeeded(code: int) -> bool:
    """Say whether a status means that the command needs no repetition.

    419 does: the conflict is settled, and what the server kept comes as its own change.
    418 does: the item is there. 214 to 216 do not: nothing was done in the end.
    """
    if code in (StatusCode.CANCELLED, StatusCode.NOT_EXECUTED, StatusCode.ROLLED_BACK):
        return False
    return 200 <= code < 300 or code in (StatusCode.RESOLVED_WITH_SERVER, StatusCode.ALREADY_EXISTS)
