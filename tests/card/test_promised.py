"""What the compiler promises of a policy is true of the card that runs it. O-8.

Generated policies are loaded over the air; a day goes by with as much of everything as is assumed
in a day. What is counted is what the card really does: the places of its memory that it writes,
the commands that it gives, the short messages that it sends.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.policy.bound import EVENTS_A_DAY, bound, session_kilobytes
from cardsync.policy.faults import PolicyError
from cardsync.policy.values import EventKind
from cardsync.terminal.channels import Channels
from cardsync.toolkit.browser import BrowserTerminationCause
from cardsync.toolkit.channels import ChannelDataLength, ChannelStatus
from cardsync.toolkit.codes import CommandType, EventCode
from cardsync.toolkit.information import AccessTechnology, LocationInformation, LocationStatus
from cardsync.toolkit.network import DataConnectionStatus, ImsStatusCode
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from climbers import Browsing, Pipe
from mobiles import NOON, Agent, Mobile, Sender, card_with, trigger
from policy_texts import AID, compiled, lean_policies, policies

DAY = 24 * 3600
POLL = 30
EVENTS: dict[EventKind, tuple[EventCode, tuple[DataObject, ...]]] = {
    EventKind.LOCATION_STATUS: (EventCode.LOCATION_STATUS, (LocationStatus(0),)),
    EventKind.ACCESS_TECHNOLOGY_CHANGE: (
        EventCode.ACCESS_TECHNOLOGY_CHANGE,
        (AccessTechnology((8,)),),
    ),
    EventKind.NETWORK_REJECTION: (
        EventCode.NETWORK_REJECTION,
        (LocationInformation("001", "01"),),
    ),
    EventKind.USER_ACTIVITY: (EventCode.USER_ACTIVITY, ()),
    EventKind.IDLE_SCREEN: (EventCode.IDLE_SCREEN_AVAILABLE, ()),
    EventKind.BROWSER_TERMINATION: (EventCode.BROWSER_TERMINATION, (BrowserTerminationCause(0),)),
    EventKind.DATA_AVAILABLE: (
        EventCode.DATA_AVAILABLE,
        (ChannelStatus(0x81, b"\0"), ChannelDataLength(1)),
    ),
    EventKind.CHANNEL_STATUS: (EventCode.CHANNEL_STATUS, (ChannelStatus(0x01, b"\5"),)),
    EventKind.DATA_CONNECTION_STATUS: (
        EventCode.DATA_CONNECTION_STATUS_CHANGE,
        (DataConnectionStatus(0),),
    ),
    EventKind.IMS_REGISTRATION: (EventCode.IMS_REGISTRATION, (ImsStatusCode(b"200"),)),
}


class Day:
    """A mobile for a day: polled every half minute, everything else spread over it."""

    def __init__(
        self, text: str, answer: Result, *, agrees: bool, knows_time: bool, result: int
    ) -> None:
        handset = Browsing(agrees)
        self.there = Mobile(
            card_with(text), Agent(answer), handset, channels=Channels(Pipe().connect)
        )
        self.sender = Sender(start=10)
        self.knows_time = knows_time
        self.result = result
        self.ended = 0

    def run(self) -> None:
        """Let the day go by; it begins with the first of its power-ons."""
        self.switch_on()
        for minute in range(DAY // 60 - 1):
            self.there.poll(2)
            for kind, times in EVENTS_A_DAY.items():
                every = max(1, -(-24 * 60 // times))
                first = every if kind is EventKind.PROFILE_DOWNLOAD else 0
                if minute >= first and minute % every == every // 2:
                    self.happen(kind)
            self.end()

    def switch_on(self) -> None:
        """Switch on, at the time that it is."""
        minutes = 12 * 60 + int(self.there.now) // 60
        day, hour = 22 + minutes // 1440, minutes % 1440 // 60
        time = replace(NOON, day=day, hour=hour, minute=minutes % 60)
        self.there.on(time if self.knows_time else None)

    def happen(self, kind: EventKind) -> None:
        """Let something happen."""
        there = self.there
        if kind in EVENTS:
            code, found = EVENTS[kind]
            there.equipment.event(code, *found, now=there.now)
        elif kind is EventKind.PROFILE_DOWNLOAD:
            self.switch_on()
        elif kind is EventKind.MENU:
            there.equipment.choose(1, there.now)
        elif kind is EventKind.MESSAGE:
            there.message(trigger(self.sender, "now"))
        elif kind is EventKind.LANGUAGE_SELECTION:
            there.equipment.change_language("fi", there.now)
        elif kind is EventKind.APPLICATION:
            self.ask()

    def ask(self) -> None:
        """Let another application ask, which a policy without such a rule refuses."""
        with suppress(PeerError):
            self.there.card.applet.asked(bytes.fromhex(AID))

    def end(self) -> None:
        """Tell the card the end of what it ordered, well or badly."""
        references = self.there.agent.references
        for reference in references[self.ended :]:
            more = b"\1" if self.result else b""
            self.there.end(reference, Result(self.result, more))
        self.ended = len(references)


@contextmanager
def counted_writes() -> Iterator[Counter[str]]:
    """Count how often each place of the memory is written: once an instruction at most.

    What an instruction does in a transaction of its own, as a secured packet, is part of it.
    """
    counted: Counter[str] = Counter()
    depth = 0

    @contextmanager
    def counting(self: Memory) -> Iterator[None]:
        nonlocal depth
        before, depth = dict(self._cells), depth + 1
        try:
            with transaction(self):
                yield
        finally:
            depth -= 1
        now = self._cells
        if not depth:
            counted.update([name for name in {*before, *now} if before.get(name) != now.get(name)])

    with pytest.MonkeyPatch.context() as patch:
        transaction = Memory.transaction
        patch.setattr(Memory, "transaction", counting)
        yield counted


COUNTERS = ("token counter", "report counter")
PLACES = {
    "app:state": "state",
    "app:mark": "state",
    "app:session": "session",
    "app:ladder": "ladder",
    "app:ladder steps": "ladder",
    "app:last": "state",
    "app:last time": "state",
    "token counter": "counters",
    "report counter": "counters",
    "app:journal": "journal",
}
"""The places that the application writes, and whose promise each has."""
MUTE = st.sets(
    st.sampled_from([
        CODE_POINTS.command, CommandType.LAUNCH_BROWSER, CommandType.OPEN_CHANNEL,
        CommandType.SEND_DATA, CommandType.SEND_SHORT_MESSAGE,
    ]),
    max_size=3,
)  # fmt: skip
RESULTS: st.SearchStrategy[dict[int, Result]] = st.dictionaries(
    st.sampled_from([
        CommandType.LAUNCH_BROWSER, CommandType.OPEN_CHANNEL, CommandType.SEND_SHORT_MESSAGE,
    ]),
    st.sampled_from([Result(0x20, b"\0"), Result(0x21, b"\0"), Result(0x30), Result(0x3A, b"\1")]),
)  # fmt: skip
"""What a terminal never answers, and what it answers instead of doing it."""


def with_reports(text: str, *, fallback: bool, retry: bool) -> str:
    """Let the policy say where reports go, and what its request does when it fails."""
    more = 'fallback = ["sms", "bip", "browser"]\n' if fallback else ""
    more += 'retry = { attempts = 3, first = "10 min", backoff = 2 }\n' if retry else ""
    numbers = '[parameters]\nreport_number = "+2210"\nreport_address = "192.0.2.1:9000"\n'
    return text.replace("[parameters]\n", numbers).replace(
        "[requests.all]\n", f"[requests.all]\n{more}"
    )


@settings(max_examples=20, deadline=None)
@given(policies() | lean_policies(), st.data())
def test_a_day_of_the_card(text: str, data: st.DataObject) -> None:
    """No day takes more writes, messages, synchronizations or memory than was promised. O-8."""
    retry = data.draw(st.booleans())
    text = with_reports(text, fallback=data.draw(st.booleans()), retry=retry)
    try:
        program = compiled(text)
    except PolicyError:
        return
    result = data.draw(st.sampled_from([0x00, 0x2E, 0x3E, 0x30]))
    answer = Result(data.draw(st.sampled_from([0x00, 0x00, 0x30, 0x31, 0x20])))
    agrees, knows_time = data.draw(st.booleans()), data.draw(st.booleans())
    day = Day(text, answer, agrees=agrees, knows_time=knows_time, result=result)
    day.there.mute, day.there.results = set(data.draw(MUTE)), dict(data.draw(RESULTS))
    with counted_writes() as counted:
        day.run()
    promised = bound(program)
    places = dict(promised.places)
    types = Counter(day.there.types)
    attempts = 3 if retry else 1

    ours = {name: count for name, count in counted.items() if name.startswith("app:")}
    for place, count in (ours | {one: counted[one] for one in COUNTERS}).items():
        kind = PLACES[place.rstrip("0123456789 ")]
        assert count <= places.get(kind, 0), (place, text)
    assert len(day.there.fetched) <= promised.commands, text
    assert types[CommandType.SEND_SHORT_MESSAGE] <= promised.sms, text
    sessions = len(set(day.there.agent.references))
    assert sessions <= attempts * program.limits.synchronizations_per_day
    assert sessions * session_kilobytes(program.requests[0]) <= promised.kilobytes, text
    assert max(longest(day.there)) <= promised.ram, text


def longest(there: Mobile) -> Iterator[int]:
    """Give the octets of the commands that the policy made the card give."""
    ours = {
        CommandType.DISPLAY_TEXT, CommandType.GET_INKEY, CommandType.LAUNCH_BROWSER,
        CommandType.SET_UP_MENU, CommandType.SEND_SHORT_MESSAGE, CommandType.SEND_DATA,
        CODE_POINTS.command,
    }  # fmt: skip
    yield 0
    yield from (len(one.encode()) for one in there.fetched if one.details.type in ours)
