"""The simulated message centre: what it forwards, keeps, repeats, refuses and tells."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from cardsync.fleet.smsc import MOST_LINKS, Account, Smsc
from cardsync.fleet.smsc_queues import Leg, RadioSilent, RpError
from cardsync.transport import sms
from cardsync.transport.smpp import Pdu
from cardsync.transport.smpp_bodies import (
    ESM_UDHI,
    Address,
    Bind,
    DeliverSm,
    DeliverSmResp,
    SubmitSm,
    Tlv,
)
from cardsync.transport.smpp_client import SmppClient
from cardsync.transport.smpp_codes import CommandId, CommandStatus, MessageState, Tag
from cardsync.transport.smpp_errors import BindRefused, SubmitRefused
from cardsync.transport.smpp_receipt import Receipt, receipted_message_id, relative_time
from cardsync.transport.smpp_session import Limits
from cardsync.transport.user_data import COMMAND_HEADER, RESPONSE_HEADER, UserData

MSISDN = "491711234567"
GATEWAY = Account("gateway", "secret", ("1234",))
PACKET = bytes.fromhex("027000 000E 0D 12 25 15 15 B00010 0000000001 00 AABBCCDD")
PROOF = sms.DeliverReport(
    UserData(b"proof of receipt", RESPONSE_HEADER), sms.PID_SIM_DATA_DOWNLOAD, 0xF6
)
QUICK = Limits(response_timeout=0.3)


def packet(**changes: object) -> SubmitSm:
    """Give a secured packet for the card as submit_sm."""
    fields: dict[str, object] = {
        "source": Address("1234"),
        "destination": Address(MSISDN, 1, 1),
        "short_message": PACKET,
        "esm_class": ESM_UDHI,
        "protocol_id": 0x7F,
        "data_coding": 0xF6,
    }
    return SubmitSm(**(fields | changes))  # type: ignore[arg-type]  # a test's own fields


class Mobile:
    """A radio that notes what it gets, and answers what it is told to."""

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self.got: list[bytes] = []
        self.answers = list(answers)

    async def __call__(self, tpdu: bytes) -> bytes | None:
        """Take an SMS-DELIVER."""
        self.got.append(tpdu)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


class Inbox:
    """What an ESME has been told."""

    def __init__(self) -> None:
        self.messages: list[DeliverSm] = []

    async def __call__(self, message: DeliverSm) -> None:
        """Take a deliver_sm."""
        self.messages.append(message)


def client(smsc: Smsc, inbox: Inbox | None = None, **settings: object) -> SmppClient:
    """Give an ESME for the centre."""
    return SmppClient(
        smsc.host,
        smsc.port,
        GATEWAY.system_id,
        GATEWAY.password,
        on_deliver=inbox or Inbox(),
        **settings,  # type: ignore[arg-type]  # a test's own settings
    )


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, five seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


def run(journey: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine to its end."""

    async def body() -> None:
        await journey()

    asyncio.run(body())


def test_packet_reaches_the_mobile() -> None:
    """UDHI, PID, DCS, originator and data of the submit_sm are those of the SMS-DELIVER."""
    moment = datetime(2026, 11, 22, 23, 25, 7, tzinfo=UTC)
    mobile = Mobile()

    async def journey() -> None:
        async with Smsc([GATEWAY], clock=lambda: moment) as smsc, client(smsc) as esme:
            smsc.attach(MSISDN, mobile)
            assert await esme.submit(packet()) == "1"
            await until(lambda: mobile.got)

    run(journey)
    expected = sms.Deliver(
        sms.Address("1234", sms.TypeOfNumber.UNKNOWN, 0),
        sms.TimeStamp.of(26, 11, 22, 23, 25, 7),
        UserData(PACKET[3:], COMMAND_HEADER),
    )
    assert [expected] == [sms.Deliver.decode(tpdu) for tpdu in mobile.got]


