"""What an APDU exchange was about, in words: the steps A to F of the journey as they happen.

A  the operator loads and parameterises the application   D  the card commands
B  the card is informed                                   E  the terminal synchronizes
C  the policy decides                                     F  the card hears the result
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cardsync.errors import PeerError
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.policy.decisions import Reason
from cardsync.policy.explain import explain
from cardsync.toolkit import commands, envelope, objects
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, LocalInformation
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from cardsync.transport.sms import Deliver

_STEPS = {
    CommandType.SEND_SHORT_MESSAGE: "A",
    CommandType.REFRESH: "A",
    CommandType.DISPLAY_TEXT: "F",
    CommandType.GET_INKEY: "C",
    CommandType.LAUNCH_BROWSER: "D",
    CommandType.OPEN_CHANNEL: "D",
    CommandType.SEND_DATA: "D",
    CommandType.CLOSE_CHANNEL: "D",
    CODE_POINTS.command: "D",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the transcript: step, who to whom, what, octets, milliseconds it took."""

    step: str
    who: str
    what: str
    octets: int = 0
    milliseconds: float = 0.0


def decided(reasons: Sequence[Reason], journal: Sequence[str]) -> tuple[str, ...]:
    """Tell a decision with its reasons, and what the card then did by its own journal.

    The policy says which rules fired; the card may yet have no key for a synchronization, or ask
    the user. The journal has a line for each rule that fired, cut to its
    length, and what came of it after the last of them.
    """
    lines = tuple(explain(reasons))
    fired = [" ".join(line.split()) for one, line in zip(reasons, lines, strict=True) if one.fired]
    places = [
        place
        for place, noted in enumerate(journal, 1)
        if noted and any(line.startswith(noted) for line in fired)
    ]
    done = tuple(journal[places[-1] :]) if places else ()
    return lines + done


def appended(before: Sequence[str], journal: Sequence[str]) -> tuple[str, ...]:
    """Give the lines that a journal, of which the oldest go, has beyond what it had before."""
    for new in range(len(journal) + 1):
        kept = tuple(journal[: len(journal) - new])
        if kept == tuple(before[len(before) - len(kept) :]):
            return tuple(journal[len(kept) :])
    return ()


def describe(command: CommandApdu, response: ResponseApdu, milliseconds: float) -> Step | None:
    """Describe an exchange; None for what belongs to no step (reading files, polling)."""
    try:
        if command.ins == Ins.ENVELOPE:
            return _envelope(command.data, milliseconds)
        if command.ins == Ins.FETCH:
            return _fetched(response.data, milliseconds)
        if command.ins == Ins.TERMINAL_RESPONSE:
            return _responded(command.data, milliseconds)
    except PeerError as exc:
        return Step("-", "terminal and card", f"unreadable: {exc}", len(command.data))
    if command.ins == Ins.TERMINAL_PROFILE:
        size = len(command.data)
        return Step("B", "terminal > card", f"TERMINAL PROFILE, {size} octets", size, milliseconds)
    return None


def name_of(kind: int) -> str:
    """Name a type of command as the standard writes it."""
    if kind == CODE_POINTS.command:
        return "REQUEST SYNCHRONIZATION"
    try:
        return CommandType(kind).name.replace("_", " ")
    except ValueError:
        return f"command {kind:02X}"


def _envelope(data: bytes, milliseconds: float) -> Step:
    told = envelope.Envelope.decode(data)
    if told.tag == EnvelopeTag.SMS_PP_DOWNLOAD:
        step, what = "A", f"SMS-PP download{_segment(envelope.tpdu_of(told))}"
    elif told.tag == EnvelopeTag.EVENT_DOWNLOAD and told.event == CODE_POINTS.event:
        step, what = "F", f"event: synchronization status, {_status(told)}"
    elif told.tag == EnvelopeTag.EVENT_DOWNLOAD:
        event = told.event
        name = EventCode(event).name if event in set(EventCode) else f"{event:02X}"
        step, what = "B", f"event: {name.lower().replace('_', ' ')}"
    else:
        step, what = "B", EnvelopeTag(told.tag).name.lower().replace("_", " ")
    return Step(step, "terminal > card", what, len(data), milliseconds)


def _segment(tpdu: bytes) -> str:
    part = Deliver.decode(tpdu).user_data.concatenation
    return f", segment {part.sequence} of {part.total}" if part else ""


def _status(told: envelope.Envelope) -> str:
    status = SynchronizationStatus.of(told)
    text = f"result {status.result.value().hex().upper()}"
    found = status.summary
    if found is None:
        return text
    return (
        f"{text}, {found.added} added, {found.replaced} replaced, {found.deleted} deleted, "
        f"{found.octets_up} octets up, {found.octets_down} down"
    )


def _fetched(data: bytes, milliseconds: float) -> Step:
    command = ProactiveCommand.decode(data)
    kind = command.details.type
    what = name_of(kind)
    text = commands.first(command.parts, objects.TextString)
    if kind == CommandType.PROVIDE_LOCAL_INFORMATION:
        asked = LocalInformation(command.details.qualifier).name.lower().replace("_", " ")
        what = f"{what}: {asked}"
    elif text is not None:
        what = f'{what}: "{text.text}"'
    return Step(_STEPS.get(kind, "B"), "card > terminal", what, len(data), milliseconds)


def _responded(data: bytes, milliseconds: float) -> Step:
    response = TerminalResponse.decode(data)
    kind = response.details.type
    result = response.result.value().hex().upper()
    what = f"TERMINAL RESPONSE to {name_of(kind)}: {result}"
    return Step(_STEPS.get(kind, "B"), "terminal > card", what, len(data), milliseconds)
