"""The one-time token of a card for one database. Requirement O-5."""

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from cardsync.errors import LocalError, PeerError
from cardsync.ota.token import (
    TOKEN_LENGTH,
    Token,
    build_token,
    derive_token_key,
    parse_token,
    verify_token,
)

KID = bytes(range(16))
ICCID = bytes.fromhex("98001032547698103214")
TARGET = "./dm"
KEY = derive_token_key(KID)


def cmac(key: bytes, data: bytes) -> bytes:
    """Give AES-CMAC, whole."""
    made = CMAC(AES(key))
    made.update(data)
    return made.finalize()


def test_derivation_is_sp_800_108() -> None:
    """One round of counter mode: [1] label 00 context [128], all under AES-CMAC."""
    fixed = b"cardsync synchronization token key\x00" + (128).to_bytes(4, "big")

    assert cmac(KID, (1).to_bytes(4, "big") + fixed) == KEY
    assert bytes.fromhex("606a2a135c927ec8938d00766643b5de") == KEY


def test_keys_that_can_be_derived_from() -> None:
    """AES of any length and triple DES of two or three keys; DES is too weak."""
    keys = {derive_token_key(bytes(length)) for length in (16, 24, 32)}

    assert 3 == len(keys)
    assert {16} == {len(key) for key in keys}
    with pytest.raises(LocalError):
        derive_token_key(bytes(8))


def test_token_octets() -> None:
    """ICCID, counter, MAC over purpose, ICCID, counter and target: 30 octets."""
    token = build_token(KEY, ICCID, TARGET, 7)
    signed = ICCID + bytes.fromhex("00000007")

    assert TOKEN_LENGTH == len(token)
    assert signed == token[:14]
    assert cmac(KEY, b"cardsync synchronization token\x00" + signed + b"./dm") == token[14:]
    assert Token(ICCID, 7, token[14:]) == parse_token(token)
    assert 7 == verify_token(KEY, token, TARGET)


def test_token_of_another() -> None:
    """Another key, another target, any bit changed: not genuine."""
    token = build_token(KEY, ICCID, TARGET, 7)
    with pytest.raises(PeerError):
        verify_token(KID, token, TARGET)
    with pytest.raises(PeerError):
        verify_token(KEY, token, "./dm2")
    for place in range(len(token)):
        for bit in range(8):
            forged = bytes(
                octet ^ (1 << bit if at == place else 0) for at, octet in enumerate(token)
            )
            with pytest.raises(PeerError):
                verify_token(KEY, forged, TARGET)


@pytest.mark.parametrize("length", [0, 29, 31])
def test_malformed_token(length: int) -> None:
    """A token has 30 octets."""
    with pytest.raises(PeerError):
        parse_token(bytes(length))


@pytest.mark.parametrize(("iccid", "counter"), [(ICCID[:9], 1), (ICCID, -1), (ICCID, 1 << 32)])
def test_impossible_token(iccid: bytes, counter: int) -> None:
    """An ICCID of ten octets, a counter of four."""
    with pytest.raises(LocalError):
        build_token(KEY, iccid, TARGET, counter)
