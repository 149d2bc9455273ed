"""Proofs of receipt as they arrive: joined, verified, and written down with what follows.

A proof is user data with the element RPI (71), in a short message from the card (SMS-SUBMIT) or
in the acknowledgement of ours (SMS-DELIVER-REPORT). TS 31.115 clause 4.4. Its segments are kept
in the database, so that each can be acknowledged when it is there, whatever happens to us before
the next. The sender's number only says where to look; a key says whether it is true.

A command packet (70) that comes from a card is a report of its own accord (`reports`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cardsync.errors import LocalError, PeerError
from cardsync.operator import campaigns, outbox
from cardsync.operator.campaigns import Verdict
from cardsync.operator.journal import note
from cardsync.operator.outbox import Row
from cardsync.operator.reports import Reports
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Connection, Database
from cardsync.ota.packet import ResponseStatus, Spi
from cardsync.ota.session import ProofOfReceipt, SendingEntity
from cardsync.transport.smpp_bodies import DeliverSm
from cardsync.transport.smpp_codes import MessageType
from cardsync.transport.user_data import Iei, Reassembler, UserData

SPI = Spi(proof_in_submit=True)
"""Of every packet: CC, ciphered, a higher counter; its proof the same, by SMS-SUBMIT."""

GRACE = timedelta(seconds=3)
"""How long the first answer may come behind the "counter low" to a repetition."""

HINT_PAUSE = timedelta(seconds=2)
MOST_HINTS = 3
"""How often a packet goes that is answered, each time, by a refusal without a key."""

PARTS_AGE = timedelta(hours=1)
"""How long a segment waits for the others."""

_MOST_PARTS = 64
_KINDS = {MessageType.DEFAULT, MessageType.DELIVERY_ACKNOWLEDGEMENT}
# The answer proper is still to come. TS 102 225 clause 5.2, TS 31.115 clause 7.
_UNFINISHED = {
    ResponseStatus.MORE_TIME,
    ResponseStatus.RESPONSE_BY_SMS_SUBMIT,
    ResponseStatus.RESPONSE_BY_USSD,
}


class Arrival(Enum):
    """What a delivered message was. Whatever it was, it is dealt with and acknowledged."""

    PROVED = "a proof of receipt"
    REPORT = "a report of the card"
    HINT = "a refusal that no key proves"
    PART = "a segment, the others are missing"
    LATE = "a proof of what is finished"
    UNMATCHED = "from no card of ours"
    REFUSED = "a proof of nothing that we sent"
    FORGED = "no genuine report, or one that came before"
    OTHER = "no proof of receipt"


@dataclass(frozen=True, slots=True)
class _Match:
    row: Row
    proof: ProofOfReceipt


class Proofs:
    """Takes what the message centre delivers."""

    def __init__(self, database: Database, cards: Cards) -> None:
        self._database = database
        self._cards = cards
        self._reports = Reports(database, cards)

    def receive(self, message: DeliverSm, now: datetime) -> Arrival:
        """Take one message; what it says is committed when we return.

        Any exception is ours, as of a database that is away: the centre keeps the message.
        """
        user_data = _read(message)
        if user_data is None:
            return Arrival.OTHER
        iccid = self._find(message.source.digits)
        if iccid is None:
            return Arrival.UNMATCHED
        whole = self._join(iccid, user_data, now)
        if whole is None:
            return Arrival.PART
        if whole.element(Iei.COMMAND_PACKET) is not None:
            return self._report(iccid, whole.data, now)
        if whole.element(Iei.RESPONSE_PACKET) is None:
            return Arrival.OTHER
        match = self._match(iccid, whole.data)
        return Arrival.REFUSED if match is None else self._settle(match, user_data, now)

    def _report(self, iccid: str, packet: bytes, now: datetime) -> Arrival:
        try:
            self._reports.take(iccid, packet, "sms", now)
        except PeerError:
            return Arrival.FORGED
        return Arrival.REPORT

    def _find(self, msisdn: str) -> str | None:
        for number in (msisdn, f"+{msisdn}"):
            card = self._cards.card_by_msisdn(number)
            if card is not None:
                return card.iccid
        return None

    def _join(self, iccid: str, part: UserData, now: datetime) -> UserData | None:
        """Keep a segment; give the whole message once all are there."""
        place = part.concatenation
        if place is None:
            return part
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO proof_part (iccid, message, sequence, octets, received) "
                "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (iccid, message, sequence) "
                "DO UPDATE SET octets = excluded.octets, received = excluded.received",
                [iccid, _name(part), place.sequence, part.encode(), now],
            )
            self._trim(connection, iccid, now)
            rows = connection.execute(
                "SELECT octets FROM proof_part WHERE iccid = %s AND message = %s",
                [iccid, _name(part)],
            ).fetchall()
        reassembler, whole = Reassembler(), None
        for (octets,) in rows:
            segment = UserData.decode(octets, len(octets), has_header=True)
            whole = reassembler.receive_data(iccid, segment)
        return whole

    def _trim(self, connection: Connection, iccid: str, now: datetime) -> None:
        """Forget segments whose others never came, and all above what a card may need."""
        connection.execute(
            "DELETE FROM proof_part WHERE iccid = %s AND (received < %s OR "
            "(message, sequence) NOT IN (SELECT message, sequence FROM proof_part "
            "WHERE iccid = %s ORDER BY received DESC LIMIT %s))",
            [iccid, now - PARTS_AGE, iccid, _MOST_PARTS],
        )

    def _match(self, iccid: str, packet: bytes) -> _Match | None:
        """Find the row whose packet this proves: the unfinished one first, then later ones."""
        with self._database.transaction() as connection:
            rows = outbox.provable(connection, iccid)
        for row in rows:
            if row.counter is None:
                continue
            try:
                key_set = self._cards.key_set(iccid, row.key_set)
                entity = SendingEntity(key_set, SPI, row.tar)
                return _Match(row, entity.receive_data(packet, row.counter))
            except (PeerError, LocalError):
                continue  # of another packet, forged, or its keys are gone
        return None

    def _settle(self, match: _Match, part: UserData, now: datetime) -> Arrival:
        with self._database.transaction() as connection:
            if part.concatenation is not None:
                connection.execute(
                    "DELETE FROM proof_part WHERE iccid = %s AND message = %s",
                    [match.row.iccid, _name(part)],
                )
            row = outbox.lock(connection, match.row.id)
            if row is None or row.counter != match.row.counter:
                return Arrival.LATE
            return _write(connection, row, match.proof, now)


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Delete segments that came before a time, at most `limit`; give their number."""
    return connection.execute(
        "DELETE FROM proof_part WHERE (iccid, message, sequence) IN "
        "(SELECT iccid, message, sequence FROM proof_part WHERE received < %s LIMIT %s)",
        [before, limit],
    ).rowcount


