"""A message in packets and groups of packets, going out and coming in, silent.

WAP-224-WTP-20010710-a clause 7.14. The sender sends a group and waits; the receiver
acknowledges the group, or names what is missing of it. Times are seconds of any clock that only
rises.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from cardsync.errors import LocalError, PeerError
from cardsync.transport.wtp_codes import MOST_PACKETS, ProviderAbort, Trailer

LARGEST_PACKET = 65_000
"""Octets of data that we put into a datagram at most; 65,507 is what UDP over IPv4 carries."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a transaction: octets, counts and seconds. Annex A names the timers."""

    segment: int = 1400  # octets of data in a packet; more only where 256 packets do not do
    # Packets sent before an acknowledgement is waited for. Kannel 1.4.5 asks for nothing that is
    # lost inside a group and goes on without it: where datagrams get lost on the way to it, 1.
    group: int = 8
    largest: int = 1 << 20  # octets of a message that we take
    stranger: int = 4096  # octets that are kept for who may have forged his address
    transactions: int = 16  # of one peer at the same time
    retry: float = 5.0  # until what is not acknowledged is sent again; gateways hold on after 4
    retries: int = 8
    acknowledge: float = 1.0  # until the peer is told that its message is here and thought about
    gather: float = 0.1  # that packets out of order have before they are called missing
    answer: float = 120.0  # that the application has, and that the peer may be silent
    linger: float = 30.0  # that the end of a transaction is remembered


@dataclass(frozen=True, slots=True)
class Packet:
    """A piece of a message: number `psn` of at most 256."""

    psn: int
    trailer: Trailer
    data: bytes
    rid: bool = False


