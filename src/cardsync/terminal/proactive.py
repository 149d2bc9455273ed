"""What the terminal does for each proactive command: one method to a command, found by a table.

TS 102 223 clause 6.4, TS 31.111 clause 6.4. What a command changes (events asked for, timers,
poll interval, short messages to be sent) is kept here and read by the equipment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Protocol

from cardsync.errors import ConfigError, PeerError
from cardsync.terminal.channels import COMMANDS as CHANNEL_COMMANDS
from cardsync.terminal.channels import Channels
from cardsync.terminal.handset import Handset
from cardsync.toolkit import commands, information, objects
from cardsync.toolkit.codes import Battery, CommandType, GeneralResult, LocalInformation
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.synchronization import Refusal, alpha_of
from cardsync.toolkit.synchronization_objects import CODE_POINTS

_UICC_RESET = 0x04  # qualifier of REFRESH, TS 102 223 clause 8.6
_PERFORMED = Result(GeneralResult.PERFORMED)
_POLL_SECONDS = 30.0  # where the card asks for nothing else. TS 102 221 clause 14.5.2
_MOST_OUTGOING = 16
_CONSENT = "Synchronize the data of this device?"
_RESULTS = frozenset(GeneralResult)


class Orders(Protocol):
    """Who takes the orders of the card: the agent."""

    def take(
        self, command: ProactiveCommand, card: str, consent: Callable[[], Result | None]
    ) -> TerminalResponse | None:
        """Answer a REQUEST SYNCHRONIZATION of the card with this ICCID at once.

        `consent` asks the user; None if he agrees, else the result of his answer. Whoever gives
        None behaves like a terminal that never answers a command that it does not know.
        """

    def interrupt(self, card: str) -> None:
        """End what a card has ordered: it was taken out."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the terminal knows of itself and of its network, as the card may ask for it.

    `imei` has 15 digits, of which `software` makes the IMEISV with two more; `language` has two
    letters, `mcc` three digits, `mnc` two or three. `battery` is None where there is none.
    """

    imei: str
    language: str = "en"
    mcc: str = "001"
    mnc: str = "01"
    cell: bytes = bytes.fromhex("00010001")
    technology: int = 0x08
    software: str = "01"
    battery: Battery | None = None

    def __post_init__(self) -> None:
        try:
            information.Imei(self.imei)
            information.Imeisv(self.imeisv)
            information.Language(self.language)
        except ValueError as exc:
            raise ConfigError(f"the terminal cannot be so: {exc}") from exc
        for name, code, lengths in (("MCC", self.mcc, {3}), ("MNC", self.mnc, {2, 3})):
            if not code.isdecimal() or len(code) not in lengths:
                raise ConfigError(f"{name} {code!r}: {min(lengths)} digits are expected")

    @property
    def imeisv(self) -> str:
        """The identity with the software version in the check digit's place. TS 23.003 6.2.2."""
        return self.imei[:-1] + self.software


