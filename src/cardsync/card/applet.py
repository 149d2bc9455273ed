"""The device-management application: hears events, lets the policy decide, offers commands.

What it is told comes from the UICC; what it decides comes from the policy machine; what it wants
of the terminal waits in `commands`. Everything that must survive a reset lies in cells `app:`.
After a profile download it first asks the terminal for what the policy's facts need, then
decides; it asks for events by SET UP EVENT LIST. What becomes of a synchronization once it is
decided stands in `synchronizing`.
"""

from functools import partial

from cardsync.card.asking import BATTERY_SECONDS, EVENTS, asks_battery, event_list, questions
from cardsync.card.journal import Journal
from cardsync.card.knowledge import Knowledge
from cardsync.card.memory import Memory
from cardsync.card.offering import Abandon, Answered, Surroundings
from cardsync.card.policy_store import PolicyStore
from cardsync.card.synchronizing import RETRY_TIMER, Synchronizing
from cardsync.card.timers import Timers
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.ota.application import (
    GroupTag,
    ParameterUpdate,
    Trigger,
    data_groups,
    decode_messages,
    read_parameter,
)
from cardsync.ota.install import ToolkitParameters
from cardsync.policy.decisions import (
    Browse,
    Decision,
    Reason,
    Report,
    SetMenu,
    StartTimer,
    Synchronize,
    Tell,
)
from cardsync.policy.explain import explain_one, show_event
from cardsync.policy.facts import Event
from cardsync.policy.values import EventKind
from cardsync.toolkit import commands, objects
from cardsync.toolkit.browser import BrowserTerminationCause
from cardsync.toolkit.codes import CommandType, EnvelopeTag, EventCode, LocalInformation
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import TerminalProfile
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from cardsync.toolkit.texts import HelpRequest

_POLL_SECONDS = 30
_POLICY_TIMER = 1
_MINUTE = 60  # seconds
_LONGEST_TIMER = 24 * 60  # minutes
_LONGEST_WITHOUT_TIME = 4 * 60  # a reset loses as much where the terminal cannot tell the time
_NO_ITEMS = ((0, ""),)  # TS 102 223 clause 6.4.8
_MOST_SHOWN = 32  # texts, pages and menus that wait to be offered
_MOST_EARLY = 4
_UICC_RESET = 0x04  # qualifier of REFRESH. TS 102 223 clause 8.6


