"""What a command orders: everything is in it, and each refusal has its name. R-51 to R-57."""

from dataclasses import replace

import pytest

from cardsync.errors import PeerError
from cardsync.terminal.ordered import Refused, capability, is_owed, read_order, reference_in
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.browser import Url
from cardsync.toolkit.codes import TimeUnit
from cardsync.toolkit.commands import Part, ProactiveCommand, first
from cardsync.toolkit.objects import DataObject, Duration
from cardsync.toolkit.synchronization import Permanent, Qualifier
from mobiles import IMEI, OTHER_IMEI, request

BOTH = (so.Transport.HTTP, so.Transport.HTTPS)
URI = so.DatabaseIdType.URI


def without(kind: type[DataObject]) -> ProactiveCommand:
    """Give the command without one of its objects."""
    command = request()
    kept = tuple([part for part in command.parts if not isinstance(part.object, kind)])
    return replace(command, parts=kept)


def test_everything_is_in_the_command() -> None:
    """Server, database, type, representation, what may be sent, token and time. R-57, R-60."""
    token = so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN, bytes(30))
    ordered = read_order(request(token, Duration(TimeUnit.MINUTES, 5)), IMEI, BOTH)

    assert (b"abcd", (so.Transport.HTTP,), so.Representation.WBXML, 203) == (
        ordered.reference,
        ordered.transports,
        ordered.representation,
        ordered.kind,
    )
    assert ("http://dm.operator.example/s", "devman", 0x13, b"A" * 40, 300.0) == (
        ordered.server,
        ordered.target,
        ordered.mask,
        ordered.token,
        ordered.seconds,
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (so.SynchronizationProtocol(so.Protocol.OMA_DM), Permanent.PROTOCOL),
        (so.SynchronizationProtocol(0x80), Permanent.PROTOCOL),
        (so.SynchronizationProtocol(1, 0x20), Permanent.VERSION),
        (so.SynchronizationProtocol(1, 0x12, so.Representation.CBOR), Permanent.REPRESENTATION),
        (so.TransportList((so.Transport.OBEX, so.Transport.SMS)), Permanent.TRANSPORT),
        (so.TransportList((so.Transport.HTTPS,)), Permanent.TRANSPORT),
        (so.TransportList((0x77,)), Permanent.TRANSPORT),
        (so.SourceDatabase.of_imei(OTHER_IMEI, "devman"), Permanent.NOT_THIS_TERMINAL),
        (
            so.SourceDatabase(so.DeviceIdType.ICCID, bytes(10), URI, b"x"),
            Permanent.NOT_THIS_TERMINAL,
        ),
        (so.SourceDatabase.of_imei(IMEI, "contacts"), Permanent.SOURCE_UNKNOWN),
        (
            so.SourceDatabase(so.DeviceIdType.THIS_TERMINAL, b"", so.DatabaseIdType.AID, bytes(7)),
            Permanent.SOURCE_UNKNOWN,
        ),
        (
            so.SourceDatabase(so.DeviceIdType.THIS_TERMINAL, b"", URI, b"\xff\xfe"),
            Permanent.SOURCE_UNKNOWN,
        ),
        (
            so.TargetDatabase(so.DeviceIdType.IMEI, bytes(8), URI, b"devman"),
            Permanent.TARGET_UNREACHABLE,
        ),
        (
            so.TargetDatabase(so.DeviceIdType.URI, b"http://\xe4/", URI, b"devman"),
            Permanent.TARGET_UNREACHABLE,
        ),
        (
            so.TargetDatabase(
                so.DeviceIdType.URI, b"http://a/", so.DatabaseIdType.WELL_KNOWN, b"\1"
            ),
            Permanent.TARGET_DATABASE_UNKNOWN,
        ),
        (so.TargetDatabase.of_uri("ftp://a/", "devman"), Permanent.TRANSPORT),
        (so.AuthenticationReference(so.AuthenticationScheme.GBA), Permanent.CLIENT_AUTHENTICATION),
    ],
)
def test_refused(changed: DataObject, reason: Permanent) -> None:
    """A permanent error, with its name, and no traffic. R-51, R-52, R-54, R-55."""
    with pytest.raises(Refused) as refused:
        read_order(request(changed), IMEI, BOTH)

    assert (0x3E, bytes([reason])) == (
        refused.value.result.general,
        refused.value.result.additional,
    )
    assert isinstance(refused.value, PeerError)
    assert 0x3E == refused.value.answer


@pytest.mark.parametrize(
    "kind",
    [
        so.SynchronizationProtocol, so.TransportList, so.SynchronizationType, so.SourceDatabase,
        so.TargetDatabase,
    ],
)  # fmt: skip
def test_missing(kind: type[DataObject]) -> None:
    """Without one of the objects that it needs: `36`. R-57."""
    with pytest.raises(Refused) as refused:
        read_order(without(kind), IMEI, BOTH)

    assert 0x36 == refused.value.result.general


def test_profile_reference() -> None:
    """No index is known to a terminal without profiles: `36`, whatever else is there."""
    bare = replace(request(), parts=(Part(so.ProfileReference(1)),))
    for command in (bare, request(so.ProfileReference(1))):
        with pytest.raises(Refused) as refused:
            read_order(command, IMEI, BOTH)

        assert 0x36 == refused.value.result.general


