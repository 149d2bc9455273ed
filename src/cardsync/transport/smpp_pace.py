"""How fast an ESME may submit: what a message centre says about it, turned into waiting times."""


class Pace:
    """How many messages a second: `ceiling` at most, halved when throttled, regained slowly."""

    FLOOR = 0.5  # messages a second; below it nothing would be learned any more
    HOLD = 1.0  # seconds in which several refusals count as one: they are of one window
    REGAIN = 0.01  # of the ceiling, for each message that was accepted

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        self.rate = ceiling
        self._next = 0.0
        self._held = 0.0

    def reserve(self, now: float) -> float:
        """Take the next place, and give the seconds until then."""
        start = max(now, self._next)
        self._next = start + 1 / self.rate
        return start - now

    def slower(self, now: float) -> None:
        """Halve the rate: the centre had too much."""
        if now >= self._held:
            self._held = now + self.HOLD
            self.rate = max(self.FLOOR, self.rate / 2)

    def faster(self) -> None:
        """Go a little faster: a message was accepted."""
        self.rate = min(self.ceiling, self.rate + self.ceiling * self.REGAIN)
