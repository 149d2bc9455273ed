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
"""

from collections.abc import Callable
from functools import partial

from cardsync.card.journal import Journal
from cardsync.card.memory import Memory
from cardsync.card.orders import (
    INTERRUPTED,
    MOST_RESUMES,
    TIMED_OUT,
    UNANSWERED,
    Orders,
    Session,
)
from cardsync.card.policy_store import PolicyStore
from cardsync.card.secured import read_key_sets
from cardsync.card.timers import Timers
from cardsync.policy.values import ResolvedRequest
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import SynchronizationStatus
from cardsync.toolkit.synchronization_objects import Phase

RETRY_TIMER = 2
_DEADLINE = 3600.0  # seconds that an accepted session may take where the request says nothing

Answered = Callable[[TerminalResponse | None], None]
"""What is done with the response to a command; None where the terminal gave none."""
Offer = Callable[[ProactiveCommand, Answered], None]
Ended = Callable[[str, Result, int], None]
"""Hears how a request ended: its name, the result, the native status."""


def _nothing(_: TerminalResponse | None) -> None:
    """Do nothing with a response."""


class Synchronizing:
    """The synchronization under way. `offer` takes its commands, `ended` hears its end."""

    def __init__(
        self, memory: Memory, policy: PolicyStore, timers: Timers, offer: Offer, ended: Ended
    ) -> None:
        self._memory = memory
        self._journal = Journal(memory)
        self._orders = Orders(memory)
        self._policy = policy
        self._timers = timers
        self._offer = offer
        self._tell = ended
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
        elif before.resumed >= MOST_RESUMES:
            self._ended(before, INTERRUPTED, 0)
        elif before.waiting:
            self._orders.resume(before)
            self._wait(self._orders.delay(request, before.attempt, TIMED_OUT) or 1)
        elif self._imei is not None:
            self._orders.resume(before)
            self._command(before, request)

    def order(self, request: ResolvedRequest, attempt: int = 1) -> None:
        """Begin a session; without the IMEI of the terminal there is no way to name it."""
        if self._imei is None:
            self._journal.note(f"{request.name}: the terminal has no IMEI")
            self._orders.finish()
            return
        self._command(self._orders.begin(request.name, attempt, self._imei), request)

    def _command(self, session: Session, request: ResolvedRequest) -> None:
        """Command the terminal; with no good key there is no way to vouch for it."""
        self._waited = 0.0
        key_sets = [one for _, one in sorted(read_key_sets(self._memory).items())]
        command = self._orders.command(session, request, key_sets)
        if command is None:
            self._journal.note(f"{request.name}: no key for a token, or no command for it")
            self._orders.finish()
        else:
            reference, told = session.reference, bool(request.notify)
            self._offer(command, partial(self._accepted, reference, told=told))

    def _accepted(self, reference: bytes, response: TerminalResponse | None, *, told: bool) -> None:
        """Take the terminal's answer to the command; the end comes as an event, if it is told."""
        session = self._orders.session
        if session is None or session.reference != reference:
            return
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
        """End a session of which the terminal has told nothing for too long."""
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
        delay = self._orders.delay(request, session.attempt, result) if request else None
        if delay is None:
            self._orders.finish()
            self._tell(session.request, result, native)
            return
        self._orders.wait(session)
        if delay:
            self._wait(delay)
        else:
            self.try_again()

    def _wait(self, minutes: int) -> None:
        self._offer(self._timers.start(RETRY_TIMER, minutes), _nothing)

    def try_again(self) -> None:
        """Make the next attempt of the session that waits for it."""
        session = self._orders.session
        request = self._policy.request(session.request) if session else None
        if session is not None and session.waiting and request is not None:
            self.order(request, session.attempt + 1)
