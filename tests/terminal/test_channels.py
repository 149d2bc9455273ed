"""Channels of the card in the terminal, over streams given in and over real sockets."""

import socket
from dataclasses import dataclass, field

import pytest

from cardsync.terminal.channels import LARGEST_BUFFER, Channels, StreamEnded
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.handset import UnattendedHandset
from cardsync.terminal.links import sockets
from cardsync.terminal.proactive import Proactive, Surroundings
from cardsync.toolkit import channels as objects
from cardsync.toolkit import commands
from cardsync.toolkit.codes import (
    AddressType,
    BearerType,
    CommandType,
    Device,
    EventCode,
    GeneralResult,
    TransportProtocol,
)
from cardsync.toolkit.commands import TerminalResponse
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.reasons import BipProblem
from mobiles import ENDS, HEAD, IMEI, Agent, Mobile, card_with, rule, variables

TCP = TransportProtocol.TCP_CLIENT_REMOTE
LOCAL = bytes([127, 0, 0, 1])


@dataclass
class Wire:
    """A stream whose other end is the test."""

    sent: bytearray = field(default_factory=bytearray)
    coming: bytearray = field(default_factory=bytearray)
    ended: bool = False
    closed: bool = False

    def send(self, octets: bytes) -> None:
        """Keep what is sent."""
        self._check()
        self.sent += octets

    def receive(self, most: int) -> bytes:
        """Give what the test wants to come."""
        self._check()
        octets = bytes(self.coming[:most])
        del self.coming[:most]
        return octets

    def _check(self) -> None:
        if self.ended:
            raise StreamEnded("the test ended it")

    def close(self) -> None:
        """Note it."""
        self.closed = True