def _read(message: DeliverSm) -> UserData | None:
    """Give the user data of what may be a proof."""
    if message.message_type not in _KINDS or not message.udhi:
        return None
    octets = message.user_data
    try:
        return UserData.decode(octets, len(octets), has_header=True)
    except PeerError:
        return None


def _name(part: UserData) -> str:
    """Name the message that a segment is of: reference, its size, number of segments."""
    place = part.concatenation
    return "" if place is None else f"{place.reference}/{place.wide:d}/{place.total}"


def _write(connection: Connection, row: Row, proof: ProofOfReceipt, now: datetime) -> Arrival:
    """Write down what a proof says of a row that is locked."""
    took = (now - (row.sent or now)) / timedelta(milliseconds=1)
    text = f"{row.purpose}: response status {proof.status:02X} {proof.status.name}"
    if not proof.authenticated and row.tries < MOST_HINTS:
        note(connection, row.iccid, f"{text}, not proved", now, milliseconds=took)
        outbox.wait(connection, row, now + HINT_PAUSE)
        return Arrival.HINT
    if proof.authenticated and proof.status in _UNFINISHED:
        note(connection, row.iccid, text, now, milliseconds=took)
        outbox.wait(connection, row, now + outbox.wait_after(row.tries))
        return Arrival.PROVED
    if proof.authenticated and proof.status is ResponseStatus.COUNTER_LOW:
        note(connection, row.iccid, text, now, milliseconds=took)
        outbox.wait(connection, row, now + GRACE, status=proof.status)
        return Arrival.PROVED
    verdict, reason = campaigns.settle(connection, row, proof, now)
    text = f"{row.purpose}: proof of receipt {proof.status:02X} verified"
    if verdict is not Verdict.DONE:
        text = f"{row.purpose}: {reason}"
    note(connection, row.iccid, text, now, len(proof.data), took)
    return Arrival.PROVED if proof.authenticated else Arrival.HINT
