"""The data objects of REQUEST SYNCHRONIZATION. Our specification, clause 8."""

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit import data_object
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.codes import CommandType, EventCode, GeneralResult
from cardsync.toolkit.data_object import DataObject

OBJECTS: list[tuple[str, DataObject]] = [
    ("7FFE0103011101", so.SynchronizationProtocol(so.Protocol.SYNCML_DS, 0x11)),
    ("7FFE02020304", so.TransportList((so.Transport.HTTP, so.Transport.HTTPS))),
    ("7FFE0301CB", so.SynchronizationType(203)),
    ("7FFE030100", so.SynchronizationType(0)),
    ("7FFE041001084A0951243032578101042E2F646D",
     so.SourceDatabase.of_imei("490154203237518", "./dm")),
    ("7FFE0404 00000000", so.SourceDatabase(0, b"", 0, b"")),
    ("7FFE0509 0402732F 01032E2F64", so.TargetDatabase.of_uri("s/", "./d")),
    ("7FFE060100", so.Notification(0)),
    ("7FFE06020206", so.Notification(2, 6)),
    ("7FFE07020001", so.SessionReference(b"\0\1")),
    ("7FFE080105", so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN)),
    ("7FFE08020102", so.AuthenticationReference(so.AuthenticationScheme.STORED, b"\2")),
    ("7FFE09020003", so.CategoryMask(3)),
    ("7FFE0A0401003205", so.Constraints(256, 50, so.Bearers.CELLULAR | so.Bearers.WLAN)),
    ("7FFE0B04030A0114", so.Retry(3, 10, 1, 20)),
    ("7FFE0D0A 020102 0101 0103 01C8 00", so.Capability((1, 2), (1,), (3,), (200,), ())),
    ("7FFE0E0101", so.ProfileReference(1)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "built"), OBJECTS, ids=lambda one: str(one)[:24])
def test_an_object_both_ways(text: str, built: DataObject) -> None:
    """Tag `7F FE xx`, length, value."""
    octets = bytes.fromhex(text)

    assert built == type(built).read(octets[4:])
    assert octets == built.encode()
    assert b"\x7f\x7e" == built.encode(comprehension=False)[:2]


REFUSED: list[tuple[type[DataObject], str]] = [
    (so.SynchronizationProtocol, "0112"),
    (so.TransportList, ""),
    (so.TransportList, "010203040506070809"),
    (so.SynchronizationType, "C7"),
    (so.SynchronizationType, "CE"),
    (so.SynchronizationType, ""),
    (so.SourceDatabase, "00000000FF"),
    (so.TargetDatabase, "0401"),
    (so.Notification, ""),
    (so.Notification, "03"),
    (so.Notification, "010203"),
    (so.SessionReference, "01"),
    (so.SessionReference, "010203040506070809"),
    (so.AuthenticationReference, ""),
    (so.AuthenticationReference, "05" + 33 * "00"),
    (so.CategoryMask, "01"),
    (so.Constraints, "00006500"),
    (so.Constraints, "000064"),
    (so.Constraints, "0000640000"),
    (so.Retry, "10010000"),
    (so.Retry, "01000000"),
    (so.Retry, "01010400"),
    (so.Retry, "01010065"),
    (so.Summary, "03" + 20 * "00" + "11" + 17 * "00"),
    (so.Summary, "03" + 20 * "00" + "01"),
    (so.Summary, "03" + 20 * "00" + "0000"),
    (so.Capability, "0000000000FF"),
    (so.ProfileReference, ""),
]


@pytest.mark.parametrize(("kind", "octets"), REFUSED)
def test_an_object_that_is_none(kind: type[DataObject], octets: str) -> None:
    """An object never grows; the terminal owes `32`."""
    with pytest.raises(data_object.MalformedObject) as caught:
        data_object.read(kind.TAG, three_octets=True, value=bytes.fromhex(octets))

    assert GeneralResult.DATA_NOT_UNDERSTOOD == caught.value.answer


def test_the_name_of_a_database() -> None:
    """A URI where it is one, None where it is of another kind; never what is no text."""
    assert "./dm" == so.SourceDatabase.of_imei("490154203237518", "./dm").uri
    assert so.SourceDatabase(0, b"", so.DatabaseIdType.WELL_KNOWN, b"\1").uri is None
    with pytest.raises(PeerError, match="UTF-8"):
        _ = so.TargetDatabase(0, b"", so.DatabaseIdType.URI, b"\xff").uri


def test_a_name_that_is_too_long() -> None:
    """A length has one octet."""
    with pytest.raises(ValueError, match="256"):
        so.TargetDatabase.of_uri("a" * 256, "").value()


def test_a_token_stays_out_of_sight() -> None:
    """It is as good as a password while it lasts."""
    shown = repr(so.AuthenticationReference(5, b"secret token"))

    assert "AuthenticationReference(scheme=5, data=<12 octets>)" == shown


def test_a_summary_both_ways() -> None:
    """22 octets and the anchor."""
    told = so.Summary(so.Phase.DONE, 200, 1, 2, 3, 4, 5, 1000, 2000, 60, b"20261122T235900Z")
    octets = bytes.fromhex("03 00C8 0001 0002 0003 0004 0005 0003E8 0007D0 003C 10")

    assert octets + b"20261122T235900Z" == told.value()
    assert told == so.Summary.read(told.value())


def test_a_summary_of_much() -> None:
    """Counts end at the largest number, an anchor after 16 octets."""
    told = so.Summary(added=70_000, octets_up=20_000_000, anchor=b"a" * 20)
    found = so.Summary.read(told.value())

    assert (0xFFFF, 0xFFFFFF, b"a" * 16) == (found.added, found.octets_up, found.anchor)


def test_code_points_are_nobody_else_s() -> None:
    """Type, event and results lie where the standard has nothing. TS 102 223 clause 9.4."""
    points = so.CODE_POINTS

    assert 0xF0 <= points.command <= 0xFE
    assert points.command not in set(CommandType)
    assert points.event not in set(EventCode)
    assert {points.temporary, points.permanent}.isdisjoint(set(GeneralResult))


def test_any_unreadable_token_says_nothing_of_itself() -> None:
    """An error names the object, not its octets."""
    with pytest.raises(PeerError) as caught:
        data_object.read(so.CODE_POINTS.tags | 8, three_octets=True, value=b"\5" + b"secret" * 6)

    assert "secret" not in str(caught.value)
    assert b"secret".hex() not in str(caught.value)
