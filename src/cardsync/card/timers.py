"""The timers of the terminal that the application uses, counted along by polls.

TIMER MANAGEMENT, TS 102 223 clauses 4.10 and 6.4.21. A terminal may have no timers, or forget
one: what it should have told and did not, the polls tell a little later. The card itself has no
clock.
"""

from cardsync.toolkit import commands
from cardsync.toolkit.commands import ProactiveCommand

_GRACE = 300.0  # seconds for which a poll waits for the terminal's own word


class Timers:
    """The timers that run: for each the seconds it was given and those that polls counted."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[int, float]] = {}

    def __contains__(self, timer: int) -> bool:
        """Say whether a timer runs."""
        return timer in self._running

    def start(self, timer: int, minutes: int) -> ProactiveCommand:
        """Start a timer, or start it anew; give the command for the terminal."""
        self._running[timer] = (minutes * 60, 0.0)
        return commands.start_timer(timer, minutes * 60)

    def counted(self, timer: int) -> float:
        """Give the seconds that polls counted since the start, 0 if it does not run."""
        return self._running.get(timer, (0, 0.0))[1]

    def stop(self, timer: int) -> None:
        """Forget a timer; the terminal may still tell its end, which means nothing then."""
        self._running.pop(timer, None)

    def polled(self, seconds: float) -> tuple[tuple[int, int], ...]:
        """Let seconds go by; give the timers that are long over, with the seconds they ran."""
        self._running = {
            timer: (given, counted + seconds) for timer, (given, counted) in self._running.items()
        }
        return tuple(
            [
                (timer, int(counted))
                for timer, (given, counted) in self._running.items()
                if counted > given + _GRACE
            ]
        )
