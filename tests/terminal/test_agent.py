"""The agent: an order from the card to its end, against the server's half of SyncML in memory.

The carrier calls the server; it loses requests and answers where a test says so.
"""

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cardsync.errors import LocalError
from cardsync.ota.token import derive_token_key, verify_token
from cardsync.syncml import codec, record
from cardsync.syncml.auth import AuthResult, Challenge, Proof, Scheme
from cardsync.syncml.devinf import DevInf
from cardsync.syncml.events import PeerDescribed
from cardsync.syncml.memory import MemoryServerDatastore
from cardsync.syncml.record import Application, Parameter
from cardsync.syncml.server import ServerConfig, respond
from cardsync.syncml.state import ServerState, fingerprint
from cardsync.terminal.agent import Agent, Identity
from cardsync.terminal.conditions import Conditions
from cardsync.terminal.databases.management import ManagementDatabase, OrderState
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import TimeUnit
from cardsync.toolkit.commands import ProactiveCommand, TerminalResponse
from cardsync.toolkit.envelope import Envelope
from cardsync.toolkit.objects import DataObject, Duration, Result
from cardsync.toolkit.synchronization import (
    Operation,
    Qualifier,
    SynchronizationStatus,
    request_synchronization,
)
from cardsync.transport.carrier import Carrier, CarrierError, Failure
from mobiles import (
    ENDS,
    HEAD,
    ICCID,
    IMEI,
    KEYS,
    PERFORMED,
    RETRY,
    SYNC_NOW,
    Mobile,
    Sender,
    card_with,
    request,
    trigger,
    variables,
)

URL = "http://dm.operator.example/s"
DEVICE = f"IMEI:{IMEI}"
RECORDS: tuple[record.Record, ...] = (
    Parameter("./DevInfo/DevId", IMEI),
    Parameter("./DevInfo/Lang", "en"),
    *[Application(f"app{n}", f"App {n}", "1.0", 1000 + n, installed=5) for n in range(30)],
)
ALL = so.CategoryMask(0xFFFF)
LOST = CarrierError(Failure.UNREACHABLE, "lost")


def everyone(_proof: Proof | None, device: str) -> AuthResult:
    """Let every device in."""
    return AuthResult(ok=True, identity=device)


def password(proof: Proof) -> bytes:
    """Give what a device showed under its own name, which has a colon in it."""
    pair = proof.user.encode() + b":" + proof.secret
    assert pair.startswith(DEVICE.encode() + b":")
    return pair.removeprefix(DEVICE.encode() + b":")


