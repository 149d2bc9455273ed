"""The report: what the card tells the operator when it must speak for itself.

Where the terminal has no native command the card says what changed, in a packet of TS 102 225 of
which it is the sending entity. A report is a list of objects, each a tag, a length and a value of
one octet and more, in the order of their tags; what has not changed since the last report is not
in it. With its longest request's name it fits one short message of 140 octets.

Keys. The packet is made with keys of its own: AES keys of 16 octets derived from KIc and KID of a
key set (NIST SP 800-108, as for the token), each with a label of its own. So no packet of the
card can be sent back to it as a command, and the counter of reports is another one than that of
commands. The header names the key set; the TAR is that of our application. No proof of receipt is
asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from cardsync.errors import LocalError, PeerError
from cardsync.octets.reader import Reader
from cardsync.octets.semi import swapped, unswapped
from cardsync.ota.application import APPLICATION_TAR
from cardsync.ota.derivation import derive
from cardsync.ota.packet import Integrity, Proof, SecurityLevel, Spi
from cardsync.ota.security import Algorithm, Key, KeySet
from cardsync.ota.session import ReceivingEntity, SendingEntity

VERSION = 1
LONGEST_REQUEST = 24
"""Octets of a request's name that a report carries; longer ones are cut."""
FRAME_HEAD = 12
"""Octets before the packet where no carrier names the card: length (2) and ICCID (10)."""
LONGEST_FRAME = 1024

_SPI = Spi(proof=Proof.NONE, proof_integrity=Integrity.NONE, proof_ciphered=False)
_LABELS = (b"cardsync report ciphering key", b"cardsync report checksum key")
_ICCID = 10


class ReportReason(IntEnum):
    """Why the card reports."""

    OTHER_TERMINAL = 1
    FALLBACK = 2
    RULE = 3


class _Tag(IntEnum):
    REASON = 1
    IMEI = 2
    LANGUAGE = 3
    PROFILE = 4
    TECHNOLOGY = 5
    STEPS = 6
    REQUEST = 7
    POLICY = 8


