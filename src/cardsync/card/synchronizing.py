"""What becomes of a synchronization that the policy decided, from its order to its end.

One is under way at a time. Its session is written in the transaction of the instruction that led
to it, before the response leaves. What a reset or a loss of power, of the card or of the
terminal, does at each point (requirement O-3):

- before that transaction: nothing was decided; the event, or the next power-on, decides anew;
- while the user is asked: nothing is written; the next power-on decides anew;
- ordered, and not fetched, or not answered, or the answer did not arrive: at power-on the same
  command goes out again, with the same reference and token. A terminal that has the order
  answers as it did the first time (O-2); another takes it now;
- accepted, and under way in the terminal: the same. The terminal resumes it, or tells by its
  event that it was interrupted; then the next attempt follows at once, with a new reference;
- the event has come: session, success and policy state change in one transaction. If its answer
  is lost the terminal brings the event again; it is taken, and means nothing. A text for the user
  that was not fetched is lost;
- failed, the next attempt waits for its timer: the timer runs anew from power-on;
- the terminal never tells the end: after an hour the session counts as timed out, after
  `MOST_RESUMES` power-ons as interrupted;
- the card comes into another terminal: the session is dropped, the policy decides there.

Where the terminal has no native command, or is not known to have one, the request goes down its
ladder (`ladder`, `rungs`). A step down begins another session, with a reference and a token of
its own. A rung that is under way at a power-on is taken again, `MOST_RESUMES` times; a native
command that was never answered is not, where the terminal did not even claim to know it. What a
lower rung achieves is told to the policy as result 07 with the rung's number: the operator knows
what changed, but nothing was synchronized.
"""

from collections.abc import Callable
from functools import partial

from cardsync.card.ladder import NATIVE, Ladder, Mark, Terminal, climbs_down, is_unsupported
from cardsync.card.offering import Answered, Surroundings
from cardsync.card.orders import (
    INTERRUPTED,
    MOST_RESUMES,
    TIMED_OUT,
    UNANSWERED,
    Orders,
    Session,
    most_resumes,
)
from cardsync.card.reporting import Reporting
from cardsync.card.rungs import COMMANDS, NO_SERVICE, Rungs, named
from cardsync.card.secured import read_key_sets
from cardsync.errors import LocalError
from cardsync.policy.card_bound import MOST_STORED
from cardsync.policy.values import ResolvedRequest, Rung
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import Result
from cardsync.toolkit.profile import Feature
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.toolkit.synchronization_objects import Phase

__all__ = ["RETRY_TIMER", "Answered", "Synchronizing"]

RETRY_TIMER = 2
"""Of the terminal: wakes the next attempt, or ends the patience with a command (RS-43)."""

_DEADLINE = 3600.0  # seconds that an accepted session may take where the request says nothing
_PATIENCE = 10  # minutes for a rung that is tried first: T10; T6 is 20 polls
_STORED = 30  # minutes after which a short message that could not be sent is tried again
_MOST_ATTEMPTS = 15
_FIRST_FAILURE = 0x10  # general results below it are successes. TS 102 223 clause 8.12
_MEANWHILE = {GeneralResult.TERMINAL_UNABLE, GeneralResult.NETWORK_UNABLE}

Ended = Callable[[str, Result, int], None]
"""Hears how a request ended: its name, the result, the native status."""


