"""What is in the files of one subscriber. TS 31.102 clause 4.2, TS 102 221 clause 13.2."""

from collections.abc import Callable
from dataclasses import dataclass

from cardsync.card.memory import Memory
from cardsync.card.profile import Profile
from cardsync.card.tree import TREE
from cardsync.errors import ConfigError
from cardsync.octets import tlv
from cardsync.octets.semi import swapped
from cardsync.octets.text import encode_septets, is_gsm, pack

_PROVIDER_OCTETS = 16
_NUMBER_OCTETS = 10  # of dialling number, after its type. TS 31.102 clause 4.4.2.3
_INTERNATIONAL, _UNKNOWN = 0x91, 0x81
_ACCESS_TECHNOLOGIES = b"\xc8\x80"  # UTRAN, E-UTRAN, NG-RAN, GSM. TS 31.102 clause 4.2.5
_CENTRE_ONLY = 0xFD  # of the parameters only the service centre is there. Clause 4.2.27


def _check(text: str, lengths: set[int], name: str) -> None:
    if len(text) not in lengths or not (text.isascii() and text.isdigit()):
        wanted = " or ".join(map(str, sorted(lengths)))
        raise ConfigError(f"{name} {text!r}: {wanted} digits are expected")


def _check_number(text: str, name: str) -> None:
    digits = text.removeprefix("+")
    if not 1 <= len(digits) <= 2 * _NUMBER_OCTETS or not (digits.isascii() and digits.isdigit()):
        raise ConfigError(f"{name} {text!r}: up to 20 digits are expected, + before them or not")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """ICCID (19 or 20 digits), IMSI (15 digits), digits of its MNC (2 or 3), and what is shown.

    `msisdn` and `centre` (of short messages) may begin with +; empty they are not in the card.
    `provider` is the service provider name, at most 16 characters of the GSM alphabet.
    """

    iccid: str
    imsi: str
    mnc_length: int = 2
    msisdn: str = ""
    centre: str = ""
    provider: str = "cardsync"

    def __post_init__(self) -> None:
        _check(self.iccid, {19, 20}, "ICCID")
        _check(self.imsi, {15}, "IMSI")
        if self.mnc_length not in {2, 3}:
            raise ConfigError(f"MNC of {self.mnc_length} digits: 2 or 3 are expected")
        for text, name in ((self.msisdn, "MSISDN"), (self.centre, "service centre")):
            if text:
                _check_number(text, name)
        if not is_gsm(self.provider) or len(encode_septets(self.provider)) > _PROVIDER_OCTETS:
            wanted = f"at most {_PROVIDER_OCTETS} characters of the GSM alphabet"
            raise ConfigError(f"provider {self.provider!r}: {wanted} are expected")


def write_files(memory: Memory, profile: Profile, subscriber: Subscriber) -> None:
    """Put the files of a profile, filled for a subscriber, into the memory of a card."""
    memory.write(TREE, profile.tree.octets)
    for path, octets in profile.contents.items():
        memory.write(profile.tree.files[path].cell, octets)
    for path, name in profile.made.items():
        file = profile.tree.files[path]
        octets = make(name, subscriber, file.record)
        if len(octets) > file.size:
            raise ConfigError(f"{path}: {name} does not fit {file.size} octets")
        memory.write(file.cell, octets.ljust(file.size, b"\xff") if octets else b"")


def make(name: str, subscriber: Subscriber, record: int) -> bytes:
    """Give the beginning of a file that is made for a subscriber; the rest of it is FF.

    `record` is the length of a record of the file.
    """
    return _MAKERS[name](subscriber, record)


def _iccid(subscriber: Subscriber, record: int) -> bytes:
    del record
    return swapped(subscriber.iccid.ljust(20, "F"))


def _imsi(subscriber: Subscriber, record: int) -> bytes:
    """Write length, parity (odd: 9) and digits. TS 31.102 clause 4.2.2."""
    del record
    return b"\x08" + swapped("9" + subscriber.imsi)


