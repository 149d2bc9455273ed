"""The client's half of a session: packages 1, 3 and 5. OMA DS Protocol 1.2.

    client = ClientSession(config)
    while (octets := client.data_to_send()) is not None:
        client.receive_data(post(client.url, octets))
    result = client.result

What the server does wrong, or refuses, is a result with its SyncML status, never an exception.
After a failure of the carrier the caller may send the same octets again, or drop the session:
nothing was agreed, and the next session sends the same changes once more, or goes on with what
is left of them if it gets `interrupted`.

    phase            we sent                       a message without Final    with Final
    INITIALIZATION   1  credentials, Put, Alert    Alert 222                  CHANGES
    CHANGES          3  Sync, in several messages  (goes on sending)          (goes on sending)
    RECEIVING        3  all of it                  Status, Map, Alert 222     MAPPING, or DONE
    MAPPING          5  Status, Map                Alert 222                  DONE
    SUSPENDING       Alert 224                     DONE                       DONE
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

from cardsync.errors import PeerError
from cardsync.syncml import codec, description
from cardsync.syncml.answering import answers, refuse, unfinished_object
from cardsync.syncml.auth import Account, Proof, mac_proof
from cardsync.syncml.correspondence import Correspondence
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Command,
    Get,
    Item,
    Location,
    Message,
    Put,
    Results,
    Status,
    Sync,
    Unread,
)
from cardsync.syncml.events import (
    Event,
    Finished,
    NotRead,
    PeerDescribed,
    SessionResult,
    SyncTypeChanged,
)
from cardsync.syncml.kinds import HEARD, kind_of
from cardsync.syncml.letter import Letter, Owed
from cardsync.syncml.replica import Replica
from cardsync.syncml.request import ClientConfig, DatabaseRequest, Interrupted
from cardsync.syncml.status import StatusCode

MAX_ROUND_TRIPS = 20_000
"""After so many messages the server is taken to go round in circles."""

__all__ = ["ClientConfig", "ClientSession", "DatabaseRequest", "Interrupted"]


class _Phase(IntEnum):
    INITIALIZATION = 1
    CHANGES = 3
    RECEIVING = 4
    MAPPING = 5
    DONE = 6
    SUSPENDING = 7


class ClientSession:
    """A session: `data_to_send`, `receive_data`, `events`, `result`; it touches nothing else."""

    def __init__(self, config: ClientConfig) -> None:
        self.result: SessionResult | None = None
        self._config = config
        self._line = Correspondence(config)
        self._phase = _Phase.INITIALIZATION
        self._suspending = False
        self._replicas = [Replica(each, config.max_obj_size) for each in config.databases]
        self._events: list[Event] = []
        self._owed: Owed = deque()
        self._alerts: dict[tuple[int, int], Replica] = {}
        self._unasked: Sequence[Replica] = ()  # for whom package 1 has had no room yet
        self._outbox: bytes | None = None
        self.mac: str | None = None  # what goes beside the message given last: x-syncml-hmac
        self._sent = self._received = self._trips = 0
        self._initialize()

    @property
    def url(self) -> str:
        """Where the next message goes."""
        return self._line.url

    @property
    def is_server_terse(self) -> bool:
        """Whether the server takes what is said in the shortest form: it speaks so itself."""
        return self._line.is_server_terse

    @property
    def account(self) -> Account | None:
        """What to show the next time, in the scheme and with the nonce that the server wants."""
        return self._line.account

    def data_to_send(self) -> bytes | None:
        """Give the next message, once; None while an answer is awaited or when all is over."""
        octets, self._outbox = self._outbox, None
        if octets is not None:
            self._sent += len(octets)
            self.mac = self._line.mac(octets)
        return octets

    def events(self) -> list[Event]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    @property
    def interrupted(self) -> tuple[Interrupted | None, ...]:
        """Give what the next session needs to go on with each database, if this one breaks off."""
        over = self.result is not None
        return tuple([None if over else replica.interrupted() for replica in self._replicas])

    @property
    def so_far(self) -> tuple[int, int, int]:
        """Give how many items the server took, how many we took, and the octets both ways."""
        ways = [replica.so_far for replica in self._replicas]
        octets = self._sent + self._received
        return sum(sent for sent, _ in ways), sum(received for _, received in ways), octets

    def suspend(self) -> None:
        """Break off, in order, after the answer that is awaited. DS Protocol 1.2."""
        self._suspending = True

    def drop(self) -> None:
        """Break off at once: no answer is awaited any more."""
        self._finish(StatusCode.CANCELLED)

    def receive_data(self, octets: bytes, mac: str | None = None) -> None:
        """Take the server's answer to the message sent last, and its `x-syncml-hmac`."""
        self._received += len(octets)
        self._trips += 1
        try:
            self._take(codec.decode(octets, self._config.content_type), mac_proof(mac, octets))
        except PeerError as exc:
            self._finish(exc.answer or StatusCode.BAD_REQUEST, exc)

    # --- what the server says ---------------------------------------------------------------

    def _take(self, message: Message, beside: Proof | None) -> None:
        refused, begins = self._line.take(message), self._phase is _Phase.INITIALIZATION
        if self._trips > MAX_ROUND_TRIPS:
            raise PeerError("a server that never ends", answer=StatusCode.BAD_REQUEST)
        if refused and begins and self._line.try_again(refused):
            self._initialize()
            return
        if refused:
            self._finish(refused.code)
            return
        status, code = self._line.judge(message, beside)
        self._owed.append(status)
        for command in message.commands:
            if code and not isinstance(command, Status):
                self._owe(message, command, code)
            else:
                self._serve(message, command)
        if message.header.no_resp:
            self._owed.clear()
        if code:
            self._answer(final=True)
        else:
            self._advance(final=message.final)

    def _serve(self, message: Message, command: Command) -> None:
        match command:
            case Status():
                self._on_status(command)
            case Alert():
                self._on_alert(message, command)
            case Sync():
                self._on_sync(message, command)
            case Put() | Results() | Get():
                self._on_devinf(message, command)
            case Unread():
                self._on_unread(message, command)
            case _:
                self._owe(message, command, StatusCode.NOT_SUPPORTED)

    def _on_status(self, status: Status) -> None:
        alerted = self._alerts.get((status.msg_ref, status.cmd_ref))
        if status.cmd_ref and alerted:
            alerted.on_alert_status(status)
            return
        for each in self._replicas:
            each.on_status(status)

    def _on_alert(self, message: Message, alert: Alert) -> None:
        """Take the server's choice of kind and its anchors; other Alerts ask for nothing."""
        if kind_of(alert.code) is None:
            known = alert.code in HEARD | {AlertCode.NO_END_OF_DATA, AlertCode.SUSPEND}
            self._owe(message, alert, StatusCode.OK if known else StatusCode.NOT_SUPPORTED)
            for replica in self._living() if alert.code == AlertCode.NO_END_OF_DATA else ():
                replica.stop(StatusCode.SIZE_MISMATCH)
            self._suspending |= alert.code == AlertCode.SUSPEND
            return
        codes: list[StatusCode] = []
        items: list[Item] = []
        for item in alert.items:
            named = self._named(item.target, item.source)
            if named is None:
                codes.append(StatusCode.NOT_FOUND)
                continue
            before = named.kind
            code, nexts = named.on_alert(alert.code, item)
            codes.append(code)
            items.extend(nexts)
            if named.kind is not before:
                self._events.append(SyncTypeChanged(named.store.name, before, named.kind))
        code = max(codes, default=StatusCode.INCOMPLETE)
        self._owe(message, alert, code, tuple(items))

    def _on_sync(self, message: Message, sync: Sync) -> None:
        """Apply the server's changes."""
        replica = self._named(sync.target, sync.source)
        code = StatusCode.OK
        if replica is None:
            code = StatusCode.NOT_FOUND
        elif self._phase is not _Phase.RECEIVING:
            code = StatusCode.FORBIDDEN
        elif sync.commands and not replica.allows_changes():
            code = StatusCode.NOT_ALLOWED
        self._owe(message, sync, code)
        if code is not StatusCode.OK or replica is None:
            for command in sync.commands:
                self._owe(message, command, code)
            return
        outcomes, unfinished = replica.apply(sync)
        self._events += map(NotRead, replica.unread)
        if outcomes:
            self._events.append(replica.applied())
        msg_id, refs = message.header.msg_id, self._config.plain
        self._owed.extend(answers(sync.commands, outcomes, replica.store, msg_id, refs=refs))
        self._owed.extend(map(unfinished_object, unfinished))

    def _on_devinf(self, message: Message, command: Put | Results | Get) -> None:
        header, ours, form = message.header, self._config.devinf, self._config.content_type
        code, theirs, results = description.exchange(command, ours, header, form)
        self._events += [PeerDescribed(theirs)] if theirs else []
        self._owe(message, command, code)
        self._owed += [results] if results else []

    def _on_unread(self, message: Message, command: Unread) -> None:
        self._events.append(NotRead(command))
        for replica in self._living() if command.name == "Sync" else ():
            replica.miss(command.code)  # it may have been that of any database
        self._owe(message, command, command.code)

    # --- what we say ------------------------------------------------------------------------

    def _initialize(self) -> None:
        """Package 1: who we are, what we can, what we want."""
        letter = self._line.begin()
        self._owed.clear()
        config, kind = self._config, self._config.content_type
        if config.devinf and config.put_devinf:
            description.put(letter, config.devinf, config.version, kind)
        if config.get_devinf:
            letter.add(description.ask(config.version, kind))
        self._alerts = {}
        self._ask(letter, self._replicas)

    def _ask(self, letter: Letter, replicas: Sequence[Replica]) -> None:
        """Ask for the synchronization of databases, of as many as there is room for."""
        rest = deque(replicas)
        while rest and (number := letter.push(rest[0].alert(self._config))):
            self._alerts[self._line.msg_id, number] = rest.popleft()
        self._unasked = tuple(rest)
        self._outbox = letter.encode(final=not self._unasked)

    def _advance(self, *, final: bool) -> None:
        """Move on after a message of the server; see the table at the top."""
        waits = any(replica.waits for replica in self._living())
        if self._phase is _Phase.SUSPENDING:
            self._finish(StatusCode.CANCELLED)
        elif self._suspending:
            self._break_off()
        elif self._phase is _Phase.INITIALIZATION and (final or self._unasked):
            self._begin_changes()
        elif self._phase is _Phase.CHANGES:
            self._send_changes()
        elif self._phase is _Phase.RECEIVING and final:
            self._end_receiving()
        elif self._phase is _Phase.MAPPING and not self._owes() and (final or not waits):
            self._finish(StatusCode.OK)
        else:
            self._answer(final=self._phase is _Phase.MAPPING)

    def _begin_changes(self) -> None:
        asked = self._unasked or [replica for replica in self._living() if replica.is_asked]
        if asked:  # package 1 goes on, or once more, with the credentials that the server wants
            letter = self._line.begin()
            letter.pay(self._owed)
            self._ask(letter, asked)
            return
        for replica in self._replicas:
            if replica.alive and not replica.agreed_to:
                replica.stop(StatusCode.INCOMPLETE)
        if not self._living():
            self._finish(StatusCode.OK)
            return
        for replica in self._living():
            replica.begin()
        self._phase = _Phase.CHANGES
        self._send_changes()

    def _send_changes(self) -> None:
        """Send our changes until the message is full. Package 3."""
        letter = self._line.begin()
        final = letter.pay(self._owed)
        for replica in self._living() if final else ():
            if not replica.sent_all:
                replica.send(letter)
            if not replica.sent_all:
                final = False
                break
        if final:
            self._phase = _Phase.RECEIVING
        self._outbox = letter.encode(final=final)

    def _end_receiving(self) -> None:
        for replica in self._living():
            replica.received_all()
        if self._owes():
            self._phase = _Phase.MAPPING
            self._answer(final=True)
        else:
            self._finish(StatusCode.OK)

    def _answer(self, *, final: bool) -> None:
        """Answer what the server sent, with our names of what it added. Package 5, or 1."""
        letter = self._line.begin()
        if letter.pay(self._owed) and self._phase is not _Phase.INITIALIZATION:
            for replica in self._living():
                if replica.has_maps:
                    replica.send_maps(letter)
        if not final:
            letter.ask(Alert(0, AlertCode.NEXT_MESSAGE))
        self._outbox = letter.encode(final=final and not self._owes())

    def _break_off(self) -> None:
        """Say of each database that we suspend, and end with the answer."""
        if self._phase is _Phase.INITIALIZATION:
            self._finish(StatusCode.CANCELLED)
            return
        self._phase = _Phase.SUSPENDING
        letter = self._line.begin()
        letter.pay(self._owed)
        for replica in self._living():
            letter.ask(replica.suspend())
        self._outbox = letter.encode(final=True)

    def _finish(self, code: int, error: PeerError | None = None) -> None:
        """End the session and agree on what went well."""
        self._phase, self._outbox = _Phase.DONE, None
        databases = tuple(replica.finish(code) for replica in self._replicas)
        bad = [each.status for each in databases if each.status != StatusCode.OK]
        self.result = SessionResult(
            status=bad[0] if bad else code,
            databases=databases,
            octets_sent=self._sent,
            octets_received=self._received,
            round_trips=self._trips,
            error=error,
        )
        self._events.append(Finished(self.result))

    def _owe(
        self, message: Message, command: Command, code: int, items: tuple[Item, ...] = ()
    ) -> None:
        """Owe the server a Status for a command."""
        if not getattr(command, "no_resp", False):
            named = refuse(command, code, message.header.msg_id, refs=self._config.plain)
            self._owed.append(replace(named, items=items))

    def _owes(self) -> bool:
        """Say whether there is anything that the server waits for: a header answered is nothing."""
        maps = any(replica.has_maps for replica in self._living())
        return maps or any(not isinstance(e, Status) or e.cmd_ref for e in self._owed)

    def _named(self, ours: Location | None, theirs: Location | None) -> Replica | None:
        """Find a database by our name; some servers know only theirs, or put a path before."""
        ways = ((ours, None), (None, theirs))
        return next((e for way in ways for e in self._living() if e.is_named(*way)), None)

    def _living(self) -> Sequence[Replica]:
        return [replica for replica in self._replicas if replica.alive]
