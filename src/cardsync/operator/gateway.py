"""The gateway: claims what is owed to cards, sends it by SMPP, takes the proofs of receipt.

Any number of gateways work on one database, and each may be killed at any moment. What happens
then, by the last thing that was committed or sent:

 1. The row is claimed, its counter not yet taken: the lease ends, the row is claimed again.
 2. The counter is taken, nothing left: the same, under that counter. A counter that was taken
    and not written to its row is passed over; a card takes any higher one.
 3. Some of the short messages left: all of them go again, octet for octet, with the same
    concatenation reference; the card joins old and new ones.
 4. All left, and that they did was not written: they go again. If the card has executed the first
    packet it answers the second with "counter low" (TS 102 225 clause 5.1.4) and nothing else.
    The proof of the first one ends the row, whenever it comes: before the second leaves, before
    the response to a submit_sm, or within `proofs.GRACE` after that "counter low".
 5. A proof arrived, what it says was not committed: it was not acknowledged either, so that the
    message centre delivers it again.
 6. It was committed and not acknowledged: delivered again, it finds its row finished.
 7. The proof is lost for good: the packet goes again and only "counter low" comes back. A script
    that may be executed twice goes again under another counter; a trigger was received, which is
    all that it is for; an installation is undone and made anew (`campaigns`).
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from cardsync.errors import LocalError
from cardsync.operator import campaigns, outbox
from cardsync.operator.campaigns import Verdict
from cardsync.operator.journal import note
from cardsync.operator.outbox import Row
from cardsync.operator.proofs import SPI, Arrival, Proofs
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Connection, Database
from cardsync.ota.packet import ResponseStatus
from cardsync.ota.session import ProofOfReceipt, SendingEntity
from cardsync.transport.message_centre import MessageCentre
from cardsync.transport.smpp_bodies import ESM_UDHI, Address, DeliverSm, SubmitSm
from cardsync.transport.smpp_client import SmppClient
from cardsync.transport.smpp_codes import CommandStatus, Npi, Ton, status_name
from cardsync.transport.smpp_errors import SubmitRefused, SubmitUnknown, Unreachable
from cardsync.transport.smpp_receipt import relative_time
from cardsync.transport.sms import DCS_CLASS_2_OCTETS, PID_SIM_DATA_DOWNLOAD
from cardsync.transport.user_data import COMMAND_HEADER, UserData, segment

logger = logging.getLogger(__name__)

POLL = 1.0
"""Seconds after which the outbox is looked at though nobody said that there is work."""

RETRY = timedelta(seconds=15)
"""After which a packet that the message centre did not take is offered again."""

_BATCH = 50
_SENDING = outbox.LEASE.total_seconds() - 15  # no octet leaves when the lease may be over
_LONGEST_VALIDITY = 30 * 86400
# No later try of the same message would fare better. SMPP 3.4 clause 5.1.3.
_PERMANENT = {
    CommandStatus.ESME_RINVMSGLEN,
    CommandStatus.ESME_RINVSRCADR,
    CommandStatus.ESME_RINVDSTADR,
    CommandStatus.ESME_RINVESMCLASS,
    CommandStatus.ESME_RINVSRCTON,
    CommandStatus.ESME_RINVSRCNPI,
    CommandStatus.ESME_RINVDSTTON,
    CommandStatus.ESME_RINVDSTNPI,
    CommandStatus.ESME_RINVEXPIRY,
}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A row that may leave: its counter is committed, `octets` is the secured packet."""

    row: Row
    msisdn: str
    octets: bytes = field(repr=False)
    segments: tuple[UserData, ...] = field(repr=False)