@dataclass
class Server:
    """The operator's half behind a carrier; `served` counts the messages that it did.

    `loses` has the numbers of exchanges that are lost: True before the server saw them, False
    afterwards.
    """

    authenticate: Callable[[Proof | None, str], AuthResult] = everyone
    store: MemoryServerDatastore = field(
        default_factory=lambda: MemoryServerDatastore(
            "devman", record.CONTENT_TYPE, record.CONTENT_VERSION
        )
    )
    loses: dict[int, bool] = field(default_factory=dict)
    fails: CarrierError | None = None
    content_type: str = codec.WBXML
    answer_type: str | None = None
    resp_uri: str | None = None
    sessions: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    described: int = 0
    served: int = 0
    exchanges: int = 0

    def exchange(self, url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        """Serve a message, or lose it."""
        self.exchanges += 1
        self.urls.append(url)
        if self.fails is not None:
            raise self.fails
        if self.loses.get(self.exchanges) is True:
            raise LOST
        reply = self.post(content_type, body)
        if self.loses.get(self.exchanges) is False:
            raise LOST
        return self.answer_type or content_type, reply

    def post(self, content_type: str, octets: bytes) -> bytes:
        """Serve a message as any worker would: the state comes from where it was stored."""
        message, digest = codec.decode(octets, content_type), fingerprint(octets)
        stored = self.sessions.get(message.header.session_id)
        state = ServerState.decode(stored[0]) if stored else None
        if stored and state and state.answered(message.header, digest):
            return stored[1]
        self.served += 1
        response = respond(
            state,
            message,
            digest=digest,
            open_datastore=lambda _, name: self.store if name == "devman" else None,
            authenticate=self.authenticate,
            config=ServerConfig(
                URL, content_type, f"S{self.served}", resp_uri=self.resp_uri, peer_known=True
            ),
        )
        self.sessions[message.header.session_id] = (response.state.encode(), response.octets)
        self.described += sum(isinstance(event, PeerDescribed) for event in response.events)
        return response.octets

    def records(self) -> set[record.Record]:
        """Give what the operator has."""
        return {record.decode(data) for data in self.store.items().values()}


@dataclass
class Device:
    """A terminal's agent and database, a server, and a clock turned by hand."""

    path: Path
    server: Server = field(default_factory=Server)
    now: float = 1_000_000.0
    heard: list[str] = field(default_factory=list)
    model: str = "x"
    conditions: Conditions = field(default_factory=Conditions)
    consent: Result | None = None
    asked: int = 0

    def __post_init__(self) -> None:
        """Open the database and fill it."""
        self.database = ManagementDatabase(self.path)
        self.database.update(RECORDS, full=True)
        self.agent = self.restarted()

    def restarted(self) -> Agent:
        """Give the agent of a new process over the same database."""
        carriers: dict[int, Carrier] = {
            so.Transport.HTTP: self.server,
            so.Transport.HTTPS: self.server,
        }
        devinf = DevInf("1.2", DEVICE, "phone", (), model=self.model)
        self.agent = Agent(
            Identity(IMEI, devinf),
            self.database,
            carriers,
            lambda: self.now,
            conditions=lambda: self.conditions,
            max_msg_size=2000,
            heard=lambda way, _: self.heard.append(way),
        )
        return self.agent

    def take(self, command: ProactiveCommand, card: str = ICCID) -> TerminalResponse:
        """Let the agent take a command of a card; the user answers as `consent` says."""
        return self.agent.take(command, card, self.ask)

    def ask(self) -> Result | None:
        """Count that the user was asked."""
        self.asked += 1
        return self.consent

    def owed(self, card: str = ICCID) -> tuple[tuple[bytes, Envelope], ...]:
        """Give what a card has yet to hear."""
        return self.agent.owed(card)

    def ordered(self, command: ProactiveCommand) -> Result:
        """Take an order and run it; give its result."""
        assert PERFORMED == self.take(command).result
        (order,) = self.agent.waiting()
        return self.agent.run(order)

    def during(self, what: Callable[[], object], *, every: bool = False) -> None:
        """Do something while the server has a message, the first one or every one."""
        exchange = self.server.exchange

        def meanwhile(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
            if every or not self.server.exchanges:
                what()
            return exchange(url, content_type, body)

        self.server.exchange = meanwhile  # type: ignore[method-assign]  # for this test

    def writable(self, *, yes: bool) -> None:
        """Let the file of the database be written, or not."""
        self.database._file.connection.execute(f"PRAGMA query_only = {not yes:d}")

    def status(self) -> tuple[Result, int]:
        """Ask for result and phase."""
        response = self.take(asking(Operation.QUERY_STATUS))
        return response.result, summary_in(response).phase

    def waits(self) -> int:
        """Count the orders that wait."""
        return len(self.agent.waiting())

    def state(self, reference: bytes = b"abcd") -> OrderState | None:
        """Give the state of an order."""
        order = self.database.order(ICCID, reference)
        return order.state if order else None

    def told(self) -> SynchronizationStatus:
        """Give the one event that is owed."""
        ((_, told),) = self.owed()
        return SynchronizationStatus.of(told)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """Make a device."""
    made = Device(tmp_path / "devman.sqlite")
    yield made
    made.database.close()


def another(reference: bytes, *parts: DataObject, notify: int = 1) -> ProactiveCommand:
    """Give an order with another reference."""
    return request(so.SessionReference(reference), ALL, *parts, notify=notify)


def test_synchronization(device: Device) -> None:
    """From an empty configuration, with nothing but the command: both sides are equal. R-60, R-61.

    R-07: the agent has no setting that is the operator's.
    """
    result = device.ordered(request(ALL))
    status = device.told()

    assert PERFORMED == result == status.result
    assert set(RECORDS) == set(device.database.records()) == device.server.records()
    assert (b"abcd", 32, so.Phase.DONE) == (
        status.reference,
        status.summary and status.summary.added,
        status.summary and status.summary.phase,
    )
    assert ["request", "response"] == sorted(set(device.heard))


def test_never_more_than_the_mask(device: Device) -> None:
    """What the card does not admit is not sent. O-6."""
    device.ordered(request(so.CategoryMask(0x0002)))

    assert {Parameter("./DevInfo/Lang", "en")} == device.server.records()


def test_two_way_without_a_change(device: Device) -> None:
    """A second order with nothing to send takes two round trips."""
    device.ordered(request(ALL))
    device.ordered(another(b"efgh", so.SynchronizationType(200)))

    assert device.agent.result is not None
    assert (2, 0) == (
        device.agent.result.round_trips,
        device.agent.result.databases[0].sent.total,
    )


@pytest.mark.parametrize("kind", [0, 200, 201, 202, 203, 204, 205])
def test_types(device: Device, kind: int) -> None:
    """Each kind that a client may begin runs to its end. R-53."""
    device.ordered(another(b"1111", so.SynchronizationType(203)))
    result = device.ordered(another(b"2222", so.SynchronizationType(kind)))

    assert result.general in {0x00, 0x07}
    assert set(device.database.records()) == device.server.records()


def test_another_kind_than_was_asked(device: Device) -> None:
    """Without anchors two-way becomes slow, and the card is told which: `07 C9`. R-53."""
    assert Result(0x07, b"\xc9") == device.ordered(another(b"1111", so.SynchronizationType(200)))


def test_xml(device: Device) -> None:
    """The representation is the command's. R-51, R-58."""
    protocol = so.SynchronizationProtocol(1, 0x12, so.Representation.XML)

    assert PERFORMED == device.ordered(request(ALL, protocol))
    assert set(RECORDS) == device.server.records()


@pytest.mark.parametrize("before", [True, False], ids=["request", "answer"])
def test_each_message_lost_once(device: Device, *, before: bool) -> None:
    """The same octets go again; the server answers as before, nothing is done twice. O-2."""
    device.server.loses = dict.fromkeys(range(1, 40, 2), before)
    result = device.ordered(request(ALL))

    assert PERFORMED == result
    assert set(RECORDS) == device.server.records()
    assert 2 * device.server.served == device.server.exchanges


def test_lost_for_good(device: Device) -> None:
    """After three times the carrier's failure is the result, and the next order mends all."""
    device.server.loses = dict.fromkeys(range(2, 40), False)
    result = device.ordered(request(ALL))
    device.server.loses = {}

    assert Result(0x2E, b"\2") == result
    assert 4 == device.server.exchanges
    assert PERFORMED == device.ordered(another(b"efgh"))
    assert set(RECORDS) == device.server.records()


@pytest.mark.parametrize("cut", range(1, 12))
def test_carrier_gone_at_each_message(device: Device, cut: int) -> None:
    """Wherever a session breaks off, the next one leaves both sides equal. R-02, R-61."""
    for before in (True, False):
        device.server.loses = {cut + n: before for n in range(30)}
        device.ordered(another(bytes([cut, before]), so.SynchronizationType(200)))
    device.server.loses = {}
    result = device.ordered(another(b"last", so.SynchronizationType(200)))

    assert result.general in {0x00, 0x07}
    assert set(RECORDS) == device.server.records() == set(device.database.records())


def test_wrong_database(device: Device) -> None:
    """A database that the server does not have: 404, told as such. R-55."""
    command = request(so.TargetDatabase.of_uri(URL, "another"))

    assert Result(0x3E, b"\x0a\x01\x94") == device.ordered(command)
    assert 404 == getattr(device.told().summary, "native", 0)


def test_refused_by_the_server(device: Device) -> None:
    """A device that the server does not let in: 401, and its device information goes again."""
    device.ordered(request(ALL))
    device.server.authenticate = lambda *_: AuthResult(ok=False, challenge=Challenge(Scheme.BASIC))
    refused = device.ordered(another(b"2222"))
    device.server.authenticate = everyone
    device.ordered(another(b"3333"))

    assert (0x3E, 5) == (refused.general, refused.additional[0])
    assert 2 == device.server.described


def test_device_information_is_sent_once(device: Device) -> None:
    """As long as it stays the same; another one is sent. OMA DS Protocol 1.2."""
    for number in range(3):
        device.ordered(another(bytes([number] * 4)))

    assert 1 == device.server.described

    device.model = "y"
    device.restarted()
    device.ordered(another(b"last"))

    assert 2 == device.server.described


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (CarrierError(Failure.UNTRUSTED, "x"), "3E06"),
        (CarrierError(Failure.UNSUPPORTED, "x"), "3E09"),
        (CarrierError(Failure.REFUSED, "x", status=503, retry_after=60), "2E03003C"),
        (CarrierError(Failure.TIMED_OUT, "x"), "2E01"),
    ],
)
def test_carrier_failures(device: Device, failure: CarrierError, expected: str) -> None:
    """Each has its result, and the card hears of it. R-63."""
    device.server.fails = failure
    result = device.ordered(request())

    assert expected == result.value().hex().upper()
    assert result == device.told().result
    assert (3 if failure.kind is Failure.TIMED_OUT else 1) == device.server.exchanges


