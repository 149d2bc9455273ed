"""Proactive commands and their TERMINAL RESPONSE.

TS 102 223 clause 6.6 (structure of the commands), 6.8 (of the responses). A command is its
details, its device identities and its objects in their order; `Part` keeps with each object
whether its comprehension is required, so that what was decoded is encoded to the same octets.
"""

from dataclasses import dataclass
from typing import Self

from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW
from cardsync.toolkit import objects, structure
from cardsync.toolkit.codes import (
    PROACTIVE_COMMAND_TAG,
    CommandType,
    Device,
    GeneralResult,
    LocalInformation,
    TimeUnit,
)
from cardsync.toolkit.objects import CommandDetails, DataObject, DeviceIdentities, Result
from cardsync.toolkit.parts import (
    Part,
    content,
    decode_parts,
    encode_parts,
    every,
    first,
    required,
    standing,
)
from cardsync.toolkit.synchronization_objects import CODE_POINTS

__all__ = [
    "TYPES",
    "Part",
    "ProactiveCommand",
    "TerminalResponse",
    "ask_yes_no",
    "command",
    "decode_parts",
    "display_text",
    "every",
    "first",
    "is_yes",
    "launch_browser",
    "poll_interval",
    "provide_local_information",
    "required",
    "send_short_message",
    "set_up_event_list",
    "set_up_menu",
    "start_timer",
    "yes_no",
]

TYPES = frozenset(CommandType)
"""The types of command that the standard knows; others are answered `31`."""


@dataclass(frozen=True, slots=True)
class ProactiveCommand:
    """A command of the card. TS 102 223 clause 6.6.

    `flags` says of details and identities whether their comprehension is required; it is, in
    every command of ours.
    """

    details: CommandDetails
    devices: DeviceIdentities
    parts: tuple[Part, ...] = ()
    flags: tuple[bool, bool] = (True, True)

    def encode(self) -> bytes:
        """Give the octets, from the tag `D0` on."""
        body = self.details.encode(comprehension=self.flags[0])
        body += self.devices.encode(comprehension=self.flags[1])
        body += encode_parts(self.parts)
        return tlv.encode(PROACTIVE_COMMAND_TAG, body)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a command; raise `PeerError` that carries the general result owed."""
        try:
            return cls.of(decode_parts(content(data, {PROACTIVE_COMMAND_TAG})[1]))
        except PeerError as exc:
            if exc.answer is not None:
                raise
            raise PeerError(str(exc), answer=GeneralResult.DATA_NOT_UNDERSTOOD) from exc

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> Self:
        """Make a command of its objects; details and identities come first, in this order.

        Raises `PeerError` with `36` owed if an object is missing that the command must have.
        """
        details = standing(parts, 0, CommandDetails)
        devices = standing(parts, 1, DeviceIdentities)
        rest = parts[2:]
        structure.check(details.type, details.qualifier, tuple([part.object for part in rest]))
        return cls(details, devices, rest, (parts[0].comprehension, parts[1].comprehension))

    @property
    def unknown(self) -> tuple[objects.Unknown, ...]:
        """Objects that must be understood and that we do not know."""
        return every(tuple([part for part in self.parts if part.comprehension]), objects.Unknown)

    @property
    def owed(self) -> GeneralResult | None:
        """What a terminal answers for what nobody knows, type or object. Clause 6.10.

        None if there is no such thing; a command that is malformed does not exist at all.
        """
        if self.details.type not in TYPES | {CODE_POINTS.command}:
            return GeneralResult.TYPE_NOT_UNDERSTOOD
        return GeneralResult.DATA_NOT_UNDERSTOOD if self.unknown else None


@dataclass(frozen=True, slots=True)
class TerminalResponse:
    """The terminal's answer to a command. TS 102 223 clause 6.8.

    `flags` says of details, identities and result whether their comprehension is required.
    """

    details: CommandDetails
    result: Result
    parts: tuple[Part, ...] = ()
    devices: DeviceIdentities = objects.TERMINAL_TO_UICC
    flags: tuple[bool, bool, bool] = (True, True, True)

    def encode(self) -> bytes:
        """Give the data field of TERMINAL RESPONSE."""
        head = zip((self.details, self.devices, self.result), self.flags, strict=True)
        body = b"".join([each.encode(comprehension=flag) for each, flag in head])
        return body + encode_parts(self.parts)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the data field; raise `PeerError` with the status word `6A80` owed.

        Details, identities and result come first, in this order. TS 102 223 clause 6.8.
        """
        try:
            parts = decode_parts(data)
            details = standing(parts, 0, CommandDetails)
            devices = standing(parts, 1, DeviceIdentities)
            result = standing(parts, 2, Result)
        except PeerError as exc:
            raise PeerError(str(exc), answer=SW.INCORRECT_DATA) from exc
        first_flag, second_flag, third_flag = (part.comprehension for part in parts[:3])
        return cls(details, result, parts[3:], devices, (first_flag, second_flag, third_flag))

    @property
    def performed(self) -> bool:
        """Say whether the general result is one of success, 00 to 0F."""
        return self.result.general < 0x10


