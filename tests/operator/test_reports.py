"""Reports of cards at the operator: taken once, kept, told; over SMS and over TCP. O-4."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cardsync.errors import PeerError
from cardsync.operator import reports
from cardsync.operator.journal import journal_since
from cardsync.operator.proofs import Arrival, Proofs
from cardsync.operator.reports import Known, Reports
from cardsync.operator.store import devices
from cardsync.operator.store.cards import Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.report import Report, ReportReason, secure_report
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.transport.smpp_bodies import ESM_UDHI, Address, DeliverSm
from cardsync.transport.user_data import COMMAND_HEADER, UserData

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
ICCID, MSISDN = "8949000000000000017", "491700000001"
IMEI, OTHER_IMEI = "490154203237518", "356938035643809"
KEYS = KeySet(1, Key(Algorithm.AES, bytes(range(16))), Key(Algorithm.AES, bytes(range(16, 32))))
MORE = KeySet(2, Key(Algorithm.AES, bytes(range(32))), Key(Algorithm.AES, bytes(range(1, 33))))
WRONG = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, bytes(16)))
PHONE = Report(ReportReason.OTHER_TERMINAL, IMEI, "de", b"profile!", 8, 0b10_0001, "inventory")
DELTA = Report(ReportReason.FALLBACK, IMEI, technology=10)


@pytest.fixture
def cards(database: Database) -> Cards:
    """Give the cards of an operator, with one card in them."""
    with database.transaction() as connection:
        connection.execute("TRUNCATE outbox, proof_part, journal")
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    cards.import_card(ICCID, "262010000000001", f"+{MSISDN}", (KEYS,), NOW)
    return cards


def lines(database: Database) -> list[str]:
    """Give what was written into the journal."""
    with database.transaction() as connection:
        return [entry.what for entry in journal_since(connection)]


def test_taken(database: Database, cards: Cards) -> None:
    """What it says is kept and told; the card is in the device with that IMEI from now on."""
    taken = Reports(database, cards).take(ICCID, secure_report(PHONE, KEYS, 5), "sms", NOW)

    assert PHONE == taken

    with database.transaction() as connection:
        (kept,) = reports.recent(connection, ICCID)
        known = reports.known(connection, ICCID)
        device_id = devices.find(connection, f"IMEI:{IMEI}") or 0
        device = devices.get(connection, device_id)

    assert (5, "sms", 1, IMEI, 0b10_0001, "inventory") == (
        kept.counter, kept.carrier, kept.reason, kept.imei, kept.steps, kept.request,
    )  # fmt: skip
    assert Known(IMEI, "de", b"profile!", 8, NOW) == known
    assert device is not None
    assert (ICCID, IMEI) == (device.iccid, device.imei)
    assert ["report by sms: " + reports.describe(PHONE)] == lines(database)


def test_described() -> None:
    """What a report says is told in words, the terminal by its type alone."""
    text = reports.describe(PHONE)

    assert text.startswith("other phone in this card; request inventory; TAC 49015420; language de")
    assert text.endswith("; failed: native, browser")


def test_delta(database: Database, cards: Cards) -> None:
    """A later report changes what it says and nothing else."""
    taker = Reports(database, cards)
    taker.take(ICCID, secure_report(PHONE, KEYS, 1), "sms", NOW)
    later = NOW + timedelta(hours=1)
    taker.take(ICCID, secure_report(DELTA, KEYS, 2), "bip", later)
    with database.transaction() as connection:
        known = reports.known(connection, ICCID)
        carriers = [one.carrier for one in reports.recent(connection, ICCID)]

    assert Known(IMEI, "de", b"profile!", 10, later) == known
    assert ["bip", "sms"] == carriers


def test_other_phone(database: Database, cards: Cards) -> None:
    """The card moves from one device to another, and the first one has none."""
    taker = Reports(database, cards)
    for counter, imei in enumerate((IMEI, OTHER_IMEI), 1):
        report = Report(ReportReason.OTHER_TERMINAL, imei)
        taker.take(ICCID, secure_report(report, KEYS, counter), "sms", NOW)
    with database.transaction() as connection:
        found = [devices.find(connection, f"IMEI:{imei}") or 0 for imei in (IMEI, OTHER_IMEI)]
        cards_in = [getattr(devices.get(connection, one), "iccid", "") for one in found]

    assert [None, ICCID] == cards_in


@pytest.mark.parametrize(
    ("iccid", "packet"),
    [
        (ICCID, secure_report(PHONE, KEYS, 5)),
        (ICCID, secure_report(DELTA, KEYS, 4)),
        (ICCID, secure_report(PHONE, WRONG, 6)),
        (ICCID, secure_report(PHONE, MORE, 6)),
        (ICCID, secure_report(PHONE, KEYS, 6)[:-1]),
        (ICCID, b""),
        ("8949000000000000025", secure_report(PHONE, KEYS, 6)),
    ],
    ids=["replayed", "older", "other keys", "no such key set", "cut", "empty", "no card"],
)
def test_refused(
    database: Database, cards: Cards, iccid: str, packet: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not genuine, or came before, changes nothing; the log has why and the octets."""
    taker = Reports(database, cards)
    taker.take(ICCID, secure_report(DELTA, KEYS, 5), "sms", NOW)
    before = lines(database)
    with pytest.raises(PeerError):
        taker.take(iccid, packet, "sms", NOW + timedelta(days=1))
    with database.transaction() as connection:
        known = reports.known(connection, ICCID)
        kept = reports.recent(connection, ICCID)

    assert Known(IMEI, None, None, 10, NOW) == known
    assert 1 == len(kept)
    assert before == lines(database)
    assert "a report by sms is passed over: " in caplog.text
    assert f"octets {packet.hex().upper()}" in caplog.text


