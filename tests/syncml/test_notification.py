"""Server-alerted notification: octets by the clause, both versions, and what is none."""

import base64
from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.syncml import codec
from cardsync.syncml.auth import Account, Scheme, credential
from cardsync.syncml.elements import (
    Alert,
    AlertCode,
    Item,
    Location,
    Message,
    SyncHdr,
    Version,
)
from cardsync.syncml.kinds import BY_SERVER
from cardsync.syncml.notification import (
    CONTENT_TYPES,
    Asked,
    Notification,
    UserInteraction,
    decode_1_1,
    encode_1_1,
)

BOTH = pytest.mark.parametrize("content_type", [codec.WBXML, codec.XML])
ASKED = (
    Asked(AlertCode.TWO_WAY_BY_SERVER, "./contacts", CONTENT_TYPES["text/x-vcard"]),
    Asked(AlertCode.REFRESH_FROM_SERVER_BY_SERVER, "memo"),
)
PLAIN = Notification("srv", 0x1234, ASKED, UserInteraction.INFORMATIVE, vendor=b"\xff\0")

TRIGGER = bytes.fromhex(
    "03"  # version, the upper eight of ten bits: 12 is 0000001100
    "28"  # its lower two (00), informative (10), by the server (1), three reserved bits
    "000000"  # 24 more that are reserved
    "1234"  # session
    "03 737276"  # server
    "20"  # two databases
    "60 000007 0a 2e2f636f6e7461637473"  # 206, vCard 2.1, ./contacts
    "a0 000000 04 6d656d6f"  # 210, any, memo
    "ff00"  # of the vendor
)


def test_octets() -> None:
    """Every field in its bits. Notification 1.2 clause 5.2."""
    digest, trigger = PLAIN.encode(b"pw", b"n")[:16], PLAIN.encode(b"pw", b"n")[16:]

    assert TRIGGER == trigger
    pair = base64.b64encode(md5(b"srv:pw").digest())
    inner = base64.b64encode(md5(TRIGGER).digest())
    assert md5(pair + b":n:" + inner).digest() == digest
    assert PLAIN == Notification.decode(digest + TRIGGER)


def test_fits_a_short_message() -> None:
    """One database: few octets more than the names."""
    asked = (Asked(AlertCode.TWO_WAY_BY_SERVER, "devman"),)

    assert len(Notification("dm.operator.example", 1, asked).encode(b"p", b"n")) < 80


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(
    st.builds(
        Notification,
        server=texts,
        session_id=st.integers(0, 0xFFFF),
        asked=st.lists(
            st.builds(Asked, st.sampled_from(list(BY_SERVER)), texts, st.integers(0, 2**24 - 1)),
            max_size=15,
        ).map(tuple),
        interaction=st.sampled_from(UserInteraction),
        by_server=st.booleans(),
        vendor=st.binary(max_size=10),
    ),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
@settings(deadline=None)
def test_both_ways(notification: Notification, password: bytes, nonce: bytes) -> None:
    """What is written is read, and its digest is right, for this password and nonce alone."""
    octets = notification.encode(password, nonce)
    again = Notification.decode(octets)

    assert notification == again
    again.verify(octets, password, nonce)
    for wrong in ((password + b"x", nonce), (password, nonce + b"x")):
        with pytest.raises(PeerError) as caught:
            again.verify(octets, *wrong)
        assert 401 == caught.value.answer


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_any_octets(octets: bytes) -> None:
    """What is none raises PeerError, and nothing else."""
    try:
        found = Notification.decode(octets)
    except PeerError:
        return
    assert found == Notification.decode(found.encode(b"", b""))


def test_every_cut_is_noticed() -> None:
    """Octets that end too early are refused, up to what the vendor adds."""
    octets = PLAIN.encode(b"pw", b"n")
    for length in range(len(octets) - 2):
        with pytest.raises(PeerError):
            Notification.decode(octets[:length])


def test_digest_covers_everything() -> None:
    """A changed octet anywhere is noticed."""
    octets = PLAIN.encode(b"pw", b"n")
    for at in range(len(octets)):
        changed = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
        try:
            found = Notification.decode(changed)
        except PeerError:
            continue
        with pytest.raises(PeerError):
            found.verify(changed, b"pw", b"n")


def test_secrets_do_not_show() -> None:
    """The digest is in no repr."""
    assert "digest" not in repr(PLAIN)


def test_what_cannot_be_asked() -> None:
    """Kinds of a client, names too long, numbers too large."""
    for make in (
        lambda: Asked(AlertCode.TWO_WAY, "x"),
        lambda: Asked(AlertCode.TWO_WAY_BY_SERVER, "x" * 256),
        lambda: Asked(AlertCode.TWO_WAY_BY_SERVER, "x", 1 << 24),
        lambda: Notification("s", 1 << 16, ()),
        lambda: Notification("s" * 256, 1, ()),
        lambda: Notification("s", 1, ASKED * 8),
    ):
        with pytest.raises(LocalError):
            make()


@BOTH
@pytest.mark.parametrize("version", [Version.V1_0, Version.V1_1])
def test_older_versions(version: Version, content_type: str) -> None:
    """A SyncML message with credentials, an Alert for each database and its type."""
    cred = credential(Account(Scheme.BASIC, "srv", b"pw"), version)
    header = SyncHdr("7", 1, Location("IMEI:1"), Location("http://a.example"), version, cred=cred)

    octets = encode_1_1(header, ASKED, ("text/x-vcard", ""), content_type)

    assert (header, ASKED) == decode_1_1(octets, content_type)
    alerts = codec.decode(octets, content_type).commands
    assert [206, 210] == [each.code for each in alerts if isinstance(each, Alert)]


@pytest.mark.parametrize(
    "commands",
    [(Alert(1, 200, (Item(source=Location("a")),)),), (Alert(1, 206, (Item(Location("a")),)),)],
)
def test_what_is_no_notification(commands: tuple[Alert, ...]) -> None:
    """Another Alert, or one that names no database."""
    header = SyncHdr("7", 1, Location("IMEI:1"), Location("http://a.example"), Version.V1_1)
    octets = codec.encode(Message(header, commands, final=True), codec.WBXML)

    with pytest.raises(PeerError):
        decode_1_1(octets, codec.WBXML)
    with pytest.raises(PeerError):
        decode_1_1(b"", codec.WBXML)