class Applet:
    """The application over the memory of its card, from one power-on to the next.

    `reasons` are those of the last decision, for whoever explains it.
    """

    def __init__(self, memory: Memory, abandon: Abandon) -> None:
        self.reasons: tuple[Reason, ...] = ()
        self._memory = memory
        self._journal = Journal(memory)
        self._policy = PolicyStore(memory)
        self._knowledge = Knowledge(memory)
        self._timers = Timers()
        self._profile: TerminalProfile | None = None
        self._outbox: list[tuple[ProactiveCommand, Answered]] = []
        self._unanswered = 0  # questions to the terminal, before the first decision
        self._begun = False
        self._early: list[Event] = []  # messages that came before that
        self._asking = False  # whether the user is being asked
        self._poll_seconds: float = _POLL_SECONDS
        self._seconds = 0.0  # gone by, and not yet counted as minutes
        self._battery_age = 0.0  # seconds since it was asked
        around = Surroundings(
            memory,
            self._journal,
            self._policy,
            self._knowledge,
            self._timers,
            self._offer,
            abandon,
        )
        self._synchronizing = Synchronizing(around, self._ended)

    @property
    def journal(self) -> tuple[str, ...]:
        """What was recorded, the newest last; it survives a reset."""
        return self._journal.lines

    # What the security domain says.

    def installed(self, granted: ToolkitParameters) -> None:
        """Keep what it may have of the terminal: no policy that needs more is taken."""
        self._policy.grant(granted)

    def removed(self) -> None:
        """Forget everything."""
        for name in self._memory.names("app:"):
            self._memory.write(name, b"")

    def personalise(self, data: bytes) -> None:
        """Take a policy and parameters; the old policy runs on if anything is wrong with it."""
        for group in data_groups(data):
            if group.tag == GroupTag.POLICY:
                self._policy.load(group.data)
            elif group.tag == GroupTag.PARAMETER:
                self._policy.set_parameter(*read_parameter(group))
            else:
                raise PeerError(f"data grouping {group.tag:04X}", answer=SW.INCORRECT_DATA)
        if self._profile is not None:
            # The terminal has to be asked for what this policy needs: it powers the card anew.
            refresh = commands.command(CommandType.REFRESH, qualifier=_UICC_RESET)
            self._offer(refresh, partial(self._not_refreshed, self._profile))

    def _not_refreshed(self, profile: TerminalProfile, _: TerminalResponse | None) -> None:
        """Do without the reset: after it there would be no answer. TS 102 223 clause 6.4.7."""
        self.powered_on(profile)

    def message(self, data: bytes) -> bytes:
        """Take messages of a secured packet; answer with the beginning of the policy's hash.

        Parameters come first: one that is wrong spoils the packet before anything is started.
        """
        found = decode_messages(data)
        for one in found:
            if isinstance(one, ParameterUpdate):
                self._policy.set_parameter(one.name, one.text)
        for one in found:
            if isinstance(one, Trigger):
                self._triggered(Event(EventKind.MESSAGE, one.name))
        return self._policy.digest()

    def asked(self, aid: bytes) -> None:
        """Take the wish of another application; raise `PeerError` if no rule is for it."""
        machine = self._policy.machine
        event = Event(EventKind.APPLICATION, aid)
        if machine is None or not machine.listens(event):
            raise PeerError("no rule is for it", answer=SW.SECURITY_NOT_SATISFIED)
        self._triggered(event)

    def _triggered(self, event: Event) -> None:
        """Decide about a message or a wish, once the terminal has said what it is."""
        if self._begun:
            self._decide(event)
        elif len(self._early) < _MOST_EARLY:
            self._early.append(event)

    # What the terminal says.

    def powered_on(self, profile: TerminalProfile) -> None:
        """Ask the terminal for what the policy needs to know; decide when all is answered."""
        self._profile = profile
        self._knowledge.profile(profile)
        machine = self._policy.machine
        if machine is None:
            return
        self._offer(commands.set_up_event_list(event_list(machine)))
        self._offer(commands.poll_interval(_POLL_SECONDS), self._polling)
        wanted = questions(machine, profile)
        self._unanswered = len(wanted)
        for what in wanted:
            self._offer(commands.provide_local_information(what), self._informed)
        if not wanted:
            self._begin()

    def _polling(self, response: TerminalResponse | None) -> None:
        """Take the interval that the terminal chose. TS 102 223 clause 6.4.6."""
        chosen = commands.first(response.parts, objects.Duration) if response else None
        if chosen is not None:
            self._poll_seconds = chosen.seconds

    def _learned(self, response: TerminalResponse | None) -> None:
        if response is not None and response.performed:
            self._knowledge.learn(response.parts)

    def _informed(self, response: TerminalResponse | None) -> None:
        self._learned(response)
        self._unanswered -= 1
        if self._unanswered == 0:
            self._begin()

    def _begin(self) -> None:
        """Decide what the power-on means, and go on with what was under way before it."""
        self._begun = True
        self._show_menu()
        before = self._synchronizing.powered_on(self._knowledge.imei)
        self._decide(Event(EventKind.PROFILE_DOWNLOAD))
        if before is not None:
            self._synchronizing.resume(before)
        gone = self._knowledge.since_mark()
        if gone:
            self._elapse(gone * _MINUTE)
        else:
            self._knowledge.mark()
        early, self._early = self._early, []
        for event in early:
            self._decide(event)

    def _show_menu(self) -> None:
        """Put the policy's entries into the menu, or take the menu away where all are hidden."""
        machine = self._policy.machine
        if machine is not None and machine.program.menu:
            items = machine.menu(self._knowledge.language) or _NO_ITEMS
            self._show(commands.set_up_menu(machine.program.name, items))

    def polled(self) -> None:
        """Count the time since the last STATUS."""
        self._knowledge.passed(self._timers.polled(self._poll_seconds))
        for timer, seconds in self._timers.overdue():
            self._timer_expired(timer, seconds)
        self._synchronizing.passed(self._poll_seconds)
        self._look_at_battery()
        self._decide(Event(EventKind.POLL))

    def _look_at_battery(self) -> None:
        """Ask for its state when what is known is old, if the policy looks at it."""
        machine, profile = self._policy.machine, self._profile
        self._battery_age += self._poll_seconds
        if machine is None or profile is None or self._battery_age < BATTERY_SECONDS:
            return
        self._battery_age = 0.0
        if asks_battery(machine, profile):
            asked = commands.provide_local_information(LocalInformation.BATTERY)
            self._offer(asked, self._learned)

    def told(self, told: Envelope) -> None:
        """Take an event, a choice from the menu, or a timer that ran out."""
        if told.tag == EnvelopeTag.MENU_SELECTION:
            self._chosen(told)
        elif told.tag == EnvelopeTag.TIMER_EXPIRATION:
            timer = commands.required(told.parts, objects.TimerIdentifier).identifier
            seconds = commands.required(told.parts, objects.TimerValue).seconds
            self._timer_expired(timer, seconds)
        elif told.tag == EnvelopeTag.EVENT_DOWNLOAD and told.event == CODE_POINTS.event:
            self._synchronizing.told(SynchronizationStatus.of(told))
        elif told.tag == EnvelopeTag.EVENT_DOWNLOAD and told.event in EVENTS:
            self._knowledge.learn(told.parts)
            if told.event == EventCode.LANGUAGE_SELECTION:
                self._show_menu()
            self._decide(Event(EVENTS[EventCode(told.event)]))
            self._climb(told)

    def _climb(self, told: Envelope) -> None:
        """Let a synchronization on a lower rung of the ladder go on."""
        if told.event == EventCode.LOCATION_STATUS and self._knowledge.in_service:
            self._synchronizing.in_service()
        elif told.event == EventCode.BROWSER_TERMINATION:
            cause = commands.first(told.parts, BrowserTerminationCause)
            self._synchronizing.browser_ended(by_user=cause is None or cause.code == 0)

    def answered_late(self, command: ProactiveCommand, response: TerminalResponse) -> None:
        """Learn from the response to a command that was given up before."""
        self._synchronizing.answered_late(command, response)

    def _chosen(self, told: Envelope) -> None:
        """Take a choice; one who asks for help reads what the entry is. TS 102 223 clause 7.2."""
        chosen = commands.required(told.parts, objects.ItemIdentifier).identifier
        if commands.first(told.parts, HelpRequest) is None:
            self._decide(Event(EventKind.MENU, chosen))
            return
        machine = self._policy.machine
        entries = dict(machine.menu(self._knowledge.language)) if machine else {}
        if chosen in entries:
            self._show(commands.display_text(entries[chosen]))

    def _timer_expired(self, timer: int, seconds: float) -> None:
        if timer not in self._timers:
            return
        self._knowledge.passed(self._timers.expired(timer, seconds))
        if timer == RETRY_TIMER:
            self._synchronizing.timer_expired()
        else:
            self._elapse(seconds)

    def _elapse(self, seconds: float) -> None:
        """Let the machine count minutes, and remember until when it has counted.

        What is less than a minute waits for the next time.
        """
        self._timers.stop(_POLICY_TIMER)
        minutes, self._seconds = divmod(self._seconds + seconds, _MINUTE)
        self._knowledge.mark()
        self._decide(Event(EventKind.TIMER, int(minutes)))

    def commands(self) -> list[tuple[ProactiveCommand, Answered]]:
        """Give the commands for the terminal, once, each with what takes its response."""
        self._arm()
        waiting, self._outbox = self._outbox, []
        return waiting

    def _offer(self, command: ProactiveCommand, answered: Answered = lambda _: None) -> None:
        self._outbox.append((command, answered))

    def _show(self, command: ProactiveCommand) -> None:
        """Offer what the user can do without, if there is not too much of it."""
        if len(self._outbox) < _MOST_SHOWN:
            self._offer(command)

    # What the policy says.

    def _decide(self, event: Event, **result: int) -> None:
        """Give one event to the machine, keep its state, and act on its decisions."""
        machine = self._policy.machine
        if machine is None:
            return
        facts = self._knowledge.facts()
        facts |= {f"result.{name}": value for name, value in result.items()}
        outcome = machine.handle(event, facts, busy=self._is_busy)
        decisions, state = outcome.decisions, outcome.state
        if any(isinstance(one, StartTimer) for one in decisions):
            self._seconds += self._timers.counted(_POLICY_TIMER)
            self._timers.stop(_POLICY_TIMER)
            if self._seconds >= _MINUTE:  # these belong to the timers that ran before this one
                self._elapse(0)
                self._decide(event, **result)
                return
        self._explain(outcome.reasons)
        self._policy.keep(state)
        for decision in decisions:
            self._act(decision)

    @property
    def _is_busy(self) -> bool:
        """Whether a synchronization is under way, or the user is being asked for one."""
        return self._asking or self._synchronizing.is_under_way

    def _explain(self, reasons: tuple[Reason, ...]) -> None:
        if reasons:
            self.reasons = reasons
        for reason in reasons:
            if reason.fired:
                self._journal.mention(f"{show_event(reason.event)}: {explain_one(reason)}")

    def _act(self, decision: Decision) -> None:
        match decision:
            case Synchronize(request, None):
                self._synchronizing.order(request)
            case Synchronize(request, str(question)):
                self._asking = True
                self._offer(commands.ask_yes_no(question), partial(self._consented, request.name))
            case Tell(text):
                self._show(commands.display_text(text))
            case Browse(url):
                self._show(commands.launch_browser(url))
            case SetMenu():
                self._show_menu()
            case Report(means):
                self._synchronizing.report(means)
            case StartTimer():
                pass  # the machine counts it; `_arm` takes the first of all

    def _arm(self) -> None:
        """Let the terminal wake us when the next timer of the policy runs out."""
        machine = self._policy.machine
        if machine is None or not self._begun or _POLICY_TIMER in self._timers:
            return
        longest = _LONGEST_TIMER if self._knowledge.has_time else _LONGEST_WITHOUT_TIME
        minutes = min(machine.next_timer_minutes(machine.state), longest)
        self._offer(self._timers.start(_POLICY_TIMER, minutes))

    def _consented(self, name: str, response: TerminalResponse | None) -> None:
        self._asking = False
        request = self._policy.request(name)
        if request is not None and response is not None and commands.is_yes(response):
            self._synchronizing.order(request)
        else:
            self._journal.note(f"{name}: the user did not agree")
            self._decide(Event(EventKind.REFUSED, name))

    def _ended(self, request: str, result: Result, native: int) -> None:
        """Let the policy hear of the end of a synchronization."""
        passed = result.general < 0x10
        if passed:
            self._knowledge.succeeded()
        self._decide(
            Event(EventKind.SYNCHRONIZED, request),
            ok=int(passed),
            general=result.general,
            additional=result.additional[0] if result.additional else 0,
            native=native,
        )