@dataclass(frozen=True, slots=True)
class Here:
    """Everything up to packet `psn` is here: an acknowledgement is owed."""

    psn: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Packets of a group are not here: a negative acknowledgement is owed."""

    psns: tuple[int, ...]


Heard: TypeAlias = Here | Missing | None


class TooLarge(PeerError):
    """A message is longer than we take."""

    def __init__(self, largest: int) -> None:
        super().__init__(
            f"a message of more than {largest} octets", answer=ProviderAbort.MESSAGETOOLARGE
        )


class Outgoing:
    """A message on its way out; `deadline` is when `repeat` is due, None if nothing waits."""

    def __init__(self, message: bytes, limits: Limits, *, segmented: bool = True) -> None:
        """Cut `message`; `LocalError` if it is longer than packets can carry."""
        self._limits = limits
        self._packets = _cut(message, limits, segmented=segmented)
        self._first = 0  # of the group that is on its way
        self._end = self._end_of_group()
        self._tries = 0
        self.deadline: float | None = None

    @property
    def several(self) -> bool:
        """Whether there is more than one packet."""
        return len(self._packets) > 1

    @property
    def done(self) -> bool:
        """Whether everything is acknowledged."""
        return self._first == len(self._packets)

    def begin(self, now: float) -> tuple[Packet, ...]:
        """Give the packets of the group that is next."""
        self._tries = 0
        self.deadline = now + self._limits.retry
        return self._packets[self._first : self._end + 1]

    def acknowledged(self, psn: int | None, now: float) -> tuple[Packet, ...]:
        """Learn that packets up to `psn` arrived; give the next group, if that is now due.

        Without a number the message has one packet, or all of it is meant: so gateways say
        that they have it and are thinking.
        """
        if psn is None and self._end in {0, len(self._packets) - 1}:
            psn = self._end
        if psn != self._end or self.done:
            return ()
        self._first = self._end + 1
        self.deadline = None
        if self.done:
            return ()
        self._end = self._end_of_group()
        return self.begin(now)

    def refused(self, missing: Iterable[int], now: float) -> tuple[Packet, ...]:
        """Give again what the peer misses of the group; all of it where it names nothing."""
        if self.done:
            return ()
        self.deadline = now + self._limits.retry
        wanted = set(missing) or set(range(self._first, self._end + 1))
        group = self._packets[self._first : self._end + 1]
        return tuple(replace(packet, rid=True) for packet in group if packet.psn in wanted)

    def repeat(self, now: float) -> tuple[Packet, ...]:
        """Give the end of the group again; nothing after the last try. Clause 7.14.3.

        Of the first group everything is given: where its first packet is lost, the peer knows
        of no transaction and does not say that packets are missing.
        """
        self._tries += 1
        if self._tries > self._limits.retries:
            self.deadline = None
            return ()
        self.deadline = now + self._limits.retry
        start = self._end if self._first else 0
        return tuple(replace(packet, rid=True) for packet in self._packets[start : self._end + 1])

    def finish(self) -> None:
        """Learn by an answer that everything arrived."""
        self._first = len(self._packets)
        self.deadline = None

    def _end_of_group(self) -> int:
        return min(self._first + self._limits.group, len(self._packets)) - 1


def _cut(message: bytes, limits: Limits, *, segmented: bool) -> tuple[Packet, ...]:
    size = max(limits.segment, -(-len(message) // MOST_PACKETS)) if segmented else len(message)
    if size > LARGEST_PACKET:
        raise LocalError(f"a message of {len(message)} octets does not fit")
    if not segmented:
        return (Packet(0, Trailer.UNSEGMENTED, message),)
    pieces = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
    last = len(pieces) - 1
    return tuple(
        Packet(psn, _trailer(psn, last, limits.group), piece) for psn, piece in enumerate(pieces)
    )


def _trailer(psn: int, last: int, group: int) -> Trailer:
    if psn == last:
        return Trailer.LAST
    return Trailer.MORE if (psn + 1) % group else Trailer.GROUP


class Incoming:
    """A message on its way in; `deadline` is when `overdue` is due, None if nothing waits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: dict[int, bytes] = {}
        self._size = 0
        self._base = 0  # of the group that is not whole
        self._asked = -1  # the end of the last group of which we know
        self._end: int | None = None
        self.deadline: float | None = None

    @property
    def several(self) -> bool:
        """Whether there is more than one packet."""
        return self._end != 0

    @property
    def whole(self) -> bool:
        """Whether everything is here."""
        return self._end is not None and self._base > self._end

    @property
    def so_far(self) -> Here:
        """The acknowledgement of all groups that are whole."""
        return Here(self._base - 1)

    @property
    def message(self) -> bytes:
        """What is here of the message, in order."""
        return b"".join(self._parts[psn] for psn in sorted(self._parts))

    def take(self, packet: Packet, now: float) -> Heard:
        """Take a packet in any order, any number of times; say what is owed for it.

        Raises `TooLarge`, and `PeerError` for a packet behind the last one.
        """
        known = packet.psn < self._base
        if not known:
            self._keep(packet)
        if packet.trailer is not Trailer.MORE:
            self._asked = max(self._asked, packet.psn)
        if known:
            return None if packet.trailer is Trailer.MORE else self.so_far
        if packet.psn > self._asked:
            return None
        return self._judge(packet, now)

    def overdue(self) -> Heard:
        """Say what is missing, `Limits.gather` after the end of its group came."""
        self.deadline = None
        missing = self._missing()
        return Missing(missing) if missing else None

    def _keep(self, packet: Packet) -> None:
        last = packet.trailer in {Trailer.LAST, Trailer.UNSEGMENTED}
        highest = max(self._parts, default=0)
        if (self._end is not None and packet.psn > self._end) or (last and packet.psn < highest):
            raise PeerError("a packet behind the last one", answer=ProviderAbort.PROTOERR)
        if last:
            self._end = packet.psn
        if packet.psn in self._parts:
            return
        self._size += len(packet.data)
        if self._size > self._limits.largest:
            raise TooLarge(self._limits.largest)
        self._parts[packet.psn] = packet.data

    def _judge(self, packet: Packet, now: float) -> Heard:
        missing = self._missing()
        if not missing:
            self._base = self._asked + 1
            self.deadline = None
            return self.so_far
        if packet.rid and packet.trailer is not Trailer.MORE:
            self.deadline = None
            return Missing(missing)
        if self.deadline is None and packet.trailer is not Trailer.MORE:
            self.deadline = now + self._limits.gather
        return None

    def _missing(self) -> tuple[int, ...]:
        group = range(self._base, self._asked + 1)
        return tuple(psn for psn in group if psn not in self._parts)
