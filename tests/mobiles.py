"""A card, a terminal around it and an operator's keys, back to back, for tests.

Everything between them is the octets of the standards; time is a number that the test turns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from cardsync.card.memory import Memory
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota import globalplatform, script
from cardsync.ota.application import (
    APPLICATION_TAR,
    INSTANCE_AID,
    ISSUER_DOMAIN_TAR,
    MODULE_AID,
    PACKAGE_AID,
    ApplicationImage,
    DataGroup,
    GroupTag,
    Trigger,
    encode_groups,
)
from cardsync.ota.install import (
    InstallForInstall,
    InstallForLoad,
    InstallForPersonalization,
    InstallParameters,
    MenuEntry,
    ToolkitParameters,
)
from cardsync.ota.packet import SecurityLevel, Spi
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.session import ProofOfReceipt, SendingEntity
from cardsync.policy.bound import CardLimits
from cardsync.policy.compiler import compile_policy
from cardsync.policy.source import read
from cardsync.terminal.channels import Channels
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.handset import UnattendedHandset
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit import envelope
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import Part, ProactiveCommand, TerminalResponse
from cardsync.toolkit.information import DateTime
from cardsync.toolkit.objects import UICC_TO_TERMINAL, CommandDetails, DataObject, Result
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.synchronization import Qualifier, accepted, reference_of, status_event
from cardsync.toolkit.synchronization_objects import Summary
from cardsync.transport.sms import Address, Deliver, TimeStamp
from cardsync.transport.user_data import COMMAND_HEADER, Iei, Reassembler, UserData, segment

ICCID, IMSI, IMEI = "8988211000000000017", "001010000000017", "490154203237518"
OTHER_IMEI = "356938035643809"
KEYS = KeySet(1, Key(Algorithm.AES, bytes(range(16))), Key(Algorithm.AES, bytes(range(16, 32))))
WRONG_KEYS = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, bytes(16)))
NOON = DateTime(2026, 11, 22, 12, 0, 0, 0)
GENEROUS = CardLimits(4096, 2000, 4096, 100_000, 100_000)
SECURE = Spi()
"""CC, ciphered, a counter that rises; the proof the same, in the report."""
PERFORMED = Result(GeneralResult.PERFORMED)

HEAD = """\
policy = "test"
version = 1
[parameters]
server = "https://dm.operator.example/s"
interval = "24 h"
[variables]
good = 0
bad = 0
heard = 0
[limits]
synchronizations_per_day = 20
[requests.all]
protocol = { name = "SyncML", version = "1.2", representation = "wbxml" }
transport = ["https", "http"]
type = "refresh-from-client"
source = { device = "imei", database = "devman" }
target = { device = "${server}", database = "devman" }
categories = ["identity", "language", "applications"]
notify = "final"
"""
RETRY = 'retry = { attempts = 3, first = "10 min", backoff = 2, jitter = "0 %" }\n'
ENDS = """\
[[rules]]
name = "good"
on = "synchronized"
when = "result.ok"
do = { tell = { en = "Up to date.", de = "Alles auf dem Stand." }, set = { good = "good + 1" } }
[[rules]]
name = "bad"
on = "synchronized"
when = "not result.ok"
do = { set = { bad = "bad + 1" } }
"""


def rule(on: str, do: str = '{ synchronize = "all" }', when: str = "", every: str = "") -> str:
    """Write a rule; `on` and `do` are TOML values."""
    name = on.strip('"{} ').replace('"', "'").replace("=", "is")
    lines = ["[[rules]]", f'name = "{name} {every}"', f"on = {on}", f"do = {do}"]
    lines += [f'when = "{when}"'] if when else []
    lines += [f'every = "{every}"'] if every else []
    return "\n".join(lines) + "\n"


SYNC_NOW = rule('{ message = "sync-now" }')
MENU = rule('{ menu = "Update" }')
POLICY = HEAD + RETRY + SYNC_NOW + MENU + ENDS


@cache
def program(text: str = POLICY) -> bytes:
    """Compile a policy."""
    return compile_policy(read(text, "test.toml"), GENEROUS).encode()


LOADING = (
    InstallForLoad(PACKAGE_AID).encode(),
    *[b.encode() for b in globalplatform.load_blocks(ApplicationImage((1, 0), 1, "dm").encode())],
    InstallForInstall(
        PACKAGE_AID,
        MODULE_AID,
        INSTANCE_AID,
        InstallParameters(
            toolkit=ToolkitParameters(
                timers=2,
                menu_text=32,
                menu_entries=(MenuEntry(),) * 4,
                tars=(APPLICATION_TAR,),
                minimum=SecurityLevel(),
            )
        ),
    ).encode(),
)
"""Load and install the application."""


def personalising(*groups: DataGroup, size: int = 240) -> tuple[CommandApdu, ...]:
    """Give the commands that bring data groupings to the application."""
    blocks = globalplatform.store_data_blocks(encode_groups(groups), size)
    return (
        InstallForPersonalization(INSTANCE_AID).encode(),
        *[block.encode() for block in blocks],
    )


def policy_group(text: str = POLICY) -> DataGroup:
    """Give the data grouping of a policy."""
    return DataGroup(GroupTag.POLICY, program(text))


class Sender:
    """Secures packets for a card, with a counter that rises, and reads their proofs."""

    def __init__(self, keys: KeySet = KEYS, spi: Spi = SECURE, start: int = 0) -> None:
        self.counter = start
        self.keys, self.spi = keys, spi

    def messages(
        self, data: bytes, tar: bytes = ISSUER_DOMAIN_TAR, counter: int | None = None
    ) -> tuple[bytes, ...]:
        """Give the SMS-DELIVERs that bring `data`."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        packet = SendingEntity(self.keys, self.spi, tar).secure(data, counter)
        return deliver(packet, counter & 0xFF)

    def proof(
        self, report: bytes, tar: bytes = ISSUER_DOMAIN_TAR, counter: int | None = None
    ) -> ProofOfReceipt:
        """Read the proof in the user data of a report."""
        data = UserData.decode(report, len(report), has_header=True)
        assert data.element(Iei.RESPONSE_PACKET) is not None
        entity = SendingEntity(self.keys, self.spi, tar)
        return entity.receive_data(data.data, self.counter if counter is None else counter)