def test_answer_of_another_kind(device: Device) -> None:
    """A page in the place of an answer, as captive portals give it, is no answer."""
    device.server.answer_type = "text/html"

    assert Result(0x3E, b"\x09") == device.ordered(request())


def test_no_way_back_from_tls(device: Device) -> None:
    """A server that wants to go on in the clear is not followed."""
    device.server.resp_uri = "http://dm.operator.example/clear"
    target = so.TargetDatabase.of_uri("https://dm.operator.example/s", "devman")

    assert Result(0x3E, b"\x06") == device.ordered(request(target))
    assert ["https://dm.operator.example/s"] == device.server.urls


def test_server_says_where_to_go_on(device: Device) -> None:
    """RespURI is followed. OMA SyncML Representation Protocol 1.2 clause 6.1.16."""
    device.server.resp_uri = "http://other.example/s"

    assert PERFORMED == device.ordered(request(ALL))
    assert [URL, *["http://other.example/s"] * (device.server.exchanges - 1)] == device.server.urls


def test_time_limit(device: Device) -> None:
    """A session that takes longer than the command allows is given up: `2E 01`."""
    exchange = device.server.exchange

    def slow(url: str, content_type: str, body: bytes) -> tuple[str, bytes]:
        device.now += 40
        return exchange(url, content_type, body)

    device.server.exchange = slow  # type: ignore[method-assign]  # a slow one
    result = device.ordered(request(ALL, Duration(TimeUnit.MINUTES, 1)))

    assert Result(0x2E, b"\1") == result
    assert 2 == device.server.exchanges


