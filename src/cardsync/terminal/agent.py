"""The agent: one ordered synchronization, from the command to its result.

It knows nothing of an operator: server, database, credentials and what may be sent all come in
the command. An order is checked and kept in the terminal's database before it is accepted; it
runs later, in `run`, and its result is kept until the card has heard of it. Time comes from
`clock`, octets go through a carrier; both are given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cardsync.errors import CardsyncError, LocalError
from cardsync.syncml import auth, codec
from cardsync.syncml.client import ClientConfig, ClientSession, DatabaseRequest
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import AlertCode, Version
from cardsync.syncml.events import SessionResult
from cardsync.terminal import outcome
from cardsync.terminal.databases.management import ManagementDatabase, Order
from cardsync.terminal.ordered import Ordered, Refused, is_owed, read_order
from cardsync.toolkit.codes import GeneralResult
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse, first
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import Result
from cardsync.toolkit.synchronization import (
    ALREADY_RUNNING,
    Permanent,
    Temporary,
    accepted,
    status_event,
)
from cardsync.toolkit.synchronization_objects import (
    AuthenticationReference,
    Representation,
    Summary,
)
from cardsync.transport.http import CarrierError, Failure

_CONTENT_TYPES = {Representation.XML: codec.XML}
_RESENDS = 2  # of one message, where the carrier lost it or its answer
_LOST = {Failure.UNREACHABLE, Failure.TIMED_OUT}
_KEPT_SECONDS = 24 * 3600.0  # for which an ended order is known again, and its result owed


class Carrier(Protocol):
    """Brings a message to an address and its answer back; raises `CarrierError`."""

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Give the answer's content type and octets."""


Heard = Callable[[str, bytes], None]
"""Hears each SyncML message: `request` or `response`, and its octets."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the agent says of the device: its IMEI and its device information."""

    imei: str
    devinf: DevInf

    @property
    def uri(self) -> str:
        """The device identifier in SyncML."""
        return f"IMEI:{self.imei}"


