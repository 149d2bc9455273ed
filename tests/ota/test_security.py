"""Keys, checksums, ciphering, counters. TS 102 225 clause 5.1."""

import pytest

from cardsync.errors import LocalError
from cardsync.ota.packet import HIGHEST_COUNTER, CounterRule, ResponseStatus
from cardsync.ota.security import Algorithm, Key, KeySet, counter_status, crc_16, crc_32

AES_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")


def test_redundancy_checks() -> None:
    """The message 01 to 05 has CRC 22 EC and 47 0B 99 F4. TS 102 225 annex B."""
    message = bytes.fromhex("0102030405")

    assert bytes.fromhex("22EC") == crc_16(message)
    assert bytes.fromhex("470B99F4") == crc_32(message)


def test_aes_cmac() -> None:
    """CMAC of NIST SP 800-38B example 2, cut to eight octets. Clause 5.1.3.1."""
    message = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")

    assert bytes.fromhex("070a16b46b4d4144") == Key(Algorithm.AES, AES_KEY).checksum(message)


def test_aes_cbc() -> None:
    """One block from a chaining value of zero is AES itself: NIST SP 800-38A F.1.1."""
    key, clear = Key(Algorithm.AES, AES_KEY), bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")

    assert bytes.fromhex("3ad77bb40d7a3660a89ecaf32466ef97") == key.encipher(clear)
    assert clear == key.decipher(key.encipher(clear))


def test_triple_des_with_equal_keys_is_des() -> None:
    """The classic DES example, and the same as two equal keys. Clause 5.1.2."""
    octets, clear = bytes.fromhex("133457799BBCDFF1"), bytes.fromhex("0123456789ABCDEF")

    assert bytes.fromhex("85E813540F0AB405") == Key(Algorithm.DES, octets).encipher(clear)
    assert bytes.fromhex("85E813540F0AB405") == (
        Key(Algorithm.TRIPLE_DES_2, octets * 2).encipher(clear)
    )


def test_three_keys() -> None:
    """K1 K2 K1 with three keys is the same as with two."""
    k1, k2 = bytes(range(8)), bytes(range(8, 16))
    clear = bytes(range(24))

    assert Key(Algorithm.TRIPLE_DES_2, k1 + k2).encipher(clear) == (
        Key(Algorithm.TRIPLE_DES_3, k1 + k2 + k1).encipher(clear)
    )


@pytest.mark.parametrize(
    ("algorithm", "length"),
    [
        (Algorithm.AES, 8),
        (Algorithm.AES, 20),
        (Algorithm.DES, 16),
        (Algorithm.TRIPLE_DES_2, 24),
        (Algorithm.TRIPLE_DES_3, 16),
        (Algorithm.IMPLICIT, 16),
    ],
)
def test_wrong_key_length(algorithm: Algorithm, length: int) -> None:
    """Each algorithm has its key lengths; an implicit one is no algorithm of a key."""
    with pytest.raises(LocalError):
        Key(algorithm, bytes(length))


def test_keys_are_never_shown() -> None:
    """Neither a key nor its octets stand in a representation."""
    key = Key(Algorithm.AES, AES_KEY)
    shown = repr(KeySet(1, key, key))

    assert AES_KEY.hex() not in shown
    assert repr(AES_KEY) not in shown
    assert "octets" not in shown


def test_key_set_octets() -> None:
    """KIc and KID: key set number and algorithm. Clauses 5.1.2 and 5.1.3.1."""
    key = Key(Algorithm.TRIPLE_DES_2, bytes(16))
    key_set = KeySet(3, Key(Algorithm.AES, AES_KEY), key)

    assert (0x32, 0x35) == (key_set.kic_octet(), key_set.kid_octet())
    assert key_set.is_kic(0x32)
    assert key_set.is_kic(0x30)  # known implicitly
    assert not key_set.is_kic(0x35)
    assert not key_set.is_kid(0x25)


@pytest.mark.parametrize("number", [0, 16])
def test_key_set_number(number: int) -> None:
    """Key set numbers are 1 to 15; 0 says that no key is used. Annex A."""
    key = Key(Algorithm.AES, AES_KEY)
    with pytest.raises(LocalError):
        KeySet(number, key, key)


@pytest.mark.parametrize(
    ("rule", "received", "last", "expected"),
    [
        (CounterRule.NONE, 0, 9, ResponseStatus.OK),
        (CounterRule.AVAILABLE, 1, 9, ResponseStatus.OK),
        (CounterRule.AVAILABLE, 1, HIGHEST_COUNTER, ResponseStatus.OK),
        (CounterRule.HIGHER, 10, 9, ResponseStatus.OK),
        (CounterRule.HIGHER, 99, 9, ResponseStatus.OK),
        (CounterRule.HIGHER, 9, 9, ResponseStatus.COUNTER_LOW),
        (CounterRule.HIGHER, 8, 9, ResponseStatus.COUNTER_LOW),
        (CounterRule.ONE_HIGHER, 10, 9, ResponseStatus.OK),
        (CounterRule.ONE_HIGHER, 11, 9, ResponseStatus.COUNTER_HIGH),
        (CounterRule.ONE_HIGHER, 9, 9, ResponseStatus.COUNTER_LOW),
        (CounterRule.HIGHER, 0, HIGHEST_COUNTER, ResponseStatus.COUNTER_BLOCKED),
    ],
)
def test_counter_rules(
    rule: CounterRule, received: int, last: int, expected: ResponseStatus
) -> None:
    """What each rule of the SPI makes of a counter. Clauses 5.1.1 and 5.1.4."""
    assert expected is counter_status(rule, received, last)