def command(
    type_: int, *parts: DataObject | Part, qualifier: int = 0, to: int = Device.TERMINAL
) -> ProactiveCommand:
    """Make a command of the card; the session gives it its number. Objects are required ones."""
    return ProactiveCommand(
        CommandDetails(1, type_, qualifier),
        DeviceIdentities(Device.UICC, to),
        tuple([part if isinstance(part, Part) else Part(part) for part in parts]),
    )


def display_text(text: str, *, high_priority: bool = True) -> ProactiveCommand:
    """Show a text until the user or a delay clears it. TS 102 223 clause 6.6.1."""
    return command(
        CommandType.DISPLAY_TEXT,
        objects.TextString.of(text),
        qualifier=int(high_priority),
        to=Device.DISPLAY,
    )


def ask_yes_no(text: str) -> ProactiveCommand:
    """GET INKEY with "yes" or "no" as answers. TS 102 223 clauses 6.6.2 and 8.6, bit 3."""
    return command(CommandType.GET_INKEY, objects.TextString.of(text), qualifier=0x04)


def yes_no(*, yes: bool) -> objects.TextString:
    """Give the answer to `ask_yes_no`: the octet 01 for yes, 00 for no. Clause 6.8.2."""
    return objects.TextString("£" if yes else "@")  # characters 01 and 00 of the alphabet


def is_yes(response: TerminalResponse) -> bool:
    """Say whether a response to `ask_yes_no` is performed and says yes."""
    found = first(response.parts, objects.TextString)
    return response.performed and found == yes_no(yes=True)


def set_up_event_list(events: tuple[int, ...]) -> ProactiveCommand:
    """Ask for events. TS 102 223 clause 6.6.16."""
    return command(CommandType.SET_UP_EVENT_LIST, objects.EventList(events))


def set_up_menu(title: str, items: tuple[tuple[int, str], ...]) -> ProactiveCommand:
    """Put items into the menu of the terminal. TS 102 223 clause 6.6.7."""
    entries = [objects.Item(identifier, text) for identifier, text in items]
    return command(CommandType.SET_UP_MENU, objects.AlphaIdentifier(title), *entries)


def poll_interval(seconds: int) -> ProactiveCommand:
    """Ask to be polled each so many seconds, 1 to 255. TS 102 223 clause 6.6.6."""
    duration = objects.Duration(TimeUnit.SECONDS, seconds)
    return command(CommandType.POLL_INTERVAL, duration)


def provide_local_information(what: LocalInformation) -> ProactiveCommand:
    """Ask for one thing that the terminal knows. TS 102 223 clause 6.6.15."""
    return command(CommandType.PROVIDE_LOCAL_INFORMATION, qualifier=what)


def start_timer(identifier: int, seconds: int) -> ProactiveCommand:
    """Start a timer of the terminal. TS 102 223 clause 6.6.21, qualifier 00."""
    return command(
        CommandType.TIMER_MANAGEMENT,
        objects.TimerIdentifier(identifier),
        objects.TimerValue(seconds),
    )


def send_short_message(tpdu: bytes) -> ProactiveCommand:
    """Send an SMS-SUBMIT as it stands; the centre is the card's own. TS 31.111 clause 6.6.9."""
    return command(CommandType.SEND_SHORT_MESSAGE, objects.SmsTpdu(tpdu), to=Device.NETWORK)


def launch_browser(url: str) -> ProactiveCommand:
    """Show a page in the browser, if it is not running yet. TS 102 223 clause 6.6.26."""
    return command(CommandType.LAUNCH_BROWSER, objects.Url(url))
