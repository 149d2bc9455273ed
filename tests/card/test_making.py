"""Making cards: what is ordered is in them, what is left open comes by chance, and all is told."""

import json
from itertools import count

import pytest

from cardsync.card import making
from cardsync.card.authentication import Authenticator
from cardsync.card.key_store import DomainKeys
from cardsync.card.making import make, orders
from cardsync.card.pin import ADM1, PIN1, Pins
from cardsync.card.secured import least_level, read_key_sets
from cardsync.errors import ConfigError
from cardsync.octets.apdu import SW
from cardsync.ota.channel_keys import KeyKind
from cardsync.ota.packet import SecurityLevel
from cardsync.ota.security import Algorithm
from mobiles import ICCID, IMSI

ORDER = {"iccid": ICCID, "imsi": IMSI}


def chance() -> making.Chance:
    """Give octets that are never the same."""
    numbers = count(1)
    return lambda length: next(numbers).to_bytes(length, "big")


def test_all_by_chance() -> None:
    """Keys and codes are made, differ, and are those of the card."""
    made = make(ORDER, chance())
    told, memory = made.told, made.memory
    (keys,) = told["keys"]
    channels = [one["enc"] for one in told["channels"]]
    secrets = [keys["kic"], keys["kid"], keys["kik"], told["k"], told["opc"], *channels]

    assert len(secrets) == len(set(secrets))
    assert keys["kic"] == read_key_sets(memory)[1].kic.octets.hex()
    assert {0x20: channels[0], 0x30: channels[1]} == {
        version: one.enc.hex() for version, one in DomainKeys(memory).keys().items()
    }
    assert SW.OK == Pins(memory).verify(ADM1, told["codes"]["adm1"].encode())
    assert Pins(memory).satisfied(PIN1)


def test_as_ordered() -> None:
    """What the order says is so."""
    order = ORDER | {
        "k": "00" * 16, "op": "11" * 16, "kic": "22" * 16, "algorithm": "TRIPLE_DES_2",
        "kid": "0123456789ABCDEF1122334455667788", "kik": "33" * 16, "pin1": "4711",
        "pin1_enabled": "yes", "scp02": "none", "scp03": " ".join(["44" * 32] * 3),
        "msisdn": "+882123", "adm1": "ADMINKEY",
    }  # fmt: skip
    made = make(order | {"kic": "0123456789ABCDEFFEDCBA9876543210"}, chance())
    memory = made.memory

    assert Algorithm.TRIPLE_DES_2 == read_key_sets(memory)[1].kid.algorithm
    assert KeyKind.DES == getattr(DomainKeys(memory).key_cipher(1), "kind", None)
    assert [0x30] == list(DomainKeys(memory).keys())
    assert 12 == len(Authenticator(memory).run_gsm_algorithm(bytes(16)))
    assert (False, SW.OK) == (
        Pins(memory).satisfied(PIN1),
        Pins(memory).verify(PIN1, b"4711\xff\xff\xff\xff"),
    )
    assert "+882123" == made.told["msisdn"]
    assert json.loads(json.dumps(made.told)) == made.told


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"imsi": "12"}, "IMSI"),
        ({"k": "zz"}, "hexadecimal"),
        ({"k": "00"}, "K has 1"),
        ({"op": "00" * 16, "opc": "00" * 16}, "either"),
        ({"algorithm": "ROT13"}, "ROT13"),
        ({"algorithm": "DES"}, "AES, TRIPLE_DES_2, TRIPLE_DES_3"),
        ({"level": "15"}, "may come from anybody"),
        ({"level": "CC"}, "may come from anybody"),
        ({"level": "full"}, "hexadecimal"),
        ({"kic": "00" * 5}, "no key"),
        ({"scp03": "00"}, "three keys"),
        ({"pin1": "12"}, "four to eight"),
        ({"adm1": "short"}, "8 octets"),
        ({"mnc_length": "x"}, "digits"),
    ],
)
def test_impossible(wrong: dict[str, str], why: str) -> None:
    """What cannot be made is told with the card."""
    with pytest.raises(ConfigError, match=why):
        make(ORDER | wrong, chance())


@pytest.mark.parametrize(
    ("algorithm", "length"), [("AES", 16), ("TRIPLE_DES_2", 16), ("TRIPLE_DES_3", 24)]
)
def test_algorithms(algorithm: str, length: int) -> None:
    """Keys are as long as their algorithm wants. TS 102 225 clause 5.1.2."""
    keys = read_key_sets(make(ORDER | {"algorithm": algorithm}, chance()).memory)[1]

    assert (length, length) == (len(keys.kic.octets), len(keys.kid.octets))


def test_longer_aes_keys() -> None:
    """Keys that are given may be of any length that AES has."""
    keys = dict.fromkeys(("kic", "kid", "kik"), "5A" * 32)

    assert 32 == len(read_key_sets(make(ORDER | keys, chance()).memory)[1].kic.octets)


@pytest.mark.parametrize(("level", "asked"), [("", 0x16), ("16", 0x16), ("06", 0x06), ("02", 0x02)])
def test_least_level(level: str, asked: int) -> None:
    """What a packet must have at least is ordered; a checksum it must always have. R-23."""
    memory = make(ORDER | {"level": level}, chance()).memory

    assert SecurityLevel.decode(asked) == least_level(memory)


def test_orders() -> None:
    """One card a line, columns by their name."""
    text = "imsi, ICCID ,k\n1, 2, 00\n3,4,\n"

    assert [{"imsi": "1", "iccid": "2", "k": "00"}, {"imsi": "3", "iccid": "4", "k": ""}] == list(
        orders(text)
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "head line"),
        ("iccid\n1\n", "head line"),
        ("iccid,imsi,colour\n", "head line"),
        ("iccid,imsi\n1\n", "line 2"),
        ("iccid,imsi\n1,2,3\n", "line 2"),
        ("iccid,imsi\n1,2\n1,3\n", "line 3"),
    ],
)
def test_malformed_orders(text: str, why: str) -> None:
    """The line is named."""
    with pytest.raises(ConfigError, match=why):
        list(orders(text))
