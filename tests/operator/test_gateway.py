"""The gateway between outbox, message centre and card: loss, repetition, forgery, and death.

Gateway, PostgreSQL, SMPP over TCP and security are real; the card is that of `receiving_card`.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg.conninfo import make_conninfo

from cardsync.fleet.smsc import Account, Smsc
from cardsync.fleet.smsc_queues import Fault, Leg
from cardsync.operator import campaigns, outbox, proofs
from cardsync.operator.content import UNKNOWN, Content
from cardsync.operator.gateway import Gateway
from cardsync.operator.journal import journal_since
from cardsync.operator.outbox import Order, Row, State
from cardsync.operator.proofs import Arrival
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.application import APPLICATION_TAR, ApplicationImage, Trigger
from cardsync.ota.packet import ResponseStatus
from cardsync.transport import sms
from cardsync.transport.message_centre import MessageCentre
from cardsync.transport.smpp import Pdu
from cardsync.transport.smpp_bodies import Address, DeliverSm, DeliverSmResp, SubmitSm, SubmitSmResp
from cardsync.transport.smpp_errors import BindRefused
from cardsync.transport.user_data import RESPONSE_HEADER, UserData
from receiving_card import KEYS, OTHER_KEYS, ReceivingCard

ICCID, MSISDN = "8949000000000000017", "491700000001"
NUMBER = "1234"
LOW = ResponseStatus.COUNTER_LOW
IMAGE = ApplicationImage((1, 0), 1, "device management")
DAY = timedelta(days=1)
PATIENCE = 10.0

POLICY = """
policy = "test"
version = 1

[requests.all]
protocol = { name = "SyncML", version = "1.2", representation = "wbxml" }
transport = ["http"]
type = "refresh-from-client"
source = { device = "imei", database = "devman" }
target = { device = "https://dm.operator.example/syncml", database = "devman" }

[[rules]]
name = "the operator asks"
on = { message = "sync-now" }
do = { synchronize = "all" }
"""


@dataclass
class Clock:
    """A clock that can be put forward."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC) + self.offset


def never(_leg: Leg, _octets: bytes) -> bool:
    """Hold for nothing."""
    return False


@dataclass
class Faults:
    """What the message centre loses and repeats; a scenario sets the two."""

    drop: Fault = never
    repeat: Fault = never

    def lost(self, leg: Leg, octets: bytes) -> bool:
        """Tell whether something is lost."""
        return self.drop(leg, octets)

    def repeated(self, leg: Leg, octets: bytes) -> bool:
        """Tell whether something comes twice."""
        return self.repeat(leg, octets)


