"""Channels of the bearer independent protocol: TCP for the card, UICC in client mode.

TS 102 223 clauses 6.4.27 to 6.4.31, 7.5.10 and 7.5.11. The streams behind the channels are given
in: this file opens no socket. What came over a stream waits in the buffer of its channel until
the card asks for it; what could not be kept is left in the stream.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import ClassVar, Protocol

from cardsync.errors import PeerError
from cardsync.toolkit import channels, commands
from cardsync.toolkit.codes import CommandType, Device, EventCode, GeneralResult, TransportProtocol
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.reasons import BipProblem

LARGEST_BUFFER = 1500
MOST_CHANNELS = 7

_AT_ONCE = 0x01  # qualifier of SEND DATA. Clause 8.6
_ESTABLISHED = 0x80
_LINK_DROPPED = 0x05  # further information of a channel status. Clause 8.56
_LARGEST_TOLD = 255
_PERFORMED = Result(GeneralResult.PERFORMED)


class StreamEnded(PeerError):
    """A stream cannot be opened, or is no more."""


class Stream(Protocol):
    """A connection to a server. Its methods raise `StreamEnded`."""

    def send(self, octets: bytes) -> None:
        """Send octets, all of them."""

    def receive(self, most: int) -> bytes:
        """Give what has come, `most` octets of it; empty where nothing has."""

    def close(self) -> None:
        """End the connection; it raises nothing."""


Connect = Callable[[str, int], Stream]
"""Opens a stream to an IP address and a port; raises `StreamEnded`."""
Told = tuple[EventCode, tuple[DataObject, ...]]
"""An event for the card, with its objects."""


@dataclass(slots=True)
class _Channel:
    stream: Stream | None
    size: int
    received: bytearray = field(default_factory=bytearray)
    waiting: bytearray = field(default_factory=bytearray)


class Channels:
    """The channels of one card; `connect` is None in a terminal that has none."""

    def __init__(self, connect: Connect | None = None) -> None:
        self._connect = connect
        self._channels: dict[int, _Channel] = {}

    def reset(self) -> None:
        """Close everything: the card was reset."""
        for number in list(self._channels):
            self._drop(number)
        self._channels.clear()

    def perform(self, command: ProactiveCommand) -> TerminalResponse:
        """Do a command for channels; `PeerError` where an object is missing."""
        if self._connect is None:
            return _answer(command, Result(GeneralResult.BEYOND_CAPABILITIES))
        if command.details.type == CommandType.OPEN_CHANNEL:
            return self._open(command, self._connect)
        if command.details.type == CommandType.GET_CHANNEL_STATUS:
            return _answer(command, _PERFORMED, *self._status())
        number = command.devices.destination - Device.CHANNEL_1 + 1
        channel = self._channels.get(number)
        if channel is None:
            return _problem(command, BipProblem.CHANNEL_INVALID)
        return self._HANDLERS[command.details.type](self, command, number, channel)

    def _open(self, command: ProactiveCommand, connect: Connect) -> TerminalResponse:
        """OPEN CHANNEL, clause 6.4.27.2: the link is established at once, whatever is asked."""
        level = commands.first(command.parts, channels.TransportLevel)
        address = _address(command)
        if level is None or level.protocol != TransportProtocol.TCP_CLIENT_REMOTE:
            return _answer(command, Result(GeneralResult.BEYOND_CAPABILITIES))
        if address is None:
            return _answer(command, Result(GeneralResult.VALUES_MISSING))
        free = [one for one in range(1, MOST_CHANNELS + 1) if one not in self._channels]
        if not free:
            return _problem(command, BipProblem.NO_CHANNEL)
        wanted = commands.required(command.parts, channels.BufferSize).size
        size = max(1, min(wanted, LARGEST_BUFFER))
        try:
            self._channels[free[0]] = _Channel(connect(address, level.port), size)
        except StreamEnded:
            return _problem(command, BipProblem.NOT_REACHABLE)
        modified = Result(GeneralResult.PERFORMED_WITH_MODIFICATION)
        bearers = commands.every(command.parts, channels.BearerDescription)
        return _answer(
            command,
            _PERFORMED if size == wanted else modified,
            channels.ChannelStatus(_ESTABLISHED | free[0], b"\0"),
            *bearers,
            channels.BufferSize(size),
        )

    def _close(self, command: ProactiveCommand, number: int, channel: _Channel) -> TerminalResponse:
        """CLOSE CHANNEL, clause 6.4.28; one whose link was dropped is closed already."""
        was_open = channel.stream is not None
        self._drop(number)
        del self._channels[number]
        closed = BipProblem.CHANNEL_CLOSED
        return _answer(command, _PERFORMED) if was_open else _problem(command, closed)

    def _send(self, command: ProactiveCommand, number: int, channel: _Channel) -> TerminalResponse:
        """SEND DATA, clause 6.4.30: keep it, or send it with all that was kept."""
        octets = commands.required(command.parts, channels.ChannelData).octets
        if channel.stream is None:
            return _problem(command, BipProblem.CHANNEL_CLOSED)
        if len(channel.waiting) + len(octets) > channel.size:
            return _problem(command, BipProblem.BUFFER_SIZE)
        channel.waiting += octets
        if command.details.qualifier & _AT_ONCE:
            try:
                channel.stream.send(bytes(channel.waiting))
            except StreamEnded:
                self._drop(number)
                return _problem(command, BipProblem.CHANNEL_CLOSED)
            channel.waiting.clear()
        free = channel.size - len(channel.waiting)
        return _answer(command, _PERFORMED, _length(free))

    def _receive(
        self, command: ProactiveCommand, number: int, channel: _Channel
    ) -> TerminalResponse:
        """RECEIVE DATA, clause 6.4.29; fewer octets than wanted are missing information."""
        del number
        wanted = commands.required(command.parts, channels.ChannelDataLength).length
        if channel.stream is None and not channel.received:
            return _problem(command, BipProblem.CHANNEL_CLOSED)
        octets = bytes(channel.received[:wanted])
        del channel.received[:wanted]
        missing = Result(GeneralResult.MISSING_INFORMATION)
        return _answer(
            command,
            _PERFORMED if len(octets) == wanted else missing,
            channels.ChannelData(octets),
            _length(len(channel.received)),
        )

    def _status(self) -> list[channels.ChannelStatus]:
        """GET CHANNEL STATUS, clause 6.4.31; without a channel it says that there is none."""
        found = [
            channels.ChannelStatus(_ESTABLISHED | number, b"\0")
            if channel.stream is not None
            else channels.ChannelStatus(number, bytes([_LINK_DROPPED]))
            for number, channel in sorted(self._channels.items())
        ]
        return found or [channels.ChannelStatus(0, b"\0")]

    def poll(self) -> list[Told]:
        """Look at the streams; give the events that the card may want to hear.

        Data are told when they come into an empty buffer. Clause 7.5.10.
        """
        told: list[Told] = []
        for number, channel in sorted(self._channels.items()):
            if channel.stream is None:
                continue
            empty = not channel.received
            try:
                channel.received += channel.stream.receive(channel.size - len(channel.received))
            except StreamEnded:
                self._drop(number)
                dropped = channels.ChannelStatus(number, bytes([_LINK_DROPPED]))
                told.append((EventCode.CHANNEL_STATUS, (dropped,)))
                continue
            if empty and channel.received:
                there = channels.ChannelStatus(_ESTABLISHED | number, b"\0")
                told.append((EventCode.DATA_AVAILABLE, (there, _length(len(channel.received)))))
        return told

    def _drop(self, number: int) -> None:
        channel = self._channels[number]
        if channel.stream is not None:
            channel.stream.close()
            channel.stream = None

    _HANDLERS: ClassVar[dict[int, "_Handler"]] = {
        CommandType.CLOSE_CHANNEL: _close,
        CommandType.SEND_DATA: _send,
        CommandType.RECEIVE_DATA: _receive,
    }


_Handler = Callable[[Channels, ProactiveCommand, int, _Channel], TerminalResponse]

COMMANDS = (
    CommandType.OPEN_CHANNEL,
    CommandType.CLOSE_CHANNEL,
    CommandType.SEND_DATA,
    CommandType.RECEIVE_DATA,
    CommandType.GET_CHANNEL_STATUS,
)
"""The commands that `Channels.perform` does."""


def _address(command: ProactiveCommand) -> str | None:
    """Give the address of the server; the card's own may stand before the transport level."""
    found = commands.every(command.parts, channels.OtherAddress)
    try:
        return str(ip_address(found[-1].address)) if found else None
    except ValueError:
        return None


def _length(octets: int) -> channels.ChannelDataLength:
    return channels.ChannelDataLength(min(octets, _LARGEST_TOLD))


def _answer(command: ProactiveCommand, result: Result, *found: DataObject) -> TerminalResponse:
    parts = tuple([commands.Part(one) for one in found])
    return TerminalResponse(command.details, result, parts)


def _problem(command: ProactiveCommand, problem: BipProblem) -> TerminalResponse:
    return _answer(command, Result(GeneralResult.BIP_ERROR, bytes([problem])))
