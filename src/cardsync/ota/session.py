"""Sending entity and receiving entity of secured packets. TS 102 225, TS 31.115 clause 4.

Packets are octets from CPL or RPL on: what stands behind the user data header of the short
message. Counters are given in and handed out; whoever holds them writes them down before it
acts on a packet, so that a power loss never lets one in twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cardsync.errors import LocalError, PeerError
from cardsync.ota.packet import (
    CLEAR_COMMAND,
    CLEAR_RESPONSE,
    COMMAND_CHECKSUM,
    RESPONSE_CHECKSUM,
    CommandHeader,
    CommandPacket,
    CounterRule,
    Integrity,
    ResponsePacket,
    ResponseStatus,
    SecurityLevel,
    Spi,
    check_command_lengths,
    check_response_lengths,
)
from cardsync.ota.security import (
    CHECKSUM_LENGTH,
    REDUNDANCY,
    KeySet,
    PacketRejected,
    Redundancy,
    counter_status,
    same,
)

_CC, _RC = Integrity.CRYPTOGRAPHIC_CHECKSUM, Integrity.REDUNDANCY_CHECK
# The checksum of a response goes over its user data header too, that of a command does not.
# TS 31.115 clauses 4.2 and 4.4; the vectors of real cards agree.
_RESPONSE_PREFIX = b"\x02\x71\x00"
_BARE_RESPONSE = 13  # octets of a response without checksum, padding and data
# What a card can only say without its keys: it did not get as far as trusting the packet.
_BEFORE_TRUST = (
    ResponseStatus.CHECKSUM_FAILED,
    ResponseStatus.CIPHERING_ERROR,
    ResponseStatus.UNIDENTIFIED_SECURITY_ERROR,
    ResponseStatus.TAR_UNKNOWN,
    ResponseStatus.INSUFFICIENT_SECURITY_LEVEL,
)


def _checksum(integrity: Integrity, kid: int, key_set: KeySet | None, over: bytes) -> bytes:
    """Make the RC or CC over these octets; `kid` names the kind of RC."""
    if integrity is _CC and key_set is not None:
        return key_set.kid.checksum(over)
    return REDUNDANCY[Redundancy(kid & 0x0F)][1](over) if integrity is _RC else b""


def _checksum_length(integrity: Integrity, kid: int) -> int:
    if integrity is _CC:
        return CHECKSUM_LENGTH
    return REDUNDANCY[Redundancy(kid & 0x0F)][0] if integrity is _RC else 0


@dataclass(frozen=True, slots=True)
class ProofOfReceipt:
    """What the receiving entity says of a packet.

    `authenticated` is False where no key proves it: such an answer is a hint, never a reason to
    forget that the packet may have been executed.
    """

    status: ResponseStatus
    data: bytes = b""
    authenticated: bool = False


class SendingEntity:
    """Secures packets for one application (`tar`) of one card and reads their proofs of receipt.

    Holds no counter: the caller gives one that it has never used before with this key set.
    """

    def __init__(
        self, key_set: KeySet, spi: Spi, tar: bytes, redundancy: Redundancy = Redundancy.CRC_32
    ) -> None:
        if Integrity.DIGITAL_SIGNATURE in (spi.level.integrity, spi.proof_integrity):
            raise LocalError("digital signatures are not offered; ask for a CC")
        if spi.proof_integrity not in (Integrity.NONE, spi.level.integrity):
            raise LocalError("KID names one algorithm: the proof takes the command's or none")
        self._key_set = key_set
        self._spi = spi
        self._tar = tar
        kid = key_set.kid_octet()
        self._kid = kid & 0xF0 | redundancy if spi.level.integrity is _RC else kid

    def secure(self, data: bytes, counter: int) -> bytes:
        """Give the command packet that carries `data`; `counter` is 0 to FFFFFFFFFF."""
        level, keys = self._spi.level, self._key_set
        length = _checksum_length(level.integrity, self._kid)
        padding = keys.kic.padding(6 + length + len(data)) if level.ciphered else 0
        packet = CommandPacket(
            self._spi,
            keys.kic_octet(),
            self._kid,
            self._tar,
            counter,
            padding,
            bytes(length),
            data,
        ).encode()
        head, tail = packet[:COMMAND_CHECKSUM], packet[COMMAND_CHECKSUM + length :]
        checksum = _checksum(level.integrity, self._kid, keys, head + tail)
        packet = head + checksum + tail
        if not level.ciphered:
            return packet
        return packet[:CLEAR_COMMAND] + keys.kic.encipher(packet[CLEAR_COMMAND:])

    def receive_data(self, packet: bytes, counter: int) -> ProofOfReceipt:
        """Read the proof of the command sent with `counter`; raise `PeerError` for a forgery.

        Where a secured proof was asked, a bare one is taken only if it is an error that a card
        finds before it trusts the command, and it comes back as not authenticated.
        """
        check_response_lengths(packet)
        secured = self._spi.proof_ciphered or self._spi.proof_integrity is not Integrity.NONE
        if secured and len(packet) == _BARE_RESPONSE:
            return self._read_bare(packet, counter)
        if self._spi.proof_ciphered:
            packet = self._decipher(packet)
        response = ResponsePacket.decode(packet)
        self._check_checksum(packet, response)
        if (response.tar, response.counter) != (self._tar, counter):
            raise PeerError("the proof of receipt is of another packet")
        authenticated = self._spi.proof_integrity is _CC
        return ProofOfReceipt(response.status, response.data, authenticated)

    def _read_bare(self, packet: bytes, counter: int) -> ProofOfReceipt:
        response = ResponsePacket.decode(packet)
        if response.status not in _BEFORE_TRUST or response.tar != self._tar:
            raise PeerError("the proof of receipt lacks the security that was asked")
        if response.counter not in (0, counter):
            raise PeerError("the proof of receipt is of another packet")
        return ProofOfReceipt(response.status)

    def _decipher(self, packet: bytes) -> bytes:
        body = packet[CLEAR_RESPONSE:]
        if len(body) % self._key_set.kic.block:
            raise PeerError(f"{len(body)} ciphered octets are not whole blocks")
        return packet[:CLEAR_RESPONSE] + self._key_set.kic.decipher(body)

    def _check_checksum(self, packet: bytes, response: ResponsePacket) -> None:
        end = RESPONSE_CHECKSUM + len(response.checksum)
        over = _RESPONSE_PREFIX + packet[:RESPONSE_CHECKSUM] + packet[end:]
        integrity = self._spi.proof_integrity
        expected = _checksum(integrity, self._kid, self._key_set, over)
        if not same(expected, response.checksum):
            raise PeerError("the checksum of the proof of receipt is wrong")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command that passed every check, and the `counters` to write down before it is executed.

    `key_set_number` is 0 where neither the packet nor its proof needs a key.
    """

    header: CommandHeader
    data: bytes
    key_set_number: int
    counter: int
    counters: Mapping[int, int]

    @property
    def tar(self) -> bytes:
        """The application that the command is for."""
        return self.header.tar

    @property
    def spi(self) -> Spi:
        """What was applied to the command and is asked for its proof of receipt."""
        return self.header.spi