@dataclass
class World:
    """Operator, message centre and card, in one event loop."""

    database: Database
    cards: Cards
    smsc: Smsc
    card: ReceivingCard
    faults: Faults
    clock: Clock = field(default_factory=Clock)

    def gateway(self, password: str = "secret") -> Gateway:
        """Give a gateway that is not yet running."""
        centre = MessageCentre(self.smsc.host, self.smsc.port, "gateway", password, NUMBER)
        return Gateway(self.database, self.cards, centre, clock=self.clock, poll=0.05)

    @asynccontextmanager
    async def running(self, gateway: Gateway | None = None) -> AsyncIterator[Gateway]:
        """Run a gateway in the body."""
        gateway = gateway or self.gateway()
        task = asyncio.create_task(gateway.run())
        try:
            yield gateway
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Killed):
                await task

    async def killed(self, gateway: Gateway | None = None) -> None:
        """Run a gateway until it dies of `Killed`."""
        with pytest.raises(Killed):
            async with asyncio.timeout(PATIENCE):
                await (gateway or self.gateway()).run()

    def after_the_lease(self) -> None:
        """Let the time of a lease go by."""
        self.clock.offset += outbox.LEASE

    def enqueue(self, *purposes: str, data: bytes = b"", repeatable: bool = False) -> None:
        """Owe the card messages to its application."""
        with self.database.transaction() as connection:
            orders = [
                Order(
                    ICCID,
                    purpose,
                    APPLICATION_TAR,
                    data or Trigger(purpose).encode(),
                    self.clock() + DAY,
                    repeatable=repeatable,
                )
                for purpose in purposes
            ]
            outbox.enqueue(connection, orders, self.clock())

    def want_all(self) -> None:
        """Want the application and a policy."""
        with self.database.transaction() as connection:
            now = self.clock()
            image = campaigns.publish_image(connection, IMAGE, now)
            policy = campaigns.publish_policy(connection, POLICY, "policy.toml", now)
            campaigns.want(connection, ICCID, now, application=image, policy=policy)

    def rows(self) -> list[Row]:
        """Give the rows of the card, the oldest first."""
        with self.database.transaction() as connection:
            return outbox.recent(connection, ICCID, limit=100)[::-1]

    def known(self) -> Content:
        """Give what the card is known to have."""
        with self.database.transaction() as connection:
            return campaigns.content(connection, ICCID).known

    def journal(self) -> list[str]:
        """Give what was written down."""
        with self.database.transaction() as connection:
            return [entry.what for entry in journal_since(connection)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - nobody tells of a row in the database
                await asyncio.sleep(0.01)

    async def until_finished(self) -> None:
        """Wait until nothing is owed."""
        await self.until(lambda: all(row.state >= State.DONE for row in self.rows()))

    async def lose_the_proof(self) -> None:
        """Lose the card's proof of what was sent, and wait for its answer to the repetition."""
        await self.until(
            lambda: bool(self.card.unsent) and State.SENT in [row.state for row in self.rows()]
        )
        self.card.unsent.clear()
        self.card.answers = True
        self.clock.offset += outbox.wait_after(1)
        await self.until(lambda: any(row.status == LOW for row in self.rows()))
        self.clock.offset += proofs.GRACE

    async def report(self, data: bytes, msisdn: str = MSISDN, header: bool = True) -> None:
        """Let a mobile send a short message to the operator."""
        user_data = UserData(data, RESPONSE_HEADER if header else ())
        submit = sms.Submit(sms.Address(NUMBER, sms.TypeOfNumber.UNKNOWN), user_data, 0x7F)
        await self.smsc.submit(msisdn, submit.encode())


class Killed(BaseException):
    """What `kill -9` is to a gateway: it does nothing more."""


Scenario = Callable[[World], Coroutine[None, None, None]]


@pytest.fixture
def play(database: Database) -> Callable[..., None]:
    """Play a scenario in a world of its own."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, proof_part, journal, artifact, card_content")
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    cards.import_card(ICCID, "262010000000001", f"+{MSISDN}", (KEYS,), datetime.now(UTC))

    async def world(scenario: Scenario) -> None:
        faults = Faults()
        async with Smsc(
            [Account("gateway", "secret", (NUMBER,))],
            retry=0.05,
            drop=faults.lost,
            repeat=faults.repeated,
        ) as smsc:
            await scenario(World(database, cards, smsc, ReceivingCard(smsc, MSISDN), faults))

    return lambda scenario: asyncio.run(world(scenario))


def has_hints(gateway: Gateway, count: int) -> bool:
    """Tell whether so many refusals without a key have come."""
    return gateway.arrivals[Arrival.HINT] == count


def first(condition: Callable[[Leg, bytes], bool], times: int = 1) -> Callable[[Leg, bytes], bool]:
    """Hold the first `times` that a condition holds."""
    left = [times]

    def holds(leg: Leg, octets: bytes) -> bool:
        if left[0] and condition(leg, octets):
            left[0] -= 1
            return True
        return False

    return holds


def is_pdu(leg: Leg, octets: bytes, kind: type) -> bool:
    """Tell whether something is a PDU with a body of this kind."""
    return leg in (Leg.FROM_ESME, Leg.TO_ESME) and isinstance(Pdu.decode(octets).body, kind)


# The journey.


def test_application_and_policy_reach_the_card(play: Callable[..., None]) -> None:
    """R-20: load, install and personalise over short messages, each proved by the card."""

    async def scenario(world: World) -> None:
        world.want_all()
        async with world.running():
            await world.until_finished()

        with world.database.transaction() as connection:
            assert campaigns.content(connection, ICCID).is_complete
        assert [State.DONE, State.DONE] == [row.state for row in world.rows()]
        assert (True, True) == (world.card.installed, bool(world.card.stored))
        assert [1, 2] == [row.counter for row in world.rows()]
        assert [
            "load and install device management 1.0: 2 short messages",
            "load and install device management 1.0: proof of receipt 00 verified",
            "policy test 1: 2 short messages",
            "policy test 1: proof of receipt 00 verified",
        ] == world.journal()

    play(scenario)


def test_fields_of_the_short_messages(play: Callable[..., None]) -> None:
    """PID 7F, DCS F6, UDHI, CPI in the first segment alone. TS 31.115 clause 4.2, SMPP 4.4.1."""
    seen: list[SubmitSm] = []

    async def scenario(world: World) -> None:
        def look(leg: Leg, octets: bytes) -> bool:
            if is_pdu(leg, octets, SubmitSm):
                body = Pdu.decode(octets).body
                assert isinstance(body, SubmitSm)
                seen.append(body)
            return False

        world.faults.drop = look
        world.card.answers = False  # a proof may come before the centre's answer to a segment
        world.enqueue("long", data=bytes(200))
        async with world.running():
            await world.until(lambda: world.rows()[0].state == State.SENT)
        (row,) = world.rows()

        assert ["1", "2"] == row.message_ids

    play(scenario)
    assert {(0x40, 0x7F, 0xF6)} == {
        (one.esm_class, one.protocol_id, one.data_coding) for one in seen
    }
    assert {MSISDN} == {one.destination.digits for one in seen}
    assert {"000001000000000R", "000000235959000R"} >= {one.validity_period for one in seen}
    # UDHL, concatenation with the counter as reference, CPI behind it.
    assert bytes.fromhex("07 00 03 01 02 01 70 00") == seen[0].short_message[:8]
    assert bytes.fromhex("05 00 03 01 02 02") == seen[1].short_message[:6]


def test_many_messages_in_order(play: Callable[..., None]) -> None:
    """The card gets them in the order of enqueueing, with rising counters."""

    async def scenario(world: World) -> None:
        names = [f"message {number}" for number in range(6)]
        world.enqueue(*names)
        async with world.running():
            await world.until_finished()

        assert [Trigger(name).encode() for name in names] == world.card.executed
        assert [1, 2, 3, 4, 5, 6] == [row.counter for row in world.rows()]

    play(scenario)


def test_a_gateway_wakes_up(play: Callable[..., None]) -> None:
    """What is enqueued while it waits goes at once: PostgreSQL tells it."""

    async def scenario(world: World) -> None:
        gateway = world.gateway()
        gateway._poll = 60
        async with world.running(gateway):
            await asyncio.sleep(0.3)
            world.enqueue("sync-now")
            await world.until_finished()

    play(scenario)


def test_a_long_proof(play: Callable[..., None]) -> None:
    """A proof of several short messages is joined, verified and kept. TS 31.115 clause 4.5."""

    async def scenario(world: World) -> None:
        world.card.padding = bytes(range(256)) + bytes(200)
        world.enqueue("sync-now")
        async with world.running() as gateway:
            await world.until_finished()
        (row,) = world.rows()

        assert world.card.padding == row.response
        assert gateway.arrivals[Arrival.PART] >= 2
        with world.database.transaction() as connection:
            assert [] == connection.execute("SELECT 1 FROM proof_part").fetchall()

    play(scenario)


def test_a_proof_in_the_delivery_report(play: Callable[..., None]) -> None:
    """A proof that comes as acknowledgement, esm_class 08, is as good. TS 31.115 clause 4.4."""

    async def scenario(world: World) -> None:
        world.card.in_report = True
        world.want_all()
        async with world.running():
            await world.until_finished()

        assert {State.DONE} == {row.state for row in world.rows()}

    play(scenario)


def test_an_answer_in_two_parts(play: Callable[..., None]) -> None:
    """08 and 0B announce the answer proper, for which the row waits. TS 102 225 clause 5.2."""

    async def scenario(world: World) -> None:
        world.card.before = (ResponseStatus.MORE_TIME, ResponseStatus.RESPONSE_BY_SMS_SUBMIT)
        world.enqueue("sync-now")
        async with world.running() as gateway:
            await world.until_finished()
            await world.until(lambda: world.smsc.untold == 0)
        (row,) = world.rows()

        assert (State.DONE, 0, 1) == (row.state, row.status, row.tries)
        assert 3 == gateway.arrivals[Arrival.PROVED]

    play(scenario)


def test_loss_and_repetition(play: Callable[..., None]) -> None:
    """Short messages and PDUs lost and doubled everywhere: each packet executed once."""

    async def scenario(world: World) -> None:
        random = secrets.SystemRandom()
        world.faults.drop = lambda leg, _: (
            leg in (Leg.TO_MOBILE, Leg.FROM_MOBILE) and random.random() < 0.2
        )
        world.faults.repeat = lambda leg, octets: (
            (leg in (Leg.TO_MOBILE, Leg.FROM_MOBILE) or is_pdu(leg, octets, DeliverSm))
            and random.random() < 0.3
        )
        names = [f"message {number}" for number in range(5)]
        world.enqueue(*names)
        async with world.running():
            await world.until_finished()

        assert [Trigger(name).encode() for name in names] == world.card.executed
        assert {State.DONE} == {row.state for row in world.rows()}

    play(scenario)


def test_two_gateways_never_send_one_row_twice(play: Callable[..., None]) -> None:
    """Both work at once on one outbox; each packet reaches the card once."""

    async def scenario(world: World) -> None:
        world.enqueue(*[f"message {number}" for number in range(20)])
        async with world.running(), world.running():
            await world.until_finished()

        assert 20 == len(world.card.packets) == len(set(world.card.packets))
        assert {1} == {row.tries for row in world.rows()}

    play(scenario)


# Proofs that are none.


def test_a_wrong_key_is_told_and_given_up(play: Callable[..., None]) -> None:
    """A card with other keys refuses without a key: a hint, believed only after three of them."""

    async def scenario(world: World) -> None:
        ReceivingCard(world.smsc, MSISDN, OTHER_KEYS)
        world.enqueue("sync-now")
        async with world.running() as gateway:
            for hints in (1, 2, 3):
                await world.until(partial(has_hints, gateway, hints))
                world.clock.offset += proofs.HINT_PAUSE
            await world.until_finished()
        (row,) = world.rows()

        assert (State.FAILED, 3) == (row.state, row.tries)
        assert "response status 01 CHECKSUM_FAILED, not proved" == row.reason

    play(scenario)


def test_a_forged_refusal_does_not_stop_a_packet(play: Callable[..., None]) -> None:
    """A bare refusal can come from anybody: the true proof is still taken."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("sync-now")
        async with world.running() as gateway:
            await world.until(lambda: len(world.card.unsent) == 1)
            await world.report(bytes.fromhex("000B 0A BFFF01 0000000000 00 01"))
            await world.until(lambda: gateway.arrivals[Arrival.HINT] == 1)
            world.card.send()
            await world.until_finished()
        (row,) = world.rows()

        assert (State.DONE, 0) == (row.state, row.status)

    play(scenario)


def test_forged_unmatched_and_other_messages(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """All are counted, acknowledged and logged without content; none changes anything."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("sync-now")
        async with world.running() as gateway:
            await world.until(lambda: len(world.card.unsent) == 1)
            await world.report(b"\x00\x1a\x0a" + APPLICATION_TAR + b"SECRET TEXT OF A FORGER..")
            await world.report(b"too short")
            await world.report(b"from a stranger", "49999")
            await world.report(b"a plain short message", header=False)
            await world.until(lambda: sum(gateway.arrivals.values()) == 4)
            before = world.rows()[0]
            world.card.send()
            await world.until_finished()
            await world.until(lambda: world.smsc.untold == 0)

        assert State.SENT is before.state
        assert {
            Arrival.REFUSED: 2,
            Arrival.UNMATCHED: 1,
            Arrival.OTHER: 1,
            Arrival.PROVED: 1,
        } == gateway.arrivals

    play(scenario)
    assert "SECRET" not in caplog.text
    assert 3 == caplog.text.count("passed over")


def test_a_proof_of_a_former_packet(play: Callable[..., None]) -> None:
    """Said again later, it is late, and the next packet waits for its own."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("first", "second")
        async with world.running() as gateway:
            await world.until(lambda: len(world.card.unsent) == 1)
            repeated = world.card.unsent[0]
            world.card.send()
            await world.until(lambda: len(world.card.unsent) == 1)
            await world.smsc.submit(MSISDN, repeated)
            await world.until(lambda: gateway.arrivals[Arrival.LATE] == 1)

            assert [State.DONE, State.SENT] == [row.state for row in world.rows()]
            world.card.send()
            await world.until_finished()

    play(scenario)


def test_segments_that_never_become_whole_are_bounded(play: Callable[..., None]) -> None:
    """Who sends segments for ever fills 64 rows, no more."""

    async def scenario(world: World) -> None:
        reader = proofs.Proofs(world.database, world.cards)
        for number in range(80):
            header = bytes([5, 0, 3, number, 2, 1])
            message = DeliverSm(
                Address(MSISDN), Address(NUMBER), header + bytes(20), esm_class=0x40
            )
            assert Arrival.PART is reader.receive(message, world.clock())
        with world.database.transaction() as connection:
            count = connection.execute("SELECT count(*) FROM proof_part").fetchone()
            assert (64,) == count

    play(scenario)


# Death at each point of the list in the module's docstring, and life afterwards.


def kill_in(gateway: Gateway, method: str, *, after: bool) -> Gateway:
    """Let a gateway die the first time that it enters a method, or leaves it."""
    whole = getattr(gateway, method)

    def dying(*arguments: object) -> None:
        if after:
            whole(*arguments)
        raise Killed

    setattr(gateway, method, dying)
    return gateway


def test_death_1_claimed_without_counter(play: Callable[..., None]) -> None:
    """The lease ends and the packet goes, once."""

    async def scenario(world: World) -> None:
        world.enqueue("sync-now")
        await world.killed(kill_in(world.gateway(), "_secure", after=False))
        assert (State.SENDING, None) == (world.rows()[0].state, world.rows()[0].counter)
        world.after_the_lease()
        async with world.running():
            await world.until_finished()

        assert [ResponseStatus.OK] == world.card.statuses

    play(scenario)


def test_death_2_counter_taken(play: Callable[..., None]) -> None:
    """The packet goes under the counter that was committed; what was passed over is no harm."""

    async def scenario(world: World) -> None:
        world.cards.next_counter(ICCID, 1)  # taken, and never written to a row
        world.enqueue("sync-now")
        await world.killed(kill_in(world.gateway(), "_secure", after=True))
        assert 2 == world.rows()[0].counter
        world.after_the_lease()
        async with world.running():
            await world.until_finished()

        assert 2 == world.rows()[0].counter
        assert [ResponseStatus.OK] == world.card.statuses

    play(scenario)


def test_death_3_some_short_messages_left(play: Callable[..., None]) -> None:
    """Old and new segments make one packet, octet for octet."""

    async def scenario(world: World) -> None:
        world.enqueue("long", data=bytes(300))
        dying, whole, calls = world.gateway(), Gateway._message, list[int]()

        def message(parcel: object, part: object) -> SubmitSm:
            calls.append(1)
            if len(calls) == 3:
                raise Killed
            return whole(dying, parcel, part)  # type: ignore[arg-type]  # as they came

        dying._message = message  # type: ignore[method-assign]  # dies at the third
        await world.killed(dying)
        await world.until(lambda: world.smsc.stored == 0)
        assert [] == world.card.packets
        world.after_the_lease()
        async with world.running():
            await world.until_finished()

        assert [bytes(300)] == world.card.executed
        assert ResponseStatus.OK is world.card.statuses[0]
        assert (State.DONE, 2) == (world.rows()[0].state, world.rows()[0].tries)

    play(scenario)


def test_death_4_all_left_and_the_proof_comes_first(play: Callable[..., None]) -> None:
    """The proof waits at the message centre; the next gateway takes it and sends nothing."""

    async def scenario(world: World) -> None:
        world.enqueue("sync-now")
        dying = kill_in(world.gateway(), "_note_sent", after=False)
        world.card.answers = False
        await world.killed(dying)
        world.card.send()
        async with world.running():
            await world.until_finished()

        assert (State.DONE, 1) == (world.rows()[0].state, world.rows()[0].tries)
        assert 1 == len(world.card.packets)

    play(scenario)


def test_death_4_all_left_and_the_proof_is_overtaken(play: Callable[..., None]) -> None:
    """The packet goes again, is not executed again, and the first proof still counts."""

    async def scenario(world: World) -> None:
        world.enqueue("sync-now", "next")
        world.card.answers = False
        await world.killed(kill_in(world.gateway(), "_note_sent", after=False))
        world.after_the_lease()
        async with world.running():
            await world.until(lambda: len(world.card.unsent) == 2)
            world.card.unsent.reverse()
            world.card.answers = True
            world.card.send()
            await world.until_finished()
        one, two = world.card.packets[:2]

        assert one == two
        assert [ResponseStatus.OK, ResponseStatus.COUNTER_LOW] == world.card.statuses[:2]
        assert [Trigger("sync-now").encode(), Trigger("next").encode()] == world.card.executed
        assert [(State.DONE, 0), (State.DONE, 0)] == [
            (row.state, row.status) for row in world.rows()
        ]

    play(scenario)


def test_death_5_proof_not_committed(play: Callable[..., None]) -> None:
    """It was not acknowledged: the message centre delivers it again."""

    async def scenario(world: World) -> None:
        world.enqueue("sync-now")
        dying = world.gateway()
        proved = asyncio.Event()

        async def receive(message: DeliverSm) -> None:
            del message
            proved.set()
            await asyncio.sleep(60)  # and nothing more: the process is gone

        dying._receive = receive  # type: ignore[method-assign]  # dies there
        async with world.running(dying):
            await proved.wait()
        assert State.DONE is not world.rows()[0].state
        async with world.running():
            await world.until_finished()

        assert (State.DONE, 1) == (world.rows()[0].state, len(world.card.packets))

    play(scenario)


def test_death_6_proof_committed_and_not_acknowledged(play: Callable[..., None]) -> None:
    """Delivered again, it is late and changes nothing."""

    async def scenario(world: World) -> None:
        dropped: list[bytes] = []

        def lose(leg: Leg, octets: bytes) -> bool:
            if dropped or not is_pdu(leg, octets, DeliverSmResp):
                return False
            dropped.append(octets)
            return True

        world.enqueue("sync-now")
        world.faults.drop = lose
        async with world.running():
            await world.until_finished()
            await world.until(lambda: bool(dropped))  # it leaves when the proof is committed
        done = world.rows()
        async with world.running() as gateway:
            await world.until(lambda: gateway.arrivals[Arrival.LATE] == 1)
            await world.until(lambda: world.smsc.untold == 0)

        assert done == world.rows()

    play(scenario)


def test_7_lost_proof_of_a_trigger(play: Callable[..., None]) -> None:
    """R-45: the repetition is refused as repetition; the trigger was received, once."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("sync-now")
        async with world.running():
            await world.lose_the_proof()
            await world.until_finished()

        assert [Trigger("sync-now").encode()] == world.card.executed
        assert (State.DONE, 2) == (world.rows()[0].state, world.rows()[0].status)

    play(scenario)


def test_7_lost_proof_of_what_may_be_repeated(play: Callable[..., None]) -> None:
    """It is executed a second time, under another counter, and then proved."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("parameter", repeatable=True)
        async with world.running():
            await world.lose_the_proof()
            await world.until_finished()
        (row,) = world.rows()

        assert (State.DONE, 0, 2) == (row.state, row.status, row.counter)
        assert 2 == len(world.card.executed)

    play(scenario)


def test_7_lost_proof_of_an_installation(play: Callable[..., None]) -> None:
    """What the card has is not guessed: it is deleted and installed again, then the policy."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.want_all()
        async with world.running():
            await world.lose_the_proof()
            await world.until_finished()

        assert [
            ("load and install device management 1.0", State.FAILED),
            ("policy test 1", State.FAILED),
            ("delete application", State.DONE),
            ("load and install device management 1.0", State.DONE),
            ("policy test 1", State.DONE),
        ] == [(row.purpose, row.state) for row in world.rows()]
        with world.database.transaction() as connection:
            assert campaigns.content(connection, ICCID).is_complete

    play(scenario)


CHILD = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from cardsync.operator.gateway import Gateway
from cardsync.transport.message_centre import MessageCentre
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey

dsn, port, key, offset = sys.argv[1:]
with Database(dsn) as database:
    cards = Cards(database, MasterKey(bytes.fromhex(key)))
    centre = MessageCentre("127.0.0.1", int(port), "gateway", "secret", "1234")
    clock = lambda: datetime.now(UTC) + timedelta(seconds=float(offset))
    asyncio.run(Gateway(database, cards, centre, clock=clock, poll=0.05).run())
"""


def test_kill_9(play: Callable[..., None], server: str) -> None:
    """A process killed by SIGKILL, twice, in the middle: all executed, in order, nothing twice."""

    async def scenario(world: World) -> None:
        names = [f"message {number}" for number in range(30)]
        world.enqueue(*names)
        key = world.cards.master.octets.hex()
        for wanted in (5, 15):
            offset = str(world.clock.offset.total_seconds())
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHILD, server, str(world.smsc.port), key, offset)
            )
            await world.until(partial(has_executed, world.card, wanted))
            child.kill()
            await child.wait()
            world.after_the_lease()
        async with world.running():
            await world.until_finished()

        assert [Trigger(name).encode() for name in names] == world.card.executed
        assert {(State.DONE, 0)} == {(row.state, row.status) for row in world.rows()}

    play(scenario)


