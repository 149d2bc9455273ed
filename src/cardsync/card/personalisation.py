"""From subscriber data to the memory of a new card. TS 31.102 clause 4.2, TS 102 221 clause 13."""

from collections.abc import Iterable
from dataclasses import dataclass

from cardsync.card.files import ADF_USIM, MF, USIM_AID, cell
from cardsync.card.memory import Memory
from cardsync.card.secured import write_key_set
from cardsync.errors import ConfigError
from cardsync.octets import tlv
from cardsync.octets.semi import swapped
from cardsync.ota.security import KeySet

_SERVICES = (12, 19, 28)
"""EF.UST: SMS parameters, service provider name, data download by SMS-PP.

Without service 28 a terminal drops what is meant for the card. TS 31.102 clause 4.2.8.
"""
_LABEL = b"USIM"
# Rules: 1 reading always and no updating, 2 reading and updating always. TS 102 221 clause 9.2.4
_ARR = ("800101900080010297008001189700", "800101900080010290008001189700")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """ICCID (19 or 20 digits), IMSI (15 digits), digits of its MNC (2 or 3)."""

    iccid: str
    imsi: str
    mnc_length: int = 2

    def __post_init__(self) -> None:
        if len(self.iccid) not in {19, 20} or not self.iccid.isdigit():
            raise ConfigError(f"ICCID {self.iccid!r}: 19 or 20 digits are expected")
        if len(self.imsi) != 15 or not self.imsi.isdigit():
            raise ConfigError(f"IMSI {self.imsi!r}: 15 digits are expected")
        if self.mnc_length not in {2, 3}:
            raise ConfigError(f"MNC of {self.mnc_length} digits: 2 or 3 are expected")


def personalise(subscriber: Subscriber, key_sets: Iterable[KeySet]) -> Memory:
    """Make the memory of a card: its files and its key sets; no application is in it."""
    memory = Memory()
    contents = {
        f"{MF}/2F00": _directory(),
        f"{MF}/2FE2": swapped(subscriber.iccid.ljust(20, "F")),
        f"{MF}/2F05": b"en\xff\xff",
        f"{MF}/2F06": b"".join([bytes.fromhex(rule).ljust(30, b"\xff") for rule in _ARR]),
        f"{MF}/{ADF_USIM}/6F07": b"\x08" + swapped("9" + subscriber.imsi),
        f"{MF}/{ADF_USIM}/6F38": _service_table(),
        f"{MF}/{ADF_USIM}/6FAD": bytes([0, 0, 0, subscriber.mnc_length]),
        f"{MF}/{ADF_USIM}/6F46": b"\x01cardsync".ljust(17, b"\xff"),
        f"{MF}/{ADF_USIM}/6F78": b"\x00\x01",
        f"{MF}/{ADF_USIM}/6F31": b"\x05",
    }
    for path, content in contents.items():
        memory.write(cell(path), content)
    for key_set in key_sets:
        write_key_set(memory, key_set)
    return memory


def _directory() -> bytes:
    """Write the record of EF.DIR: AID and label of the USIM. TS 102 221 clause 13.1."""
    template = tlv.encode(0x4F, USIM_AID) + tlv.encode(0x50, _LABEL)
    return tlv.encode(0x61, template).ljust(38, b"\xff")


def _service_table() -> bytes:
    table = bytearray(16)
    for service in _SERVICES:
        table[(service - 1) // 8] |= 1 << (service - 1) % 8
    return bytes(table)