def test_many_at_once(database: Database, cards: Cards) -> None:
    """Of several that bring the same report one is taken, whichever worker has it."""
    taker = Reports(database, cards)
    packet = secure_report(PHONE, KEYS, 1)

    def take(_: int) -> bool:
        try:
            taker.take(ICCID, packet, "sms", NOW)
        except PeerError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, range(8)))

    assert 1 == sum(taken)
    assert 1 == len(lines(database))


def test_new_keys(database: Database, cards: Cards) -> None:
    """A key set that is added leaves the counters of the others; new keys begin anew."""
    taker = Reports(database, cards)
    old = secure_report(PHONE, KEYS, 5)
    taker.take(ICCID, old, "sms", NOW)
    cards.import_card(ICCID, "262010000000001", f"+{MSISDN}", (KEYS, MORE), NOW)
    with pytest.raises(PeerError):
        taker.take(ICCID, old, "sms", NOW)

    assert DELTA == taker.take(ICCID, secure_report(DELTA, MORE, 1), "sms", NOW)

    cards.import_card(ICCID, "262010000000001", f"+{MSISDN}", (WRONG,), NOW)

    assert DELTA == taker.take(ICCID, secure_report(DELTA, WRONG, 1), "sms", NOW)


def test_forget(database: Database, cards: Cards) -> None:
    """Old reports can be deleted; what is known, and the counter, stay."""
    taker = Reports(database, cards)
    packet = secure_report(PHONE, KEYS, 1)
    taker.take(ICCID, packet, "sms", NOW)
    with database.transaction() as connection:
        gone = reports.forget(connection, NOW + timedelta(days=1), [ICCID])
        known = reports.known(connection, ICCID)

    assert 1 == gone
    assert known is not None
    with pytest.raises(PeerError):
        taker.take(ICCID, packet, "sms", NOW)


def message(packet: bytes, source: str = MSISDN) -> DeliverSm:
    """Give the deliver_sm that a report arrives in."""
    octets = UserData(packet, COMMAND_HEADER).encode()
    return DeliverSm(Address(source), Address("2210"), octets, esm_class=ESM_UDHI)


def test_by_short_message(database: Database, cards: Cards) -> None:
    """A command packet from a card is its report; what else it may be is told apart."""
    proofs = Proofs(database, cards)
    packet = secure_report(PHONE, KEYS, 1)

    assert Arrival.REPORT is proofs.receive(message(packet), NOW)
    assert Arrival.FORGED is proofs.receive(message(packet), NOW)
    assert Arrival.FORGED is proofs.receive(message(secure_report(PHONE, WRONG, 2)), NOW)
    assert Arrival.UNMATCHED is proofs.receive(message(packet, "4917"), NOW)