def test_token_is_the_password(device: Device) -> None:
    """The one-time token of the card is shown as the password of the device. O-5."""
    shown: list[Proof | None] = []

    def authenticate(proof: Proof | None, name: str) -> AuthResult:
        shown.append(proof)
        return AuthResult(ok=True, identity=name)

    device.server.authenticate = authenticate
    token = so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN, b"t" * 30)
    device.ordered(request(token))

    assert [base64.b64encode(b"t" * 30)] == [password(proof) for proof in shown if proof]


# Orders: accepted, refused, again, interrupted.


def test_kept_before_it_is_answered(device: Device) -> None:
    """An order that was accepted is there after a loss of power. O-3."""
    device.take(request())
    (order,) = device.restarted().waiting()

    assert (b"abcd", OrderState.OPEN) == (order.reference, order.state)
    assert request() == ProactiveCommand.decode(order.command)


def test_refused_is_not_kept(device: Device) -> None:
    """What is refused leaves nothing behind, and no traffic. R-51, R-54."""
    response = device.take(request(so.TransportList((so.Transport.OBEX,))))

    assert Result(0x3E, b"\4") == response.result
    assert () == device.agent.waiting()
    assert 0 == device.server.exchanges


def test_same_order_again(device: Device) -> None:
    """While it runs, and when it has ended, it is answered as the first time; it runs once. O-2."""
    command = request(ALL)
    renumbered = replace(command, details=replace(command.details, number=77))
    device.take(command)

    assert PERFORMED == device.take(renumbered).result
    assert 1 == len(device.agent.waiting())

    device.agent.run(device.agent.waiting()[0])

    assert PERFORMED == device.take(renumbered).result
    assert () == device.agent.waiting()
    assert 1 == len(device.owed())


def test_another_order_meanwhile(device: Device) -> None:
    """A second order: `20`, "synchronization already running", and which one. O-2."""
    device.take(request())
    response = device.take(another(b"2222"))

    assert Result(0x20, b"\x70abcd") == response.result
    assert b"2222" == getattr(response.parts[0].object, "octets", b"")
    assert 1 == len(device.agent.waiting())


def test_another_order_with_the_same_reference(device: Device) -> None:
    """Another card may give a reference that is known: a conflict, not the same order."""
    tokens = [
        so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN, bytes([n] * 30))
        for n in range(2)
    ]
    device.take(request(tokens[0]))

    assert Result(0x3E, b"\x10") == device.take(request(tokens[1])).result


def test_old_orders_are_forgotten(device: Device) -> None:
    """After a day an order that ended is forgotten, told or not."""
    device.ordered(request())
    device.now += 25 * 3600
    device.take(another(b"2222"))

    assert device.state() is None
    assert () == device.owed()


def test_interrupted(device: Device) -> None:
    """What was under way when the power went is told as interrupted: `2E 05`. O-3."""
    device.take(request())
    agent = device.restarted()
    agent.interrupt()

    assert () == agent.waiting()
    assert (Result(0x2E, b"\5"), None) == (device.told().result, device.told().summary)


def test_owed_until_told(device: Device) -> None:
    """The event is there until the card has taken it, whatever happens between. O-3, R-63."""
    device.ordered(request())
    for _ in range(2):
        ((reference, told),) = device.restarted().owed(ICCID)

        assert (b"abcd", b"abcd") == (reference, SynchronizationStatus.of(told).reference)
    device.agent.told(ICCID, b"abcd", taken=True)

    assert () == device.owed()
    assert OrderState.DONE is device.state()


def test_no_notification(device: Device) -> None:
    """With "no" nothing is owed to the card, however it ended. R-56, R-64."""
    device.ordered(request(ALL, notify=0))
    device.take(another(b"2222", notify=0))
    device.agent.interrupt()

    assert () == device.owed()
    assert {OrderState.DONE} == {device.state(), device.state(b"2222")}


def test_terminal_that_has_changed_since(device: Device) -> None:
    """An order that was accepted and cannot be done any more ends with the reason."""
    device.take(request())
    (order,) = device.agent.waiting()
    agent = Agent(
        Identity("356938035643809", DevInf("1.2", "x", "phone", ())),
        device.database,
        {},
        lambda: 0.0,
    )

    assert (order,) == agent.waiting()
    assert Result(0x3E, b"\7") == agent.run(order)
    assert 1 == len(agent.owed(ICCID))


def test_what_has_no_name(device: Device) -> None:
    """Any other mistake of ours is an internal error: `3E 11`. Clause 9."""

    def fail() -> None:
        raise LocalError("it was asked for what is forbidden")

    device.during(fail)

    assert Result(0x3E, b"\x11") == device.ordered(request(ALL)) == device.told().result


def test_nothing_of_its_own_accord(device: Device) -> None:
    """Without an order the agent does nothing. R-06."""
    assert () == device.agent.waiting()
    assert 0 == device.server.exchanges


