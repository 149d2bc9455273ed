"""Timers of the terminal, and the polls that stand in for them."""

from cardsync.card.timers import Timers
from cardsync.toolkit.commands import first
from cardsync.toolkit.objects import TimerIdentifier, TimerValue


def test_command() -> None:
    """A timer is started by TIMER MANAGEMENT. TS 102 223 clause 6.6.21."""
    command = Timers().start(2, 90)

    assert TimerIdentifier(2) == first(command.parts, TimerIdentifier)
    assert TimerValue(5400) == first(command.parts, TimerValue)


def test_polls_count_along() -> None:
    """Only five minutes after its end do polls tell what the terminal did not."""
    timers = Timers()
    timers.start(1, 10)

    assert () == timers.polled(600)
    assert () == timers.polled(300)
    assert ((1, 930),) == timers.polled(30)
    assert 930 == timers.counted(1)


def test_stopped() -> None:
    """A timer that was stopped is over, and has counted nothing."""
    timers = Timers()
    timers.start(1, 10)
    timers.polled(30)
    timers.stop(1)

    assert 1 not in timers
    assert 0 == timers.counted(1)
    assert () == timers.polled(100_000)


def test_started_anew() -> None:
    """A start begins anew."""
    timers = Timers()
    timers.start(1, 10)
    timers.polled(30)
    timers.start(1, 20)

    assert 0 == timers.counted(1)
    assert 1 in timers
