"""How often a thing can be done in a second, on one core."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its unit, and what must be reached where something must."""

    what: str
    figure: float
    unit: str
    wanted: str = ""

    def __str__(self) -> str:
        """Give a line of the table."""
        wanted = f"  (wanted: {self.wanted})" if self.wanted else ""
        return f"{self.what:<58} {self.figure:>12,.1f} {self.unit}{wanted}"


def rate(
    what: str, action: Callable[[], object], wanted: str = "", seconds: float = 1.0
) -> Measured:
    """Do `action` for about so many seconds, three times; give the best rate."""
    times, started = 1, time.perf_counter()
    action()
    once = max(time.perf_counter() - started, 1e-7)
    times = max(1, int(seconds / 3 / once))
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(times):
            action()
        best = max(best, times / (time.perf_counter() - started))
    return Measured(what, best, "/s", wanted)
