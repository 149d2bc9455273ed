"""Commands that are given up: the next rung goes at once, a late answer disturbs nothing."""

import pytest

from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu
from cardsync.policy.values import Rung
from cardsync.terminal.channels import Channels
from cardsync.toolkit.channels import ChannelStatus
from cardsync.toolkit.codes import CommandType, EnvelopeTag
from cardsync.toolkit.commands import Part, TerminalResponse
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import Result, TimerIdentifier, TimerValue
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from climbers import (
    EVERY_RUNG,
    NO_BIT,
    PATIENCE,
    POLLS,
    Bench,
    Browsing,
    Deaf,
    Pipe,
)
from mobiles import (
    PERFORMED,
    Agent,
)


def test_not_fetched_is_not_given_up() -> None:
    """A command that waits behind another one when the timer runs out is done in its turn."""
    bench = Bench()
    bench.there.mute = {CommandType.TIMER_MANAGEMENT}
    bench.trigger()
    bench.there.card.applet.told(Envelope(EnvelopeTag.TIMER_EXPIRATION, (
        Part(TimerIdentifier(2)), Part(TimerValue(int(PATIENCE)))
    )))  # fmt: skip
    bench.there.poll(POLLS)

    assert 1 == len(bench.there.agent.orders)
    assert [] == bench.there.equipment.outgoing()


def test_timer_of_a_command_that_was_answered() -> None:
    """It means nothing: neither for what was accepted nor for the next session's command."""
    bench = Bench()
    bench.trigger()
    bench.there.end(bench.there.agent.references[-1])
    bench.there.mute = {CODE_POINTS.command}
    bench.trigger()
    bench.there.later(PATIENCE)

    assert [] == bench.there.equipment.outgoing()
    assert (1, 0) == bench.ends


@pytest.mark.parametrize(
    ("silent", "fails"),
    [
        (CommandType.LAUNCH_BROWSER, Rung.BROWSER),
        (CommandType.OPEN_CHANNEL, Rung.BIP),
        (CommandType.SEND_DATA, Rung.BIP),
    ],
)
def test_silence_on_each_rung(silent: CommandType, fails: Rung) -> None:
    """Whichever command is never answered, the rung behind it goes at once. RS-43."""
    pipe = Pipe()
    bench = Bench(EVERY_RUNG, Agent(Result(0x30)), channels=Channels(pipe.connect))
    bench.there.mute = {silent}
    bench.trigger()

    assert (0, 0) == bench.ends

    bench.there.later(PATIENCE)
    sent = bench.there.equipment.outgoing()
    report = bench.read(sent[0]) if sent else bench.unframe(pipe.frames[0])

    assert bool(sent) == (fails is Rung.BIP)
    assert report.steps >> fails & 1
    assert (1, 0) == bench.ends
    assert (CommandType.CLOSE_CHANNEL in bench.there.types) == (silent != CommandType.OPEN_CHANNEL)


def test_page_that_is_being_read() -> None:
    """A browser that was opened is not given up: the user may read for long."""
    bench = Bench(EVERY_RUNG, Agent(Result(0x30)), handset=Browsing())
    bench.trigger()
    bench.there.later(PATIENCE)
    bench.there.poll(POLLS)

    assert [] == bench.there.equipment.outgoing()
    assert (0, 0) == bench.ends


def test_silence_on_the_last_rung() -> None:
    """Where no rung is left the policy hears of a failure; two short messages never leave."""
    bench = Bench(agent=Agent(Result(0x30)))
    bench.there.mute = {CommandType.SEND_SHORT_MESSAGE}
    bench.trigger()
    bench.there.later(PATIENCE)
    bench.there.poll(2 * POLLS)

    assert (0, 1) == bench.ends
    assert 1 == bench.there.types.count(CommandType.SEND_SHORT_MESSAGE)


def late(bench: Bench, kind: int, general: int) -> int:
    """Bring the response to the first command of a type; give the status word."""
    command = next(one for one in bench.there.fetched if one.details.type == kind)
    response = TerminalResponse(command.details, Result(general)).encode()
    apdu = CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=response)
    return ResponseApdu.decode(bench.there.card.transact(apdu.encode())).sw


@pytest.mark.parametrize("point", ["the next one waits", "it is fetched", "all is done"])
def test_late_answer(point: str) -> None:
    """It is taken as that of the old command, teaches that there is one, and disturbs nothing."""
    bench = Bench(agent=Deaf(), profile=NO_BIT)
    bench.there.forget()
    bench.trigger()
    if point == "the next one waits":
        bench.there.meddle = lambda apdu, response: (
            response[:-2] + b"\x90\x00" if apdu[1] == Ins.ENVELOPE else response
        )
    elif point == "it is fetched":
        bench.there.mute = {CommandType.SEND_SHORT_MESSAGE}
    bench.there.later(PATIENCE)
    waits = point == "the next one waits"

    assert waits == (late(bench, CODE_POINTS.command, 0) >> 8 == 0x91)
    assert "late answer to the native command: 00" in bench.journal

    bench.there.mute = set()
    bench.there.meddle = lambda _, response: response
    bench.there.poll(POLLS + 1)
    sent = len(bench.there.equipment.outgoing())

    assert (0 if point == "it is fetched" else 1) == sent

    bench.there.agent = bench.there.equipment._proactive._agent = Agent()
    bench.trigger()

    assert 1 == len(bench.there.agent.orders)


def test_late_refusal_and_twice() -> None:
    """A late 31 changes nothing; the same response again is out of turn."""
    bench = Bench(agent=Deaf(), profile=NO_BIT)
    bench.there.forget()
    bench.trigger()
    bench.there.later(PATIENCE)

    assert SW.OK == late(bench, CODE_POINTS.command, 0x31)
    assert SW.CONDITIONS_NOT_SATISFIED == late(bench, CODE_POINTS.command, 0x31)

    bench.trigger()

    assert 1 == bench.there.types.count(CODE_POINTS.command)


def test_late_channel_is_closed() -> None:
    """A channel that was opened when nobody waited for it any more is closed again."""
    bench = Bench(EVERY_RUNG, Agent(Result(0x30)))
    bench.there.mute = {CommandType.OPEN_CHANNEL}
    bench.trigger()
    bench.there.later(PATIENCE)
    command = next(
        one for one in bench.there.fetched if one.details.type == CommandType.OPEN_CHANNEL
    )
    response = TerminalResponse(
        command.details, PERFORMED, (Part(ChannelStatus(0x81, b"\0")),)
    ).encode()
    bench.there.card.transact(CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=response).encode())
    bench.there.poll()

    assert CommandType.CLOSE_CHANNEL == bench.there.types[-1]