def test_proof_of_receipt_comes_back() -> None:
    """The report's user data go to the ESME as delivery acknowledgement, esm_class 48."""
    mobile, inbox = Mobile(PROOF.encode()), Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            assert await esme.submit(packet()) == "1"
            await until(lambda: inbox.messages)

    run(journey)
    [told] = inbox.messages
    expected = DeliverSm(
        Address(MSISDN, 1, 1),
        Address("1234"),
        bytes.fromhex("027100") + b"proof of receipt",
        esm_class=0x48,
        protocol_id=0x7F,
        data_coding=0xF6,
        tlvs=(Tlv(Tag.RECEIPTED_MESSAGE_ID, b"1\0"),),
    )
    assert expected == told
    assert receipted_message_id(told) == "1"


def test_receipt_when_asked_for() -> None:
    """registered_delivery 1: a receipt of the final state, behind the proof."""
    mobile, inbox = Mobile(PROOF.encode(), None), Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet(registered_delivery=1))
            await esme.submit(packet(registered_delivery=2))
            await until(lambda: len(inbox.messages) == 2 and not smsc.stored)

    run(journey)
    assert [m.message_type for m in inbox.messages] == [0x08, 0x04]
    assert Receipt("1", MessageState.DELIVERED) == Receipt.decode(inbox.messages[1])


def test_stored_until_the_mobile_comes() -> None:
    """What cannot be delivered waits, in order, and goes at once when the mobile attaches."""
    mobile = Mobile()

    async def journey() -> None:
        async with Smsc([GATEWAY], retry=100) as smsc, client(smsc) as esme:
            for number in range(3):
                await esme.submit(packet(short_message=PACKET + bytes([number])))
            assert smsc.stored == 3
            smsc.attach(MSISDN, mobile)
            await until(lambda: not smsc.stored)
            smsc.detach(MSISDN)
            await esme.submit(packet())
            await asyncio.sleep(0.02)
            assert smsc.stored == 1

    run(journey)
    got = [sms.Deliver.decode(tpdu) for tpdu in mobile.got]
    assert [0, 1, 2] == [deliver.user_data.data[-1] for deliver in got]
    assert [True, True, False] == [deliver.more_messages for deliver in got]


BUSY = sms.DeliverReport(failure=0xD4).encode()


@pytest.mark.parametrize(
    "trouble",
    [RadioSilent("no coverage"), RpError(22), RpError(111, BUSY), TimeoutError()],
)
def test_tried_again(trouble: Exception) -> None:
    """No coverage, no memory, a busy card: the message is sent again. TS 23.040 9.2.3.22."""
    mobile, inbox = Mobile(trouble, trouble, PROOF.encode()), Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY], retry=0.01) as smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet())
            await until(lambda: inbox.messages)

    run(journey)
    assert len(mobile.got) == 3
    assert len(inbox.messages) == 1


def test_refused_by_the_mobile() -> None:
    """RP-ERROR for good: its user data go to the ESME, and the receipt says UNDELIVERABLE."""
    report = sms.DeliverReport(UserData(b"failure", RESPONSE_HEADER), 0x7F, 0xF6, 0xD5).encode()
    mobile, inbox = Mobile(RpError(111, report)), Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY], retry=0.01) as smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet(registered_delivery=2))
            await until(lambda: len(inbox.messages) == 2)

    run(journey)
    assert len(mobile.got) == 1
    assert inbox.messages[0].user_data == bytes.fromhex("027100") + b"failure"
    assert Receipt("1", MessageState.UNDELIVERABLE) == Receipt.decode(inbox.messages[1])


def test_unreadable_report() -> None:
    """A report that cannot be read was an RP-ACK all the same."""
    mobile, inbox = Mobile(b"\xff\xff"), Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet(registered_delivery=1))
            await until(lambda: inbox.messages)

    run(journey)
    assert [Receipt("1", MessageState.DELIVERED)] == [Receipt.decode(m) for m in inbox.messages]


