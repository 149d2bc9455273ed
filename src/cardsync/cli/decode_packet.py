"""Secured packets for `cardsync decode packet`: in the clear, and deciphered where keys are given.

Keys come as JSON from a file or from the environment, never as arguments: those stand in the list
of processes. They are the `keys` of the operator's card files:

    [{"algorithm": "AES", "number": 1, "kic": "00..", "kid": "00.."}]
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cardsync.errors import ConfigError, LocalError, PeerError
from cardsync.ota.packet import (
    CLEAR_COMMAND,
    CLEAR_RESPONSE,
    COMMAND_CHECKSUM,
    RESPONSE_CHECKSUM,
    CommandHeader,
    CommandPacket,
    Integrity,
    ResponsePacket,
    check_command_lengths,
    check_response_lengths,
)
from cardsync.ota.security import REDUNDANCY, Algorithm, Key, KeySet, same

_COMMAND_UDH, _RESPONSE_UDH = bytes.fromhex("027000"), bytes.fromhex("027100")
_LENGTHS = {Integrity.NONE: (0,), Integrity.REDUNDANCY_CHECK: (2, 4)}
_CC_LENGTHS = (4, 8)
_COMMAND_HEADER = 13  # CHL without RC/CC


@dataclass(frozen=True, slots=True)
class Found:
    """A packet as it was read; `octets` are those that it is written in, user data header too."""

    packet: object
    octets: bytes
    inside: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A packet for which there is no key: what is not ciphered, and the rest."""

    header: CommandHeader
    ciphered: bytes = field(repr=True)


def read_keys(text: str, source: str) -> tuple[KeySet, ...]:
    """Read key sets; raise `ConfigError`, which repeats no key."""
    try:
        found = json.loads(text)
        return tuple([_key_set(one) for one in found])
    except (ValueError, TypeError, KeyError, AttributeError, LocalError) as exc:
        raise ConfigError(
            f"{source}: {_fault(exc)}; a JSON list of key sets is expected, each with algorithm "
            "(AES, TRIPLE_DES_2, TRIPLE_DES_3, DES), number, kic and kid (hexadecimal)"
        ) from None


def _fault(error: Exception) -> str:
    """Say what is wrong with keys, without any of their digits."""
    if isinstance(error, LocalError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, KeyError):
        return "an algorithm that is none, or number, kic or kid is missing"
    if isinstance(error, ValueError):
        return "number, kic or kid has other characters than digits"
    return "no list of key sets"


def _key_set(one: Mapping[str, Any]) -> KeySet:
    algorithm = Algorithm[str(one.get("algorithm", "AES"))]
    kic, kid = (Key(algorithm, bytes.fromhex(one[name])) for name in ("kic", "kid"))
    return KeySet(int(one["number"]), kic, kid)


def read(octets: bytes, keys: Sequence[KeySet]) -> Found:
    """Read a packet of either direction, from its length or from its user data header on."""
    for head, one in ((_COMMAND_UDH, command), (_RESPONSE_UDH, response)):
        if octets.startswith(head):
            found = one(octets[3:], keys)
            return replace(found, octets=head + found.octets)
    return command(octets, keys) if _is_command(octets) else response(octets, keys)


def _is_command(octets: bytes) -> bool:
    """Say whether the length of the header is that of a command with this SPI."""
    if len(octets) < 4:
        return False
    integrity = Integrity(octets[3] & 0x03)
    return octets[2] - _COMMAND_HEADER in _LENGTHS.get(integrity, _CC_LENGTHS)