def test_limits() -> None:
    """Without a duration T3 holds; the interval of progress is 60 s where none is named. RS-26."""
    plain = read_order(request(), IMEI, BOTH)
    both = [so.Notification(2), so.Notification(2, 0), so.Notification(2, 3)]

    assert (1800.0, None) == (plain.seconds, plain.interval)
    assert [60.0, 60.0, 30.0] == [read_order(request(n), IMEI, BOTH).interval for n in both]


def test_conditions() -> None:
    """Constraints, and what the qualifier says of the user and of the time."""
    constraints = so.Constraints(512, 20, so.Bearers.WLAN)
    flags = Qualifier.CONFIRM | Qualifier.WHEN_CONVENIENT
    plain = read_order(request(), IMEI, BOTH)
    ordered = read_order(request(constraints, flags=flags), IMEI, BOTH)

    assert (None, False, False) == (plain.constraints, plain.confirmed, plain.convenient)
    assert (constraints, True, True) == (
        ordered.constraints,
        ordered.confirmed,
        ordered.convenient,
    )


def test_capability() -> None:
    """What is told is what is taken: vector R8. RS-25."""
    told = capability((*BOTH, so.Transport.SMS))

    assert "0101020102020304 06c8c9cacbcccd 020005".replace(" ", "") == told.value().hex()


@pytest.mark.parametrize(
    ("offered", "server", "expected"),
    [
        ((4, 3), "http://a/", (3,)),
        ((4, 3), "https://a/", (4,)),
        ((1, 5, 3), "HTTP://a/", (1, 5, 3)),
        ((3, 2, 3, 1), "http://a/", (3, 2, 1)),
        ((0x99, 4), "https://a/", (4,)),
        ((4, 3, 2), "wsp://a:9300/", (2,)),
        ((1, 5), "obex://a/", (5,)),
    ],
)
def test_transports(offered: tuple[int, ...], server: str, expected: tuple[int, ...]) -> None:
    """Those of the list that we have and that fit the address, in its order. R-52."""
    command = request(so.TransportList(offered), so.TargetDatabase.of_uri(server, "devman"))

    assert expected == read_order(command, IMEI, set(so.Transport)).transports


@pytest.mark.parametrize(
    ("proxy", "gateway"),
    [
        ("wsp://gateway.example:9300", ("gateway.example", 9300)),
        ("wsp://[2001:db8::1]/", ("2001:db8::1", None)),
        ("http://proxy.example:3128", None),
        ("wsp://gateway.example:65536", None),
        ("", None),
    ],
)
def test_gateway(proxy: str, gateway: tuple[str, int | None] | None) -> None:
    """The command may name a WAP gateway. docs/request-synchronization.md clause 8.2."""
    assert gateway == read_order(request(Part(Url(proxy), False)), IMEI, BOTH).gateway


@pytest.mark.parametrize("kind", [0, 200, 201, 202, 203, 204, 205])
def test_types(kind: int) -> None:
    """All kinds that a client may begin, and the agent's own choice. R-53."""
    assert kind == read_order(request(so.SynchronizationType(kind)), IMEI, BOTH).kind


@pytest.mark.parametrize(
    "source",
    [
        so.SourceDatabase(so.DeviceIdType.THIS_TERMINAL, b"", so.DatabaseIdType.DEFAULT, b""),
        so.SourceDatabase(so.DeviceIdType.THIS_TERMINAL, b"", URI, b"./devman"),
        so.SourceDatabase.of_imei(IMEI, "devman"),
    ],
)
def test_sources(source: so.SourceDatabase) -> None:
    """The terminal's own database by each of its names. R-54."""
    assert b"abcd" == read_order(request(source), IMEI, BOTH).reference


def test_least_is_sent_by_default() -> None:
    """Without a category mask identity and language may be sent, no more. O-6."""
    assert 0x0003 == read_order(without(so.CategoryMask), IMEI, BOTH).mask


@pytest.mark.parametrize(("notify", "owed"), [(0, False), (1, True), (2, True)])
def test_notification(notify: int, *, owed: bool) -> None:
    """The card hears of the end only if it wants to. R-56."""
    assert owed is is_owed(request(notify=notify))
    assert not is_owed(without(so.Notification))


def test_reference_of_a_command_without_one() -> None:
    """The same command has the same reference, another one has another. O-2."""
    plain = without(so.SessionReference)
    renumbered = replace(plain, details=replace(plain.details, number=9))
    other = replace(plain, parts=plain.parts[1:])

    assert 8 == len(reference_in(plain))
    assert reference_in(plain) == reference_in(renumbered) != reference_in(other)


@pytest.mark.parametrize("scheme", [None, so.AuthenticationScheme.NONE])
def test_no_token(scheme: so.AuthenticationScheme | None) -> None:
    """Without a token there is no account. O-5."""
    parts = [] if scheme is None else [so.AuthenticationReference(scheme)]

    assert read_order(request(*parts), IMEI, BOTH).token is None


def test_token_is_not_shown() -> None:
    """A token is as good as a password while it lasts."""
    token = so.AuthenticationReference(so.AuthenticationScheme.ONE_TIME_TOKEN, b"s" * 30)
    ordered = read_order(request(token), IMEI, BOTH)

    assert ordered.token is not None
    assert ordered.token.decode() not in repr(ordered)
    assert first(request(token).parts, so.AuthenticationReference) == token