def has_executed(card: ReceivingCard, count: int) -> bool:
    """Tell whether a card has executed at least so many packets."""
    return len(card.executed) >= count


# Time, and the message centre's moods.


def test_proof_before_the_submit_response(play: Callable[..., None]) -> None:
    """A proof that comes first ends the row, whatever becomes of the response."""

    async def scenario(world: World) -> None:
        world.faults.drop = first(lambda leg, octets: is_pdu(leg, octets, SubmitSmResp))
        world.enqueue("sync-now")
        async with world.running():
            await world.until_finished()

        assert (State.DONE, []) == (world.rows()[0].state, world.rows()[0].message_ids)

    play(scenario)


def test_a_silent_card_is_asked_again(play: Callable[..., None]) -> None:
    """Without a proof the same octets go again when they are due."""

    async def scenario(world: World) -> None:
        world.card.answers = False
        world.enqueue("sync-now")
        async with world.running():
            await world.until(lambda: len(world.card.packets) == 1)
            await world.until(lambda: world.rows()[0].state is State.SENT)
            world.card.unsent.clear()
            world.clock.offset += outbox.wait_after(1)
            await world.until(lambda: len(world.card.packets) == 2)
        one, two = world.card.packets

        assert one == two
        assert "sync-now: 1 short message, again" in world.journal()

    play(scenario)


