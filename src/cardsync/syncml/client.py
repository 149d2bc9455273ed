"""The client's half of a session: packages 1, 3 and 5. OMA DS Protocol 1.2.

    client = ClientSession(config)
    while (octets := client.data_to_send()) is not None:
        client.receive_data(post(client.url, octets))
    result = client.result

What the server does wrong, or refuses, is a result with its SyncML status, never an exception.
After a failure of the carrier the caller may send the same octets again, or drop the session:
nothing was agreed, and the next session sends the same changes once more.

    phase            we sent                       a message without Final    with Final
    INITIALIZATION   1  credentials, Put, Alert    Alert 222                  CHANGES
    CHANGES          3  Sync, in several messages  (goes on sending)          (goes on sending)
    RECEIVING        3  all of it                  Status, Map, Alert 222     MAPPING, or DONE
    MAPPING          5  Status, Map                Alert 222                  DONE
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from cardsync.errors import PeerError
from cardsync.syncml import auth, codec, description, incoming
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Command,
    Get,
    Item,
    Location,
    Message,
    Meta,
    Put,
    Results,
    Status,
    Sync,
    SyncHdr,
    Version,
)
from cardsync.syncml.events import (
    Event,
    Finished,
    PeerDescribed,
    SessionResult,
    SyncTypeChanged,
)
from cardsync.syncml.kinds import kind_of
from cardsync.syncml.letter import Letter
from cardsync.syncml.replica import DatabaseRequest, Replica
from cardsync.syncml.status import StatusCode

MAX_ROUND_TRIPS = 20_000
"""After so many messages the server is taken to go round in circles."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One session: `url` of the server, `device_id` of ours such as "IMEI:490154203237518".

    `put_devinf` says that the server does not know our device information yet, `get_devinf`
    that we do not know its. Sizes in octets.
    """

    url: str
    device_id: str
    session_id: str
    databases: tuple[DatabaseRequest, ...]
    version: Version = Version.V1_2
    content_type: str = codec.WBXML
    max_msg_size: int = 65536
    max_obj_size: int = incoming.MAX_OBJECT
    account: auth.Account | None = None
    devinf: DevInf | None = None
    put_devinf: bool = True
    get_devinf: bool = False


__all__ = ["ClientConfig", "ClientSession", "DatabaseRequest"]


class _Phase(IntEnum):
    INITIALIZATION = 1
    CHANGES = 3
    RECEIVING = 4
    MAPPING = 5
    DONE = 6


class ClientSession:
    """A session: `data_to_send`, `receive_data`, `events`, `result`; it touches nothing else."""

    def __init__(self, config: ClientConfig) -> None:
        self.url = config.url
        self.result: SessionResult | None = None
        self._config = config
        self._account = config.account
        self._challenged = False
        self._authenticated = False
        self._phase = _Phase.INITIALIZATION
        self._msg_id = 0
        self._limit = config.max_msg_size
        self._replicas = [Replica(each, config.max_obj_size) for each in config.databases]
        self._events: list[Event] = []
        self._owed: list[Callable[[Letter], None]] = []  # what the next message answers
        self._alerts: dict[tuple[int, int], Replica] = {}
        self._outbox: bytes | None = None
        self._sent = self._received = self._trips = 0
        self._initialize()

    def data_to_send(self) -> bytes | None:
        """Give the next message, once; None while an answer is awaited or when all is over."""
        octets, self._outbox = self._outbox, None
        if octets is not None:
            self._sent += len(octets)
        return octets

    def events(self) -> list[Event]:
        """Give what has happened since the last call."""
        happened, self._events = self._events, []
        return happened

    def receive_data(self, octets: bytes) -> None:
        """Take the server's answer to the message sent last."""
        self._received += len(octets)
        self._trips += 1
        try:
            self._take(codec.decode(octets, self._config.content_type))
        except PeerError as exc:
            self._finish(exc.answer or StatusCode.BAD_REQUEST)

    def _take(self, message: Message) -> None:
        header = message.header
        if header.session_id != self._config.session_id or self._trips > MAX_ROUND_TRIPS:
            raise PeerError("not an answer of this session", answer=StatusCode.BAD_REQUEST)
        self.url = header.resp_uri or self.url
        if header.meta and header.meta.max_msg_size:
            self._limit = min(self._config.max_msg_size, header.meta.max_msg_size)
        refused = self._check_header(message)
        if refused:
            self._refused(refused)
            return
        if not header.no_resp:
            self._owe(message, 0, "SyncHdr", StatusCode.OK)
        for command in message.commands:
            self._serve(message, command)
        if header.no_resp:
            self._owed.clear()
        self._advance(final=message.final)

    def _check_header(self, message: Message) -> Status | None:
        """Give the Status by which the server refuses our message; None if it took it."""
        for command in message.commands:
            if not isinstance(command, Status) or command.cmd_ref != 0:
                continue
            if command.msg_ref != self._msg_id:
                continue
            if not 200 <= command.code < 300:
                return command
            if command.code == StatusCode.AUTHENTICATED:
                self._authenticated = True
        return None

    def _refused(self, status: Status) -> None:
        """Show other credentials if the server challenges us, once; else this is the end."""
        wanted = status.code in (StatusCode.UNAUTHORIZED, StatusCode.MISSING_CREDENTIALS)
        if wanted and status.chal and self._account and not self._challenged:
            challenge = auth.read_challenge(status.chal)
            self._challenged = True
            self._account = replace(self._account, scheme=challenge.scheme, nonce=challenge.nonce)
            self._initialize()
        else:
            self._finish(status.code)

    def _serve(self, message: Message, command: Command) -> None:
        match command:
            case Status():
                self._on_status(command)
            case Alert():
                self._on_alert(message, command)
            case Sync():
                self._on_sync(message, command)
            case Put() | Results():
                self._on_devinf(message, command)
            case Get():
                self._on_get(message, command)
            case _:
                self._owe_for(message, command, StatusCode.NOT_SUPPORTED)

    def _on_status(self, status: Status) -> None:
        if status.cmd == "Alert" and (status.msg_ref, status.cmd_ref) in self._alerts:
            if status.code not in (StatusCode.OK, StatusCode.REFRESH_REQUIRED):
                self._alerts[status.msg_ref, status.cmd_ref].stop(status.code)
            return
        for replica in self._replicas:
            replica.on_status(status)

    def _on_alert(self, message: Message, alert: Alert) -> None:
        """Take the server's choice of kind and its anchors; other Alerts ask for nothing."""
        if kind_of(alert.code) is None:
            known = alert.code in (AlertCode.NEXT_MESSAGE, AlertCode.RESULT, AlertCode.DISPLAY)
            code = StatusCode.OK if known else StatusCode.NOT_SUPPORTED
            self._owe_for(message, alert, code)
            return
        codes: list[StatusCode] = []
        items: list[Item] = []
        for item in alert.items:
            replica = self._named(item.target, item.source)
            if replica is None:
                codes.append(StatusCode.NOT_FOUND)
                continue
            before = replica.kind
            code, nexts = replica.on_alert(alert.code, item)
            codes.append(code)
            items.extend(nexts)
            if replica.kind is not before:
                name = replica.store.name
                self._events.append(SyncTypeChanged(name, before, replica.kind))
        code = max(codes, default=StatusCode.INCOMPLETE)
        self._owe_for(message, alert, code, tuple(items))

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
        self._owe_for(message, sync, code)
        if code is not StatusCode.OK or replica is None:
            for command in sync.commands:
                self._owe_for(message, command, code)
            return
        results = replica.apply(sync)
        if results:
            self._events.append(replica.applied())
        msg_id = message.header.msg_id
        self._owed.append(
            lambda letter: letter.extend(incoming.statuses(sync, results, msg_id, letter.number))
        )

    def _on_devinf(self, message: Message, command: Put | Results) -> None:
        devinf = description.told(command)
        if devinf is not None:
            self._events.append(PeerDescribed(devinf))
        self._owe_for(message, command, StatusCode.OK)

    def _on_get(self, message: Message, command: Get) -> None:
        """Give our device information; there is nothing else to get."""
        config = self._config
        results = description.answer(command, config.devinf, message.header, config.content_type)
        self._owe_for(message, command, StatusCode.OK if results else StatusCode.NOT_FOUND)
        if results:
            self._owed.append(lambda letter: letter.add(replace(results, cmd_id=letter.number())))

    def _initialize(self) -> None:
        """Package 1: who we are, what we can, what we want."""
        letter = self._begin_letter()
        self._owed.clear()
        devinf, version = self._config.devinf, self._config.version
        content_type = self._config.content_type
        if devinf and self._config.put_devinf:
            letter.add(description.tell(letter.number(), devinf, version, content_type))
        if self._config.get_devinf:
            letter.add(description.ask(letter.number(), version, content_type))
        self._alerts = {}
        for replica in self._replicas:
            alert = replica.alert(letter.number())
            letter.add(alert)
            self._alerts[self._msg_id, alert.cmd_id] = replica
        self._outbox = letter.encode(final=True)

    def _advance(self, *, final: bool) -> None:
        """Move on after a message of the server; see the table at the top."""
        if self._phase is _Phase.INITIALIZATION and final:
            self._begin_changes()
        elif self._phase is _Phase.CHANGES:
            self._send_changes()
        elif self._phase is _Phase.RECEIVING and final:
            self._end_receiving()
        elif self._phase is _Phase.MAPPING and not self._has_maps():
            self._finish(StatusCode.OK)
        else:
            self._answer(final=self._phase is _Phase.MAPPING)

    def _begin_changes(self) -> None:
        for replica in self._replicas:
            if replica.alive and not replica.agreed_to:
                replica.stop(StatusCode.INCOMPLETE)
        if not any(replica.alive for replica in self._replicas):
            self._finish(StatusCode.OK)
            return
        for replica in self._living():
            replica.begin()
        self._phase = _Phase.CHANGES
        self._send_changes()

    def _send_changes(self) -> None:
        """Send our changes until the message is full. Package 3."""
        letter = self._begin_letter()
        self._pay(letter)
        for replica in self._living():
            if not replica.sent_all:
                replica.send(letter)
            if not replica.sent_all:
                break
        final = all(replica.sent_all for replica in self._living())
        if final:
            self._phase = _Phase.RECEIVING
        self._outbox = letter.encode(final=final)

    def _end_receiving(self) -> None:
        for replica in self._living():
            replica.received_all()
        if self._owed or self._has_maps():
            self._phase = _Phase.MAPPING
            self._answer(final=True)
        else:
            self._finish(StatusCode.OK)

    def _answer(self, *, final: bool) -> None:
        """Answer what the server sent, with our names of what it added. Package 5, or 1."""
        letter = self._begin_letter()
        self._pay(letter)
        for replica in self._living():
            if replica.has_maps and self._phase is not _Phase.INITIALIZATION:
                replica.send_maps(letter)
        if not final:
            letter.add(Alert(letter.number(), AlertCode.NEXT_MESSAGE))
        self._outbox = letter.encode(final=final and not self._has_maps())

    def _finish(self, code: int) -> None:
        """End the session and agree on what went well."""
        self._phase = _Phase.DONE
        self._outbox = None
        databases = tuple(replica.finish(code) for replica in self._replicas)
        bad = [each.status for each in databases if each.status != StatusCode.OK]
        self.result = SessionResult(
            status=bad[0] if bad else code,
            databases=databases,
            octets_sent=self._sent,
            octets_received=self._received,
            round_trips=self._trips,
        )
        self._events.append(Finished(self.result))

    def _begin_letter(self) -> Letter:
        self._msg_id += 1
        account, cred, name = self._account, None, None
        if account and not self._authenticated:
            cred = auth.credential(account, self._config.version)
        if account and account.scheme is auth.Scheme.MD5:
            name = account.user  # a digest does not tell it
        own = Meta(max_msg_size=self._config.max_msg_size) if self._msg_id == 1 else None
        header = SyncHdr(
            session_id=self._config.session_id,
            msg_id=self._msg_id,
            target=Location(self.url),
            source=Location(self._config.device_id, name),
            version=self._config.version,
            cred=cred,
            meta=own,
        )
        return Letter(header, self._config.content_type, self._limit)

    def _pay(self, letter: Letter) -> None:
        """Write what the server is owed, in its order."""
        for owed in self._owed:
            owed(letter)
        self._owed.clear()

    def _owe(
        self, message: Message, ref: int, name: str, code: int, items: tuple[Item, ...] = ()
    ) -> None:
        status = Status(0, message.header.msg_id, ref, name, code, items=items)
        self._owed.append(lambda letter: letter.add(replace(status, cmd_id=letter.number())))

    def _owe_for(
        self, message: Message, command: Command, code: int, items: tuple[Item, ...] = ()
    ) -> None:
        if not getattr(command, "no_resp", False):
            self._owe(message, command.cmd_id, type(command).__name__, code, items)

    def _named(self, ours: Location | None, theirs: Location | None) -> Replica | None:
        for replica in self._living():
            if replica.is_named(ours, theirs):
                return replica
        return None

    def _living(self) -> list[Replica]:
        return [replica for replica in self._replicas if replica.alive]

    def _has_maps(self) -> bool:
        return any(replica.has_maps for replica in self._living())
