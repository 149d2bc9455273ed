"""The device-management application: hears events, lets the policy decide, offers commands.

What it is told comes from the UICC; what it decides comes from the policy machine; what it wants
of the terminal waits in `commands`. Everything that must survive a reset lies in cells `app:`.
After a profile download it first asks the terminal for what the policy's facts need, then
decides; it asks for events by SET UP EVENT LIST.
"""

from collections.abc import Callable
from functools import partial

from cardsync.card.knowledge import Knowledge
from cardsync.card.memory import Memory
from cardsync.card.orders import Orders
from cardsync.card.secured import read_key_sets
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.application import (
    GroupTag,
    Trigger,
    data_groups,
    decode_messages,
    read_parameter,
)
from cardsync.policy.decisions import (
    Browse,
    Decision,
    Reason,
    SetMenu,
    StartTimer,
    Synchronize,
    Tell,
)
from cardsync.policy.explain import explain_one, show_event
from cardsync.policy.facts import Event
from cardsync.policy.machine import Machine
from cardsync.policy.program import Program
from cardsync.policy.state import MachineState
from cardsync.policy.values import EventKind, ResolvedRequest
from cardsync.toolkit import commands, objects
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, LocalInformation
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import Feature, TerminalProfile
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.toolkit.synchronization_objects import CODE_POINTS, Phase

_PROGRAM, _STATE, _INSTALLED, _JOURNAL = "app:program", "app:state", "app:installed", "app:journal"
_JOURNAL_LENGTH = 16
_POLL_SECONDS = 30
_POLICY_TIMER, _RETRY_TIMER = 1, 2
_DAY = 24 * 60

_ASKED = (
    (LocalInformation.IMEI, Feature.LOCAL_INFORMATION),
    (LocalInformation.LOCATION, Feature.LOCAL_INFORMATION),
    (LocalInformation.DATE_TIME, Feature.LOCAL_INFORMATION_DATE_TIME),
    (LocalInformation.LANGUAGE, Feature.LOCAL_INFORMATION_LANGUAGE),
    (LocalInformation.ACCESS_TECHNOLOGY, Feature.LOCAL_INFORMATION_ACCESS_TECHNOLOGY),
)

_EVENTS = {
    EventCode.LOCATION_STATUS: EventKind.LOCATION_STATUS,
    EventCode.ACCESS_TECHNOLOGY_CHANGE: EventKind.ACCESS_TECHNOLOGY_CHANGE,
    EventCode.ACCESS_TECHNOLOGY_CHANGE_MULTIPLE: EventKind.ACCESS_TECHNOLOGY_CHANGE,
    EventCode.NETWORK_REJECTION: EventKind.NETWORK_REJECTION,
    EventCode.LANGUAGE_SELECTION: EventKind.LANGUAGE_SELECTION,
    EventCode.USER_ACTIVITY: EventKind.USER_ACTIVITY,
    EventCode.IDLE_SCREEN_AVAILABLE: EventKind.IDLE_SCREEN,
    EventCode.BROWSER_TERMINATION: EventKind.BROWSER_TERMINATION,
    EventCode.DATA_AVAILABLE: EventKind.DATA_AVAILABLE,
    EventCode.CHANNEL_STATUS: EventKind.CHANNEL_STATUS,
    EventCode.DATA_CONNECTION_STATUS_CHANGE: EventKind.DATA_CONNECTION_STATUS,
    EventCode.IMS_REGISTRATION: EventKind.IMS_REGISTRATION,
}

Answered = Callable[[TerminalResponse | None], None]
"""What is done with the response to a command; None where the terminal gave none."""


