"""The agent: ordered synchronizations, from the command to the result.

It knows nothing of an operator: server, database, credentials and what may be sent all come in
the command. An order is checked and kept in the terminal's database before it is accepted; it
runs later, in `run`, and its result is kept until the card has heard of it. Each card has orders
and results of its own. Time comes from `clock`, octets go through a carrier; both are given.

`run` may be called in another thread than the rest: what it has to tell lies in the database, or
is asked for by `progress`. The states of an order are those of the specification, clause 12.2.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar, TypeAlias

from cardsync.syncml.events import SessionResult
from cardsync.terminal import outcome
from cardsync.terminal.conditions import Conditions, can_be_met
from cardsync.terminal.databases.management import (
    ManagementDatabase,
    Order,
    OrderState,
    StorageError,
)
from cardsync.terminal.ordered import (
    Ordered,
    Refused,
    capability,
    is_owed,
    read_order,
)
from cardsync.terminal.running import Heard, Identity, Means, Running, Sources
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse, first
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import DataObject, Result
from cardsync.toolkit.synchronization import (
    Operation,
    Permanent,
    SynchronizationStatus,
    Temporary,
    Unable,
    accepted,
    reference_of,
    status_event,
)
from cardsync.toolkit.synchronization_objects import AuthenticationReference, Phase, Retry, Summary
from cardsync.transport.carrier import Carrier

__all__ = ["Agent", "Consent", "Heard", "Identity"]

_PAUSE = 10.0  # seconds before a result is brought again to a card that did not take it: T4
_KEPT_SECONDS = 24 * 3600.0  # for which an order is known again, and its result owed: T5
_PERFORMED = Result(GeneralResult.PERFORMED)

Consent = Callable[[], Result | None]
"""Asks the user; None if he agrees, else the result of his answer."""

_Answer: TypeAlias = tuple[Result, *tuple[DataObject, ...]]


class Agent:
    """Takes orders for one terminal. `carriers` are by transport, as the command numbers them.

    `result` is that of the last session, `dropped` counts the results that no card has taken.
    A card is named by its ICCID.
    """

    def __init__(
        self,
        identity: Identity,
        database: ManagementDatabase,
        carriers: Mapping[int, Carrier],
        clock: Callable[[], float],
        *,
        conditions: Callable[[], Conditions] = Conditions,
        max_msg_size: int = 65536,
        heard: Heard = lambda _way, _octets: None,
        sources: Sources | None = None,
    ) -> None:
        self.result: SessionResult | None = None
        self.dropped = 0
        self._database = database
        self._clock = clock
        self._means = Means(
            identity, database, carriers, clock, conditions, max_msg_size, heard, sources
        )
        self._running: dict[tuple[str, bytes], Running] = {}
        self._stuck: set[tuple[str, bytes]] = set()
        self._put_off: dict[tuple[str, bytes], float] = {}

    # What the card says.

    def take(self, command: ProactiveCommand, card: str, consent: Consent) -> TerminalResponse:
        """Answer a command of a card at once; an order is kept before it is accepted.

        The same order again, running or ended, is answered as the first time (decision O-2).
        """
        perform = self._OPERATIONS[Operation(command.details.qualifier & 0x03)]
        try:
            return accepted(command, *perform(self, command, card, consent))
        except Refused as refused:
            return accepted(command, refused.result)
        except StorageError:
            return accepted(command, outcome.unable(Unable.STORAGE))

    def _start(self, command: ProactiveCommand, card: str, consent: Consent) -> _Answer:
        """Do the checks of clause 4.2 in their order."""
        ordered = self._ordered(command, card)
        known = self._known(card, ordered.reference)
        if known is not None:
            return (self._again(known, command),)
        for running in self._database.open_orders(card)[:1]:
            raise Refused(outcome.unable(Unable.ALREADY_RUNNING, running.reference))
        self._check_constraints(ordered)
        refusal = consent() if ordered.confirmed else None
        if refusal is not None:
            raise Refused(refusal)
        now = self._clock()
        self._forget(now)
        self._database.keep_order(card, ordered.reference, command.encode(), now)
        return (_acceptance(command),)

    def _again(self, known: Order, command: ProactiveCommand) -> Result:
        """Answer an order as the first time; tell the end again of which the card has heard."""
        before = ProactiveCommand.decode(known.command)
        if _token_of(before) != _token_of(command):
            return outcome.refused(Permanent.REFERENCE_CONFLICT)
        if known.state is OrderState.DONE and is_owed(before):
            self._database.owe_order(known.card, known.reference)
        return _acceptance(command)

    def _check_constraints(self, ordered: Ordered) -> None:
        wanted = ordered.constraints
        if wanted is None:
            return
        met = can_be_met(wanted) and (ordered.convenient or self._holds(ordered))
        if not met:
            raise Refused(outcome.unable(Unable.CONSTRAINT_NOT_MET))

    def _holds(self, ordered: Ordered) -> bool:
        """Say whether the constraints of an order are met now."""
        wanted, now = ordered.constraints, self._means.conditions()
        return wanted is None or (now.carries(wanted) and now.powers(wanted))

    def _cancel(self, command: ProactiveCommand, card: str, _: Consent) -> _Answer:
        """End an order; the answer stands for its event. Clause 4.7."""
        order = self._named(command, card)
        summary = self._status(order)[1]
        self._finish(order, outcome.temporary(Temporary.SUSPENDED), summary, owed=False)
        self._database.order_told(card, order.reference)  # it may have ended by itself before
        return _PERFORMED, summary

    def _query_status(self, command: ProactiveCommand, card: str, _: Consent) -> _Answer:
        return self._status(self._named(command, card))

    def _query_capabilities(self, _command: ProactiveCommand, _card: str, _: Consent) -> _Answer:
        return _PERFORMED, capability(self._means.carriers)

    _OPERATIONS: ClassVar[dict[Operation, "_Operation"]] = {
        Operation.START: _start,
        Operation.CANCEL: _cancel,
        Operation.QUERY_STATUS: _query_status,
        Operation.QUERY_CAPABILITIES: _query_capabilities,
    }

    def _named(self, command: ProactiveCommand, card: str) -> Order:
        """Give the order that a command names; raise `Refused` if there is none."""
        reference = reference_of(command)
        if reference is None:
            raise Refused(Result(GeneralResult.VALUES_MISSING))
        order = self._known(card, reference)
        if order is None:
            raise Refused(outcome.refused(Permanent.REFERENCE_CONFLICT))
        return order

    def _known(self, card: str, reference: bytes) -> Order | None:
        """Give an order of a card, if it is not older than T5."""
        order = self._database.order(card, reference)
        if order is None or order.state is OrderState.OPEN:
            return order
        return order if order.created >= self._clock() - _KEPT_SECONDS else None

    def _status(self, order: Order) -> tuple[Result, Summary]:
        """Say how far an order is, or how it ended."""
        if order.result is not None:
            ended = SynchronizationStatus.of(Envelope.decode(order.result))
            return ended.result, ended.summary or Summary(Phase.DONE)
        running = self._running.get((order.card, order.reference))
        return _PERFORMED, running.so_far() if running else Summary(Phase.QUEUED)

    def interrupt(self, card: str | None = None) -> None:
        """End what is under way: power was lost, or a card is gone. What follows the card decides.

        Its result is `2E 05`, kept for the card that ordered it.
        """
        for order in self._database.open_orders(card):
            self._end(order, outcome.temporary(Temporary.INTERRUPTED_BY_RESET), None)

    # What the terminal does.

    def waiting(self) -> tuple[Order, ...]:
        """Give the orders that were accepted, have not run, and can run now.

        One that waited for its constraints for T5 ends without having run.
        """
        ready = []
        for order in self._database.open_orders():
            if _key(order) in self._stuck or _key(order) in self._running:
                continue
            if self._can_run(order):
                ready.append(order)
            elif order.created < self._clock() - _KEPT_SECONDS:
                self._end(order, outcome.unable(Unable.CONSTRAINT_NOT_MET), None)
        return tuple(ready)

    def _can_run(self, order: Order) -> bool:
        try:
            ordered = self._read(order)
        except Refused:  # to be told when it is run
            return True
        return not ordered.convenient or self._holds(ordered)

    def run(self, order: Order) -> Result:
        """Synchronize as ordered; keep the result, for the card if it asked for it."""
        self.result = None
        try:
            ordered = self._read(order)
        except Refused as refused:  # since it was accepted the terminal has changed
            self._end(order, refused.result, None)
            return refused.result
        anchor = _anchor(self._clock(), order.reference)
        running = self._running[_key(order)] = Running(ordered, order.card, anchor, self._means)
        try:
            result = running.run()
            self.result = running.result
            lasted = self._clock() - running.started
            self._end(order, result, outcome.summary_of(running.result, lasted, anchor))
        finally:
            del self._running[_key(order)]
        return result

    def progress(self, card: str) -> tuple[Envelope, ...]:
        """Give the progress events that are due to a card: each once, taken or not. Clause 7."""
        told = []
        for order in self._database.open_orders(card):
            running = self._running.get(_key(order))
            summary = running.progress() if running else None
            if summary is not None:
                told.append(status_event(order.reference, _PERFORMED, summary))
        return tuple(told)

    def owed(self, card: str) -> tuple[tuple[bytes, Envelope], ...]:
        """Give the results that a card has yet to take, as references and events; for `told`."""
        orders, now = self._database.owed_orders(card), self._clock()
        if any(one.created < now - _KEPT_SECONDS for one in orders):
            self._forget(now)
            orders = self._database.owed_orders(card)
        due = [one for one in orders if self._put_off.get(_key(one), now) <= now]
        return tuple([(one.reference, Envelope.decode(one.result)) for one in due if one.result])

    def told(self, card: str, reference: bytes, *, taken: bool) -> None:
        """Note whether a card has taken a result; one that it has not is brought again, after T4.

        docs/request-synchronization.md clause 7.
        """
        if taken:
            self._database.order_told(card, reference)
            self._put_off.pop((card, reference), None)
        else:
            self._put_off[card, reference] = self._clock() + _PAUSE

    def _read(self, order: Order) -> Ordered:
        return self._ordered(ProactiveCommand.decode(order.command), order.card)

    def _ordered(self, command: ProactiveCommand, card: str) -> Ordered:
        means = self._means
        return read_order(command, means.identity.imei, means.carriers, card, means.sources)

    def _end(self, order: Order, result: Result, summary: Summary | None) -> None:
        """Keep the result of an order, to be told if that was asked for.

        One that cannot be kept leaves the order open, to be interrupted at the next power-on.
        """
        owed = is_owed(ProactiveCommand.decode(order.command))
        try:
            self._finish(order, result, summary, owed=owed)
        except StorageError:
            self._stuck.add(_key(order))

    def _finish(self, order: Order, result: Result, summary: Summary | None, *, owed: bool) -> None:
        """End an order that is open, its session at the next message."""
        ended = replace(summary, phase=Phase.DONE) if summary else None
        told = status_event(order.reference, result, ended).encode()
        self._database.finish_order(order, told, owed=owed)
        running = self._running.get(_key(order))
        if running is not None:
            running.stop = result

    def _forget(self, now: float) -> None:
        self.dropped += self._database.forget_orders(now - _KEPT_SECONDS)


_Operation = Callable[[Agent, ProactiveCommand, str, Consent], _Answer]


def _key(order: Order) -> tuple[str, bytes]:
    return order.card, order.reference


def _acceptance(command: ProactiveCommand) -> Result:
    """Accept; an object Retry is not understood: who tries again is the card. Clauses 4.3 and 5."""
    if first(command.parts, Retry) is None:
        return _PERFORMED
    return Result(GeneralResult.PARTIAL_COMPREHENSION)


def _token_of(command: ProactiveCommand) -> AuthenticationReference | None:
    """Give what tells two orders apart that happen to have the same reference."""
    return first(command.parts, AuthenticationReference)


def _anchor(now: float, reference: bytes) -> str:
    """Name this session in six characters, by the second and by the reference of its order."""
    digest = sha256(f"{int(now)}-{reference.hex()}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:4]).decode().rstrip("=")