def test_expired_before_it_left(play: Callable[..., None]) -> None:
    """R-45: a trigger whose time is over starts nothing."""

    async def scenario(world: World) -> None:
        world.enqueue("sync-now")
        world.clock.offset += 2 * DAY
        async with world.running():
            await world.until_finished()

        assert [] == world.card.packets
        assert "expired before it was sent" == world.rows()[0].reason

    play(scenario)


def test_expired_without_a_proof(play: Callable[..., None]) -> None:
    """An installation whose answer never came leaves the application unknown."""

    async def scenario(world: World) -> None:
        world.want_all()
        world.card.answers = False
        async with world.running():
            await world.until(lambda: len(world.card.unsent) == 1)
            world.clock.offset += campaigns.LIFETIME
            await world.until(lambda: world.known().application == UNKNOWN)

        assert "no proof of receipt" == world.rows()[0].reason

    play(scenario)


def test_a_refusal_for_good(play: Callable[..., None]) -> None:
    """A number that the message centre refuses ends the row: nothing left."""

    async def scenario(world: World) -> None:
        with world.database.transaction() as connection:
            connection.execute("UPDATE card SET msisdn = '+'")
        world.enqueue("sync-now")
        async with world.running():
            await world.until_finished()
        (row,) = world.rows()

        assert "refused by the message centre: ESME_RINVDSTADR" == row.reason
        assert [] == row.message_ids

    play(scenario)