def test_end_is_told_again(device: Device) -> None:
    """The same order after its end was told: the event comes again, once more. RS-17."""
    command = request(ALL)
    device.ordered(command)
    device.agent.told(ICCID, b"abcd", taken=True)

    assert PERFORMED == device.take(command).result
    assert PERFORMED == device.told().result
    assert () == device.agent.waiting()

    device.agent.told(ICCID, b"abcd", taken=True)

    assert OrderState.DONE is device.state()


def test_end_that_nobody_asked_for(device: Device) -> None:
    """The same order after its end, without notification: nothing is owed. RS-17."""
    command = request(ALL, notify=0)
    device.ordered(command)
    device.take(command)

    assert () == device.owed()


def test_reference_is_known_for_a_day(device: Device) -> None:
    """After T5 the same command is a new order; its result of then is dropped. RS-13, RS-32."""
    command = request(ALL)
    device.ordered(command)
    device.now += 24 * 3600 + 1

    assert () == device.owed()
    assert 1 == device.agent.dropped
    assert PERFORMED == device.ordered(command)


def test_event_that_the_card_does_not_take(device: Device) -> None:
    """It is brought again after T4, ten seconds, and so on until it is taken. RS-32."""
    device.ordered(request(ALL))
    for _ in range(3):
        device.agent.told(ICCID, b"abcd", taken=False)
        device.now += 9.9

        assert () == device.owed()

        device.now += 0.1

        assert PERFORMED == device.told().result
    device.agent.told(ICCID, b"abcd", taken=True)

    assert () == device.owed()


def test_order_with_a_retry(device: Device) -> None:
    """The terminal tries nothing again, and says so: `01`, each time. Clause 5."""
    command = request(ALL, so.Retry(3, 10, 1, 20))

    assert [Result(1)] * 2 == [device.take(command).result for _ in range(2)]


# The user.

NO = Result(0x22, b"\0")


def test_user_is_asked_last_and_once(device: Device) -> None:
    """After the other checks, and not again for an order that is known. RS-15."""
    command = request(ALL, flags=Qualifier.CONFIRM)
    device.take(request(so.TransportList((so.Transport.OBEX,)), flags=Qualifier.CONFIRM))

    assert 0 == device.asked

    for _ in range(2):
        assert PERFORMED == device.take(command).result
    device.take(request(so.SessionReference(b"2222"), flags=Qualifier.CONFIRM))

    assert 1 == device.asked

    device.agent.run(device.agent.waiting()[0])
    device.take(command)

    assert 1 == device.asked


def test_user_says_no(device: Device) -> None:
    """His answer is the card's; nothing is kept, so he is asked for the next order. RS-14."""
    device.consent = NO

    assert NO == device.take(request(flags=Qualifier.CONFIRM)).result
    assert () == device.agent.waiting()

    device.take(request(flags=Qualifier.CONFIRM))

    assert 2 == device.asked


# Constraints.

ANY = so.Bearers(0)
CELLULAR, ROAMING, WLAN = so.Bearers.CELLULAR, so.Bearers.ROAMING, so.Bearers.WLAN
CONSTRAINT = Result(0x20, b"\x73")


@pytest.mark.parametrize(
    ("wanted", "conditions", "met"),
    [
        (so.Constraints(0xFFFF, 0, ANY), Conditions(), True),
        (so.Constraints(0xFFFF, 0, ANY), Conditions(ANY), False),
        (so.Constraints(0xFFFF, 0, CELLULAR), Conditions(CELLULAR), True),
        (so.Constraints(0xFFFF, 0, CELLULAR), Conditions(CELLULAR | ROAMING), False),
        (so.Constraints(0xFFFF, 0, CELLULAR | ROAMING), Conditions(CELLULAR | ROAMING), True),
        (so.Constraints(0xFFFF, 0, CELLULAR | WLAN), Conditions(CELLULAR | ROAMING | WLAN), True),
        (so.Constraints(0xFFFF, 0, WLAN), Conditions(CELLULAR), False),
        (so.Constraints(0xFFFF, 0, WLAN), Conditions(CELLULAR | WLAN), True),
        (so.Constraints(0xFFFF, 0, ROAMING), Conditions(CELLULAR | ROAMING), False),
        (so.Constraints(0xFFFF, 20, ANY), Conditions(battery=19, charging=False), False),
        (so.Constraints(0xFFFF, 20, ANY), Conditions(battery=20, charging=False), True),
        (so.Constraints(0xFFFF, 20, ANY), Conditions(battery=None), True),
        (so.Constraints(0xFFFF, 0, so.Bearers.CHARGING_ONLY), Conditions(charging=False), False),
        (so.Constraints(0xFFFF, 0, so.Bearers.CHARGING_ONLY), Conditions(), True),
        (so.Constraints(0, 0, ANY), Conditions(), False),
    ],
)
def test_constraints(
    device: Device, wanted: so.Constraints, conditions: Conditions, *, met: bool
) -> None:
    """An order whose constraints cannot be met now is refused: `20 73`. Clauses 4.2 and 8.9."""
    device.conditions = conditions

    assert (PERFORMED if met else CONSTRAINT) == device.take(request(wanted)).result
    assert met is bool(device.agent.waiting())


