"""Making cards for a list of subscribers, and the list that their operator gets.

What the order leaves open, keys and codes, is made by chance. The list is a JSON list of one
object a card, as an operator takes cards in, and more: the subscriber's key is for its
authentication centre, the codes for its customers, the channel's keys for its tools.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cardsync.card.memory import Memory
from cardsync.card.milenage import Milenage
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.profile import Profile
from cardsync.errors import ConfigError, LocalError
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher, KeyKind
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.security import Algorithm, Key, KeySet

Chance = Callable[[int], bytes]
"""Gives so many random octets."""

COLUMNS = (
    "iccid", "imsi", "msisdn", "mnc_length", "centre", "provider", "k", "opc", "op", "kic", "kid",
    "kik", "algorithm", "pin1", "pin2", "puk1", "puk2", "adm1", "pin1_enabled", "scp02", "scp03",
    "level",
)  # fmt: skip
"""Columns of an order; `iccid` and `imsi` must be there, what is empty is made or left out.

`scp02` and `scp03` are three keys of the secure channel (for ciphering, checksums, key data)
with blanks between them, or `none`. `level` is the least security of packets, as the first octet
of the SPI: `16` (checksum, ciphered, counter) unless less is asked for.
"""
_KEY_SET = 1
_CHANNELS = {"scp02": (0x20, KeyKind.DES), "scp03": (0x30, KeyKind.AES)}
"""Key versions by protocol. GlobalPlatform UICC configuration clause 10."""
_NONE = "none"
_KEY = 16
_KEY_LENGTHS = {
    Algorithm.AES.name: _KEY,
    Algorithm.TRIPLE_DES_2.name: _KEY,
    Algorithm.TRIPLE_DES_3.name: 24,
}
"""Octets of a key that is made; an AES key that is given may have 24 or 32. No single DES."""
_YES = {"1", "yes", "true", "on"}


@dataclass(frozen=True, slots=True)
class Made:
    """A card that was made: its memory, and what is told of it."""

    iccid: str
    memory: Memory
    told: Mapping[str, Any]


def orders(text: str) -> Iterator[dict[str, str]]:
    """Read orders from CSV with a head line; raise `ConfigError` that names the line."""
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = {name.strip().lower() for name in reader.fieldnames or ()}
    if not {"iccid", "imsi"} <= names or names - set(COLUMNS):
        raise ConfigError(
            f"orders: the head line must name iccid and imsi, and may name {', '.join(COLUMNS)}"
        )
    seen = set()
    for row in reader:
        if None in row or None in row.values():
            raise ConfigError(f"orders: line {reader.line_num}: another number of columns")
        order = {str(name).strip().lower(): value.strip() for name, value in row.items()}
        if order["iccid"] in seen:
            raise ConfigError(f"orders: line {reader.line_num}: {order['iccid']} is there already")
        seen.add(order["iccid"])
        yield order


def make(order: Mapping[str, str], chance: Chance, profile: Profile | None = None) -> Made:
    """Make the card of an order; raise `ConfigError`, which repeats no key."""
    try:
        return _Making(order, chance).made(profile)
    except (LocalError, ValueError) as exc:
        why = exc if isinstance(exc, LocalError) else "hexadecimal digits are expected"
        raise ConfigError(f"card {order.get('iccid', '')}: {why}") from exc


class _Making:
    """A card that is being made."""

    def __init__(self, order: Mapping[str, str], chance: Chance) -> None:
        self._order = order
        self._chance = chance

    def made(self, profile: Profile | None) -> Made:
        subscriber, codes = self._subscriber(), self._codes()
        keys, algorithm = self._milenage(), self._algorithm()
        kic, kid, kik = (self._key(name, algorithm) for name in ("kic", "kid", "kik"))
        channels = [one for name in _CHANNELS if (one := self._channel(name))]
        memory = personalise(
            subscriber,
            [KeySet(_KEY_SET, Key(algorithm, kic), Key(algorithm, kid))],
            profile=profile,
            codes=codes,
            keys=keys,
            channel_keys=channels,
            key_ciphers={_KEY_SET: KeyCipher(_kind(algorithm), kik)},
            level=self._level(),
        )
        pair = {"number": _KEY_SET, "kic": kic.hex(), "kid": kid.hex(), "kik": kik.hex()}
        told = {
            "iccid": subscriber.iccid,
            "imsi": subscriber.imsi,
            "msisdn": subscriber.msisdn or None,
            "algorithm": algorithm.name,
            "keys": [pair],
            "k": keys.k.hex(),
            "opc": keys.opc.hex(),
            "codes": _told_codes(codes),
            "channels": [_told_channel(one) for one in channels],
        }
        return Made(subscriber.iccid, memory, told)

    def _text(self, name: str, otherwise: str = "") -> str:
        return self._order.get(name) or otherwise

    def _subscriber(self) -> Subscriber:
        return Subscriber(
            self._text("iccid"),
            self._text("imsi"),
            int(self._text("mnc_length", "2")),
            self._text("msisdn"),
            self._text("centre"),
            self._text("provider", "cardsync"),
        )

    def _codes(self) -> Codes:
        return Codes(
            self._text("pin1") or self._digits(4),
            self._text("pin2") or self._digits(4),
            self._text("puk1") or self._digits(8),
            self._text("puk2") or self._digits(8),
            (self._text("adm1") or self._digits(8)).encode(),
            self._text("pin1_enabled").lower() in _YES,
        )

    def _digits(self, count: int) -> str:
        """Make digits, each as likely as any other."""
        return str(int.from_bytes(self._chance(16), "big") % 10**count).rjust(count, "0")

    def _milenage(self) -> Milenage:
        k, opc, op = (bytes.fromhex(self._text(name)) for name in ("k", "opc", "op"))
        k = k or self._chance(_KEY)
        if op and opc:
            raise LocalError("either OP or OPc is expected")
        return Milenage.of_operator(k, op) if op else Milenage(k, opc or self._chance(_KEY))

    def _algorithm(self) -> Algorithm:
        name = self._text("algorithm", Algorithm.AES.name)
        if name not in _KEY_LENGTHS:
            raise LocalError(f"algorithm {name!r}: {', '.join(_KEY_LENGTHS)} is expected")
        return Algorithm[name]

    def _level(self) -> SecurityLevel | None:
        text = self._text("level")
        return SecurityLevel.decode(int(text, 16)) if text else None

    def _channel(self, name: str) -> ChannelKeys | None:
        """Give the keys of a secure channel, None where none are wanted."""
        version, kind = _CHANNELS[name]
        if self._text(name).lower() == _NONE:
            return None
        keys = [bytes.fromhex(part) for part in self._text(name).split()]
        keys = keys or [self._chance(_KEY) for _ in range(3)]
        if len(keys) != 3:
            raise LocalError(f"{name}: three keys or {_NONE} are expected")
        return ChannelKeys(version, kind, *keys)

    def _key(self, name: str, algorithm: Algorithm) -> bytes:
        return bytes.fromhex(self._text(name)) or self._chance(_KEY_LENGTHS[algorithm.name])


def _kind(algorithm: Algorithm) -> KeyKind:
    return KeyKind.AES if algorithm is Algorithm.AES else KeyKind.DES


def _told_codes(codes: Codes) -> dict[str, str]:
    names = ("pin1", "pin2", "puk1", "puk2")
    return {name: getattr(codes, name) for name in names} | {"adm1": codes.adm1.decode()}


def _told_channel(keys: ChannelKeys) -> dict[str, Any]:
    names = ("enc", "mac", "dek")
    octets = {name: key.hex() for name, key in zip(names, keys, strict=True)}
    return {"version": keys.version, "kind": keys.kind.name, **octets}
