"""The command, its session, its token, and when the next attempt is."""

from dataclasses import replace

import pytest

from cardsync.card.files import MF, cell
from cardsync.card.memory import Memory
from cardsync.card.orders import INTERRUPTED, Orders, Session, command_of
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.token import derive_token_key, verify_token
from cardsync.policy.values import Database, ResolvedRequest, Retry
from cardsync.toolkit import synchronization_objects as so
from cardsync.toolkit.commands import ProactiveCommand, first
from cardsync.toolkit.objects import Duration, Result
from cardsync.toolkit.synchronization import Qualifier, reference_of
from mobiles import IMEI, IMSI, KEYS, bare_card

REQUEST = ResolvedRequest(
    "all", 1, 0x12, 1, (4, 3), 203, Database("imei", "devman"),
    Database("https://dm.operator.example/s", "devman"), 0x13, 1,
    retry=Retry(4, 10, 2, 0),
)  # fmt: skip
WEAK = KeySet(1, KEYS.kic, Key(Algorithm.DES, bytes(8)))
TRANSPORT_LOST = Result(0x2E, b"\x02")


def order(memory: Memory, request: ResolvedRequest = REQUEST) -> ProactiveCommand:
    """Begin a session; give its command."""
    orders = Orders(memory)
    command = orders.command(orders.begin(request.name, 1, IMEI), request, [KEYS])
    assert command is not None
    return command


def test_octets() -> None:
    """The command, octet by octet. R-50, R-57, docs/request-synchronization.md."""
    expected = (
        "d08192" "8103 01f500" "8202 8182"
        "7ffe01 03 011201" "7ffe02 02 0403" "7ffe03 01 cb"
        "7ffe04 12 01 08 4a09512430325781 01 06 6465766d616e"
        "7ffe05 27 04 1d 68747470733a2f2f646d2e6f70657261746f722e6578616d706c652f73"
        "01 06 6465766d616e"
        "7f7e06 01 01" "7f7e07 04 ef910001" "7ffe08 1f 05 988812010000000010f7 00000001"
    )  # fmt: skip
    octets = order(bare_card().memory).encode().hex()
    token = octets[-44:-12]

    assert expected.replace(" ", "") + token + "7ffe09020013" == octets


def test_token() -> None:
    """The token is of this card, this target and a counter that rises; the key is derived. O-5."""
    memory = bare_card().memory
    tokens = [first(order(memory).parts, so.AuthenticationReference) for _ in range(3)]
    key = derive_token_key(KEYS.kid.octets)

    assert [1, 2, 3] == [verify_token(key, token.data, "devman") for token in tokens if token]
    assert all(token and token.scheme == 5 for token in tokens)


def test_references_differ() -> None:
    """No two orders have one reference, nor do two cards in the same terminal."""
    other = personalise(Subscriber("8988211000000000025", IMSI), [KEYS])
    found = [reference_of(order(bare_card().memory)), reference_of(order(other))]

    assert 2 == len(set(found))
    assert [4, 4] == [len(reference or b"") for reference in found]


def test_same_session_same_command() -> None:
    """A session gives the same octets each time: the terminal knows the order again. O-2."""
    memory = bare_card().memory
    orders = Orders(memory)
    session = orders.begin("all", 1, IMEI)
    again = Orders(Memory.decode(memory.encode()))

    assert session == again.session
    assert orders.command(session, REQUEST, [KEYS]) == again.command(session, REQUEST, [KEYS])


@pytest.mark.parametrize(
    ("request_", "type_", "octets", "flags"),
    [
        (replace(REQUEST, source=Database("terminal", "x")), 0, "", 0),
        (
            replace(REQUEST, source=Database("iccid", "x")), 3, "988812010000000010f7",
            Qualifier.SOURCE_IN_UICC,
        ),
        (replace(REQUEST, source=Database("urn:x", "x")), 4, "75726e3a78", 0),
    ],
)  # fmt: skip
def test_devices(request_: ResolvedRequest, type_: int, octets: str, flags: int) -> None:
    """How a device is named. R-54, R-55."""
    command = order(bare_card().memory, request_)
    source = first(command.parts, so.SourceDatabase)

    assert source is not None
    assert (type_, octets) == (source.device_type, source.device.hex())
    assert flags == command.details.qualifier


