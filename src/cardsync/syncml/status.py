"""Status codes of SyncML. OMA SyncML Representation Protocol 1.2, "Response Status Codes"."""

from enum import IntEnum


class StatusCode(IntEnum):
    """The codes that our sessions send or understand; a peer may send others."""

    IN_PROGRESS = 101
    OK = 200
    ADDED = 201
    ACCEPTED = 202
    RESOLVED_WITH_MERGE = 207
    RESOLVED_WITH_CLIENT = 208
    RESOLVED_WITH_DUPLICATE = 209
    NOT_DELETED = 211
    AUTHENTICATED = 212
    CHUNK_ACCEPTED = 213
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    NOT_ALLOWED = 405
    NOT_SUPPORTED = 406
    MISSING_CREDENTIALS = 407
    INCOMPLETE = 412
    TOO_LARGE = 413
    UNSUPPORTED_TYPE = 415
    SIZE_MISMATCH = 424
    ALREADY_EXISTS = 418
    RESOLVED_WITH_SERVER = 419
    DEVICE_FULL = 420
    FAILED = 500
    BUSY = 503
    VERSION_UNSUPPORTED = 505
    REFRESH_REQUIRED = 508
    SERVER_FAILED = 511


def succeeded(code: int) -> bool:
    """Say whether a status means that the command needs no repetition.

    419 does: the conflict is settled, and what the server kept comes as its own change.
    418 does: the item is there.
    """
    return 200 <= code < 300 or code in (StatusCode.RESOLVED_WITH_SERVER, StatusCode.ALREADY_EXISTS)
