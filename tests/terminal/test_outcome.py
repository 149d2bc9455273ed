"""From SyncML and the carrier to what the card is told."""

import pytest

from cardsync.syncml.elements import AlertCode
from cardsync.syncml.events import Counts, DatabaseResult, SessionResult
from cardsync.terminal import outcome
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import Temporary
from cardsync.toolkit.synchronization_objects import Phase, Summary
from cardsync.transport.carrier import CarrierError, Failure

SLOW, REFRESH = AlertCode.SLOW, AlertCode.REFRESH_FROM_CLIENT


def one(status: int = 200, failed: int = 0, performed: AlertCode = REFRESH) -> SessionResult:
    """Give the result of a session with one database."""
    counts = Counts(3, 2, 1), Counts(1, 0, 0)
    database = DatabaseResult("devman", status, REFRESH, performed, *counts, failed)
    return SessionResult(status, (database,), 1000, 2000, 2)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (one(), "00"),
        (one(performed=SLOW), "07C9"),
        (one(performed=AlertCode.TWO_WAY), "07C8"),
        (one(failed=3), "3E0F0003"),
        (one(failed=70_000), "3E0FFFFF"),
        (one(401), "3E050191"),
        (one(407), "3E050197"),
        (one(403), "3E0C0193"),
        (one(404), "3E0A0194"),
        (one(405), "3E0B0195"),
        (one(406), "3E010196"),
        (one(409), "3E0E0199"),
        (one(415), "3E03019F"),
        (one(505), "3E0201F9"),
        (one(513), "3E020201"),
        (one(408), "2E010198"),
        (one(417), "2E03"),
        (one(503), "2E03"),
        (one(420), "2E0401A4"),
        (one(511), "2E0401FF"),
        (one(500), "3E1101F4"),
        (one(400), "3E110190"),
        (one(999_999), "3E11FFFF"),
    ],
)
def test_sessions(result: SessionResult, expected: str) -> None:
    """Each status has its result: docs/request-synchronization.md, mapping. R-53, R-55, R-63."""
    assert expected == outcome.of_session(result).value().hex().upper()


@pytest.mark.parametrize(
    ("kind", "status", "retry_after", "expected"),
    [
        (Failure.UNREACHABLE, None, None, "2E02"),
        (Failure.TIMED_OUT, None, None, "2E01"),
        (Failure.UNTRUSTED, None, None, "3E06"),
        (Failure.UNSUPPORTED, None, None, "3E09"),
        (Failure.TOO_LARGE, 200, None, "3E11"),
        (Failure.GARBLED, 200, None, "3E09"),
        (Failure.REFUSED, 503, 120.0, "2E030078"),
        (Failure.REFUSED, 429, 1e9, "2E03FFFF"),
        (Failure.REFUSED, 500, None, "2E030000"),
        (Failure.REFUSED, 502, -3.0, "2E030000"),
        (Failure.REFUSED, 401, None, "3E050191"),
        (Failure.REFUSED, 404, None, "3E0A0194"),
        (Failure.REFUSED, 302, None, "3E09012E"),
        (Failure.REFUSED, None, None, "3E09"),
    ],
)
def test_carriers(
    kind: Failure, status: int | None, retry_after: float | None, expected: str
) -> None:
    """Each failure of the carrier has its result. R-63."""
    error = CarrierError(kind, "x", status=status, retry_after=retry_after)

    assert expected == outcome.of_carrier(error).value().hex().upper()


@pytest.mark.parametrize("kind", Failure)
def test_every_failure(kind: Failure) -> None:
    """There is none without a result."""
    assert outcome.of_carrier(CarrierError(kind, "x")).general in {0x2E, 0x3E}


def test_temporary() -> None:
    """A loss of power. O-3."""
    assert Result(0x2E, b"\5") == outcome.temporary(Temporary.INTERRUPTED_BY_RESET)


def test_summary() -> None:
    """What a session did, counted. docs/request-synchronization.md."""
    expected = Summary(Phase.DONE, 200, 4, 2, 1, 0, 0, 1000, 2000, 9, b"anchor")

    assert expected == outcome.summary_of(one(), 9.7, "anchor")
    assert b"" == outcome.summary_of(one(401), 9.7, "anchor").anchor


def test_summary_without_a_result() -> None:
    """Where nothing is known to be done, nothing is counted; a clock may have been set back."""
    assert Summary(Phase.DONE, seconds=0) == outcome.summary_of(None, -5.0, "anchor")
    assert b"" != outcome.summary_of(one(), -1.0, "a" * 99).value()