class ReceivingEntity:
    """Checks packets for the applications in `minimum`, each with the least security it takes.

    `counters` are the last ones taken, by key set number; a key set that is not there has
    taken none and begins at 0.
    """

    def __init__(
        self,
        key_sets: Mapping[int, KeySet],
        minimum: Mapping[bytes, SecurityLevel],
        counters: Mapping[int, int],
    ) -> None:
        self._key_sets = dict(key_sets)
        self._minimum = dict(minimum)
        self._counters = dict(counters)

    @property
    def counters(self) -> Mapping[int, int]:
        """The last counter taken, by key set number."""
        return MappingProxyType(self._counters)

    def receive_data(self, packet: bytes) -> Accepted:
        """Check a command packet; raise `PacketRejected` and change nothing if it fails.

        The order: what can be read (06), the application (09) and what it demands (0A), the
        keys that are named (06), ciphering (05), checksum (01), counter (04, 02, 03). The
        counter moves after all of them, as TS 102 225 clause 5.1.4 says, and only for a packet
        with a CC: else one forged packet with the highest counter would block the key set.
        """
        header = _read_header(packet)
        self._check_application(header, packet)
        key_set = self._find_key_set(header, packet)
        plain = _decipher(header, key_set, packet)
        _check_checksum(header, key_set, plain)
        try:
            command = CommandPacket.decode(plain)
        except PeerError as exc:
            raise _rejected(ResponseStatus.CIPHERING_ERROR, header, packet) from exc
        counters = self._count(header, key_set, command.counter)
        self._counters = counters
        number = key_set.number if key_set else 0
        return Accepted(
            header, command.data, number, command.counter, MappingProxyType(dict(counters))
        )

    def _check_application(self, header: CommandHeader, packet: bytes) -> None:
        minimum = self._minimum.get(header.tar)
        if minimum is None:
            raise _rejected(ResponseStatus.TAR_UNKNOWN, header, packet)
        if not minimum.admits(header.spi.level):
            raise _rejected(ResponseStatus.INSUFFICIENT_SECURITY_LEVEL, header, packet)

    def _find_key_set(self, header: CommandHeader, packet: bytes) -> KeySet | None:
        """Give the key set of the packet and its proof, None where they need no key.

        KIc and KID name the same one, TS 102 225 annex A. KID names one algorithm, so that the
        proof has the command's kind of checksum or none.
        """
        spi, integrity = header.spi, header.spi.level.integrity
        rejection = _rejected(ResponseStatus.UNIDENTIFIED_SECURITY_ERROR, header, packet)
        if integrity is Integrity.DIGITAL_SIGNATURE:
            raise rejection
        if spi.proof_integrity not in (Integrity.NONE, integrity):
            raise rejection
        by_kid, by_kic = integrity is _CC, spi.level.ciphered or spi.proof_ciphered
        if not by_kid and not by_kic:
            return None
        key_set = self._key_sets.get((header.kid if by_kid else header.kic) >> 4)
        if key_set is None or (by_kid and not key_set.is_kid(header.kid)):
            raise rejection
        if by_kic and not key_set.is_kic(header.kic):
            raise rejection
        return key_set

    def _count(self, header: CommandHeader, key_set: KeySet | None, counter: int) -> dict[int, int]:
        rule, authenticated = header.spi.level.counter, header.spi.level.integrity is _CC
        number = key_set.number if key_set else 0
        status = counter_status(rule, counter, self._counters.get(number, 0))
        if status is not ResponseStatus.OK:
            raise PacketRejected(
                status, header, counter=counter if authenticated else 0, authenticated=authenticated
            )
        if authenticated and rule in (CounterRule.HIGHER, CounterRule.ONE_HIGHER):
            return self._counters | {number: counter}
        return self._counters

    def respond(
        self,
        outcome: Accepted | PacketRejected,
        status: ResponseStatus | None = None,
        data: bytes = b"",
    ) -> bytes | None:
        """Give the response packet, or None where the command asks for none.

        Without `status`, or with OK, it says OK or why the packet was rejected. What was
        rejected before its checksum was found right is answered without keys, data or deciphered
        octets: the sender may be anybody, and an answer made with the keys would give him
        something to search them with. TS 102 225 clause 5.2 says the same of status 06.
        """
        trusted, reason = True, ResponseStatus.OK
        if isinstance(outcome, PacketRejected):
            trusted, reason = outcome.authenticated, outcome.status
        header, status = outcome.header, status or reason
        if header is None or not header.spi.asks_proof(status):
            return None
        if not trusted:
            return ResponsePacket(header.tar, outcome.counter, status).encode()
        return self._secure(header, outcome.counter, status, data)

    def _secure(
        self, header: CommandHeader, counter: int, status: ResponseStatus, data: bytes
    ) -> bytes:
        spi = header.spi
        key_set = self._key_sets.get(
            (header.kid if spi.level.integrity is _CC else header.kic) >> 4
        )
        length = _checksum_length(spi.proof_integrity, header.kid)
        ciphering = key_set.kic if key_set and spi.proof_ciphered else None
        padding = ciphering.padding(7 + length + len(data)) if ciphering else 0
        packet = ResponsePacket(header.tar, counter, status, padding, bytes(length), data).encode()
        head, tail = packet[:RESPONSE_CHECKSUM], packet[RESPONSE_CHECKSUM + length :]
        over = _RESPONSE_PREFIX + head + tail
        packet = head + _checksum(spi.proof_integrity, header.kid, key_set, over) + tail
        if ciphering is None:
            return packet
        return packet[:CLEAR_RESPONSE] + ciphering.encipher(packet[CLEAR_RESPONSE:])