class Proactive:
    """The commands of one card, performed for one handset and one agent."""

    def __init__(
        self,
        handset: Handset,
        agent: Orders,
        surroundings: Surroundings,
        channels: Channels | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.channels = channels or Channels()
        self.card = ""  # its ICCID
        self.outgoing: list[bytes] = []
        self.poll_seconds = _POLL_SECONDS
        self.event_list: tuple[int, ...] = ()
        self.timers: dict[int, tuple[float, float]] = {}
        self.local_time: information.DateTime | None = None
        self.now = 0.0
        self.reset_asked = False
        self._handset = handset
        self._agent = agent

    def reset(self) -> None:
        """Forget what the card asked for: it was reset."""
        self.event_list, self.reset_asked = (), False
        self.poll_seconds = _POLL_SECONDS
        self.timers.clear()
        self.channels.reset()

    def perform(self, octets: bytes) -> TerminalResponse | None:
        """Do one command; give its response, or None where a reset or silence is in its place."""
        try:
            command = ProactiveCommand.decode(octets)
        except PeerError as exc:
            return _unreadable(octets, exc)
        handler = self._HANDLERS.get(command.details.type)
        if handler is None:
            known = command.details.type in commands.TYPES
            owed = GeneralResult.BEYOND_CAPABILITIES if known else GeneralResult.TYPE_NOT_UNDERSTOOD
            return _answer(command, Result(owed))
        if command.unknown:
            return _answer(command, Result(GeneralResult.DATA_NOT_UNDERSTOOD))
        try:
            return _told(command, handler(self, command))
        except PeerError as exc:
            return _answer(command, _owed(exc))

    def _refresh(self, command: ProactiveCommand) -> TerminalResponse | None:
        """After a UICC reset there is no response but the reset. TS 102 223 clause 6.4.7."""
        if command.details.qualifier == _UICC_RESET:
            self.reset_asked = True
            return None
        return _answer(command, _PERFORMED)

    def _poll_interval(self, command: ProactiveCommand) -> TerminalResponse:
        duration = commands.required(command.parts, objects.Duration)
        self.poll_seconds = duration.seconds
        return _answer(command, _PERFORMED, duration)

    def _polling_off(self, command: ProactiveCommand) -> TerminalResponse:
        self.poll_seconds = float("inf")
        return _answer(command, _PERFORMED)

    def _set_up_event_list(self, command: ProactiveCommand) -> TerminalResponse:
        self.event_list = commands.required(command.parts, objects.EventList).events
        return _answer(command, _PERFORMED)

    def _send_short_message(self, command: ProactiveCommand) -> TerminalResponse:
        tpdu = commands.required(command.parts, objects.SmsTpdu).tpdu
        if len(self.outgoing) >= _MOST_OUTGOING:
            return _answer(command, Result(GeneralResult.TERMINAL_UNABLE, b"\0"))
        self.outgoing.append(tpdu)
        return _answer(command, _PERFORMED)

    def _launch_browser(self, command: ProactiveCommand) -> TerminalResponse:
        opened = self._handset.browse(commands.required(command.parts, objects.Url).url)
        result = _PERFORMED if opened else Result(GeneralResult.BEYOND_CAPABILITIES)
        return _answer(command, result)

    def _display_text(self, command: ProactiveCommand) -> TerminalResponse:
        self._handset.show(commands.required(command.parts, objects.TextString).text)
        return _answer(command, _PERFORMED)

    def _get_inkey(self, command: ProactiveCommand) -> TerminalResponse:
        """Ask a yes/no question; other kinds of key are beyond this handset."""
        if not command.details.qualifier & 0x04:
            return _answer(command, Result(GeneralResult.BEYOND_CAPABILITIES))
        answer = self._handset.ask(commands.required(command.parts, objects.TextString).text)
        if isinstance(answer, Result):
            return _answer(command, answer)
        if answer is None:
            return _answer(command, Result(GeneralResult.NO_RESPONSE_FROM_USER))
        return _answer(command, _PERFORMED, commands.yes_no(yes=answer))

    def _set_up_menu(self, command: ProactiveCommand) -> TerminalResponse:
        title = commands.first(command.parts, objects.AlphaIdentifier)
        items = commands.every(command.parts, objects.Item)
        # The null item takes the menu away. TS 102 223 clause 6.4.8
        pairs = tuple([(item.identifier, item.text) for item in items if item.identifier])
        self._handset.menu(title.text if title else "", pairs)
        return _answer(command, _PERFORMED)

    def _provide_local_information(self, command: ProactiveCommand) -> TerminalResponse:
        own = self.surroundings
        known: dict[int, DataObject | None] = {
            LocalInformation.LOCATION: information.LocationInformation(own.mcc, own.mnc, own.cell),
            LocalInformation.IMEI: information.Imei(own.imei),
            LocalInformation.LANGUAGE: information.Language(own.language),
            LocalInformation.ACCESS_TECHNOLOGY: information.AccessTechnology((own.technology,)),
            LocalInformation.DATE_TIME: self.local_time,
            LocalInformation.IMEISV: information.Imeisv(own.imeisv),
        }
        if own.battery is not None:
            known[LocalInformation.BATTERY] = information.BatteryState(own.battery)
        found = known.get(command.details.qualifier)
        if found is None:
            return _answer(command, Result(GeneralResult.BEYOND_CAPABILITIES))
        return _answer(command, _PERFORMED, found)

    def _timer_management(self, command: ProactiveCommand) -> TerminalResponse:
        """Start (00) or stop (01) a timer, or tell its value (10). TS 102 223 clause 6.4.21."""
        timer = commands.required(command.parts, objects.TimerIdentifier)
        if command.details.qualifier == 0:
            value = commands.required(command.parts, objects.TimerValue)
            self.timers[timer.identifier] = (self.now + value.seconds, self.now)
            return _answer(command, _PERFORMED, timer)
        if timer.identifier not in self.timers:
            return _answer(command, Result(GeneralResult.CONTRADICTION_WITH_TIMER), timer)
        left = max(0, int(self.timers[timer.identifier][0] - self.now))
        if command.details.qualifier == 1:
            del self.timers[timer.identifier]
        return _answer(command, _PERFORMED, timer, objects.TimerValue(left))

    def _request_synchronization(self, command: ProactiveCommand) -> TerminalResponse | None:
        """Leave it to the agent, which lets the user be asked after its own checks.

        There is no screen for icons. docs/request-synchronization.md clause 4.4.
        """
        response = self._agent.take(command, self.card, partial(self._consent, command))
        icon = commands.first(command.parts, objects.texts.IconIdentifier)
        if response is None or icon is None or response.result != _PERFORMED:
            return response
        return replace(response, result=Result(GeneralResult.ICON_NOT_DISPLAYED))

    def _consent(self, command: ProactiveCommand) -> Result | None:
        """Ask the user; give None if he agrees. docs/request-synchronization.md clause 4.4."""
        answer = self._handset.ask(alpha_of(command) or _CONSENT)
        if isinstance(answer, Result):
            return answer
        if answer is None:
            return Result(GeneralResult.NO_RESPONSE_FROM_USER)
        refused = Result(GeneralResult.USER_DID_NOT_ACCEPT, bytes([Refusal.REFUSED_NOW]))
        return None if answer else refused

    def _channel(self, command: ProactiveCommand) -> TerminalResponse:
        return self.channels.perform(command)

    def _more_time(self, command: ProactiveCommand) -> TerminalResponse:
        return _answer(command, _PERFORMED)

    _HANDLERS: ClassVar[dict[int, "_Handler"]] = {
        CommandType.REFRESH: _refresh,
        CommandType.MORE_TIME: _more_time,
        CommandType.POLL_INTERVAL: _poll_interval,
        CommandType.POLLING_OFF: _polling_off,
        CommandType.SET_UP_EVENT_LIST: _set_up_event_list,
        CommandType.SEND_SHORT_MESSAGE: _send_short_message,
        CommandType.LAUNCH_BROWSER: _launch_browser,
        CommandType.DISPLAY_TEXT: _display_text,
        CommandType.GET_INKEY: _get_inkey,
        CommandType.SET_UP_MENU: _set_up_menu,
        CommandType.PROVIDE_LOCAL_INFORMATION: _provide_local_information,
        CommandType.TIMER_MANAGEMENT: _timer_management,
        CODE_POINTS.command: _request_synchronization,
        **dict.fromkeys(CHANNEL_COMMANDS, _channel),
    }


_Handler = Callable[[Proactive, ProactiveCommand], TerminalResponse | None]


def _answer(command: ProactiveCommand, result: Result, *found: DataObject) -> TerminalResponse:
    parts = tuple([commands.Part(one) for one in found])
    return TerminalResponse(command.details, result, parts)


def _told(command: ProactiveCommand, response: TerminalResponse | None) -> TerminalResponse | None:
    """Say that an object was ignored: one that need not be understood. TS 102 223 clause 6.10."""
    ignored = commands.every(command.parts, objects.Unknown)
    if response is None or not ignored or response.result != _PERFORMED:
        return response
    return replace(response, result=Result(GeneralResult.PARTIAL_COMPREHENSION))


def _unreadable(octets: bytes, exc: PeerError) -> TerminalResponse:
    """Answer a command that cannot be read, with its details where they can be found."""
    start = octets.find(b"\x81\x03")
    found = octets[start + 2 : start + 5] if start >= 0 else b""
    details = objects.CommandDetails(*found) if len(found) == 3 else objects.CommandDetails(1, 0)
    return TerminalResponse(details, _owed(exc))


def _owed(exc: PeerError) -> Result:
    known = exc.answer in _RESULTS and exc.answer is not None
    return Result(exc.answer if known and exc.answer else GeneralResult.DATA_NOT_UNDERSTOOD)