def command(octets: bytes, keys: Sequence[KeySet]) -> Found:
    """Read a command packet from CPL on; raise `PeerError`."""
    header = CommandHeader.decode(octets)
    check_command_lengths(octets)
    level = header.spi.level
    key_set = _of(keys, header.kic if level.ciphered else header.kid)
    if level.ciphered and key_set is None:
        return Found(Ciphered(header, octets[CLEAR_COMMAND:]), octets)
    plain = _deciphered(octets, CLEAR_COMMAND, key_set) if level.ciphered else octets
    packet = _opened(plain, key_set) if level.ciphered else CommandPacket.decode(plain)
    over = plain[:COMMAND_CHECKSUM] + plain[3 + plain[2] :]
    inside = _checked(level.integrity, header.kid, _of(keys, header.kid), over, packet.checksum)
    written = packet.encode()
    if level.ciphered and key_set is not None:
        written = written[:CLEAR_COMMAND] + key_set.kic.encipher(written[CLEAR_COMMAND:])
    return Found(packet, written, inside)


def response(octets: bytes, keys: Sequence[KeySet]) -> Found:
    """Read a response packet from RPL on; raise `PeerError`.

    It does not say whether it is ciphered: each key set is tried where it cannot be read as it is.
    """
    check_response_lengths(octets)
    try:
        packet = ResponsePacket.decode(octets)
        if packet.padding < 16 and not any(octets[len(octets) - packet.padding :]):
            return Found(packet, packet.encode(), _proved(keys, octets, packet))
    except PeerError as exc:
        if not keys:
            raise PeerError(f"{exc}, or it is ciphered, and no keys are given") from exc
    for key_set in keys:
        try:
            plain = _deciphered(octets, CLEAR_RESPONSE, key_set)
            packet = ResponsePacket.decode(plain)
        except PeerError:
            continue
        written = packet.encode()
        written = written[:CLEAR_RESPONSE] + key_set.kic.encipher(written[CLEAR_RESPONSE:])
        if written == octets:
            return Found(packet, written, _proved([key_set], plain, packet))
    raise PeerError("the response packet is ciphered with a key that is not there, or malformed")


def _opened(plain: bytes, key_set: KeySet | None) -> CommandPacket:
    """Read what was deciphered; what cannot be read was mostly ciphered with another key."""
    try:
        return CommandPacket.decode(plain)
    except PeerError as exc:
        number = key_set.number if key_set else 0
        raise PeerError(f"{exc}, deciphered with key set {number}; is it the right key?") from exc


def _of(keys: Sequence[KeySet], octet: int) -> KeySet | None:
    """Give the key set that KIc or KID names."""
    return next((one for one in keys if one.number == octet >> 4), None)


def _deciphered(octets: bytes, clear: int, key_set: KeySet | None) -> bytes:
    body = octets[clear:]
    if key_set is None or len(body) % key_set.kic.block:
        raise PeerError(f"{len(body)} ciphered octets at offset {clear} are not whole blocks")
    return octets[:clear] + key_set.kic.decipher(body)


def _checked(
    integrity: Integrity, kid: int, key_set: KeySet | None, over: bytes, checksum: bytes
) -> tuple[tuple[str, object], ...]:
    """Say whether RC or CC is right, where it can be said."""
    if integrity is Integrity.REDUNDANCY_CHECK:
        right = any(same(check(over), checksum) for _, check in REDUNDANCY.values())
        return (("checksum_right", right),)
    if integrity is Integrity.CRYPTOGRAPHIC_CHECKSUM and key_set is not None:
        return (("checksum_right", same(key_set.kid.checksum(over), checksum)),)
    del kid
    return ()


def _proved(
    keys: Sequence[KeySet], plain: bytes, packet: ResponsePacket
) -> tuple[tuple[str, object], ...]:
    """Say whether the checksum of a response is right by any of these keys.

    It goes over the user data header too. TS 31.115 clause 4.4.
    """
    if not packet.checksum or not keys:
        return ()
    end = RESPONSE_CHECKSUM + len(packet.checksum)
    over = _RESPONSE_UDH + plain[:RESPONSE_CHECKSUM] + plain[end:]
    return (("checksum_right", any(same(one.kid.checksum(over), packet.checksum) for one in keys)),)
