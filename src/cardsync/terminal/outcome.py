"""From what SyncML and the carrier say to what the card is told. Our specification, clause 11."""

from cardsync.syncml.events import SessionResult
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import Permanent, Temporary, Unable
from cardsync.toolkit.synchronization_objects import CODE_POINTS, Phase, Summary
from cardsync.transport.carrier import CarrierError, Failure

_TEMPORARY = {
    408: Temporary.TIMEOUT,
    417: Temporary.SERVER_BUSY,
    503: Temporary.SERVER_BUSY,
    420: Temporary.SUSPENDED,
    511: Temporary.SUSPENDED,
}

_PERMANENT = {
    401: Permanent.CLIENT_AUTHENTICATION,
    403: Permanent.CATEGORY_FORBIDDEN,
    404: Permanent.TARGET_DATABASE_UNKNOWN,
    405: Permanent.TYPE,
    406: Permanent.PROTOCOL,
    407: Permanent.CLIENT_AUTHENTICATION,
    409: Permanent.CONFLICT_UNRESOLVED,
    415: Permanent.REPRESENTATION,
    505: Permanent.VERSION,
    513: Permanent.VERSION,
}

_CARRIER = {
    Failure.UNREACHABLE: (CODE_POINTS.temporary, Temporary.TRANSPORT_LOST),
    Failure.TIMED_OUT: (CODE_POINTS.temporary, Temporary.TIMEOUT),
    Failure.UNTRUSTED: (CODE_POINTS.permanent, Permanent.SERVER_AUTHENTICATION),
    Failure.UNSUPPORTED: (CODE_POINTS.permanent, Permanent.TARGET_UNREACHABLE),
    Failure.TOO_LARGE: (CODE_POINTS.permanent, Permanent.INTERNAL),
    Failure.GARBLED: (CODE_POINTS.permanent, Permanent.TARGET_UNREACHABLE),
}


def refused(reason: Permanent, native: int = 0) -> Result:
    """Give a permanent error, with the native status of the protocol if there is one."""
    return Result(CODE_POINTS.permanent, bytes([reason]) + _native(native))


def temporary(reason: Temporary) -> Result:
    """Give a temporary problem."""
    return Result(CODE_POINTS.temporary, bytes([reason]))


def unable(reason: Unable, reference: bytes = b"") -> Result:
    """Say that the terminal is not able to, with the reference of an order that runs."""
    return Result(GeneralResult.TERMINAL_UNABLE, bytes([reason]) + reference)


def of_session(result: SessionResult) -> Result:
    """Give the general result of a session that ended by itself."""
    failed = sum(each.failed for each in result.databases)
    if result.ok and failed:
        return Result(CODE_POINTS.permanent, bytes([Permanent.PARTIAL]) + _two_octets(failed))
    if result.ok:
        others = [each.performed for each in result.databases if each.asked is not each.performed]
        if others:
            return Result(GeneralResult.PERFORMED_WITH_MODIFICATION, bytes(others[:1]))
        return Result(GeneralResult.PERFORMED)
    if result.status in _TEMPORARY:
        reason = _TEMPORARY[result.status]
        # After "server busy" a pause would stand, which SyncML does not tell: departure D-09.
        native = b"" if reason is Temporary.SERVER_BUSY else _native(result.status)
        return Result(CODE_POINTS.temporary, bytes([reason]) + native)
    return refused(_PERMANENT.get(result.status, Permanent.INTERNAL), result.status)


def of_carrier(error: CarrierError) -> Result:
    """Give the general result where the carrier failed."""
    if error.kind is Failure.REFUSED:
        status = error.status or 0
        if status in {408, 429, 500, 502, 503, 504}:
            pause = _two_octets(int(error.retry_after or 0))
            return Result(CODE_POINTS.temporary, bytes([Temporary.SERVER_BUSY]) + pause)
        return refused(_PERMANENT.get(status, Permanent.TARGET_UNREACHABLE), status)
    general, reason = _CARRIER[error.kind]
    return Result(general, bytes([reason]))


def summary_of(result: SessionResult | None, seconds: float, anchor: str) -> Summary:
    """Count what a session did; without a result nothing is known to be done."""
    lasted = max(0, int(seconds))  # the clock may have been set back meanwhile
    if result is None:
        return Summary(phase=Phase.DONE, seconds=lasted)
    both = [counts for each in result.databases for counts in (each.sent, each.received)]
    return Summary(
        Phase.DONE,
        result.status,
        sum(counts.added for counts in both),
        sum(counts.replaced for counts in both),
        sum(counts.deleted for counts in both),
        sum(each.failed for each in result.databases),
        0,
        result.octets_sent,
        result.octets_received,
        lasted,
        anchor.encode() if result.ok else b"",
    )


def _native(status: int) -> bytes:
    return _two_octets(status) if status else b""


def _two_octets(number: int) -> bytes:
    return max(0, min(number, 0xFFFF)).to_bytes(2, "big")
