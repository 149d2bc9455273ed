"""The time connected, as the card counts it, beside a reference clock. R-33.

The card has no clock: it counts the polls of the terminal and hears of timers that ran out. The
reference knows to the second since when there is service. The error stays within one interval of
polling, however long the run, and whatever is lost and found again in it.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.toolkit.codes import EventCode, GeneralResult
from cardsync.toolkit.information import LocationStatus
from cardsync.toolkit.objects import Result
from mobiles import ENDS, HEAD, NOON, RETRY, SYNC_NOW, Mobile, Sender, card_with, rule, trigger

INTERVAL = 30  # seconds between two polls
MINUTE = 60
JITTER = 4  # seconds by which a poll may be early or late
PERIOD = rule('"timer"', '{ tell = "x" }', every="1 h")
POLICY = HEAD + RETRY + SYNC_NOW + PERIOD + ENDS


@dataclass
class Reference:
    """A mobile, and the time since when it has service, by a clock that is right."""

    there: Mobile = field(default_factory=lambda: Mobile(card_with(POLICY)).on(NOON))
    due: float = 0.0
    since: float | None = 0.0

    def poll(self, jitter: int = 0) -> None:
        """Poll when it is due, a little early or late; a delay is not carried on."""
        self.due += INTERVAL
        self.at(max(self.there.now, self.due + jitter))
        self.there.equipment.poll(self.there.now)

    def at(self, now: float) -> None:
        """Let it be this time; timers run out on the way."""
        while (timer := self.there.equipment.next_timer()) is not None and timer <= now:
            self.there.now = timer
            self.there.equipment.handle_timer(timer)
        self.there.now = now

    def service(self, status: int, offset: int) -> None:
        """Lose service, or find it again, so many seconds after the last poll."""
        self.at(max(self.there.now, self.due + offset))
        told = LocationStatus(status)
        self.there.equipment.event(EventCode.LOCATION_STATUS, told, now=self.there.now)
        if status:
            self.since = None
        elif self.since is None:
            self.since = self.there.now

    @property
    def connected(self) -> float:
        """The seconds since there is service."""
        return 0.0 if self.since is None else self.there.now - self.since

    @property
    def counted(self) -> int:
        """The same in the card, in seconds of its whole minutes."""
        minutes = self.there.card.applet._knowledge.facts()["connected_time"]
        assert isinstance(minutes, int)
        return minutes * MINUTE

    def error(self) -> float:
        """How much more the card says than there was; whole minutes are rounded down."""
        return self.counted - self.connected


STEPS = st.tuples(st.integers(0, 60), st.none() | st.integers(0, 2), st.integers(0, INTERVAL - 5))
"""So many polls, then another status so many seconds after the last one."""


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=12), st.integers(-JITTER, JITTER))
def test_error_is_bounded(steps: list[tuple[int, int | None, int]], jitter: int) -> None:
    """One interval too much at most, and one too little, beside the rounding to minutes."""
    clock = Reference()
    for polls, status, offset in steps:
        for number in range(polls):
            clock.poll(jitter if number % 2 else -jitter)
            allowed = INTERVAL + 2 * JITTER

            assert -allowed - MINUTE < clock.error() <= allowed
        if status is not None:
            clock.service(status, offset)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=5), st.booleans())
def test_terminal_that_does_not_poll(polls: list[int], retries: bool) -> None:
    """Where polls stop, timers tell how long it was; two that run together do not count twice."""
    clock = Reference()
    there, sender = clock.there, Sender(start=10)
    for count in polls:
        for _ in range(count):
            clock.poll()
        if retries:
            there.message(trigger(sender))
            there.end(there.agent.references[-1], Result(GeneralResult.NETWORK_UNABLE, b"\0"))
        due = max([end for end, _ in there.equipment._proactive.timers.values()])
        clock.at(due)
        clock.due = due

        assert -INTERVAL - MINUTE < clock.error() <= INTERVAL


def test_a_day_and_a_night() -> None:
    """After thirty hours the error is not larger than after a minute."""
    clock = Reference()
    for _ in range(30 * 120):
        clock.poll()

    assert -MINUTE < clock.error() <= INTERVAL
    assert 30 * 3600 == clock.connected
