"""Policies with fallbacks, and a mobile whose terminal lacks the command, for tests."""

from dataclasses import dataclass, field

from cardsync.card.memory import Memory
from cardsync.card.uicc import Uicc
from cardsync.ota.report import Report, read_report, unframe
from cardsync.terminal.channels import Stream
from cardsync.terminal.handset import UnattendedHandset
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.transport.sms import Submit
from mobiles import (
    ENDS,
    HEAD,
    KEYS,
    SYNC_NOW,
    Agent,
    Mobile,
    Sender,
    card_with,
    trigger,
    variables,
)

NUMBER = "+2210"
HEAD_WITH = HEAD.replace("[variables]", f'report_number = "{NUMBER}"\n[variables]')
BY_SMS = HEAD_WITH + 'fallback = ["sms"]\n' + SYNC_NOW + ENDS
BY_BROWSER = HEAD_WITH + 'fallback = ["browser", "sms"]\n' + SYNC_NOW + ENDS
NO_BIT = TerminalProfile.of(*[one for one in Feature if one is not Feature.REQUEST_SYNCHRONIZATION])
EVERY_RUNG = (
    HEAD_WITH.replace("[variables]", 'report_address = "192.0.2.1:9000"\n[variables]')
    + 'fallback = ["browser", "bip", "sms"]\n'
    + SYNC_NOW
    + ENDS
)
POLLS = 20
PATIENCE = 600.0
"""T6 in polls and T10 in seconds. docs/request-synchronization.md clause 13."""


@dataclass
class Deaf(Agent):
    """A terminal that takes the command and never answers it."""

    def take(self, command: ProactiveCommand, *_: object) -> None:
        """Say nothing."""
        self.orders.append(command)


@dataclass
class Browsing(UnattendedHandset):
    """A phone with a browser."""

    pages: list[str] = field(default_factory=list)

    def browse(self, url: str) -> bool:
        """Open a page."""
        self.pages.append(url)
        return True


@dataclass
class Pipe:
    """A server that keeps what it gets, as the stream of a channel."""

    frames: list[bytes] = field(default_factory=list)

    def connect(self, address: str, port: int) -> Stream:
        """Open a stream, whatever the address is."""
        del address, port
        return self

    def send(self, octets: bytes) -> None:
        """Keep what comes."""
        self.frames.append(octets)

    def receive(self, most: int) -> bytes:
        """Have nothing to say."""
        del most
        return b""

    def close(self) -> None:
        """Close."""


class Bench:
    """A mobile, its operator's triggers, and what left it."""

    def __init__(self, policy: str = BY_SMS, agent: Agent | None = None, **changes: object) -> None:
        self.sender = Sender(start=10)
        self.there = Mobile(card_with(policy), agent or Agent(), **changes).on()  # type: ignore[arg-type]  # fields of Mobile
        self.last = 0

    def trigger(self) -> list[bytes]:
        """Let the operator ask; give the short messages that left."""
        self.there.message(trigger(self.sender))
        return self.there.equipment.outgoing()

    def read(self, tpdu: bytes) -> Report:
        """Read a report as the operator does: its counter has to rise."""
        return self._report(Submit.decode(tpdu).user_data.data)

    def unframe(self, octets: bytes) -> Report:
        """Read a report that came over a channel."""
        found = unframe(octets)
        assert found is not None
        return self._report(found[1])

    def _report(self, packet: bytes) -> Report:
        found = read_report(packet, {1: KEYS}, {1: self.last})
        self.last = found.counter
        return found.report

    @property
    def ends(self) -> tuple[int, int]:
        """How often the policy heard of a good and of a bad end."""
        found = variables(self.there.card)
        return found["good"], found["bad"]

    @property
    def journal(self) -> str:
        """What the card recorded."""
        return "\n".join(self.there.card.applet.journal)

    def again(self, agent: Agent | None = None, **changes: object) -> None:
        """Power the terminal off and on; the card keeps its memory alone."""
        card = Uicc(Memory.decode(self.there.card.memory.encode()))
        profile = changes.pop("profile", self.there.profile)
        self.there = Mobile(card, agent or self.there.agent, profile=profile, **changes).on()  # type: ignore[arg-type]  # fields of Mobile
