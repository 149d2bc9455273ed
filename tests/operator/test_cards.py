"""Cards of the operator: keys at rest, counters, one-time tokens."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardsync.errors import ConfigError, LocalError, PeerError
from cardsync.octets.semi import swapped
from cardsync.operator.store.cards import TOKEN_WINDOW, Card, Cards
from cardsync.operator.store.database import Database
from cardsync.operator.store.seal import MasterKey
from cardsync.ota.packet import HIGHEST_COUNTER
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import build_token, derive_token_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ICCID = "8949000000000000017"
TARGET = "./devman"
KIC, KID = bytes(range(16)), bytes(range(16, 32))
KEYS = KeySet(1, Key(Algorithm.AES, KIC), Key(Algorithm.AES, KID))


@pytest.fixture
def cards(database: Database) -> Cards:
    """Give the cards of an operator, with one card in them."""
    cards = Cards(database, MasterKey(secrets.token_bytes(32)))
    cards.import_card(ICCID, "262010000000001", "+491700000001", (KEYS,), NOW)
    return cards


def token(counter: int, target: str = TARGET, key: bytes = KID, iccid: str = ICCID) -> bytes:
    """Make a token as the card does."""
    return build_token(derive_token_key(key), swapped(iccid).ljust(10, b"\xff"), target, counter)


def accept(
    cards: Cards, octets: bytes, session: str = "a", now: datetime = NOW, target: str = TARGET
) -> str:
    """Show a token in a transaction of its own."""
    with cards._database.transaction() as connection:
        return cards.accept_token(connection, octets, [target], session, now).iccid


def test_card_is_found_by_each_identity(cards: Cards) -> None:
    """A card that was taken in is known by ICCID and MSISDN."""
    card = Card(ICCID, "262010000000001", "+491700000001", None, None, (1,))

    assert card == cards.card_by_iccid(ICCID)
    assert card == cards.card_by_msisdn("+491700000001")
    assert None is cards.card_by_iccid("8949000000000000025")


def test_identities_are_unique(cards: Cards) -> None:
    """An IMSI or an MSISDN belongs to one card; nothing is left of a card that claims them."""
    with pytest.raises(LocalError, match="IMSI"):
        cards.import_card("8949000000000000025", "262010000000001", None, (), NOW)
    with pytest.raises(LocalError, match="ICCID"):
        cards.import_card("89", "262010000000002", None, (), NOW)

    assert None is cards.card_by_iccid("8949000000000000025")


def test_keys_are_sealed(cards: Cards, database: Database) -> None:
    """The database holds no key in plain; with another master key nothing opens."""
    with database.transaction() as connection:
        row = connection.execute("SELECT sealed FROM key_set").fetchone()
    stranger = Cards(database, MasterKey(bytes(32)))

    assert KEYS == cards.key_set(ICCID, 1)
    assert row is not None
    assert KIC not in row[0]
    assert KID not in row[0]
    with pytest.raises(ConfigError, match="does not open"):
        stranger.key_set(ICCID, 1)


def test_sealed_keys_cannot_be_moved_to_another_card(cards: Cards, database: Database) -> None:
    """What is sealed for one card does not open as another one's."""
    cards.import_card("8949000000000000025", "262010000000002", None, (KEYS,), NOW)
    with database.transaction() as connection:
        connection.execute(
            "UPDATE key_set SET sealed = (SELECT sealed FROM key_set WHERE iccid = %s)", [ICCID]
        )

    assert KEYS == cards.key_set(ICCID, 1)
    with pytest.raises(ConfigError, match="does not open"):
        cards.key_set("8949000000000000025", 1)


def test_secrets_are_not_shown(cards: Cards) -> None:
    """Neither a key set nor the master key shows its octets."""
    shown = repr(cards.key_set(ICCID, 1)) + repr(cards.master)

    assert KIC.hex() not in shown
    assert repr(KIC) not in shown
    assert "octets" not in shown


def test_counters_rise_strictly_whoever_asks(cards: Cards) -> None:
    """Every counter is given out once, also to many at a time (TS 102 225 clause 5.1.4)."""
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: cards.next_counter(ICCID, 1), range(40)))

    assert list(range(1, 41)) == sorted(taken)