def test_options() -> None:
    """Progress and the time limit are in the command where the request has them. R-56, R-57."""
    command = order(bare_card().memory, replace(REQUEST, notify=2, progress=6, duration=30))

    assert so.Notification(2, 6) == first(command.parts, so.Notification)
    assert 1800 == getattr(first(command.parts, Duration), "seconds", 0)


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, type=7),
        replace(REQUEST, source=Database("eid", "x")),
        replace(REQUEST, transports=()),
    ],
)
def test_request_that_no_command_says(request_: ResolvedRequest) -> None:
    """A number that the command does not have gives no command, not a crash."""
    orders = Orders(bare_card().memory)

    assert orders.command(orders.begin("all", 1, IMEI), request_, [KEYS]) is None


def test_weak_key() -> None:
    """A token is never made with a key that can be searched; a better key set is taken."""
    orders = Orders(bare_card().memory)
    session = orders.begin("all", 1, IMEI)

    assert orders.command(session, REQUEST, [WEAK]) is None
    assert orders.command(session, REQUEST, []) is None
    assert orders.command(session, REQUEST, [WEAK, KEYS]) is not None


def test_session_cell() -> None:
    """A session is read as it was written."""
    session = Session(0xFFFFFFFF, b"abcd", IMEI, "all", 15, waiting=True, resumed=3)

    assert session == Session.decode(session.encode())


@pytest.mark.parametrize(
    ("attempt", "result", "expected"),
    [
        (1, TRANSPORT_LOST, 10),
        (2, TRANSPORT_LOST, 20),
        (3, TRANSPORT_LOST, 40),
        (4, TRANSPORT_LOST, None),
        (1, Result(0x20, b"\x70\1\2"), 10),
        (1, Result(0x21), 10),
        (1, Result(0x22, b"\0"), None),
        (1, Result(0x10), None),
        (1, Result(0x12), None),
        (1, Result(0x30), None),
        (1, Result(0x31), None),
        (1, Result(0x32), None),
        (1, Result(0x3E, b"\x05"), None),
        (1, Result(0x00), None),
        (1, Result(0x07), None),
        (1, INTERRUPTED, 0),
        (4, INTERRUPTED, None),
        (1, Result(0x2E, b"\x03\x00\x3c"), 10),
        (1, Result(0x2E, b"\x03\x0e\x11"), 61),
        (3, Result(0x2E, b"\x03\xff\xff"), 1093),
        (1, Result(0x2E, b"\x03"), 10),
    ],
)
def test_delay(attempt: int, result: Result, expected: int | None) -> None:
    """2X may be tried again, with back-off, but for the user's no; 3X and 1X may not.

    TS 102 223 clause 8.12; docs/request-synchronization.md, results; a busy server's Retry-After.
    """
    assert expected == Orders(bare_card().memory).delay(REQUEST, attempt, result)


def test_no_retry_wanted() -> None:
    """Without retry in the policy there is none, and never more than a day between attempts."""
    orders = Orders(bare_card().memory)

    assert orders.delay(replace(REQUEST, retry=None), 1, TRANSPORT_LOST) is None
    assert 1440 == orders.delay(replace(REQUEST, retry=Retry(15, 255, 8, 0)), 9, TRANSPORT_LOST)


def test_jitter() -> None:
    """Cards that failed together do not come again together; each within its bounds."""
    request = replace(REQUEST, retry=Retry(3, 100, 1, 50))
    delays = set()
    for number in range(50):
        memory = bare_card().memory
        memory.write(cell(f"{MF}/2FE2"), number.to_bytes(10, "big"))
        delays.add(Orders(memory).delay(request, 1, TRANSPORT_LOST))

    assert 20 < len(delays)
    assert all(delay is not None and 50 <= delay <= 150 for delay in delays)


def test_command_of_a_request() -> None:
    """What is told to the terminal is what the policy says, and nothing of the transport. R-58."""
    command = command_of(REQUEST, IMEI, bytes(10), b"abcd", bytes(30))

    assert so.SynchronizationProtocol(1, 0x12, 1) == first(
        command.parts, so.SynchronizationProtocol
    )
    assert so.TransportList((4, 3)) == first(command.parts, so.TransportList)
    assert so.SynchronizationType(203) == first(command.parts, so.SynchronizationType)
    assert so.CategoryMask(0x13) == first(command.parts, so.CategoryMask)