def test_when_convenient(device: Device) -> None:
    """With b4 the order waits for its constraints, and runs when they hold. Clause 10."""
    device.conditions = Conditions(CELLULAR)
    wanted = so.Constraints(0xFFFF, 0, WLAN)
    command = request(ALL, wanted, flags=Qualifier.WHEN_CONVENIENT)

    assert PERFORMED == device.take(command).result
    assert () == device.agent.waiting()
    assert (PERFORMED, so.Phase.QUEUED) == device.status()

    device.conditions = Conditions(WLAN)

    assert PERFORMED == device.agent.run(device.agent.waiting()[0])


def test_never_convenient(device: Device) -> None:
    """An order that nobody could run for T5 ends, `20 73`; one that never can be is refused."""
    wanted = so.Constraints(0xFFFF, 0, WLAN)
    device.take(request(wanted, notify=0, flags=Qualifier.WHEN_CONVENIENT))
    device.now += 24 * 3600 + 1

    assert () == device.agent.waiting()
    assert OrderState.DONE is device.state()

    never = so.Constraints(0xFFFF, 0, ROAMING)
    refused = device.take(request(never, flags=Qualifier.WHEN_CONVENIENT))

    assert CONSTRAINT == refused.result


@pytest.mark.parametrize(
    ("wanted", "then", "expected"),
    [
        (so.Constraints(0xFFFF, 0, CELLULAR), Conditions(CELLULAR | ROAMING), "2E02"),
        (so.Constraints(0xFFFF, 20, ANY), Conditions(battery=10), "2072"),
        (so.Constraints(1, 0, ANY), Conditions(), "2073"),
    ],
)
def test_constraints_that_hold_no_more(
    device: Device, wanted: so.Constraints, then: Conditions, expected: str
) -> None:
    """What is not met any more ends the session at its next message, each with its result."""
    device.during(lambda: setattr(device, "conditions", then))
    result = device.ordered(request(ALL, wanted))

    assert expected == result.value().hex().upper()
    assert result == device.told().result


# Several cards.


def test_each_card_hears_its_own(device: Device) -> None:
    """Two cards give the same reference: two orders, two results, nothing crosses. RS-07, RS-23."""
    other = request(so.CategoryMask(2))
    assert PERFORMED == device.take(request(ALL)).result
    assert PERFORMED == device.take(other, "another card").result

    first, second = device.agent.waiting()
    device.agent.run(first)

    assert ((1, 0), 1) == ((len(device.owed()), len(device.owed("another card"))), device.waits())

    device.agent.run(second)
    device.agent.told("another card", b"abcd", taken=True)

    assert (1, 0) == (len(device.owed()), len(device.owed("another card")))
    assert Result(0x3E, b"\x10") == device.take(asking(Operation.CANCEL, b"none")).result


def test_card_is_taken_out(device: Device) -> None:
    """Its session ends at the next message; the result waits for it, other cards hear nothing.

    RS-23, clause 4.6.
    """
    device.during(lambda: device.agent.interrupt(ICCID))
    result = device.ordered(request(ALL))

    assert Result(0x2E, b"\5") == result == device.told().result
    assert () == device.owed("another card")
    assert 1 == device.server.exchanges


# Limits, and a terminal without room.


def test_limit_of_the_terminal(device: Device) -> None:
    """Without a duration a session ends after half an hour, T3: `2E 01`. RS-26."""
    device.during(lambda: setattr(device, "now", device.now + 1801))

    assert Result(0x2E, b"\1") == device.ordered(request(ALL))


def test_no_room_for_an_order(device: Device) -> None:
    """An order that cannot be kept is refused: `20 74`, and nothing is begun. RS-07."""
    connection = device.database._file.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    answers = [device.take(request(), str(card)).result for card in range(200)]

    assert {PERFORMED, Result(0x20, b"\x74")} == set(answers)
    assert answers.count(PERFORMED) == device.waits()


def test_no_room_for_a_result(device: Device) -> None:
    """It counts as interrupted at the next power-on, and is not run again meanwhile."""
    device.take(request())
    device.during(lambda: device.writable(yes=False))
    result = device.agent.run(device.agent.waiting()[0])
    device.writable(yes=True)

    assert Result(0x20, b"\x74") == result
    assert ((), ()) == (device.agent.waiting(), device.owed())

    device.restarted().interrupt()

    assert Result(0x2E, b"\5") == device.told().result


# Cancel, query status, query capabilities, progress.


def asking(operation: Operation, reference: bytes = b"abcd") -> ProactiveCommand:
    """Give a command with another operation than *start*."""
    return request_synchronization(so.SessionReference(reference), operation=operation)


def summary_in(response: TerminalResponse) -> so.Summary:
    """Give the summary of a response, which repeats the reference before it."""
    reference, summary = (part.object for part in response.parts)
    assert so.SessionReference(b"abcd") == reference
    assert isinstance(summary, so.Summary)
    return summary


