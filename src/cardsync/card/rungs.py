"""The rungs below the native command: browser, channel, short message.

docs/request-synchronization.md clause 14. Each is a few commands for the terminal; whoever takes
one hears its result once: None where the terminal did not answer. Where they go the policy's
parameters say, which the operator changes over the air: `report_number` is dialled, with or
without a plus sign; `report_address` is an IP address and a port, `192.0.2.1:9000` or
`[2001:db8::1]:9000`; `report_page` is opened in the browser, else the target of the request.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Address, ip_address

from cardsync.card.knowledge import Knowledge
from cardsync.card.ladder import NATIVE
from cardsync.card.memory import Memory
from cardsync.card.offering import Answered, Offer
from cardsync.card.orders import Orders, Session
from cardsync.card.policy_store import PolicyStore
from cardsync.card.reporting import Reporting, submit
from cardsync.card.secured import read_key_sets
from cardsync.errors import LocalError
from cardsync.ota.report import ReportReason
from cardsync.ota.token import PAGE_TARGET
from cardsync.policy.values import NOWHERE, ResolvedRequest, Rung
from cardsync.toolkit import channels, commands
from cardsync.toolkit.codes import (
    AddressType,
    BearerType,
    CommandType,
    Device,
    GeneralResult,
    TerminalProblem,
    TransportProtocol,
)
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization_objects import CODE_POINTS

Done = Callable[[Result | None], None]
"""Hears how a rung ended; None where the terminal gave no answer."""

NO_SERVICE = Result(GeneralResult.TERMINAL_UNABLE, bytes([TerminalProblem.NO_SERVICE]))
"""What the card itself says of a short message where the network cannot be used."""

COMMANDS: dict[int, set[int]] = {
    NATIVE: {CODE_POINTS.command},
    Rung.BROWSER: {CommandType.LAUNCH_BROWSER},
    Rung.BIP: {CommandType.OPEN_CHANNEL, CommandType.SEND_DATA},
    Rung.SMS: {CommandType.SEND_SHORT_MESSAGE},
}
"""The commands that a rung waits for. What closes a channel nobody waits for."""

_BUFFER = 1024
_SEND_AT_ONCE = 0x01  # qualifier of SEND DATA. TS 102 223 clause 8.6
_OPEN_AT_ONCE = 0x01  # qualifier of OPEN CHANNEL: immediate link establishment
_LONGEST_PAGE = 200


def named(rung: int) -> str:
    """Name a rung for people."""
    return "the native command" if rung == NATIVE else Rung(rung).name.lower()


class Unusable(LocalError):
    """A rung cannot be taken: the text says what is missing. The terminal was asked nothing."""


class Rungs:
    """Takes a rung: the commands are offered by `offer`."""

    def __init__(
        self,
        memory: Memory,
        policy: PolicyStore,
        knowledge: Knowledge,
        reporting: Reporting,
        offer: Offer,
    ) -> None:
        self._memory = memory
        self._policy = policy
        self._knowledge = knowledge
        self._reporting = reporting
        self._offer = offer

    def take(self, session: Session, request: ResolvedRequest, done: Done) -> None:
        """Take the rung of a session; raise `Unusable` if that is not possible."""
        match session.rung:
            case Rung.BROWSER:
                self._browse(self._page(session, request), done)
            case Rung.BIP:
                self._open(ReportReason.FALLBACK, request.name, done)
            case Rung.SMS:
                self._send(ReportReason.FALLBACK, request.name, done, counted=False)
            case _:
                raise Unusable("this card cannot do it")

    def report(self, means: Rung, done: Done) -> None:
        """Report because a rule says so; its short message is counted already."""
        if means is Rung.SMS:
            self._send(ReportReason.RULE, "", done, counted=True)
        elif means is Rung.BIP:
            self._open(ReportReason.RULE, "", done)
        else:
            raise Unusable("this card cannot do it")

    # The browser.

    def _browse(self, url: str, done: Done) -> None:
        self._offer(commands.launch_browser(url), _result(done))

    def _page(self, session: Session, request: ResolvedRequest) -> str:
        """Give the one-time address: the page, and the token of the session behind it."""
        page = self._parameter("report_page") or request.target.device
        if not page.startswith(("https://", "http://")) or len(page) > _LONGEST_PAGE:
            raise Unusable("there is no page to open")
        key_sets = [one for _, one in sorted(read_key_sets(self._memory).items())]
        token = Orders(self._memory).token(session, PAGE_TARGET, key_sets)
        if token is None or not page.isascii():
            raise Unusable("there is no key for a token")
        sign = "&" if "?" in page else "?"
        return f"{page}{sign}t={urlsafe_b64encode(token).decode()}"

    # The short message.

    def _send(self, reason: ReportReason, request: str, done: Done, *, counted: bool) -> None:
        """Send a report; its message counts before it leaves, whatever becomes of it."""
        number = self._parameter("report_number")
        if not number:
            raise Unusable("the policy has no report_number")
        if not self._knowledge.in_service:
            done(NO_SERVICE)
            return
        machine = self._policy.machine
        if not counted and (machine is None or not machine.sms_left):
            raise Unusable("no short message is left for today")
        tpdu = submit(number, self._packet(reason, request))
        if machine is not None and not counted:
            self._policy.keep(machine.with_sms())
        self._offer(commands.send_short_message(tpdu), _result(done))

    # The channel.

    def _open(self, reason: ReportReason, request: str, done: Done) -> None:
        command = _open_channel(self._parameter("report_address"))
        octets = self._reporting.framed(self._packet(reason, request))
        self._offer(command, partial(self._opened, octets, done))

    def _opened(self, octets: bytes, done: Done, response: TerminalResponse | None) -> None:
        """Send the frame, if the terminal has told which channel is there."""
        channel = _channel(response)
        if channel is None:
            done(_failure(response))
            return
        command = commands.command(
            CommandType.SEND_DATA,
            channels.ChannelData(octets),
            qualifier=_SEND_AT_ONCE,
            to=channel,
        )
        self._offer(command, partial(self._sent, channel, done))

    def _sent(self, channel: int, done: Done, response: TerminalResponse | None) -> None:
        """Close the channel, whatever became of the frame."""
        self._close(channel)
        done(response.result if response else None)

    def _close(self, channel: int) -> None:
        self._offer(commands.command(CommandType.CLOSE_CHANNEL, to=channel), lambda _: None)

    def answered_late(self, command: ProactiveCommand, response: TerminalResponse) -> None:
        """Close a channel that was opened when nobody waited for it any more."""
        channel = _channel(response)
        if command.details.type == CommandType.OPEN_CHANNEL and channel is not None:
            self._close(channel)

    def _packet(self, reason: ReportReason, request: str) -> bytes:
        packet = self._reporting.packet(reason, request)
        if packet is None:
            raise Unusable("there is no key for a report")
        return packet

    def _parameter(self, name: str) -> str:
        """Give a parameter of the policy that is a text, empty where there is none."""
        machine = self._policy.machine
        if machine is None:
            return ""
        names = [parameter.name for parameter in machine.program.parameters]
        value = dict(zip(names, machine.state.parameters, strict=True)).get(name)
        return value if isinstance(value, str) and value != NOWHERE else ""


def _result(done: Done) -> Answered:
    return lambda response: done(response.result if response else None)


def _channel(response: TerminalResponse | None) -> int | None:
    """Give the device of the channel that was opened, None if none was."""
    status = commands.first(response.parts, channels.ChannelStatus) if response else None
    if response is None or not response.performed or status is None:
        return None
    return Device.CHANNEL_1 + status.channel - 1


def _failure(response: TerminalResponse | None) -> Result | None:
    """Give the result of a channel that is not there; one without a channel is an error too."""
    if response is not None and response.performed:
        return Result(GeneralResult.BIP_ERROR, b"\0")
    return response.result if response else None


def _open_channel(address: str) -> ProactiveCommand:
    """Write OPEN CHANNEL for TCP, UICC in client mode. TS 102 223 clause 6.6.27.2."""
    host, _, port = address.rpartition(":")
    try:
        found = ip_address(host.removeprefix("[").removesuffix("]"))
        level = channels.TransportLevel(TransportProtocol.TCP_CLIENT_REMOTE, int(port))
    except ValueError as exc:
        raise Unusable("the policy has no report_address") from exc
    kind = AddressType.IPV6 if isinstance(found, IPv6Address) else AddressType.IPV4
    return commands.command(
        CommandType.OPEN_CHANNEL,
        channels.BearerDescription(BearerType.DEFAULT),
        channels.BufferSize(_BUFFER),
        level,
        channels.OtherAddress(kind, found.packed),
        qualifier=_OPEN_AT_ONCE,
    )
