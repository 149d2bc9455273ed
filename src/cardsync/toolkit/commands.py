"""Proactive commands and their TERMINAL RESPONSE.

TS 102 223 clause 6.6 (structure of the commands), 6.8 (of the responses). A command is its
details, its device identities and its objects in their order; `Part` keeps with each object
whether its comprehension is required, so that what was decoded is encoded to the same octets.
"""

from dataclasses import dataclass
from typing import Self, TypeVar

from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.reader import Reader
from cardsync.toolkit import objects
from cardsync.toolkit.codes import (
    PROACTIVE_COMMAND_TAG,
    CommandType,
    Device,
    GeneralResult,
    LocalInformation,
    TimeUnit,
)
from cardsync.toolkit.objects import CommandDetails, DataObject, DeviceIdentities, Result

_Wanted = TypeVar("_Wanted", bound=DataObject)

TYPES = frozenset(CommandType)
"""The types of command that the standard knows; others are answered `31`."""


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a message, and whether the receiver must understand it."""

    object: DataObject
    comprehension: bool = True

    def encode(self) -> bytes:
        """Give the octets of the TLV."""
        return self.object.encode(comprehension=self.comprehension)


def decode_parts(data: bytes) -> tuple[Part, ...]:
    """Read the objects of a message to its end; raise `PeerError` with `32` owed."""
    try:
        found = [
            Part(objects.decode(one), one.comprehension) for one in tlv.walk_comprehension(data)
        ]
    except PeerError as exc:
        raise PeerError(str(exc), answer=GeneralResult.DATA_NOT_UNDERSTOOD) from exc
    return tuple(found)


def first(parts: tuple[Part, ...], wanted: type[_Wanted]) -> _Wanted | None:
    """Give the first object of a class, or None."""
    for part in parts:
        if isinstance(part.object, wanted):
            return part.object
    return None


def every(parts: tuple[Part, ...], wanted: type[_Wanted]) -> tuple[_Wanted, ...]:
    """Give all objects of a class."""
    return tuple([part.object for part in parts if isinstance(part.object, wanted)])


def required(parts: tuple[Part, ...], wanted: type[_Wanted]) -> _Wanted:
    """Give the first object of a class; raise `PeerError` with `36` owed if there is none."""
    found = first(parts, wanted)
    if found is None:
        raise PeerError(f"{wanted.__name__} is missing", answer=GeneralResult.VALUES_MISSING)
    return found


@dataclass(frozen=True, slots=True)
class ProactiveCommand:
    """A command of the card. TS 102 223 clause 6.6."""

    details: CommandDetails
    devices: DeviceIdentities
    parts: tuple[Part, ...] = ()

    def encode(self) -> bytes:
        """Give the octets, from the tag `D0` on."""
        body = self.details.encode() + self.devices.encode()
        body += b"".join([part.encode() for part in self.parts])
        return tlv.encode(PROACTIVE_COMMAND_TAG, body)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a command; raise `PeerError` that carries the general result owed."""
        reader = Reader(data)
        try:
            outer = tlv.decode_one(reader)
            reader.finish()
        except PeerError as exc:
            raise PeerError(str(exc), answer=GeneralResult.DATA_NOT_UNDERSTOOD) from exc
        if outer.tag != PROACTIVE_COMMAND_TAG:
            raise PeerError(
                f"tag {outer.tag:02X} at offset 0 is not D0, a proactive command",
                answer=GeneralResult.DATA_NOT_UNDERSTOOD,
            )
        return cls.of(decode_parts(outer.value))

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> Self:
        """Make a command of its objects; details and identities come first, in this order."""
        details = required(parts[:1], CommandDetails)
        devices = required(parts[1:2], DeviceIdentities)
        return cls(details, devices, parts[2:])

    @property
    def unknown(self) -> tuple[objects.Unknown, ...]:
        """Objects that must be understood and that we do not know."""
        return every(tuple([part for part in self.parts if part.comprehension]), objects.Unknown)


@dataclass(frozen=True, slots=True)
class TerminalResponse:
    """The terminal's answer to a command. TS 102 223 clause 6.8."""

    details: CommandDetails
    result: Result
    parts: tuple[Part, ...] = ()
    devices: DeviceIdentities = objects.TERMINAL_TO_UICC

    def encode(self) -> bytes:
        """Give the data field of TERMINAL RESPONSE."""
        head = self.details.encode() + self.devices.encode(comprehension=True)
        return head + self.result.encode() + b"".join([part.encode() for part in self.parts])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the data field; raise `PeerError` if details or result are missing."""
        parts = decode_parts(data)
        rest = tuple(
            [
                part
                for part in parts
                if not isinstance(part.object, CommandDetails | DeviceIdentities | Result)
            ]
        )
        return cls(
            required(parts, CommandDetails),
            required(parts, Result),
            rest,
            first(parts, DeviceIdentities) or objects.TERMINAL_TO_UICC,
        )

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
