"""Timers of the terminal, and the polls that stand in for them."""

from cardsync.card.timers import Timers
from cardsync.toolkit.commands import first
from cardsync.toolkit.objects import TimerIdentifier, TimerValue


def test_command() -> None:
    """A timer is started by TIMER MANAGEMENT. TS 102 223 clause 6.6.21."""
    command = Timers().start(2, 90)

    assert TimerIdentifier(2) == first(command.parts, TimerIdentifier)
    assert TimerValue(5400) == first(command.parts, TimerValue)


def after(timers: Timers, interval: float) -> tuple[tuple[int, float], ...]:
    """Let an interval go by; give what is overdue then."""
    timers.polled(interval)
    return timers.overdue()


def test_polls_count_along() -> None:
    """Only five minutes after its end do polls tell what the terminal did not."""
    timers = Timers()
    timers.start(1, 10)

    assert () == after(timers, 600)
    assert () == after(timers, 300)
    assert ((1, 930),) == after(timers, 30)
    assert 930 == timers.counted(1)


def test_two_timers() -> None:
    """What one timer told the other has run too, and the next poll tells only the rest."""
    timers = Timers()
    timers.start(1, 20)
    timers.start(2, 10)
    timers.polled(30)

    assert 570 == timers.expired(2, 600)
    assert 600 == timers.counted(1)
    assert (0, 30) == (timers.polled(30), timers.polled(30))
    assert 570 == timers.expired(1, 1200)
    assert 0 == timers.expired(1, 0)


def test_stopped() -> None:
    """A timer that was stopped is over, and has counted nothing."""
    timers = Timers()
    timers.start(1, 10)
    timers.polled(30)
    timers.stop(1)

    assert 1 not in timers
    assert 0 == timers.counted(1)
    assert () == after(timers, 100_000)


def test_started_anew() -> None:
    """A start begins anew."""
    timers = Timers()
    timers.start(1, 10)
    timers.polled(30)
    timers.start(1, 20)

    assert 0 == timers.counted(1)
    assert 1 in timers