class Applet:
    """The application over the memory of its card.

    `reasons` are those of the last decision, for whoever explains it.
    """

    def __init__(self, memory: Memory) -> None:
        self.reasons: tuple[Reason, ...] = ()
        self._memory = memory
        self._knowledge = Knowledge(memory)
        self._orders = Orders(memory)
        self._profile: TerminalProfile | None = None
        self._outbox: list[tuple[ProactiveCommand, Answered]] = []
        self._asked = 0
        self._retry: ResolvedRequest | None = None
        self._armed = False
        self._prepared: tuple[bytes, bytes, Machine] | None = None

    # What the security domain says.

    def installed(self) -> None:
        """Begin without a policy."""
        self._memory.write(_INSTALLED, b"\1")

    def removed(self) -> None:
        """Forget everything."""
        for name in self._memory.names("app:"):
            self._memory.write(name, b"")

    def personalise(self, data: bytes) -> None:
        """Take a policy and parameters; the old policy runs on if anything is wrong with it."""
        for group in data_groups(data):
            if group.tag == GroupTag.POLICY:
                self._load(group.data)
            elif group.tag == GroupTag.PARAMETER:
                self._set_parameter(*read_parameter(group))
            else:
                raise PeerError(f"data grouping {group.tag:04X}", answer=SW.INCORRECT_DATA)
        if self._profile is not None:
            # The terminal has to be asked for what this policy needs: it powers the card anew.
            self._offer(commands.command(CommandType.REFRESH, qualifier=0x04))

    def _load(self, octets: bytes) -> None:
        program = Program.decode(octets)
        before = self._machine()
        state = before.state.carried_to(program) if before else MachineState.initial(program)
        self._memory.write(_PROGRAM, octets)
        self._memory.write(_STATE, state.encode())

    def _set_parameter(self, name: str, text: str) -> None:
        machine = self._machine()
        if machine is None:
            raise PeerError("there is no policy yet", answer=SW.CONDITIONS_NOT_SATISFIED)
        self._memory.write(_STATE, machine.with_parameter(name, text).encode())

    def message(self, data: bytes) -> bytes:
        """Take messages of a secured packet; answer with the beginning of the policy's hash."""
        for found in decode_messages(data):
            if isinstance(found, Trigger):
                self._decide(Event(EventKind.MESSAGE, found.name))
            else:
                self._set_parameter(found.name, found.text)
        machine = self._machine()
        return machine.program.digest()[:8] if machine else b""

    # What the terminal says.

    def powered_on(self, profile: TerminalProfile) -> None:
        """Ask the terminal for what the policy needs to know; decide when all is answered."""
        self._profile, self._armed = profile, False
        self._knowledge.profile(profile)
        machine = self._machine()
        if machine is None:
            return
        self._offer(commands.set_up_event_list(self._event_list(machine)))
        self._offer(commands.poll_interval(_POLL_SECONDS))
        self._set_menu(machine.program.menu_items)
        wanted = [what for what, feature in _ASKED if feature in profile]
        self._asked = len(wanted)
        for what in wanted:
            self._offer(commands.provide_local_information(what), self._informed)
        if not wanted:
            self._decide(Event(EventKind.PROFILE_DOWNLOAD))

    def _informed(self, response: TerminalResponse | None) -> None:
        if response is not None and response.performed:
            self._knowledge.learn(response.parts)
        self._asked -= 1
        if self._asked == 0:
            self._decide(Event(EventKind.PROFILE_DOWNLOAD))

    def _event_list(self, machine: Machine) -> tuple[int, ...]:
        """Give the events that the rules need, those that keep the facts true, and our own."""
        wanted = {rule.event for rule in machine.program.rules}
        wanted |= {EventKind.LOCATION_STATUS, EventKind.LANGUAGE_SELECTION}
        codes = [code for code, kind in _EVENTS.items() if kind in wanted]
        return (*sorted(codes), CODE_POINTS.event)

    def _set_menu(self, items: tuple[tuple[int, str], ...]) -> None:
        if items:
            self._offer(commands.set_up_menu("Operator", items))

    def polled(self) -> None:
        """Count the time since the last STATUS."""
        self._knowledge.connected(_POLL_SECONDS)
        if self._machine() is not None:
            self._decide(Event(EventKind.POLL))

    def told(self, told: Envelope) -> None:
        """Take an event, a choice from the menu, or a timer that ran out."""
        self._knowledge.learn(told.parts)
        if told.tag == EnvelopeTag.MENU_SELECTION:
            chosen = commands.required(told.parts, objects.ItemIdentifier)
            self._decide(Event(EventKind.MENU, chosen.identifier))
        elif told.tag == EnvelopeTag.TIMER_EXPIRATION:
            self._timer_expired(told)
        elif told.tag == EnvelopeTag.EVENT_DOWNLOAD and told.event == CODE_POINTS.event:
            self._synchronized(SynchronizationStatus.of(told))
        elif told.tag == EnvelopeTag.EVENT_DOWNLOAD and told.event in _EVENTS:
            self._decide(Event(_EVENTS[EventCode(told.event)]))

    def _timer_expired(self, told: Envelope) -> None:
        timer = commands.required(told.parts, objects.TimerIdentifier).identifier
        if timer == _RETRY_TIMER and self._retry is not None:
            session = self._orders.session
            self._order(self._retry, session.attempt + 1 if session else 1)
        elif timer == _POLICY_TIMER:
            self._armed = False
            elapsed = commands.required(told.parts, objects.TimerValue).seconds // 60
            self._decide(Event(EventKind.TIMER, elapsed))

    def commands(self) -> list[tuple[ProactiveCommand, Answered]]:
        """Give the commands for the terminal, once, each with what takes its response."""
        waiting, self._outbox = self._outbox, []
        return waiting

    def _offer(self, command: ProactiveCommand, answered: Answered = lambda _: None) -> None:
        self._outbox.append((command, answered))

    # What the policy says.

    def _machine(self) -> Machine | None:
        """Give the machine over what is in memory; it is made anew only if that has changed."""
        program, state = self._memory.read(_PROGRAM), self._memory.read(_STATE)
        if not program:
            return None
        if self._prepared is None or self._prepared[:2] != (program, state):
            machine = Machine(Program.decode(program), MachineState.decode(state))
            self._prepared = (program, state, machine)
        return self._prepared[2]

    def _decide(self, event: Event, **result: int) -> None:
        """Give one event to the machine, keep its state, and act on its decisions."""
        machine = self._machine()
        if machine is None:
            return
        facts = self._knowledge.facts()
        facts |= {f"result.{name}": value for name, value in result.items()}
        outcome = machine.handle(event, facts)
        self._memory.write(_STATE, outcome.state.encode())
        if outcome.reasons:
            self.reasons = outcome.reasons
        for reason in outcome.reasons:
            if reason.fired:
                self._note(f"{show_event(reason.event)}: {explain_one(reason)}")
        for decision in outcome.decisions:
            self._act(decision)
        self._arm()

    def _act(self, decision: Decision) -> None:
        match decision:
            case Synchronize(request, None):
                self._order(request, 1)
            case Synchronize(request, str(question)):
                self._offer(commands.ask_yes_no(question), partial(self._consented, request))
            case Tell(text):
                self._offer(commands.display_text(text))
            case Browse(url):
                self._offer(commands.launch_browser(url))
            case SetMenu(items):
                self._set_menu(items)
            case StartTimer():
                self._armed = False  # the machine counts it; `_arm` takes the next of all

    def _arm(self) -> None:
        """Let the terminal wake us when the next timer of the policy runs out."""
        machine = self._machine()
        if machine is None or self._armed or self._profile is None:
            return
        self._armed = True
        minutes = min(machine.next_timer_minutes(machine.state), _DAY)
        self._offer(commands.start_timer(_POLICY_TIMER, minutes * 60))

    def _consented(self, request: ResolvedRequest, response: TerminalResponse | None) -> None:
        if response is not None and commands.is_yes(response):
            self._order(request, 1)
        else:
            self._note(f"{request.name}: the user did not agree")
            self._decide(Event(EventKind.REFUSED, request.name))

    # The synchronization.

    def _order(self, request: ResolvedRequest, attempt: int) -> None:
        """Command the terminal; without its IMEI or a key there is no way to name either side."""
        imei, key_sets = self._knowledge.imei, read_key_sets(self._memory)
        if imei is None or not key_sets:
            self._note(f"{request.name}: no IMEI or no key")
            return
        self._retry = request
        kid_key = key_sets[min(key_sets)].kid.octets
        command = self._orders.order(request, attempt, imei, kid_key)
        self._offer(command, self._accepted)

    def _accepted(self, response: TerminalResponse | None) -> None:
        """Take the terminal's answer to the command; the end comes as an event."""
        if response is None:
            self._ended(Result(0x31), 0)
        elif not response.performed:
            self._ended(response.result, 0)

    def _synchronized(self, status: SynchronizationStatus) -> None:
        session = self._orders.session
        if session is None or session.reference != status.reference:
            self._note("the end of a synchronization that is not ours")
            return
        if status.summary is None or status.summary.phase == Phase.DONE:
            self._ended(status.result, status.summary.native if status.summary else 0)

    def _ended(self, result: Result, native: int) -> None:
        """Record the end; try again later where the policy says so, else let it decide."""
        session = self._orders.session
        if session is None:
            return
        passed = result.general < 0x10
        self._note(f"{session.request}: result {result.value().hex().upper()}, {native}")
        delay = self._orders.delay(self._retry, session.attempt) if self._retry else None
        if not passed and delay is not None:
            self._offer(commands.start_timer(_RETRY_TIMER, delay * 60))
            return
        self._orders.finish()
        if passed:
            self._knowledge.succeeded()
        additional = result.additional[0] if result.additional else 0
        self._decide(
            Event(EventKind.SYNCHRONIZED, session.request),
            ok=int(passed),
            general=result.general,
            additional=additional,
            native=native,
        )

    @property
    def journal(self) -> tuple[str, ...]:
        """What was recorded, the newest last; it survives a reset."""
        text = self._memory.read(_JOURNAL).decode("utf-8", "replace")
        return tuple(text.splitlines())

    def _note(self, line: str) -> None:
        kept = (*self.journal, line)[-_JOURNAL_LENGTH:]
        self._memory.write(_JOURNAL, "\n".join(kept).encode())