def test_counter_survives_a_new_import(cards: Cards) -> None:
    """Taking the same card in again does not begin its counters anew."""
    cards.next_counter(ICCID, 1)
    cards.import_card(ICCID, "262010000000001", None, (KEYS,), NOW)

    assert 2 == cards.next_counter(ICCID, 1)


def test_counter_does_not_overflow(cards: Cards, database: Database) -> None:
    """After 2^40 - 1 there is none left (TS 102 225 clause 5.1.4)."""
    with database.transaction() as connection:
        connection.execute("UPDATE key_set SET counter = %s", [HIGHEST_COUNTER - 1])

    assert HIGHEST_COUNTER == cards.next_counter(ICCID, 1)
    with pytest.raises(LocalError, match="counter left"):
        cards.next_counter(ICCID, 1)
    with pytest.raises(LocalError, match="no key set 2"):
        cards.key_set(ICCID, 2)


def test_token_is_accepted_once(cards: Cards) -> None:
    """A token opens one session; a lower counter opens none (requirement O-5)."""
    first = accept(cards, token(7))

    assert ICCID == first
    assert ICCID == accept(cards, token(7), now=NOW + timedelta(minutes=1))
    for octets, session in ((token(7), "b"), (token(6), "a")):
        with pytest.raises(PeerError, match="used already") as refused:
            accept(cards, octets, session)
        assert 401 == refused.value.answer
    assert ICCID == accept(cards, token(8), "b")


def test_token_of_a_session_that_is_over(cards: Cards, database: Database) -> None:
    """After its end not even the same session may show the token again."""
    accept(cards, token(1))
    with database.transaction() as connection:
        cards.close_token(connection, ICCID)
    with pytest.raises(PeerError, match="used already"):
        accept(cards, token(1))

    assert ICCID == accept(cards, token(2))


def test_token_has_a_window_of_time(cards: Cards) -> None:
    """The session itself may show it again only for a while (requirement O-5)."""
    accept(cards, token(1))

    with pytest.raises(PeerError, match="used already"):
        accept(cards, token(1), now=NOW + TOKEN_WINDOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    "octets",
    [
        token(1, target="./other"),
        token(1, key=bytes(16)),
        token(1, iccid="8949000000000000025"),
        token(1)[:-1],
        b"",
    ],
)
def test_token_that_is_not_genuine(cards: Cards, octets: bytes) -> None:
    """Another database, another key, another card, another length: refused, nothing kept."""
    with pytest.raises(PeerError):
        accept(cards, octets)

    assert ICCID == accept(cards, token(1))


def test_token_counts_only_with_its_transaction(cards: Cards, database: Database) -> None:
    """A message that fails leaves its token unused."""
    with database.transaction() as connection:
        cards.accept_token(connection, token(1), [TARGET], "a", NOW)
        connection.rollback()

    assert ICCID == accept(cards, token(1), "b")


def test_new_keys_begin_new_tokens(cards: Cards) -> None:
    """A card that was personalised anew, with other keys, counts its tokens from the beginning."""
    accept(cards, token(9))
    renewed = KeySet(1, KEYS.kic, Key(Algorithm.AES, bytes(range(32, 48))))
    cards.import_card(ICCID, "262010000000001", None, (renewed,), NOW)

    assert ICCID == accept(cards, token(1, key=bytes(range(32, 48))))


def test_application_is_noted(cards: Cards) -> None:
    """What was loaded into a card can be read back."""
    cards.note_application(ICCID, "F063", "1.0")
    card = cards.card_by_iccid(ICCID)

    assert card is not None
    assert ("F063", "1.0") == (card.application, card.application_version)


def test_master_key_is_made_once(home: Path) -> None:
    """The file is private, and the next start reads the same key."""
    path = home / "master.key"
    first, second = MasterKey.open(path), MasterKey.open(path)

    assert first == second
    assert 0o600 == path.stat().st_mode & 0o777
    assert ["master.key"] == [file.name for file in home.iterdir()]


def test_master_key_that_others_can_read(home: Path) -> None:
    """A key that is not private, or cut, is refused with what to do."""
    path = home / "master.key"
    MasterKey.open(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        MasterKey.open(path)
    path.chmod(0o600)
    path.write_bytes(b"short")

    with pytest.raises(ConfigError, match="not 32 octets"):
        MasterKey.open(path)