class World:
    """A terminal's channels, their wires, and the card's commands."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.asked: list[tuple[str, int]] = []
        self.channels = Channels(self._connect)
        self.terminal = Proactive(UnattendedHandset(), Agent(), Surroundings(IMEI), self.channels)

    def _connect(self, address: str, port: int) -> Wire:
        self.asked.append((address, port))
        if port == 1:
            raise StreamEnded("nobody is there")
        self.wires.append(Wire())
        return self.wires[-1]

    def do(
        self, kind: CommandType, *parts: DataObject, to: int = Device.TERMINAL, qualifier: int = 0
    ) -> TerminalResponse:
        """Give the terminal a command as octets."""
        command = commands.command(kind, *parts, qualifier=qualifier, to=to)
        response = self.terminal.perform(command.encode())
        assert response is not None
        return TerminalResponse.decode(response.encode())

    def open(
        self, port: int = 9000, size: int = 1024, kind: int = TCP, address: bytes = LOCAL
    ) -> TerminalResponse:
        """Open a channel."""
        return self.do(
            CommandType.OPEN_CHANNEL,
            objects.BearerDescription(BearerType.DEFAULT),
            objects.BufferSize(size),
            objects.TransportLevel(kind, port),
            *([objects.OtherAddress(AddressType.IPV4, address)] if address else []),
            qualifier=1,
        )

    def send(self, octets: bytes, *, at_once: bool = True, to: int = 0x21) -> TerminalResponse:
        """Send data."""
        data = objects.ChannelData(octets)
        return self.do(CommandType.SEND_DATA, data, to=to, qualifier=int(at_once))

    def receive(self, length: int, to: int = 0x21) -> TerminalResponse:
        """Receive data."""
        return self.do(CommandType.RECEIVE_DATA, objects.ChannelDataLength(length), to=to)


def problem(of: BipProblem) -> Result:
    """Give the result 3A with its reason."""
    return Result(GeneralResult.BIP_ERROR, bytes([of]))


def length(response: TerminalResponse) -> int | None:
    """Give the length that a response tells."""
    found = commands.first(response.parts, objects.ChannelDataLength)
    return found.length if found else None


def test_open() -> None:
    """The response tells channel, bearer and buffer. TS 102 223 clause 6.8, OPEN CHANNEL."""
    world = World()
    response = world.open()
    status = commands.first(response.parts, objects.ChannelStatus)

    assert GeneralResult.PERFORMED == response.result.general
    assert objects.ChannelStatus(0x81, b"\0") == status
    assert objects.BufferSize(1024) == commands.first(response.parts, objects.BufferSize)
    assert [("127.0.0.1", 9000)] == world.asked


def test_largest_buffer() -> None:
    """A buffer that is too large is made smaller, which is result 07."""
    response = World().open(size=0xFFFF)

    assert GeneralResult.PERFORMED_WITH_MODIFICATION == response.result.general
    assert objects.BufferSize(LARGEST_BUFFER) == commands.first(response.parts, objects.BufferSize)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ({"port": 1}, problem(BipProblem.NOT_REACHABLE)),
        ({"kind": TransportProtocol.TCP_SERVER}, Result(GeneralResult.BEYOND_CAPABILITIES)),
        ({"kind": TransportProtocol.UDP_CLIENT_REMOTE}, Result(GeneralResult.BEYOND_CAPABILITIES)),
        ({"address": b""}, Result(GeneralResult.VALUES_MISSING)),
        ({"address": b"\1\2\3"}, Result(GeneralResult.VALUES_MISSING)),
    ],
)
def test_not_opened(arguments: dict[str, int], result: Result) -> None:
    """What cannot be opened is refused by its reason, and no channel is there."""
    world = World()

    assert result == world.open(**arguments).result  # type: ignore[arg-type]  # of the table
    assert problem(BipProblem.CHANNEL_INVALID) == world.send(b"a").result


def test_seven_channels() -> None:
    """There are seven; a closed one can be had again."""
    world = World()
    for _ in range(7):
        assert world.open().performed

    assert problem(BipProblem.NO_CHANNEL) == world.open().result

    assert world.do(CommandType.CLOSE_CHANNEL, to=0x23).performed
    status = commands.first(world.open().parts, objects.ChannelStatus)

    assert status is not None
    assert 3 == status.channel
    assert world.wires[2].closed


def test_send() -> None:
    """Data are kept until they are to be sent; the response tells what is free. Clause 6.4.30."""
    world = World()
    world.open(size=200)

    assert 198 == length(world.send(b"ab", at_once=False))
    assert b"" == world.wires[0].sent
    assert 200 == length(world.send(b"cd"))
    assert b"abcd" == world.wires[0].sent
    assert problem(BipProblem.BUFFER_SIZE) == world.send(bytes(201)).result


def test_receive() -> None:
    """Data are told once when they come, and given in pieces. Clauses 6.4.29 and 7.5.10."""
    world = World()
    world.open()
    world.wires[0].coming += bytes(range(20))
    ((code, found),) = world.channels.poll()

    assert EventCode.DATA_AVAILABLE is code
    assert (objects.ChannelStatus(0x81, b"\0"), objects.ChannelDataLength(20)) == found
    assert [] == world.channels.poll()

    first, second, third = world.receive(15), world.receive(15), world.receive(1)

    assert objects.ChannelData(bytes(range(15))) == commands.first(first.parts, objects.ChannelData)
    assert (0x00, 5) == (first.result.general, length(first))
    assert (GeneralResult.MISSING_INFORMATION, 0) == (second.result.general, length(second))
    assert objects.ChannelData(b"") == commands.first(third.parts, objects.ChannelData)


def test_more_than_the_buffer() -> None:
    """What the buffer cannot hold stays in the stream; more than 255 is told as 255."""
    world = World()
    world.open(size=300)
    world.wires[0].coming += bytes(500)
    ((_, found),) = world.channels.poll()

    assert objects.ChannelDataLength(255) == found[1]
    assert 200 == len(world.wires[0].coming)

    world.receive(255)
    world.channels.poll()

    assert 0 == len(world.wires[0].coming)


def test_dropped() -> None:
    """A link that drops is told; what came before can still be had. Clause 7.5.11."""
    world = World()
    world.open()
    world.wires[0].coming += b"last"
    world.channels.poll()
    world.wires[0].ended = True
    ((code, found),) = world.channels.poll()

    assert EventCode.CHANNEL_STATUS is code
    assert (objects.ChannelStatus(1, b"\5"),) == found
    assert problem(BipProblem.CHANNEL_CLOSED) == world.send(b"a").result
    assert world.receive(4).performed
    assert problem(BipProblem.CHANNEL_CLOSED) == world.receive(4).result
    assert problem(BipProblem.CHANNEL_CLOSED) == world.do(CommandType.CLOSE_CHANNEL, to=0x21).result
    assert [] == world.channels.poll()


def test_lost_while_sending() -> None:
    """A link that is lost while data are sent closes the channel."""
    world = World()
    world.open()
    world.wires[0].ended = True

    assert problem(BipProblem.CHANNEL_CLOSED) == world.send(b"a").result
    assert world.wires[0].closed


def test_status() -> None:
    """Each channel is told; without one, that there is none. Clause 6.4.31."""
    world = World()
    none = world.do(CommandType.GET_CHANNEL_STATUS)

    assert (objects.ChannelStatus(0, b"\0"),) == commands.every(none.parts, objects.ChannelStatus)

    world.open()
    world.open()
    world.wires[0].ended = True
    world.channels.poll()
    two = world.do(CommandType.GET_CHANNEL_STATUS)

    assert (objects.ChannelStatus(1, b"\5"), objects.ChannelStatus(0x82, b"\0")) == commands.every(
        two.parts, objects.ChannelStatus
    )


def test_reset() -> None:
    """A reset of the card closes its channels."""
    world = World()
    world.open()
    world.terminal.reset()

    assert world.wires[0].closed
    assert problem(BipProblem.CHANNEL_INVALID) == world.send(b"a").result


def test_terminal_without_channels() -> None:
    """A terminal that was given no way to the network has no channels."""
    world = World()
    world.terminal.channels = Channels()

    assert Result(GeneralResult.BEYOND_CAPABILITIES) == world.open().result
    assert [] == world.terminal.channels.poll()


def test_sockets() -> None:
    """Over TCP: data both ways, the end of the other side, nobody there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stream = sockets.connect("127.0.0.1", port)
        there, _ = server.accept()
    with there:
        stream.send(b"question")

        assert b"question" == there.recv(100)
        assert b"" == stream.receive(0)
        assert b"" == stream.receive(100)

        there.sendall(b"answer")
        there.shutdown(socket.SHUT_WR)
        assert b"answ" == stream.receive(4)
        assert b"er" == stream.receive(4)
        with pytest.raises(StreamEnded):
            stream.receive(4)

        stream.close()

        assert b"" == there.recv(100)

    with pytest.raises(StreamEnded):
        stream.send(b"more")
    with pytest.raises(StreamEnded):
        stream.receive(1)
    with pytest.raises(StreamEnded):
        sockets.connect("127.0.0.1", port)


def test_events_reach_the_card() -> None:
    """The equipment tells the card of data if it asked for the event. R-30."""
    world = World()
    hear = rule('"data_available"', '{ set = { heard = "heard + 1" } }')
    there = Mobile(card_with(HEAD + hear + ENDS))
    there.equipment = Equipment(
        there, there.handset, there.agent, Surroundings(IMEI), there.profile, world.channels
    )
    there.on()
    world.open()
    world.wires[0].coming += b"data"
    there.equipment.handle_channels(1.0)
    there.equipment.handle_channels(2.0)

    assert 1 == variables(there.card)["heard"]
