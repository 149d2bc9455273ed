"""From subscriber data to the memory of a new card. TS 102 221 clause 13, TS 31.102 clause 4."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cardsync.card import profile as profiles
from cardsync.card.authentication import write_keys
from cardsync.card.contents import Subscriber, write_files
from cardsync.card.key_store import write_channel_keys, write_key_cipher
from cardsync.card.memory import Memory
from cardsync.card.milenage import Milenage
from cardsync.card.pin import ADM1, PIN1, PIN2, Code, Pin, digits, write_pin
from cardsync.card.profile import Profile
from cardsync.card.secured import write_key_set, write_least_level
from cardsync.ota.channel_keys import ChannelKeys, KeyCipher
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.security import KeySet

__all__ = ["Codes", "Subscriber", "personalise"]

_GUESSES, _UNBLOCKING_GUESSES = 3, 10  # TS 31.102 clause 6.4


@dataclass(frozen=True, slots=True)
class Codes:
    """The PINs of a card: four to eight digits each; `adm1` is eight octets.

    Without `puk1` or `puk2` a PIN cannot be unblocked, without `adm1` nobody is administrator.
    """

    pin1: str = field(default="1234", repr=False)
    pin2: str = field(default="1234", repr=False)
    puk1: str = field(default="", repr=False)
    puk2: str = field(default="", repr=False)
    adm1: bytes = field(default=b"", repr=False)
    pin1_enabled: bool = False


def personalise(
    subscriber: Subscriber,
    key_sets: Iterable[KeySet],
    *,
    profile: Profile | None = None,
    codes: Codes | None = None,
    keys: Milenage | None = None,
    channel_keys: Iterable[ChannelKeys] = (),
    key_ciphers: Mapping[int, KeyCipher] | None = None,
    level: SecurityLevel | None = None,
) -> Memory:
    """Make the memory of a card: files, PINs and keys; no application is in it.

    `key_ciphers` gives for a key set the key under which new ones come over the air (KIK),
    `level` the least security of packets, which always have a cryptographic checksum.
    Raises `ConfigError` for data that the profile has no room for.
    """
    memory = Memory()
    write_files(memory, profile or profiles.default(), subscriber)
    _write_pins(memory, codes or Codes())
    if keys is not None:
        write_keys(memory, keys)
    for key_set in key_sets:
        write_key_set(memory, key_set)
    for number, cipher in (key_ciphers or {}).items():
        write_key_cipher(memory, number, cipher)
    for one in channel_keys:
        write_channel_keys(memory, one)
    write_least_level(memory, level or SecurityLevel())
    return memory


def _write_pins(memory: Memory, codes: Codes) -> None:
    for reference, pin, puk, enabled in (
        (PIN1, codes.pin1, codes.puk1, codes.pin1_enabled),
        (PIN2, codes.pin2, codes.puk2, True),
    ):
        unblock = _code(digits(puk), _UNBLOCKING_GUESSES) if puk else None
        write_pin(memory, reference, Pin(_code(digits(pin), _GUESSES), unblock, enabled))
    if codes.adm1:
        write_pin(memory, ADM1, Pin(_code(codes.adm1, _GUESSES)))


def _code(octets: bytes, guesses: int) -> Code:
    return Code(octets, guesses, guesses)