def _rejected(status: ResponseStatus, header: CommandHeader, packet: bytes) -> PacketRejected:
    """Make a rejection before trust; its counter is copied only where it was sent in the clear."""
    clear = not header.spi.level.ciphered and len(packet) >= COMMAND_CHECKSUM
    counter = int.from_bytes(packet[CLEAR_COMMAND : CLEAR_COMMAND + 5], "big") if clear else 0
    return PacketRejected(status, header, counter=counter)


def _read_header(packet: bytes) -> CommandHeader:
    try:
        header = CommandHeader.decode(packet)
    except PeerError as exc:
        raise PacketRejected(ResponseStatus.UNIDENTIFIED_SECURITY_ERROR) from exc
    try:
        check_command_lengths(packet)
    except PeerError as exc:
        raise _rejected(ResponseStatus.UNIDENTIFIED_SECURITY_ERROR, header, packet) from exc
    return header


def _decipher(header: CommandHeader, key_set: KeySet | None, packet: bytes) -> bytes:
    if key_set is None or not header.spi.level.ciphered:
        return packet
    body = packet[CLEAR_COMMAND:]
    if len(body) % key_set.kic.block:
        raise _rejected(ResponseStatus.CIPHERING_ERROR, header, packet)
    return packet[:CLEAR_COMMAND] + key_set.kic.decipher(body)


def _check_checksum(header: CommandHeader, key_set: KeySet | None, plain: bytes) -> None:
    end = 3 + plain[2]
    over = plain[:COMMAND_CHECKSUM] + plain[end:]
    if header.spi.level.integrity is _RC and header.kid & 0x0F not in REDUNDANCY:
        raise _rejected(ResponseStatus.UNIDENTIFIED_SECURITY_ERROR, header, plain)
    expected = _checksum(header.spi.level.integrity, header.kid, key_set, over)
    if not same(expected, plain[COMMAND_CHECKSUM:end]):
        raise _rejected(ResponseStatus.CHECKSUM_FAILED, header, plain)