@dataclass(frozen=True, slots=True)
class Report:
    """What changed; None is what did not.

    `imei` is 15 digits, `language` two letters, `profile` eight octets of the hash of the
    terminal profile, `technology` an access technology (TS 102 223 clause 8.61), `steps` the
    rungs that failed (bit n is rung n of docs/request-synchronization.md clause 14), `request`
    the name of the request that it stands in for, `policy` eight octets of the hash of the
    policy that decided.
    """

    reason: ReportReason
    imei: str | None = None
    language: str | None = None
    profile: bytes | None = None
    technology: int | None = None
    steps: int = 0
    request: str = ""
    policy: bytes = b""

    def encode(self) -> bytes:
        """Give the octets."""
        name = self.request.encode()[:LONGEST_REQUEST].decode(errors="ignore").encode()
        values = {
            _Tag.REASON: bytes([self.reason]),
            _Tag.IMEI: swapped(self.imei) if self.imei else b"",
            _Tag.LANGUAGE: (self.language or "").encode("ascii"),
            _Tag.PROFILE: self.profile or b"",
            _Tag.TECHNOLOGY: b"" if self.technology is None else bytes([self.technology]),
            _Tag.STEPS: bytes([self.steps]) if self.steps else b"",
            _Tag.REQUEST: name,
            _Tag.POLICY: self.policy,
        }
        parts = [bytes([tag, len(value)]) + value for tag, value in values.items() if value]
        return bytes([VERSION]) + b"".join(parts)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a report; tags that we do not know are passed over; `PeerError` if it is none."""
        values = _values(octets)
        try:
            return cls(
                ReportReason(_number(values, _Tag.REASON) or 0),
                _imei(values.get(_Tag.IMEI)),
                _language(values.get(_Tag.LANGUAGE)),
                _sized(values.get(_Tag.PROFILE), 8),
                _number(values, _Tag.TECHNOLOGY),
                _number(values, _Tag.STEPS) or 0,
                _name(values.get(_Tag.REQUEST, b"")),
                _sized(values.get(_Tag.POLICY), 8) or b"",
            )
        except ValueError as exc:
            raise PeerError(f"the report cannot be read: {exc}") from exc


def _values(octets: bytes) -> dict[int, bytes]:
    reader = Reader(octets)
    if reader.uint8() != VERSION:
        raise PeerError(f"a report of version {octets[0]} is not known")
    values: dict[int, bytes] = {}
    last = 0
    while len(reader):
        tag = reader.uint8()
        if tag <= last:
            raise PeerError(f"object {tag} of the report is out of its order")
        values[tag] = reader.octets(reader.uint8())
        last = tag
    return values


def _number(values: dict[int, bytes], tag: int) -> int | None:
    value = _sized(values.get(tag), 1)
    return None if value is None else value[0]


def _sized(value: bytes | None, length: int) -> bytes | None:
    if value is not None and len(value) != length:
        raise ValueError(f"{len(value)} octets where {length} are expected")
    return value


def _imei(value: bytes | None) -> str | None:
    if value is None:
        return None
    digits = unswapped(value)
    if len(value) != 8 or len(digits) != 15 or not digits.isdecimal():
        raise ValueError("an IMEI has 15 digits")
    return digits


def _language(value: bytes | None) -> str | None:
    if value is None:
        return None
    letters = value.decode("ascii")
    if len(letters) != 2 or not letters.isalpha():
        raise ValueError("a language has two letters")
    return letters


def _name(value: bytes) -> str:
    text = value.decode()
    if len(value) > LONGEST_REQUEST or not text.isprintable():
        raise ValueError("that is no name of a request")
    return text


def derive_report_keys(key_set: KeySet) -> KeySet:
    """Derive the keys of reports from a key set; `LocalError` for a single DES key."""
    kic, kid = (
        Key(Algorithm.AES, derive(key.octets, label))
        for key, label in zip((key_set.kic, key_set.kid), _LABELS, strict=True)
    )
    return KeySet(key_set.number, kic, kid)


def secure_report(report: Report, key_set: KeySet, counter: int) -> bytes:
    """Give the packet of a report under a counter that was never used with this key set."""
    keys = derive_report_keys(key_set)
    return SendingEntity(keys, _SPI, APPLICATION_TAR).secure(report.encode(), counter)


@dataclass(frozen=True, slots=True)
class GenuineReport:
    """A report that passed every check, and the counter that its key set has reached by it."""

    report: Report
    key_set_number: int
    counter: int


def read_report(
    packet: bytes, key_sets: Mapping[int, KeySet], counters: Mapping[int, int]
) -> GenuineReport:
    """Verify a packet and read its report; `counters` are the last ones, by key set number.

    Raises `PacketRejected`, a `PeerError`, for one that is forged, replayed or less secured than
    ours, and `PeerError` for a genuine one that says what we cannot read.
    """
    derived: dict[int, KeySet] = {}
    for number, key_set in key_sets.items():
        try:
            derived[number] = derive_report_keys(key_set)
        except LocalError:
            continue  # too weak to derive from: no report of it is genuine
    entity = ReceivingEntity(derived, {APPLICATION_TAR: SecurityLevel()}, counters)
    accepted = entity.receive_data(packet)
    return GenuineReport(Report.decode(accepted.data), accepted.key_set_number, accepted.counter)


def frame(iccid: bytes, packet: bytes) -> bytes:
    """Put a packet into a frame for a stream: length of what follows, ICCID, packet."""
    if len(iccid) != _ICCID:
        raise LocalError("an ICCID has ten octets")
    body = iccid + packet
    return len(body).to_bytes(2, "big") + body


def unframe(octets: bytes) -> tuple[str, bytes] | None:
    """Give ICCID and packet of a frame without its length; None while octets are missing.

    Raises `PeerError` for a length that no frame of ours has.
    """
    if len(octets) < 2:
        return None
    length = int.from_bytes(octets[:2], "big")
    if not _ICCID < length <= LONGEST_FRAME:
        raise PeerError(f"a frame of {length} octets is none of a report")
    if len(octets) < 2 + length:
        return None
    return unswapped(octets[2:FRAME_HEAD]), octets[FRAME_HEAD : 2 + length]
