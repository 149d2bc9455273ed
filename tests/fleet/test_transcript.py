"""APDU exchanges in the words of the journey's steps."""

from cardsync.fleet.transcript import Step, appended, decided, describe, name_of
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import commands, envelope, information
from cardsync.toolkit.codes import CommandType, EventCode, LocalInformation
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import status_event
from cardsync.toolkit.synchronization_objects import Summary
from cardsync.transport.sms import Address, Deliver, TimeStamp
from cardsync.transport.user_data import COMMAND_HEADER, segment
from mobiles import HEAD, SYNC_NOW, Mobile, Sender, card_with, rule, trigger

WHY = "did not fire: held back: a synchronization is under way"


def fetched(command: commands.ProactiveCommand) -> Step | None:
    """Describe the FETCH of a command."""
    octets = command.encode()
    return describe(CommandApdu(0x80, Ins.FETCH, le=len(octets)), ResponseApdu(0x9000, octets), 1)


def enveloped(told: envelope.Envelope) -> Step | None:
    """Describe an ENVELOPE."""
    return describe(CommandApdu(0x80, Ins.ENVELOPE, data=told.encode()), ResponseApdu(0x9000), 1)


def test_lines_of_the_journal_are_told_once() -> None:
    """What came behind what was there, also where the oldest lines have gone."""
    assert ("c",) == appended(("a", "b"), ("a", "b", "c"))
    assert ("c", "d") == appended(("a", "b"), ("b", "c", "d"))
    assert () == appended(("a", "b"), ("a", "b"))
    assert ("x", "y") == appended(("a", "b"), ("x", "y"))
    assert ("a",) == appended((), ("a",))


def test_commands_are_named() -> None:
    """A command is named as the standard writes it, with what a person would ask for."""
    shown = fetched(commands.display_text("Ready"))
    asked = fetched(commands.provide_local_information(LocalInformation.IMEI))

    assert shown is not None
    assert asked is not None
    assert ("F", 'DISPLAY TEXT: "Ready"') == (shown.step, shown.what)
    assert ("B", "PROVIDE LOCAL INFORMATION: imei") == (asked.step, asked.what)
    assert "REQUEST SYNCHRONIZATION" == name_of(0xF5)
    assert "command F0" == name_of(0xF0)


def test_segments_are_counted() -> None:
    """A long short message says which segment it is."""
    parts = segment(bytes(300), COMMAND_HEADER, 1)
    deliver = Deliver(Address("2210"), TimeStamp(bytes(7)), parts[1]).encode()
    step = enveloped(envelope.sms_pp_download(deliver))

    assert step is not None
    assert ("A", "SMS-PP download, segment 2 of 3") == (step.step, step.what)


def test_events() -> None:
    """The end of a synchronization is step F, with its counts; other events are step B."""
    ended = enveloped(status_event(b"\0\1", Result(0), Summary(added=3, octets_up=9)))
    language = envelope.event_download(EventCode.LANGUAGE_SELECTION, information.Language("fr"))
    told = enveloped(language)

    assert ended is not None
    assert told is not None
    assert "F" == ended.step
    assert "result 00, 3 added, 0 replaced, 0 deleted, 9 octets up, 0 down" in ended.what
    assert ("B", "event: language selection") == (told.step, told.what)


def test_responses_and_the_rest() -> None:
    """A response names its command and result; reading a file is no step; rubbish is said."""
    command = commands.command(CommandType.POLLING_OFF)
    response = commands.TerminalResponse(command.details, Result(0x20, b"\x01")).encode()
    step = describe(
        CommandApdu(0x80, Ins.TERMINAL_RESPONSE, data=response), ResponseApdu(0x9000), 1
    )

    assert step is not None
    assert "TERMINAL RESPONSE to POLLING OFF: 2001" == step.what
    assert describe(CommandApdu(0x00, Ins.READ_BINARY, le=1), ResponseApdu(0x9000), 1) is None
    rubbish = describe(CommandApdu(0x80, Ins.ENVELOPE, data=b"\xff"), ResponseApdu(0x6F00), 1)
    assert rubbish is not None
    assert "unreadable" in rubbish.what


def test_what_the_card_held_back() -> None:
    """A rule that would have fired while a synchronization is under way: it did nothing."""
    there = Mobile(card_with(HEAD + SYNC_NOW)).on()
    sender, applet = Sender(start=10), there.card.applet
    there.message(trigger(sender))
    begun = decided(applet.reasons, applet.journal)
    again = []
    for _ in range(20):
        there.message(trigger(sender))
        again.append(decided(applet.reasons, applet.journal))

    ((fired,), *held) = begun, *[one[0] for one in again]

    assert fired.endswith(" fired")
    assert {fired.removesuffix("fired") + WHY} == set(held)
    assert 1 == len(there.agent.orders)


def test_what_came_of_a_decision() -> None:
    """What else the journal says after it, and nothing of what it said before."""
    report = rule('{ message = "sync-now" }', '{ report = "sms" }')
    there = Mobile(
        card_with(HEAD + report + rule('{ message = "other" }', '{ set = { good = "1" } }'))
    ).on()
    sender, applet = Sender(start=10), there.card.applet
    there.message(trigger(sender))
    told = decided(applet.reasons, applet.journal)
    there.message(trigger(sender, "other"))
    other = decided(applet.reasons, applet.journal)

    assert (2, 1) == (len(told), len(other))
    assert applet.journal[-2:-1] == told[1:]