def test_validity_period() -> None:
    """A message ends with its validity, and the receipt says EXPIRED. Clause 5.2.16."""
    times = [datetime(2026, 1, 1, tzinfo=UTC)]
    inbox = Inbox()

    async def journey() -> None:
        smsc = Smsc([GATEWAY], clock=lambda: times[0], retry=0.01)
        async with smsc, client(smsc, inbox) as esme:
            await esme.submit(packet(registered_delivery=1, validity_period=relative_time(60)))
            times[0] += timedelta(seconds=59)
            await asyncio.sleep(0.05)
            assert not inbox.messages
            times[0] += timedelta(seconds=1)
            await until(lambda: inbox.messages)

    run(journey)
    assert [Receipt("1", MessageState.EXPIRED)] == [Receipt.decode(m) for m in inbox.messages]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"destination": Address("abc", 5, 0)}, "ESME_RINVDSTADR"),
        ({"validity_period": "tomorrow"}, "ESME_RINVEXPIRY"),
        ({"schedule_delivery_time": relative_time(5)}, "ESME_RINVSCHED"),
        ({"short_message": bytes.fromhex("02 70 00") + bytes(138)}, "ESME_RINVMSGLEN"),
        ({"short_message": b"\x7f"}, "ESME_RINVMSGLEN"),
        ({"short_message": b""}, "ESME_RINVMSGLEN"),
        ({"esm_class": 0x08}, "ESME_RINVESMCLASS"),
        ({"source": Address("1", 9, 0)}, "ESME_RINVSRCTON"),
        ({"source": Address("12a4x")}, "ESME_RINVSRCADR"),
        ({"data_coding": 3}, "ESME_RSUBMITFAIL"),
        ({"data_coding": 0, "esm_class": 0, "short_message": b"\xff"}, "ESME_RSUBMITFAIL"),
        ({"tlvs": (Tlv(Tag.SAR_MSG_REF_NUM, b"\0\1"),)}, "ESME_ROPTPARNOTALLWD"),
    ],
)
def test_refused_submit(changes: dict[str, object], status: str) -> None:
    """What cannot be forwarded is refused with its status. Clause 5.1.3."""

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc, client(smsc) as esme:
            with pytest.raises(SubmitRefused) as caught:
                await esme.submit(packet(**changes))
            assert CommandStatus[status] == caught.value.status

    run(journey)


def test_text_of_160_septets() -> None:
    """Default alphabet: septets one to an octet in SMPP are packed in the TPDU. TS 23.038."""
    mobile = Mobile()

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc, client(smsc) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(
                packet(short_message=b"A" * 160, esm_class=0, data_coding=0, protocol_id=0)
            )
            await until(lambda: mobile.got)

    run(journey)
    assert [b"A" * 160] == [sms.Deliver.decode(tpdu).user_data.data for tpdu in mobile.got]


def test_full_centre() -> None:
    """Above the capacity: ESME_RMSGQFUL, and to a mobile RP-cause 42 (congestion)."""
    submit = sms.Submit(sms.Address("1234"), UserData(b"x")).encode()

    async def journey() -> None:
        async with Smsc([GATEWAY], capacity=2) as smsc:
            async with client(smsc) as esme:
                await esme.submit(packet())
                await esme.submit(packet())
                with pytest.raises(SubmitRefused) as refused:
                    await esme.submit(packet())
                assert refused.value.status == CommandStatus.ESME_RMSGQFUL
            for _ in range(2):
                await smsc.submit(MSISDN, submit)
            with pytest.raises(RpError) as caught:
                await smsc.submit(MSISDN, submit)
            assert caught.value.answer == 42

    run(journey)


def test_mobile_originated() -> None:
    """An SMS-SUBMIT reaches the ESME of its destination, also one that comes later."""
    submit = sms.Submit(
        sms.Address("1234", sms.TypeOfNumber.UNKNOWN, 0), UserData(b"report", RESPONSE_HEADER)
    )
    inbox = Inbox()

    async def journey() -> None:
        async with Smsc([GATEWAY, Account("other", "o")], retry=0.01) as smsc:
            await smsc.submit(MSISDN, submit.encode())
            assert smsc.untold == 1
            async with client(smsc, inbox):
                await until(lambda: inbox.messages)

    run(journey)
    expected = DeliverSm(
        Address(MSISDN, 1, 1),
        Address("1234"),
        bytes.fromhex("027100") + b"report",
        esm_class=ESM_UDHI,
        data_coding=0xF6,
    )
    assert [expected] == inbox.messages


@pytest.mark.parametrize(
    ("tpdu", "cause"),
    [(sms.Submit(sms.Address("999"), UserData(b"x")).encode(), 1), (b"\x01", 95)],
)
def test_mobile_originated_refused(tpdu: bytes, cause: int) -> None:
    """Nobody's number is RP-cause 1, octets that are no SMS-SUBMIT are 95. TS 24.011 8.2.5.4."""

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc:
            with pytest.raises(RpError) as caught:
                await smsc.submit(MSISDN, tpdu)
            assert cause == caught.value.answer

    run(journey)