class Agent:
    """Takes orders for one terminal. `carriers` are by transport, as the command numbers them."""

    def __init__(
        self,
        identity: Identity,
        database: ManagementDatabase,
        carriers: Mapping[int, Carrier],
        clock: Callable[[], float],
        *,
        max_msg_size: int = 65536,
        heard: Heard = lambda _way, _octets: None,
    ) -> None:
        self.result: SessionResult | None = None
        self._identity = identity
        self._database = database
        self._carriers = carriers
        self._clock = clock
        self._max_msg_size = max_msg_size
        self._heard = heard

    def take(self, command: ProactiveCommand) -> TerminalResponse:
        """Accept or refuse a command at once; an accepted one is kept before it is answered.

        The same order again, running or ended, is answered as the first time (decision O-2).
        """
        return accepted(command, self._judge(command))

    def _judge(self, command: ProactiveCommand) -> Result:
        try:
            ordered = read_order(command, self._identity.imei, self._carriers)
        except Refused as refused:
            return refused.result
        known = self._database.order(ordered.reference)
        if known is not None:
            same = _token_of(ProactiveCommand.decode(known.command)) == _token_of(command)
            performed = Result(GeneralResult.PERFORMED)
            return performed if same else outcome.refused(Permanent.REFERENCE_CONFLICT)
        running = self._database.open_orders()
        if running:
            busy = bytes([ALREADY_RUNNING]) + running[0].reference
            return Result(GeneralResult.TERMINAL_UNABLE, busy)
        now = self._clock()
        self._database.forget_orders(now - _KEPT_SECONDS)
        self._database.keep_order(ordered.reference, command.encode(), now)
        return Result(GeneralResult.PERFORMED)

    def waiting(self) -> tuple[Order, ...]:
        """Give the orders that were accepted and have not run."""
        return self._database.open_orders()

    def interrupt(self) -> None:
        """After a loss of power: what was under way ended by it. The card decides what follows."""
        for order in self._database.open_orders():
            self._keep(order, outcome.temporary(Temporary.INTERRUPTED_BY_RESET), None)

    def owed(self) -> tuple[tuple[bytes, Envelope], ...]:
        """Give the results of which the card has yet to hear, as references and events."""
        orders = self._database.owed_orders()
        return tuple([(one.reference, Envelope.decode(one.result)) for one in orders if one.result])

    def told(self, reference: bytes) -> None:
        """Note that the card has heard of a result."""
        self._database.order_told(reference)

    def run(self, order: Order) -> Result:
        """Synchronize as ordered; keep the result, for the card if it asked for it."""
        started = self._clock()
        anchor = _anchor(started, order.reference)
        self.result = None
        try:
            command = ProactiveCommand.decode(order.command)
            ordered = read_order(command, self._identity.imei, self._carriers)
            result = outcome.of_session(self._synchronize(ordered, anchor, started))
        except Refused as refused:  # since it was accepted the terminal has changed
            result = refused.result
        except CarrierError as error:
            result = outcome.of_carrier(error)
        except CardsyncError:
            result = outcome.refused(Permanent.INTERNAL)
        summary = outcome.summary_of(self.result, self._clock() - started, anchor)
        self._keep(order, result, summary)
        return result

    def _keep(self, order: Order, result: Result, summary: Summary | None) -> None:
        told = status_event(order.reference, result, summary)
        owed = is_owed(ProactiveCommand.decode(order.command))
        self._database.finish_order(order.reference, told.encode(), owed=owed)

    def _synchronize(self, ordered: Ordered, anchor: str, started: float) -> SessionResult:
        known = f"devinf:{ordered.server}#{ordered.target}"
        digest = sha256(repr(self._identity.devinf).encode()).digest()
        config = self._config(ordered, anchor, put=self._database.recall(known) != digest)
        session = ClientSession(config)
        while (octets := session.data_to_send()) is not None:
            self._check(ordered, session.url, started)
            self._heard("request", octets)
            carrier = self._carriers[ordered.transport]
            reply = self._exchange(carrier, session.url, config.content_type, octets)
            self._heard("response", reply)
            session.receive_data(reply)
        if session.result is None:
            raise LocalError("the session has neither a message nor a result")
        self.result = session.result
        if session.result.ok:
            self._database.remember(known, digest)
        elif session.result.status in {401, 407}:
            self._database.remember(known, None)
        return session.result

    def _check(self, ordered: Ordered, url: str, started: float) -> None:
        """Refuse to go on for longer than was ordered, or in the clear where TLS was ordered."""
        if ordered.seconds is not None and self._clock() - started > ordered.seconds:
            raise CarrierError(Failure.TIMED_OUT, f"the session took {ordered.seconds} s")
        if _is_tls(ordered.server) and not _is_tls(url):
            raise CarrierError(Failure.UNTRUSTED, "the server asks to go on without TLS")

    def _config(self, ordered: Ordered, anchor: str, *, put: bool) -> ClientConfig:
        peer = f"{ordered.server}#{ordered.target}"
        datastore = self._database.datastore(peer, ordered.mask)
        kind = AlertCode(ordered.kind) if ordered.kind else AlertCode.TWO_WAY
        request = DatabaseRequest(datastore, ordered.target, kind, anchor)
        return ClientConfig(
            url=ordered.server,
            device_id=self._identity.uri,
            session_id=str(int.from_bytes(ordered.reference[-2:], "big")),
            databases=(request,),
            version=Version.V1_2,
            content_type=_CONTENT_TYPES.get(Representation(ordered.representation), codec.WBXML),
            max_msg_size=self._max_msg_size,
            account=self._account(ordered),
            devinf=self._identity.devinf,
            put_devinf=put,
        )

    def _account(self, ordered: Ordered) -> auth.Account | None:
        """Show the one-time token as the password of the device. Clause 15."""
        if ordered.token is None:
            return None
        return auth.Account(auth.Scheme.BASIC, self._identity.uri, ordered.token)

    def _exchange(self, carrier: Carrier, url: str, content_type: str, octets: bytes) -> bytes:
        """Send a message; the same once more where it or its answer was lost on the way."""
        resends = _RESENDS
        while True:
            try:
                kind, body = carrier.exchange(url, content_type, octets)
                break
            except CarrierError as error:
                if error.kind not in _LOST or not resends:
                    raise
                resends -= 1
        if kind.partition(";")[0].strip().lower() != content_type:
            raise CarrierError(Failure.GARBLED, f"an answer of type {kind or 'none'}")
        return body


def _token_of(command: ProactiveCommand) -> AuthenticationReference | None:
    """Give what tells two orders apart that happen to have the same reference."""
    return first(command.parts, AuthenticationReference)


def _is_tls(url: str) -> bool:
    return url.lower().startswith("https:")


def _anchor(now: float, reference: bytes) -> str:
    """Name this session: the second, and the reference, which no other session has."""
    return f"{int(now)}-{reference.hex()}"
