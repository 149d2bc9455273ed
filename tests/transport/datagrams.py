"""A network of datagrams between two silent engines, with a clock that the test turns."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cardsync.transport import wtp

LATENCY = 0.02
"""Seconds that a datagram is under way."""

Fate = Callable[[int, bytes], Iterable[float]]
"""Gives the delays of the copies of the n-th datagram: () is loss, (0, 0) is repetition."""


def concatenated(*pdus: wtp.Pdu) -> bytes:
    """Give one datagram of several PDUs of WTP. WAP-224 clause 8.6."""
    datagram = b"\0"
    for octets in map(wtp.encode, pdus):
        long = len(octets) > 0x7F
        datagram += (len(octets) | 0x8000).to_bytes(2, "big") if long else bytes([len(octets)])
        datagram += octets
    return datagram


class Engine(Protocol):
    """What the two ends have in common."""

    def receive_data(self, datagram: bytes, now: float) -> None:
        """Take a datagram."""

    def data_to_send(self) -> list[bytes]:
        """Give datagrams."""

    def events(self) -> list[Any]:
        """Give what has happened."""

    def next_timer(self) -> float | None:
        """Give the time of the next timer."""

    def handle_timer(self, now: float) -> None:
        """Do what is due."""


def faithful(_number: int, _datagram: bytes) -> Iterable[float]:
    """Bring every datagram once, in order."""
    return (0.0,)


def unkind(position: int, *delays: float) -> Fate:
    """Give the datagram at `position` other delays than the rest."""
    return lambda number, _datagram: delays if number == position else (0.0,)


@dataclass
class Network:
    """Two engines, what is between them, and what each of them has told."""

    left: Engine
    right: Engine
    fate: Fate = faithful
    on_right: Callable[[Any, float], None] = lambda _event, _now: None
    now: float = 1000.0
    told: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    _under_way: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _copies: int = 0

    def run(self, seconds: float = 600.0, until: Callable[[], object] = lambda: False) -> None:
        """Let everything happen until nothing more would, `until` is true, or the time is over."""
        end = self.now + seconds
        while (moment := self._settle()) is not None and moment <= end and not until():
            self.now = max(self.now, moment)
            self._step()

    def datagrams(self, side: str) -> list[bytes]:
        """Give what one side, `left` or `right`, has sent."""
        return [octets for who, octets in self.sent if who == side]

    def _settle(self) -> float | None:
        """Take what the engines have to say; give the time of what comes next."""
        for place, engine in enumerate((self.left, self.right)):
            for event in engine.events():
                self.told[place].append(event)
                if place:
                    self.on_right(event, self.now)
        for place, engine in enumerate((self.left, self.right)):
            for datagram in engine.data_to_send():
                self._send(place, datagram)
        timers = [self.left.next_timer(), self.right.next_timer()]
        times = [time for time in timers if time is not None]
        if self._under_way:
            times.append(self._under_way[0][0])
        return min(times, default=None)

    def _send(self, place: int, datagram: bytes) -> None:
        number = len(self.sent)
        self.sent.append((("left", "right")[place], datagram))
        for delay in self.fate(number, datagram):
            self._copies += 1
            arrival = self.now + LATENCY + delay
            heapq.heappush(self._under_way, (arrival, self._copies, 1 - place, datagram))

    def _step(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, place, datagram = heapq.heappop(self._under_way)
            (self.left, self.right)[place].receive_data(datagram, self.now)
        self.left.handle_timer(self.now)
        self.right.handle_timer(self.now)