@pytest.mark.parametrize("operation", [Operation.CANCEL, Operation.QUERY_STATUS])
def test_unknown_session(device: Device, operation: Operation) -> None:
    """Of an order that is not known: `3E 10`; without a reference: `36`. RS-24."""
    nameless = request_synchronization(operation=operation)
    unknown = device.take(asking(operation))

    assert Result(0x3E, b"\x10") == unknown.result
    assert [so.SessionReference(b"abcd")] == [part.object for part in unknown.parts]
    assert Result(0x36) == device.take(nameless).result


def test_cancel_before_it_runs(device: Device) -> None:
    """The answer stands for the event; nothing runs, nothing is owed. Clause 4.7, RS-24."""
    device.take(request(ALL))
    response = device.take(asking(Operation.CANCEL))

    assert (PERFORMED, so.Phase.QUEUED) == (response.result, summary_in(response).phase)
    assert ((), ()) == (device.agent.waiting(), device.owed())
    assert (Result(0x2E, b"\4"), so.Phase.DONE) == device.status()
    assert PERFORMED == device.take(another(b"2222")).result


def test_cancel_while_it_runs(device: Device) -> None:
    """The session ends at the next message, and no event comes. Clause 4.7."""
    answers: list[TerminalResponse] = []
    device.during(lambda: answers.append(device.take(asking(Operation.CANCEL))))
    device.ordered(request(ALL))

    assert [so.Phase.CONNECTING] == [summary_in(one).phase for one in answers]
    assert 1 == device.server.exchanges
    assert () == device.owed()
    assert OrderState.DONE is device.state()


def test_cancel_after_the_end(device: Device) -> None:
    """The summary that it had, and the event that was owed comes no more. Clause 12.2."""
    device.ordered(request(ALL))
    for _ in range(2):
        response = device.take(asking(Operation.CANCEL))

        assert (PERFORMED, 32) == (response.result, summary_in(response).added)
        assert () == device.owed()


def test_query_status(device: Device) -> None:
    """Queued, under way with what went so far, then how it ended: vector R7 in kind. RS-24."""
    found: list[tuple[Result, int]] = []
    device.take(request(ALL))
    found.append(device.status())
    device.during(lambda: found.append(device.status()), every=True)
    device.agent.run(device.agent.waiting()[0])
    so_far = summary_in(device.take(asking(Operation.QUERY_STATUS)))
    found.append(device.status())
    phases = [int(phase) for _, phase in found]

    assert [0, 1] + [2] * (len(phases) - 3) + [3] == phases
    assert {PERFORMED} == {result for result, _ in found}
    assert 32 == so_far.added


def test_query_status_of_what_failed(device: Device) -> None:
    """The result that it had, also where there was no session. RS-24."""
    device.take(request())
    device.agent.interrupt()

    assert (Result(0x2E, b"\5"), so.Phase.DONE) == device.status()


def test_query_capabilities(device: Device) -> None:
    """All that the agent has: vector R8. RS-25."""
    response = device.take(request_synchronization(operation=Operation.QUERY_CAPABILITIES))
    (part,) = response.parts

    assert PERFORMED == response.result
    assert "01010201020203040 6c8c9cacbcccd020005".replace(" ", "") == part.object.value().hex()
    assert not part.comprehension


@pytest.mark.parametrize(
    ("notification", "times"),
    [
        (so.Notification(1), [0]),
        (so.Notification(2, 3), [0, 30, 60, 90]),
        (so.Notification(2), [0, 60, 120]),
    ],
)
def test_progress(device: Device, notification: so.Notification, times: list[int]) -> None:
    """Events while it runs, not more often than the interval, none after the end. RS-10, TP-16."""
    begun, told = device.now, []

    def poll() -> None:
        for event in device.agent.progress(ICCID):
            status = SynchronizationStatus.of(event)
            assert status.summary is not None
            assert (b"abcd", PERFORMED) == (status.reference, status.result)
            told.append((device.now - begun, status.summary.phase))
        device.now += 10

    device.during(poll, every=True)
    device.ordered(request(ALL, notification))
    phases = [so.Phase.CONNECTING] + [so.Phase.EXCHANGING] * (len(told) - 1)
    expected = list(zip(times, phases, strict=False)) if notification.mode == 2 else []

    assert expected[: len(told)] == told
    assert (notification.mode == 2) is bool(told)
    assert () == device.agent.progress(ICCID)
    assert 1 == len(device.owed())


def test_session_in_a_thread_of_its_own(device: Device) -> None:
    """The terminal goes on meanwhile: it asks for progress, and cancels."""
    going, gone = threading.Event(), threading.Event()

    def linger() -> None:
        going.set()
        gone.wait(10)

    device.during(linger)
    device.take(request(ALL, so.Notification(2)))
    thread = threading.Thread(target=device.agent.run, args=device.agent.waiting())
    thread.start()

    assert going.wait(10)
    assert () == device.agent.waiting()
    assert 1 == len(device.agent.progress(ICCID))
    assert PERFORMED == device.take(asking(Operation.CANCEL)).result

    gone.set()
    thread.join()

    assert 1 == device.server.exchanges
    assert () == device.owed()