class Synchronizing:
    """The synchronization under way; `ended` hears its end."""

    def __init__(self, around: Surroundings, ended: Ended) -> None:
        memory = around.memory
        self._memory = memory
        self._journal = around.journal
        self._orders = Orders(memory)
        self._ladder = Ladder(memory)
        self._policy = around.policy
        self._knowledge = around.knowledge
        self._timers = around.timers
        self._offer = around.offer
        self._abandon = around.abandon
        reporting = Reporting(memory, around.knowledge, around.policy, self._ladder)
        self._rungs = Rungs(memory, around.policy, around.knowledge, reporting, around.offer)
        self._tell = ended
        self._untold: list[tuple[str, Result]] = []  # ends that the policy hears at the next poll
        self._imei: str | None = None
        self._waited = 0.0  # seconds for the end of the session

    @property
    def is_under_way(self) -> bool:
        """Whether a session has begun, and neither ended nor waits for its next attempt."""
        session = self._orders.session
        return session is not None and not session.waiting

    def powered_on(self, imei: str | None) -> Session | None:
        """Learn the terminal; give the session that was under way in it, for `resume`."""
        self._imei = imei
        session = self._orders.session
        if session is not None and imei not in {None, session.imei}:
            self._journal.note(f"{session.request}: left behind in another terminal")
            self._orders.finish()
            return None
        return session

    def resume(self, before: Session) -> None:
        """Take up after a power-on what was under way before it, if nothing took its place."""
        if before != self._orders.session:
            return
        request = self._policy.request(before.request)
        if request is None:
            self._journal.note(f"{before.request}: the policy has it no more")
            self._orders.finish()
        elif before.resumed >= MOST_RESUMES and before.waiting:
            self.try_again()
        elif not before.waiting and self._is_beyond(before):
            self._ended(before, UNANSWERED, 0)
        elif not before.waiting and before.resumed >= most_resumes(before.rung):
            self._ended(before, INTERRUPTED, 0)
        elif before.waiting:
            self._orders.resume(before)
            self._wait(self._orders.delay(request, before.attempt, TIMED_OUT) or 1)
        elif self._imei is not None:
            self._orders.resume(before)
            self._take(before, request)

    def _is_beyond(self, before: Session) -> bool:
        """Say whether the rung of a session was never answered, and shall not be tried again."""
        terminal = self._knowledge.terminal
        if terminal is None:
            return False
        mark = self._ladder.mark_of(terminal, before.rung)
        if mark is Mark.FAILED:
            return True
        patient = terminal.claims or before.rung != NATIVE
        return mark is Mark.TRIED and not (patient and before.resumed < most_resumes(before.rung))

    def order(self, request: ResolvedRequest, attempt: int = 1, rung: int | None = None) -> None:
        """Begin a session; without the IMEI of the terminal there is no way to name it."""
        terminal = self._knowledge.terminal
        if self._imei is None or terminal is None:
            self._journal.note(f"{request.name}: the terminal has no IMEI")
            self._orders.finish()
            return
        if rung is None:
            rung = self._ladder.first(terminal, request.fallback, self._knowledge.day)
        if rung is None:
            self._journal.note(f"{request.name}: nothing is left that this terminal can do")
            self._orders.finish()
            self._untold.append((request.name, UNANSWERED))
            return
        self._take(self._orders.begin(request.name, attempt, self._imei, rung), request)

    # The ladder.

    def _take(self, session: Session, request: ResolvedRequest) -> None:
        """Take the rung of a session. That it is tried is written down before it is."""
        terminal = self._knowledge.terminal
        if terminal is None:
            return
        self._try(session, request, terminal)
        if session.rung == NATIVE:
            self._command(session, request)
            return
        try:
            self._rungs.take(session, request, partial(self._reached, session.reference))
        except LocalError as exc:
            self._journal.note(f"{session.request}: {named(session.rung)}: {exc}")
            self._step_down(session, request, UNANSWERED)

    def _try(self, session: Session, request: ResolvedRequest, terminal: Terminal) -> None:
        """Write down that a rung is tried; a timer runs where it may never be answered (RS-43)."""
        self._waited = 0.0
        self._timers.stop(RETRY_TIMER)
        self._ladder.tried(terminal, session.rung, self._knowledge.day)
        if request.fallback and self._ladder.mark_of(terminal, session.rung) is Mark.TRIED:
            self._wait(_PATIENCE)

    def _step_down(self, session: Session, request: ResolvedRequest, result: Result) -> None:
        """Go to the next rung; on the last one the policy hears of it at the next poll."""
        terminal = self._knowledge.terminal
        following = None
        if terminal is not None:
            day = self._knowledge.day
            following = self._ladder.after(session.rung, terminal, request.fallback, day)
        if following is None:
            self._orders.finish()
            self._untold.append((session.request, result))
            return
        self._ladder.stepped(session.rung)
        self._journal.note(
            f"{session.request}: from {named(session.rung)} down to {named(following)}"
        )
        self.order(request, session.attempt, following)

    def _reached(self, reference: bytes, result: Result | None) -> None:
        """Take the result of a rung below the native one."""
        session = self._orders.session
        if session is None or session.reference != reference:
            return
        self._timers.stop(RETRY_TIMER)
        if result == NO_SERVICE:
            self._store(session)
        elif result is None or result.general >= _FIRST_FAILURE:
            self._ended(session, result or UNANSWERED, 0)
        elif session.rung != Rung.BROWSER or not self._hears_browser:
            self._achieved(session)

    @property
    def _hears_browser(self) -> bool:
        return self._knowledge.claims(Feature.EVENT_BROWSER_TERMINATION)

    def _achieved(self, session: Session) -> None:
        if session.rung != Rung.BROWSER:
            self._ladder.told()
        done = GeneralResult.PERFORMED_WITH_MODIFICATION
        self._ended(session, Result(done, bytes([session.rung])), 0)

    def _store(self, session: Session) -> None:
        """Keep a short message for when the network can be used, or a timer says to look."""
        self._journal.note(f"{session.request}: kept until there is service")
        self._orders.wait(session)
        self._wait(_STORED)

    def in_service(self) -> None:
        """Send what was kept for the network."""
        session = self._orders.session
        if session is not None and session.waiting and session.rung == Rung.SMS:
            self.try_again()

    def browser_ended(self, *, by_user: bool) -> None:
        """Take the end of the browser, if it was ours. TS 102 223 clause 7.5.9."""
        session = self._orders.session
        if session is None or session.waiting or session.rung != Rung.BROWSER:
            return
        if by_user:
            self._achieved(session)
        else:
            self._ended(session, Result(GeneralResult.LAUNCH_BROWSER_ERROR, b"\0"), 0)

    def report(self, means: Rung) -> None:
        """Report because the policy says so."""
        try:
            self._rungs.report(means, partial(self._reported, means))
        except LocalError as exc:
            self._journal.note(f"a report by {means.name} was wanted: {exc}")

    def _reported(self, means: Rung, result: Result | None) -> None:
        if result is not None and result.general < _FIRST_FAILURE:
            self._ladder.told()
            return
        why = "no answer" if result is None else f"result {result.value().hex().upper()}"
        self._journal.note(f"a report by {means.name} failed: {why}")

    # The native command.

    def _command(self, session: Session, request: ResolvedRequest) -> None:
        """Command the terminal; with no good key there is no way to vouch for it."""
        key_sets = [one for _, one in sorted(read_key_sets(self._memory).items())]
        command = self._orders.command(session, request, key_sets)
        if command is None:
            self._journal.note(f"{request.name}: no key for a token, or no command for it")
            self._orders.finish()
            self._untold.append((session.request, UNANSWERED))
        else:
            reference, told = session.reference, bool(request.notify)
            self._offer(command, partial(self._accepted, reference, told=told))

    def _accepted(self, reference: bytes, response: TerminalResponse | None, *, told: bool) -> None:
        """Take the terminal's answer to the command; the end comes as an event, if it is told."""
        session = self._orders.session
        if session is None or session.reference != reference:
            return
        self._timers.stop(RETRY_TIMER)
        terminal = self._knowledge.terminal
        if response is not None and terminal is not None and not is_unsupported(response.result):
            self._ladder.worked(terminal, NATIVE, self._knowledge.day)
        if response is None:
            self._ended(session, UNANSWERED, 0)
        elif not response.performed:
            self._ended(session, response.result, 0)
        elif not told:
            self._journal.note(f"{session.request}: accepted, its end will not be told")
            self._orders.finish()

    def told(self, status: SynchronizationStatus) -> None:
        """Take the terminal's event."""
        session = self._orders.session
        if session is None or session.waiting or session.reference != status.reference:
            self._journal.note("the end of a synchronization that is not ours")
        elif status.summary is None or status.summary.phase == Phase.DONE:
            native = status.summary.native if status.summary else 0
            self._ended(session, status.result, native)

    def passed(self, seconds: float) -> None:
        """End a session of which the terminal has told nothing for too long; tell what ended."""
        untold, self._untold = self._untold, []
        for name, result in untold:
            self._tell(name, result, 0)
        session = self._orders.session
        if session is None or session.waiting:
            return
        self._waited += seconds
        request = self._policy.request(session.request)
        minutes = request.duration if request else 0
        if self._waited > max(_DEADLINE, 2 * 60.0 * minutes):
            self._ended(session, TIMED_OUT, 0)

    def _ended(self, session: Session, result: Result, native: int) -> None:
        """Record the end; try again where policy and result say so, else let the policy decide."""
        self._journal.note(f"{session.request}: result {result.value().hex().upper()}, {native}")
        request = self._policy.request(session.request)
        self._learn(session, result)
        if request is not None and climbs_down(result) and self._has_next(session, request):
            self._step_down(session, request, result)
            return
        delay = self._delay(session, request, result)
        if delay is None:
            self._orders.finish()
            self._tell(session.request, result, native)
            return
        self._orders.wait(session)
        if delay:
            self._wait(delay)
        else:
            self.try_again()

    def _learn(self, session: Session, result: Result) -> None:
        """Remember what a result says of the terminal."""
        terminal, day = self._knowledge.terminal, self._knowledge.day
        if terminal is None:
            return
        if is_unsupported(result):
            self._ladder.failed(terminal, session.rung, day)
        elif session.rung != NATIVE and result.general < _FIRST_FAILURE:
            self._ladder.worked(terminal, session.rung, day)

    def _has_next(self, session: Session, request: ResolvedRequest) -> bool:
        terminal = self._knowledge.terminal
        return terminal is not None and (
            self._ladder.after(session.rung, terminal, request.fallback, self._knowledge.day)
            is not None
        )

    def _delay(
        self, session: Session, request: ResolvedRequest | None, result: Result
    ) -> int | None:
        """Give the minutes until the next attempt; a short message is kept without Retry too."""
        delay = self._orders.delay(request, session.attempt, result) if request else None
        if session.rung != Rung.SMS:
            return delay
        # Only one that was refused for now has not left: no other is sent in its place.
        kept = session.attempt < MOST_STORED and result.general in _MEANWHILE
        return (delay or _STORED) if kept else None

    def timer_expired(self) -> None:
        """Make the next attempt, or lose the patience with a rung (RS-43).

        A command that the terminal has fetched and not answered is given up: it counts as not
        known to the terminal, and the next rung waits when this instruction is answered. One
        that was not fetched yet is left to T6.
        """
        session = self._orders.session
        if session is not None and session.waiting:
            self.try_again()
        elif session is not None and self._abandon(COMMANDS[session.rung]):
            self._journal.note(f"{session.request}: no answer to {named(session.rung)}")

    def answered_late(self, command: ProactiveCommand, response: TerminalResponse) -> None:
        """Learn from the response to a command that was given up; nothing else comes of it."""
        self._rungs.answered_late(command, response)
        terminal, day, result = self._knowledge.terminal, self._knowledge.day, response.result
        for rung, types in COMMANDS.items():
            if command.details.type not in types or terminal is None:
                continue
            self._journal.note(f"late answer to {named(rung)}: {result.value().hex().upper()}")
            if is_unsupported(result):
                self._ladder.failed(terminal, rung, day)
            elif rung == NATIVE or result.general < _FIRST_FAILURE:
                self._ladder.worked(terminal, rung, day)

    def _wait(self, minutes: int) -> None:
        self._offer(self._timers.start(RETRY_TIMER, minutes), lambda _: None)

    def try_again(self) -> None:
        """Make the next attempt of the session that waits for it, where it can be."""
        session = self._orders.session
        if session is not None and session.rung == Rung.SMS and not self._knowledge.in_service:
            self._wait(_STORED)
            return
        request = self._policy.request(session.request) if session else None
        if session is not None and session.waiting and request is not None:
            attempt = min(session.attempt + 1, _MOST_ATTEMPTS)
            self.order(request, attempt, None if session.rung == NATIVE else session.rung)