def test_told_again_until_it_is_durable() -> None:
    """A deliver_sm is repeated until the ESME's callback has returned."""
    taken: list[DeliverSm] = []

    async def take(message: DeliverSm) -> None:
        taken.append(message)
        if len(taken) < 3:
            raise OSError("disk full")

    async def journey() -> None:
        async with Smsc([GATEWAY], retry=0.01) as smsc:
            esme = SmppClient(smsc.host, smsc.port, "gateway", "secret", on_deliver=take)
            async with esme:
                await smsc.submit(MSISDN, sms.Submit(sms.Address("1234"), UserData(b"x")).encode())
                await until(lambda: len(taken) == 3 and not smsc.untold)

    run(journey)
    assert len(set(taken)) == 1


class Once:
    """A fault that happens to the first thing on a leg, or to the first of a kind of PDU."""

    def __init__(self, leg: Leg, command: CommandId | None = None) -> None:
        self.leg = leg
        self.command = command
        self.times = 0

    def __call__(self, leg: Leg, octets: bytes) -> bool:
        """Tell whether it happens now."""
        is_it = leg is self.leg and (
            self.command is None or self.command == Pdu.decode(octets).body.command
        )
        self.times += is_it
        return is_it and self.times == 1


@pytest.mark.parametrize(
    ("fault", "delivered", "told"),
    [
        (Once(Leg.TO_MOBILE), 1, 1),
        (Once(Leg.FROM_MOBILE), 2, 1),
        (Once(Leg.TO_ESME, CommandId.DELIVER_SM), 1, 1),
        (Once(Leg.FROM_ESME, CommandId.DELIVER_SM_RESP), 1, 2),
    ],
)
def test_loss_on_demand(fault: Once, delivered: int, told: int) -> None:
    """Whatever is lost is sent again; what was only not confirmed arrives twice."""
    mobile, inbox = Mobile(PROOF.encode(), PROOF.encode()), Inbox()

    async def journey() -> None:
        smsc = Smsc([GATEWAY], retry=0.01, drop=fault, limits=QUICK)
        async with smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet())
            await until(lambda: len(inbox.messages) >= told and not smsc.untold)

    run(journey)
    assert fault.times > 1
    assert (delivered, told) == (len(mobile.got), len(inbox.messages))


@pytest.mark.parametrize(
    ("fault", "delivered", "told"),
    [
        (Once(Leg.TO_MOBILE), 2, 2),
        (Once(Leg.FROM_MOBILE), 1, 2),
        (Once(Leg.TO_ESME, CommandId.DELIVER_SM), 1, 1),
        (Once(Leg.FROM_ESME, CommandId.SUBMIT_SM), 2, 2),
    ],
)
def test_repetition_on_demand(fault: Once, delivered: int, told: int) -> None:
    """What is said twice arrives twice, but for a PDU that still waits for its response."""
    mobile, inbox = Mobile(PROOF.encode(), PROOF.encode()), Inbox()

    async def journey() -> None:
        smsc = Smsc([GATEWAY], retry=0.01, repeat=fault)
        async with smsc, client(smsc, inbox) as esme:
            smsc.attach(MSISDN, mobile)
            await esme.submit(packet())
            await until(lambda: len(inbox.messages) >= told and not smsc.untold + smsc.stored)

    run(journey)
    assert (delivered, told) == (len(mobile.got), len(inbox.messages))


def test_lost_submit_of_a_mobile() -> None:
    """A mobile whose SMS-SUBMIT is lost hears nothing."""

    async def journey() -> None:
        async with Smsc([GATEWAY], drop=Once(Leg.FROM_MOBILE)) as smsc:
            tpdu = sms.Submit(sms.Address("1234"), UserData(b"x")).encode()
            with pytest.raises(RadioSilent):
                await smsc.submit(MSISDN, tpdu)
            await smsc.submit(MSISDN, tpdu)
            assert smsc.untold == 1

    run(journey)