def _administrative(subscriber: Subscriber, record: int) -> bytes:
    """Write normal operation and the length of MNC. TS 31.102 clause 4.2.18."""
    del record
    return bytes([0, 0, 0, subscriber.mnc_length])


def _provider(subscriber: Subscriber, record: int) -> bytes:
    """Write the display condition and the name. TS 31.102 clause 4.2.12."""
    del record
    return b"\x01" + encode_septets(subscriber.provider)


def _access_class(subscriber: Subscriber, record: int) -> bytes:
    """Write one of the classes 0 to 9, by the last digit of IMSI. TS 31.102 clause 4.2.15."""
    del record
    return (1 << int(subscriber.imsi[-1])).to_bytes(2, "big")


def _home(subscriber: Subscriber, record: int) -> bytes:
    """Write the home PLMN: MCC and MNC in semi-octets. TS 24.008 clause 10.5.1.13."""
    del record
    digits = subscriber.imsi[: 3 + subscriber.mnc_length]
    third = digits[5] if subscriber.mnc_length == 3 else "F"
    return swapped(digits[0:2] + digits[2] + third + digits[3:5])


def _home_access(subscriber: Subscriber, record: int) -> bytes:
    """Write the home PLMN with what it can be reached by. TS 31.102 clause 4.2.54."""
    other = b"\xff\xff\xff\0\0"
    return _home(subscriber, record) + _ACCESS_TECHNOLOGIES + other


def _home_areas(subscriber: Subscriber, record: int) -> bytes:
    """Name the home PLMN, in all areas, by the first record of EF.PNN. TS 31.102 clause 4.2.59."""
    return (_home(subscriber, record) + b"\0\0\xff\xfe\1")[:record]


def _network_name(subscriber: Subscriber, record: int) -> bytes:
    """Write the full name, in the GSM alphabet. TS 31.102 clause 4.2.58, TS 24.008 10.5.3.5a."""
    septets = encode_septets(subscriber.provider)
    spare = -7 * len(septets) % 8
    return tlv.encode(0x43, bytes([0x80 | spare]) + pack(septets)).ljust(record, b"\xff")


def _display(subscriber: Subscriber, record: int) -> bytes:
    """Say that the provider's name is shown in the home PLMN. TS 31.102 clause 4.2.66."""
    return tlv.encode(0xA3, tlv.encode(0x80, _home(subscriber, record)))


def _dialled(text: str, length: int) -> bytes:
    """Write length, type and digits of a number, filled up to `length` octets."""
    if not text:
        return b"\xff" * length
    digits = text.removeprefix("+")
    octets = swapped(digits if len(digits) % 2 == 0 else digits + "F")
    kind = _INTERNATIONAL if text.startswith("+") else _UNKNOWN
    return (bytes([len(octets) + 1, kind]) + octets).ljust(length, b"\xff")


def _number(subscriber: Subscriber, record: int) -> bytes:
    """Write a record of EF.MSISDN: no name, the number. TS 31.102 clause 4.2.26."""
    alpha = record - 14
    return b"\xff" * alpha + _dialled(subscriber.msisdn, 14) if subscriber.msisdn else b""


def _centre(subscriber: Subscriber, record: int) -> bytes:
    """Write a record of EF.SMSP that has only the service centre. TS 31.102 clause 4.2.27."""
    if not subscriber.centre:
        return b""
    head = b"\xff" * (record - 28) + bytes([_CENTRE_ONLY]) + b"\xff" * 12
    return head + _dialled(subscriber.centre, 12)


_MAKERS: dict[str, Callable[[Subscriber, int], bytes]] = {
    "access_class": _access_class,
    "administrative": _administrative,
    "centre": _centre,
    "display": _display,
    "home": _home,
    "home_access": _home_access,
    "home_areas": _home_areas,
    "iccid": _iccid,
    "imsi": _imsi,
    "network_name": _network_name,
    "number": _number,
    "provider": _provider,
}