def deliver(packet: bytes, reference: int = 1) -> tuple[bytes, ...]:
    """Put a command packet into SMS-DELIVERs."""
    return tuple([tpdu(part) for part in segment(packet, COMMAND_HEADER, reference)])


def tpdu(content: UserData, number: str = "1234") -> bytes:
    """Make an SMS-DELIVER for the card."""
    return Deliver(Address(number), TimeStamp(bytes(7)), content).encode()


def compact(*commands: CommandApdu) -> bytes:
    """Write a compact script."""
    return script.encode_compact(commands)


def envelope_of(message: bytes) -> bytes:
    """Give the ENVELOPE that brings an SMS-DELIVER."""
    told = envelope.sms_pp_download(message)
    return CommandApdu(0x80, Ins.ENVELOPE, data=told.encode(), le=256).encode()


def receive(card: Uicc, messages: Sequence[bytes]) -> ResponseApdu:
    """Bring short messages to a card without a terminal; give the last response."""
    found = ResponseApdu(0)
    for message in messages:
        found = ResponseApdu.decode(card.transact(envelope_of(message)))
    return found


@cache
def _image(*policies: str) -> bytes:
    card = Uicc(personalise(Subscriber(ICCID, IMSI), [KEYS]))
    sender = Sender()
    steps = [compact(*LOADING)] if policies else []
    steps += [compact(*personalising(policy_group(text))) for text in policies]
    for data in steps:
        report = receive(card, sender.messages(data)).data
        assert script.CompactResponse.decode(sender.proof(report).data).sw == 0x9000
    return card.memory.encode()


def bare_card() -> Uicc:
    """Give a card without an application."""
    return Uicc(Memory.decode(_image()))


def card_with(policy: str = POLICY) -> Uicc:
    """Give a card with the application and a policy, which took two packets."""
    return Uicc(Memory.decode(_image(policy)))


@dataclass
class Agent:
    """Answers every order with `result`; keeps the orders, and which cards were taken out.

    `asks` says that it wants to know what the user says.
    """

    result: Result = PERFORMED
    orders: list[ProactiveCommand] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    asks: bool = False

    def take(
        self, command: ProactiveCommand, card: str, consent: Callable[[], Result | None]
    ) -> TerminalResponse | None:
        """Answer an order."""
        self.orders.append(command)
        self.cards.append(card)
        return accepted(command, (consent() if self.asks else None) or self.result)

    def interrupt(self, card: str) -> None:
        """Hear that a card was taken out."""
        self.gone.append(card)

    @property
    def references(self) -> list[bytes | None]:
        """The session references of the orders."""
        return [reference_of(order) for order in self.orders]