def test_a_card_that_cannot_be_addressed(play: Callable[..., None]) -> None:
    """No number, or no key set of that number: the row fails, the others go on."""

    async def scenario(world: World) -> None:
        with world.database.transaction() as connection:
            order = Order(ICCID, "p", APPLICATION_TAR, b"x", world.clock() + DAY, key_set=7)
            outbox.enqueue(connection, [order], world.clock())
        world.enqueue("sync-now")
        async with world.running():
            await world.until_finished()

        assert [State.FAILED, State.DONE] == [row.state for row in world.rows()]

    play(scenario)


def test_a_message_centre_that_goes_away(play: Callable[..., None]) -> None:
    """A gateway outlives its message centre and goes on when it is back."""

    async def scenario(world: World) -> None:
        async with world.running():
            world.enqueue("first")
            await world.until_finished()
            for link in tuple(world.smsc._links):
                link.close()
            world.enqueue("second")
            await world.until_finished()

        assert 2 == len(world.card.executed)

    play(scenario)


def test_a_database_that_goes_away(play: Callable[..., None], server: str) -> None:
    """A gateway whose connections all break takes new ones, and hears of work again."""

    async def scenario(world: World) -> None:
        with Database(make_conninfo(server, application_name="victim"), size=2) as database:
            cards = Cards(database, world.cards.master)
            centre = MessageCentre(world.smsc.host, world.smsc.port, "gateway", "secret", NUMBER)
            async with world.running(Gateway(database, cards, centre, poll=0.5)):
                world.enqueue("first")
                await world.until_finished()
                with world.database.transaction() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'victim'"
                    )
                world.enqueue("second")
                await world.until_finished()

        assert 2 == len(world.card.executed)

    play(scenario)


def test_a_refused_bind_is_told(play: Callable[..., None]) -> None:
    """A wrong password is a matter for a person."""

    async def scenario(world: World) -> None:
        with pytest.raises(BindRefused):
            await world.gateway("wrong").run()

    play(scenario)