def test_tap_hears_every_pdu() -> None:
    """The tap gets each PDU's octets whole, with from and to."""
    heard: list[tuple[str, Pdu]] = []

    async def journey() -> None:
        smsc = Smsc([GATEWAY], tap=lambda way, octets: heard.append((way, Pdu.decode(octets))))
        async with smsc:
            async with client(smsc) as esme:
                await esme.submit(packet())
            home = f"127.0.0.1:{smsc.port}"
            assert all(home in way.split(">") for way, _ in heard)

    run(journey)
    ways = [way for way, _ in heard]
    assert [
        CommandId.BIND_TRANSCEIVER,
        CommandId.BIND_TRANSCEIVER_RESP,
        CommandId.SUBMIT_SM,
        CommandId.SUBMIT_SM_RESP,
        CommandId.UNBIND,
        CommandId.UNBIND_RESP,
    ] == [pdu.body.command for _, pdu in heard]
    assert ways[0] == ">".join(reversed(ways[1].split(">")))
    assert packet() == heard[2][1].body


def test_garbage_is_nacked_and_closed() -> None:
    """Octets without a border: generic_nack, then the end of the connection."""

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc:
            reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            said = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert bytes.fromhex("00000010 80000000 00000002 00000000") == said

    run(journey)


def test_refused_for_good_by_the_esme() -> None:
    """An ESME that answers ESME_RX_P_APPN does not get the message again. Clause 5.1.3."""
    submit = sms.Submit(sms.Address("1234"), UserData(b"x")).encode()

    async def journey() -> None:
        async with Smsc([GATEWAY], retry=0.01) as smsc:
            reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
            writer.write(Pdu(Bind(CommandId.BIND_RECEIVER, "gateway", "secret"), 1).encode())
            await reader.read(100)
            await smsc.submit(MSISDN, submit)
            told = Pdu.decode(await reader.read(1000))
            assert isinstance(told.body, DeliverSm)
            refusal = Pdu(DeliverSmResp(), told.sequence, CommandStatus.ESME_RX_P_APPN)
            writer.write(refusal.encode())
            await until(lambda: not smsc.untold)
            writer.close()

    run(journey)


def test_silent_radio_is_given_up() -> None:
    """A mobile that does not answer in time is tried again."""
    calls: list[bytes] = []

    async def radio(tpdu: bytes) -> bytes | None:
        calls.append(tpdu)
        if len(calls) == 1:
            await asyncio.sleep(10)
        return None

    async def journey() -> None:
        smsc = Smsc([GATEWAY], retry=0.01, radio_timeout=0.05)
        async with smsc, client(smsc) as esme:
            smsc.attach(MSISDN, radio)
            await esme.submit(packet())
            await until(lambda: not smsc.stored)

    run(journey)
    assert len(calls) == 2


def test_transmitter_is_told_nothing() -> None:
    """An ESME bound as transmitter gets no deliver_sm. Clause 2.2."""

    async def journey() -> None:
        mode = CommandId.BIND_TRANSMITTER
        async with Smsc([GATEWAY], retry=0.01) as smsc, client(smsc, mode=mode) as esme:
            await smsc.submit(MSISDN, sms.Submit(sms.Address("1234"), UserData(b"x")).encode())
            assert await esme.submit(packet()) == "1"
            assert smsc.untold == 1

    run(journey)


@pytest.mark.parametrize(("name", "status"), [("nobody", 0x0F), ("gateway", 0x0E)])
def test_wrong_name_or_password(name: str, status: int) -> None:
    """ESME_RINVSYSID and ESME_RINVPASWD. Clause 5.1.3."""

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc:
            with pytest.raises(BindRefused) as caught:
                async with SmppClient(smsc.host, smsc.port, name, "wrong"):
                    pass
            assert status == caught.value.status

    run(journey)


def test_connections_are_bounded() -> None:
    """One connection more than the centre holds is closed; the place of one that left is free."""

    async def journey() -> None:
        async with Smsc([GATEWAY]) as smsc:
            held = [
                (await asyncio.open_connection(smsc.host, smsc.port))[1] for _ in range(MOST_LINKS)
            ]
            reader, writer = await asyncio.open_connection(smsc.host, smsc.port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            for one in (writer, *held):
                one.close()
            await asyncio.sleep(0.05)
            async with client(smsc) as esme:
                assert esme.is_bound

    run(journey)