def request(
    *parts: Part | DataObject, flags: Qualifier | None = None, notify: int = 1
) -> ProactiveCommand:
    """Give a REQUEST SYNCHRONIZATION of the usual objects, or of those in their place."""
    wanted: dict[type, Part] = {
        type(one): Part(one, isinstance(one, so.SynchronizationProtocol | so.TransportList))
        for one in (
            so.SynchronizationProtocol(so.Protocol.SYNCML_DS),
            so.TransportList((so.Transport.HTTPS, so.Transport.HTTP)),
            so.SynchronizationType(203),
            so.SourceDatabase.of_imei(IMEI, "devman"),
            so.TargetDatabase.of_uri("http://dm.operator.example/s", "devman"),
            so.Notification(notify),
            so.SessionReference(b"abcd"),
            so.CategoryMask(0x0013),
        )
    }
    for one in parts:
        part = one if isinstance(one, Part) else Part(one)
        wanted[type(part.object)] = part
    details = CommandDetails(1, so.CODE_POINTS.command, int(flags or 0))
    return ProactiveCommand(details, UICC_TO_TERMINAL, tuple(wanted.values()))


ALL_FEATURES = TerminalProfile.of(*Feature)


@dataclass
class Mobile:
    """A terminal with its card. `fetched` are the commands that the card gave, `answers` all.

    `meddle` may change what the card answers, or lose it; commands of the types in `mute` are
    never answered, those in `results` with what stands there; `now` is the time in seconds.
    """

    card: Uicc
    agent: Agent = field(default_factory=Agent)
    handset: UnattendedHandset = field(default_factory=UnattendedHandset)
    imei: str = IMEI
    profile: TerminalProfile = ALL_FEATURES
    meddle: Callable[[bytes, bytes], bytes] = lambda _, response: response
    mute: set[int] = field(default_factory=set)
    results: dict[int, Result] = field(default_factory=dict)
    software: str = "01"
    channels: Channels | None = None
    now: float = 0.0
    exchanges: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the terminal."""
        self.equipment = Equipment(
            self,
            self.handset,
            self.agent,
            Surroundings(self.imei, software=self.software),
            self.profile,
            self.channels,
        )
        self._perform = self.equipment._proactive.perform
        self.equipment._proactive.perform = self.perform  # type: ignore[method-assign]  # simulated

    def perform(self, octets: bytes) -> TerminalResponse | None:
        """Do a command, unless it shall be done otherwise."""
        if self.mute or self.results:
            details = ProactiveCommand.decode(octets).details
            if details.type in self.mute:
                return None
            if details.type in self.results:
                return TerminalResponse(details, self.results[details.type])
        return self._perform(octets)

    def reset(self) -> bytes:
        """Reset the card."""
        return self.card.reset()

    def transact(self, apdu: bytes) -> bytes:
        """Exchange an APDU with the card."""
        response = self.meddle(apdu, self.card.transact(apdu))
        self.exchanges.append((apdu, response))
        return response

    def on(self, time: DateTime | None = NOON) -> "Mobile":
        """Power on."""
        self.equipment.power_on(self.now, time)
        return self

    def poll(self, times: int = 1) -> None:
        """Poll so many times, each 30 seconds after the other; timers run out meanwhile."""
        for _ in range(times):
            self.now += 30
            self.equipment.handle_timer(self.now)
            self.equipment.poll(self.now)

    def later(self, seconds: float) -> None:
        """Let time go by, timers run out, without a poll."""
        self.now += seconds
        self.equipment.handle_timer(self.now)

    def message(self, messages: Sequence[bytes]) -> bytes:
        """Bring short messages; give the last report."""
        return [self.equipment.short_message(one, self.now) for one in messages][-1]

    def end(
        self, reference: bytes | None, result: Result = PERFORMED, summary: Summary | None = None
    ) -> bool:
        """Tell the card that a synchronization has ended; say whether it took it."""
        told = status_event(reference or b"", result, summary or Summary())
        return self.equipment.status_event(told, self.now)

    @property
    def fetched(self) -> list[ProactiveCommand]:
        """The commands that the card gave, in their order."""
        return [
            ProactiveCommand.decode(response[:-2])
            for apdu, response in self.exchanges
            if apdu[1] == Ins.FETCH and len(response) > 2
        ]

    @property
    def types(self) -> list[int]:
        """The types of the commands that the card gave."""
        return [command.details.type for command in self.fetched]

    def forget(self) -> None:
        """Forget what was exchanged and ordered so far."""
        self.exchanges.clear()
        self.agent.orders.clear()


def trigger(sender: Sender, name: str = "sync-now") -> tuple[bytes, ...]:
    """Give the short messages of a trigger."""
    return sender.messages(Trigger(name).encode(), APPLICATION_TAR)


def variables(card: Uicc) -> dict[str, int]:
    """Give the variables of the card's policy."""
    machine = card.applet._policy.machine
    assert machine is not None
    names = [variable.name for variable in machine.program.variables]
    return dict(zip(names, machine.state.variables, strict=True))


def join(submits: Sequence[UserData]) -> UserData:
    """Join the user data of short messages."""
    reassembler, whole = Reassembler(), None
    for one in submits:
        whole = reassembler.receive_data("", one)
    assert whole is not None
    return whole