class Gateway:
    """One gateway. `arrivals` counts what came; `clock` tells the time, with its zone."""

    def __init__(
        self,
        database: Database,
        cards: Cards,
        centre: MessageCentre,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        poll: float = POLL,
    ) -> None:
        self.arrivals: Counter[Arrival] = Counter()
        self._database = database
        self._cards = cards
        self._centre = centre
        self._proofs = Proofs(database, cards)
        self._clock = clock
        self._poll = poll
        self._work = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled.

        Raises `BindRefused` if the message centre does not let us in, and `ConfigError` if the
        keys of a card cannot be unsealed.
        """
        centre = self._centre
        client = SmppClient(
            centre.host,
            centre.port,
            centre.system_id,
            centre.password,
            on_deliver=self._receive,
            rate=centre.rate,
        )
        while True:
            try:
                async with client:
                    await self._work_with(client)
            except Unreachable as error:
                logger.warning("%s", error)

    async def _work_with(self, client: SmppClient) -> None:
        while True:
            try:
                with self._listening() as listener:
                    while not listener.broken:
                        self._work.clear()
                        if not (client.is_bound and await self._round(client)):
                            await self._rest()
            except psycopg.OperationalError as error:
                logger.warning("the database cannot be used: %s", error)
                await asyncio.sleep(self._poll)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[Connection]:
        """Wake up at what PostgreSQL notifies, as long as the connection is there."""
        loop = asyncio.get_running_loop()
        with self._database.transaction() as listener:
            listener.execute(f"LISTEN {outbox.CHANNEL}".encode())
            listener.commit()
            descriptor = listener.fileno()

            def hear() -> None:
                self._work.set()
                try:
                    list(listener.notifies(timeout=0))
                except psycopg.OperationalError:
                    loop.remove_reader(descriptor)

            loop.add_reader(descriptor, hear)
            try:
                yield listener
            finally:
                loop.remove_reader(descriptor)
                if not listener.broken:
                    listener.execute(f"UNLISTEN {outbox.CHANNEL}".encode())
                    listener.commit()
                    list(listener.notifies(timeout=0))

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll):
                await self._work.wait()

    # Sending.

    async def _round(self, client: SmppClient) -> bool:
        """Do what is due; tell whether there was anything."""
        await asyncio.to_thread(self._end_overdue)
        rows = await asyncio.to_thread(self._claim)
        ends = await asyncio.gather(
            *[self._send(client, row) for row in rows], return_exceptions=True
        )
        for error in ends:
            if error is not None:
                raise error
        return bool(rows)

    def _end_overdue(self) -> None:
        """End the rows for which nothing more is waited, each in a transaction of its own."""
        while True:
            with self._database.transaction() as connection:
                now = self._clock()
                row = outbox.overdue(connection, now)
                if row is None:
                    return
                proof = None
                if row.status is not None:
                    proof = ProofOfReceipt(ResponseStatus(row.status), authenticated=True)
                verdict, reason = campaigns.settle(connection, row, proof, now)
                note(connection, row.iccid, f"{row.purpose}: {reason}: {verdict.value}", now)

    def _claim(self) -> list[Row]:
        try:
            with self._database.transaction() as connection:
                return outbox.claim(connection, self._clock(), limit=_BATCH)
        except psycopg.errors.UniqueViolation:
            return []  # another gateway has begun the row that was seen first

    async def _send(self, client: SmppClient, row: Row) -> None:
        """Send one packet, and write down how that went."""
        try:
            parcel = await asyncio.to_thread(self._secure, row)
        except LocalError as error:
            await asyncio.to_thread(self._give_up, row, str(error))
            return
        if parcel is None:
            return
        names: list[str] = []
        due = outbox.wait_after(row.tries)
        try:
            async with asyncio.timeout(_SENDING):
                names = [
                    await client.submit(self._message(parcel, part)) for part in parcel.segments
                ]
        except SubmitRefused as error:
            if error.status in _PERMANENT:
                reason = f"refused by the message centre: {status_name(error.status)}"
                await asyncio.to_thread(self._give_up, row, reason)
                return
            due = RETRY
        except (SubmitUnknown, TimeoutError):
            due = RETRY
        await asyncio.to_thread(self._note_sent, row, names, due)

    def _secure(self, row: Row) -> Parcel | None:
        """Make the packet of a row; its counter is committed before we return.

        None where the lease ran out. Raises `LocalError` if the card has no number, no such keys
        or no counter left.
        """
        card = self._cards.card_by_iccid(row.iccid)
        if card is None or card.msisdn is None:
            raise LocalError(f"card {row.iccid} has no number to send to")
        key_set = self._cards.key_set(row.iccid, row.key_set)
        counter = row.counter
        if counter is None:
            counter = self._cards.next_counter(row.iccid, row.key_set)
        packet = SendingEntity(key_set, SPI, row.tar).secure(row.data, counter)
        # Packets of one card that follow each other have different references, and a repetition
        # has that of the first.
        segments = segment(packet, COMMAND_HEADER, counter % 0x100)
        with self._database.transaction() as connection:
            if row.counter is None and outbox.assign(connection, row, counter) is None:
                return None
            what = f"{row.purpose}: {len(segments)} short message{'s' * (len(segments) > 1)}"
            if row.counter is not None:
                what += ", again"
            note(connection, row.iccid, what, self._clock(), len(packet))
        return Parcel(row, card.msisdn.removeprefix("+"), packet, segments)

    def _message(self, parcel: Parcel, part: UserData) -> SubmitSm:
        """Make the submit_sm that becomes an SMS-DELIVER for the card. TS 31.115 clause 4.2."""
        left = int((parcel.row.expires - self._clock()).total_seconds())
        return SubmitSm(
            Address(self._centre.number, Ton.UNKNOWN, Npi.ISDN),
            Address(parcel.msisdn, Ton.INTERNATIONAL, Npi.ISDN),
            part.encode(),
            esm_class=ESM_UDHI,
            protocol_id=PID_SIM_DATA_DOWNLOAD,
            data_coding=DCS_CLASS_2_OCTETS,
            validity_period=relative_time(min(max(left, 1), _LONGEST_VALIDITY)),
        )

    def _note_sent(self, row: Row, names: Sequence[str], due: timedelta) -> None:
        with self._database.transaction() as connection:
            outbox.sent(connection, row, names, self._clock() + due)

    def _give_up(self, row: Row, reason: str) -> None:
        """End a row that cannot be sent: if it never was, the card has what it had."""
        verdict = Verdict.REFUSED if row.tries == 1 else Verdict.UNCERTAIN
        with self._database.transaction() as connection:
            now = self._clock()
            locked = outbox.lock(connection, row.id)
            if locked is not None and locked.tries == row.tries:
                campaigns.conclude(connection, locked, verdict, reason, now)
                note(connection, row.iccid, f"{row.purpose}: {reason}", now)

    # Receiving.

    async def _receive(self, message: DeliverSm) -> None:
        """Take what the message centre delivers; it is acknowledged when we return."""
        arrival = await asyncio.to_thread(self._proofs.receive, message, self._clock())
        self.arrivals[arrival] += 1
        if arrival in (Arrival.REFUSED, Arrival.FORGED, Arrival.UNMATCHED):
            logger.warning("a delivered message is passed over: %s", arrival.value)
        self._work.set()


async def run(database: Database, cards: Cards, centre: MessageCentre) -> None:
    """Run a gateway until cancelled."""
    await Gateway(database, cards, centre).run()
