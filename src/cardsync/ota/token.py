"""The one-time token by which a card vouches for a synchronization (requirement O-5).

ICCID (10 octets), counter (4) and AES-CMAC (16) over purpose, ICCID, counter and target
database. The server takes it once, for that card, that database and its window of time; which
counters it has taken is its own to remember.
"""

import hmac
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from cardsync.errors import LocalError, PeerError
from cardsync.ota.derivation import derive

TOKEN_LENGTH = 30
PAGE_TARGET = "one-time page"
"""What a token of the browser rung is for, in the place of a target database.

No database can be called so, since an identifier has no blanks: who sees the address of a page
cannot synchronize with its token.
"""
_ICCID_LENGTH, _COUNTER_LENGTH = 10, 4
_SIGNED = _ICCID_LENGTH + _COUNTER_LENGTH
_KEY_LABEL = b"cardsync synchronization token key"
_PURPOSE = b"cardsync synchronization token\x00"


def derive_token_key(kid_key: bytes) -> bytes:
    """Derive the token key of 16 octets, used for nothing else, from a KID key.

    NIST SP 800-108 in counter mode with AES-CMAC, 32-bit counter and length, our label and no
    context. An AES key is taken as it is. A triple DES key of 16 or 24 octets serves as an AES
    key of that length: no AES output under it is ever sent, so that its use for DES is not
    touched, and the derived key is as strong as the 112 bits that it has. A single DES key
    raises `LocalError`: it can be searched.
    """
    return derive(kid_key, _KEY_LABEL)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its parts; what it says is not yet verified."""

    iccid: bytes
    counter: int
    mac: bytes

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read 30 octets; raise `PeerError` for another length."""
        if len(octets) != TOKEN_LENGTH:
            raise PeerError(f"a token of {len(octets)} octets is none; it has {TOKEN_LENGTH}")
        counter = int.from_bytes(octets[_ICCID_LENGTH:_SIGNED], "big")
        return cls(octets[:_ICCID_LENGTH], counter, octets[_SIGNED:])


def build_token(key: bytes, iccid: bytes, target: str, counter: int) -> bytes:
    """Build a token; `iccid` is the ten octets of EF.ICCID, `counter` 0 to FFFFFFFF and never used.

    `target` is the identifier of the target database as REQUEST SYNCHRONIZATION names it.
    """
    if len(iccid) != _ICCID_LENGTH or not 0 <= counter <= 0xFFFFFFFF:
        raise LocalError("a token takes an ICCID of 10 octets and a counter of 32 bits")
    signed = iccid + counter.to_bytes(_COUNTER_LENGTH, "big")
    return signed + _mac(key, signed, target)


def parse_token(token: bytes) -> Token:
    """Read a token, to find the key by its ICCID; raise `PeerError` if it is malformed."""
    return Token.decode(token)


def verify_token(key: bytes, token: bytes, target: str) -> int:
    """Give the counter of a genuine token for `target`; raise `PeerError` for any other."""
    parsed = Token.decode(token)
    if not hmac.compare_digest(_mac(key, token[:_SIGNED], target), parsed.mac):
        raise PeerError("the token is not genuine")
    return parsed.counter


def _mac(key: bytes, signed: bytes, target: str) -> bytes:
    # ICCID and counter have fixed lengths and the target comes last: no two inputs read alike.
    cmac = CMAC(AES(key))
    cmac.update(_PURPOSE + signed + target.encode())
    return cmac.finalize()
