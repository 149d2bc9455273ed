"""The timers of the terminal that the application uses, counted along by polls.

TIMER MANAGEMENT, TS 102 223 clauses 4.10 and 6.4.21. A terminal may have no timers, or forget
one: what it should have told and did not, the polls tell a little later. The card itself has no
clock.
"""

from cardsync.toolkit import commands
from cardsync.toolkit.commands import ProactiveCommand

_GRACE = 300.0  # seconds for which a poll waits for the terminal's own word


class Timers:
    """The timers that run: for each the seconds it was given and those that were counted."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[int, float]] = {}
        self._ahead = 0.0  # seconds since the last poll that a timer told

    def __contains__(self, timer: int) -> bool:
        """Say whether a timer runs."""
        return timer in self._running

    def start(self, timer: int, minutes: int) -> ProactiveCommand:
        """Start a timer, or start it anew; give the command for the terminal."""
        self._running[timer] = (minutes * 60, 0.0)
        return commands.start_timer(timer, minutes * 60)

    def counted(self, timer: int) -> float:
        """Give the seconds that were counted since the start, 0 if it does not run."""
        return self._running.get(timer, (0, 0.0))[1]

    def stop(self, timer: int) -> None:
        """Forget a timer; the terminal may still tell its end, which means nothing then."""
        self._running.pop(timer, None)

    def expired(self, timer: int, seconds: float) -> float:
        """Stop a timer that ran out after so many seconds; give those that nothing told before.

        The others have run as long, and the next poll tells only what is left of its interval.
        """
        gone = max(0.0, seconds - self.counted(timer))
        self.stop(timer)
        self._count(gone)
        self._ahead += gone
        return gone

    def polled(self, interval: float) -> float:
        """Let an interval between polls go by; give the seconds that no timer told before."""
        seconds, self._ahead = max(0.0, interval - self._ahead), 0.0
        self._count(seconds)
        return seconds

    def overdue(self) -> tuple[tuple[int, float], ...]:
        """Give the timers that are long over, with the seconds they ran."""
        return tuple(
            [
                (timer, counted)
                for timer, (given, counted) in self._running.items()
                if counted > given + _GRACE
            ]
        )

    def _count(self, seconds: float) -> None:
        self._running = {
            timer: (given, counted + seconds) for timer, (given, counted) in self._running.items()
        }