# Card, terminal, agent and server: steps C to F.


class Journey:
    """A card that orders of a real agent, and the loop that a terminal runs."""

    def __init__(self, device: Device, policy: str) -> None:
        self.device = device
        self.mobile = Mobile(card_with(policy), agent=device.agent)  # type: ignore[arg-type]  # the real one
        self.events = 0

    def go_on(self) -> None:
        """Run what was ordered, bring what is owed."""
        while waiting := self.device.agent.waiting():
            self.device.agent.run(waiting[0])
            self.bring()

    def bring(self) -> None:
        """Bring results to the card until it takes them."""
        for reference, told in self.device.owed():
            self.events += 1
            taken = self.mobile.equipment.status_event(told, self.mobile.now)
            self.device.agent.told(ICCID, reference, taken=taken)


POLICY = HEAD.replace("https://dm", "http://dm") + RETRY + SYNC_NOW + ENDS


def test_from_decision_to_event(device: Device) -> None:
    """The card decides, orders, hears the end and tells the user; the token is the card's.

    R-50, R-56, R-60 to R-63, R-67, R-68.
    """
    shown: list[bytes] = []

    def authenticate(proof: Proof | None, name: str) -> AuthResult:
        assert proof is not None
        shown.append(base64.b64decode(password(proof)))
        return AuthResult(ok=True, identity=name)

    device.server.authenticate = authenticate
    journey = Journey(device, POLICY)
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))
    journey.go_on()

    assert 1 == verify_token(derive_token_key(KEYS.kid.octets), shown[0], "devman")
    assert ["Up to date."] == journey.mobile.handset.shown
    assert 1 == journey.events
    assert () == device.owed()
    assert {1} == {variables(journey.mobile.card)["good"]}
    assert device.server.records()


def test_not_one_octet_without_notification(device: Device) -> None:
    """With "no" nothing goes to the card after acceptance. R-56, R-64."""
    journey = Journey(device, POLICY.replace('"final"', '"none"'))
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))
    journey.mobile.exchanges.clear()
    journey.go_on()

    assert [] == journey.mobile.exchanges
    assert device.server.records()


def test_card_hears_of_progress(device: Device) -> None:
    """The card takes progress events, and ends its session at the final one alone. RS-10, RS-31."""
    policy = POLICY.replace('notify = "final"', 'notify = { progress = "30 s" }')
    journey = Journey(device, policy)
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))
    heard: list[tuple[bool, bool]] = []

    def bring() -> None:
        for told in device.agent.progress(ICCID):
            taken = journey.mobile.equipment.status_event(told, journey.mobile.now)
            heard.append((taken, "good" in journey.mobile.card.applet.journal[-1]))
        device.now += 30

    device.during(bring, every=True)
    journey.go_on()

    assert len(heard) > 1
    assert {(True, False)} == set(heard)
    assert (1, 1) == (journey.events, variables(journey.mobile.card)["good"])


def test_card_reset_while_the_session_runs(device: Device) -> None:
    """The order that the card repeats is known; one session runs, one event comes. O-2, O-3."""
    journey = Journey(device, POLICY)
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))
    journey.mobile.on()
    journey.go_on()
    journey.mobile.on()
    journey.bring()

    assert (1, 1) == (journey.events, variables(journey.mobile.card)["good"])


def test_terminal_loses_its_power(device: Device) -> None:
    """The terminal tells that it was interrupted; the card orders anew, and it is done. O-3."""
    journey = Journey(device, POLICY)
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))
    device.restarted().interrupt()
    journey.mobile.equipment._proactive._agent = device.agent
    journey.mobile.on()
    journey.bring()
    journey.go_on()

    assert (2, 1) == (journey.events, variables(journey.mobile.card)["good"])
    assert device.server.records()


def test_wrong_terminal(device: Device) -> None:
    """A command for another IMEI is refused, and the card's policy hears of it. R-54."""
    journey = Journey(device, POLICY)
    journey.mobile.imei = "356938035643809"
    journey.mobile.__post_init__()
    journey.mobile.on()
    journey.mobile.message(trigger(Sender(start=10)))

    assert 1 == variables(journey.mobile.card)["bad"]
    assert "all: result 3E07, 0" in journey.mobile.card.applet.journal
    assert 0 == device.server.exchanges


def test_server_is_away_at_first(device: Device) -> None:
    """The card tries again when its timer says so; then it is done. R-63."""
    journey = Journey(device, POLICY)
    journey.mobile.on()
    device.server.fails = LOST
    journey.mobile.message(trigger(Sender(start=10)))
    journey.go_on()
    device.server.fails = None
    journey.mobile.later(600)
    journey.go_on()

    assert (2, 1) == (journey.events, variables(journey.mobile.card)["good"])
    assert ["Up to date."] == journey.mobile.handset.shown
