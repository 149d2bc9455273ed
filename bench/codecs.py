"""The codecs and the card, one core each."""

from collections.abc import Callable, Iterator

from bench.measure import Measured, rate
from cardsync.card.personalisation import Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.ota.packet import SecurityLevel, Spi
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.session import ReceivingEntity, SendingEntity
from cardsync.toolkit.commands import ProactiveCommand

DISPLAY_TEXT = bytes.fromhex("d01a8103012180820281028d0f04546f6f6c6b697420546573742031")
REQUEST_SYNCHRONIZATION = bytes.fromhex(
    "d056810301f500820281827ffe01030111017ffe0201017ffe0301cb7ffe041001084a0951243032578101042e2f"
    "646d7ffe051f0417687474703a2f2f646d2e6d6e6f2e6578616d706c652f7301042e2f646d7f7e060100"
)
_TAR = bytes.fromhex("BFFF01")


def toolkit() -> Iterator[Measured]:
    """Decode and encode proactive commands."""
    for name, octets in (
        ("DISPLAY TEXT, decoded and encoded", DISPLAY_TEXT),
        ("REQUEST SYNCHRONIZATION, decoded and encoded", REQUEST_SYNCHRONIZATION),
    ):
        yield rate(name, lambda octets=octets: ProactiveCommand.decode(octets).encode())  # type: ignore[misc]  # a bound default


def ota() -> Iterator[Measured]:
    """Build and check secured packets: AES-128, CMAC, counter."""
    keys = KeySet(1, Key(Algorithm.AES, bytes(16)), Key(Algorithm.AES, bytes(range(16))))
    sender = SendingEntity(keys, Spi(), _TAR)
    data, counter = bytes(100), iter(range(1, 1 << 40))
    yield rate("secured packet of 100 octets, built", lambda: sender.secure(data, next(counter)))
    receiver = ReceivingEntity({1: keys}, {_TAR: SecurityLevel()}, {})
    packets = iter([sender.secure(data, n) for n in range(1, 200_000)])
    yield rate(
        "secured packet of 100 octets, checked", lambda: receiver.receive_data(next(packets))
    )


def card() -> Iterator[Measured]:
    """Exchange APDUs with the card."""
    uicc = Uicc(personalise(Subscriber("8988211000000000017", "001010000000017"), []))
    apdus = [bytes.fromhex(x) for x in ("00a40004023f0000", "00a40004022fe200", "00b000000a")]

    def three() -> None:
        for apdu in apdus:
            uicc.transact(apdu)

    found = rate("SELECT, SELECT, READ BINARY (three APDUs)", three)
    yield Measured(found.what, found.figure * 3, "APDU/s")


BENCHMARKS: dict[str, Callable[[], Iterator[Measured]]] = {
    "toolkit": toolkit,
    "ota": ota,
    "card": card,
}
