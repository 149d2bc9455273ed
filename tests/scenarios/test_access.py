"""The same application in a SIM, in a USIM and in a card without telecommunication. R-05.

Which of them it is, is a configuration: how the terminal works with the card, and the profile of
its files. What the application hears, decides and commands is the same octets in all three.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from cardsync.card import profile
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota.channel_keys import ChannelKeys, KeyKind
from cardsync.ota.channel_level import Level
from cardsync.ota.securechannel import HostChannel
from cardsync.terminal.access import Access, ByAid, Sim, Usim
from cardsync.terminal.equipment import Equipment
from cardsync.terminal.handset import UnattendedHandset
from cardsync.terminal.proactive import Surroundings
from cardsync.toolkit.codes import EventCode
from cardsync.toolkit.commands import ProactiveCommand
from cardsync.toolkit.information import LocationStatus
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from mobiles import (
    ALL_FEATURES,
    ENDS,
    HEAD,
    ICCID,
    IMEI,
    IMSI,
    KEYS,
    LOADING,
    MENU,
    NOON,
    SYNC_NOW,
    Agent,
    Mobile,
    Sender,
    compact,
    personalising,
    policy_group,
    rule,
    trigger,
    variables,
)

AID = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
"""Of an application that is none of 3GPP's."""
KEY = ChannelKeys(0x30, KeyKind.AES, b"E" * 16, b"M" * 16, b"D" * 16)
PROFILE = f"""
[[directory]]
path = "3F00"
name = "MF"
files = [
  {{ id = "2F00", name = "DIR", record = 38, records = 1, access = "ALW NEV", made = "directory" }},
  {{ id = "2F06", name = "EF.ARR", access = "ALW ADM1", made = "rules" }},
  {{ id = "2FE2", name = "EF.ICCID", size = 10, access = "ALW NEV", made = "iccid" }},
]
[[directory]]
path = "3F00/7FFF"
name = "ADF"
aid = "{AID.hex()}"
label = "identity"
files = [
  {{ id = "6F06", name = "EF.ARR", access = "ALW ADM1", made = "rules" }},
]
"""
POLICY = (
    HEAD
    + SYNC_NOW
    + MENU
    + rule('"location_status"', '{ set = { heard = "heard + 1" } }', "not network.roaming")
    + ENDS
)


@dataclass
class Other(Mobile):
    """A mobile that works with its card in another way."""

    access: Access = field(default_factory=Usim)

    def __post_init__(self) -> None:
        """Build the terminal."""
        self.equipment = Equipment(
            self, self.handset, self.agent, Surroundings(IMEI), self.profile, access=self.access
        )

    def host(self, *commands: CommandApdu) -> None:
        """Manage the card's content from the terminal's side, through a secure channel."""
        channel = HostChannel(KEY, b"12345678", Level(0x33))
        self.sent(CommandApdu(0x00, Ins.SELECT, 4, 0, bytes.fromhex("A000000151000000"), 256))
        answer = self.sent(channel.initialize_update())
        self.sent(channel.external_authenticate(answer.data))
        for command in commands:
            found = channel.open_response(self.sent(channel.protect(command)))

            assert found.sw1 in {0x90, 0x91}

    def sent(self, apdu: CommandApdu) -> ResponseApdu:
        """Exchange an APDU."""
        return ResponseApdu.decode(self.transact(apdu.encode()))


def made(text: str | None = None) -> Uicc:
    """Make a card, with the files of a profile."""
    files = profile.parse(text) if text else None
    subscriber = Subscriber(ICCID, IMSI)
    return Uicc(personalise(subscriber, [KEYS], profile=files, channel_keys=[KEY]))


def over_the_air(there: Other) -> None:
    """Load, install and personalise by short messages that the terminal brings."""
    sender = Sender()
    for data in (compact(*LOADING), compact(*personalising(policy_group(POLICY)))):
        there.message(sender.messages(data))


