"""Times that the simulated message centre reads."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cardsync.errors import PeerError
from cardsync.fleet.smsc_messages import read_time, timestamp
from cardsync.transport.smpp_codes import CommandStatus

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("000000000100000R", NOW + timedelta(minutes=1)),
        ("000010000000000R", NOW + timedelta(days=10)),
        ("000100000000000R", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ("011200000000000R", datetime(2028, 1, 31, 12, tzinfo=UTC)),
        ("260201120000500+", datetime(2026, 2, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("260201120000004+", datetime(2026, 2, 1, 11, tzinfo=UTC)),
        ("260201120000032-", datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=-8)))),
    ],
)
def test_read_time(text: str, moment: datetime) -> None:
    """Absolute with quarters of an hour from UTC, and relative. SMPP 3.4 clause 7.1.1."""
    assert moment == read_time(text, NOW)


@pytest.mark.parametrize("text", ["", "260201", "261301120000000+", "26020112000000 +", "99" * 8])
def test_what_is_no_time(text: str) -> None:
    """ESME_RINVEXPIRY is owed."""
    with pytest.raises(PeerError) as caught:
        read_time(text, NOW)

    assert CommandStatus.ESME_RINVEXPIRY == caught.value.answer


def test_timestamp_in_utc() -> None:
    """The service centre's time stamp, zone 0. TS 23.040 clause 9.2.3.11."""
    local = datetime(2026, 2, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(local).parts() == (26, 1, 31, 23, 2, 3, 0)