def from_the_reader(there: Other) -> None:
    """Do the same through the secure channel."""
    there.host(*LOADING, *personalising(policy_group(POLICY), size=200))
    there.on()


def by_message(there: Other) -> None:
    """Let the operator ask."""
    there.message(trigger(Sender(start=10)))


def by_menu(there: Other) -> None:
    """Let the user ask."""
    there.equipment.choose(1, there.now)


CASES: dict[str, tuple[str | None, Access, Callable[[Other], None], Callable[[Other], None]]] = {
    "SIM": (None, Sim(), over_the_air, by_message),
    "USIM": (None, Usim(), over_the_air, by_message),
    "other application": (PROFILE, ByAid(AID), from_the_reader, by_menu),
}


def ready(name: str) -> tuple[Other, Callable[[Other], None]]:
    """Give a mobile whose card has the application, and how it is asked."""
    text, access, load, ask = CASES[name]
    there = Other(made(text), Agent(), UnattendedHandset(), access=access)
    there.on(NOON)
    load(there)
    return there, ask


@pytest.mark.parametrize("name", CASES)
def test_the_same_application(name: str) -> None:
    """Loaded, decides, commands, hears the end, tells the user: in every kind of card. R-05."""
    there, ask = ready(name)
    ask(there)
    there.end(there.agent.references[0])

    assert ICCID == there.equipment.iccid
    assert 1 == len(there.agent.orders)
    assert ["Up to date."] == there.handset.shown
    assert 1 == variables(there.card)["good"]


def test_the_same_command() -> None:
    """What is commanded is the same in all three, but for the number, reference and token."""
    orders = []
    for name in CASES:
        there, ask = ready(name)
        ask(there)
        orders.append(shape(there.agent.orders[0]))

    assert [orders[0]] * 3 == orders


def shape(command: ProactiveCommand) -> list[bytes]:
    """Give the objects of a command; the last but one has the token."""
    return [part.encode()[:3] for part in command.parts]


@pytest.mark.parametrize("name", CASES)
def test_events_polls_and_timers(name: str) -> None:
    """Events reach it, time is counted; without an IMSI nobody knows what roaming is."""
    there, _ = ready(name)
    there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(0), now=there.now)
    there.poll(4)
    facts = there.card.applet._knowledge.facts()

    assert 2 == facts["connected_time"]
    assert (0 if name == "other application" else 1) == variables(there.card)["heard"]
    assert ("network.roaming" in facts) is (name != "other application")


def test_every_instruction_is_of_class_a0() -> None:
    """To a SIM nothing else is sent; its status words are those of TS 51.011."""
    there, ask = ready("SIM")
    ask(there)

    assert {0xA0} == {apdu[0] for apdu, _ in there.exchanges}
    assert IMSI == there.equipment.imsi
    assert CODE_POINTS.command in there.types


def test_sim_that_has_no_download() -> None:
    """Without service 26 in EF.SST a terminal keeps short messages from the card."""
    without = profile.default()
    card = Uicc(personalise(Subscriber(ICCID, IMSI), [KEYS], profile=without))
    there = Other(card, access=Sim())
    there.meddle = lambda apdu, answer: (
        bytes(7) + answer[-2:] if apdu[1] == Ins.READ_BINARY and apdu[4] == 7 else answer
    )
    there.on()

    assert b"" == there.message(Sender().messages(compact(*LOADING)))


def test_application_of_another_aid_is_not_there() -> None:
    """A terminal that wants another application hears nothing else of the card than its name."""
    there = Other(made(PROFILE), access=ByAid(bytes.fromhex("A000000559999999"))).on()
    (answer,) = [a for apdu, a in there.exchanges if apdu[:3] == bytes([0, Ins.SELECT, 4])]

    assert ICCID == there.equipment.iccid
    assert b"\x6a\x82" == answer
    assert ALL_FEATURES == there.profile
