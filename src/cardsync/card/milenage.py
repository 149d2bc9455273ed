"""The algorithm set MILENAGE: what card and authentication centre derive from K and a challenge.

TS 35.205 and TS 35.206, with the kernel AES-128 and the standard's own constants c1 to c5 and
r1 to r5. GSM's SRES and Kc come from the conversion functions of TS 33.102 clause 6.8.1.2.
"""

from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from cardsync.errors import LocalError

_BLOCK = 16
# Constant and rotation (in octets) of the outputs 2 to 5. TS 35.206 clause 4.1
_OUTPUTS = {2: (1, 0), 3: (2, 4), 4: (4, 8), 5: (8, 12)}
_ROTATION_1 = 8


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes([a ^ b for a, b in zip(first, second, strict=True)])


def _check(octets: bytes, length: int, name: str) -> None:
    if len(octets) != length:
        raise LocalError(f"{name} has {len(octets)} octets; {length} are expected")


@dataclass(frozen=True, slots=True)
class Vector:
    """What a challenge gives: RES (8 octets), CK and IK (16), AK (6)."""

    res: bytes
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)
    ak: bytes = field(repr=False)

    @property
    def sres(self) -> bytes:
        """SRES of GSM, four octets: conversion c2. TS 33.102 clause 6.8.1.2."""
        return _xor(self.res[:4], self.res[4:])

    @property
    def kc(self) -> bytes:
        """Kc of GSM, eight octets: conversion c3. TS 33.102 clause 6.8.1.2."""
        halves = self.ck[:8], self.ck[8:], self.ik[:8], self.ik[8:]
        together = bytes(8)
        for half in halves:
            together = _xor(together, half)
        return together


@dataclass(frozen=True, slots=True)
class Milenage:
    """The subscriber key K and the operator's OPc, 16 octets each; neither is ever shown."""

    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.k, _BLOCK, "K")
        _check(self.opc, _BLOCK, "OPc")

    @classmethod
    def of_operator(cls, k: bytes, op: bytes) -> Self:
        """Derive OPc from the operator's OP. TS 35.206 clause 4.1."""
        _check(op, _BLOCK, "OP")
        _check(k, _BLOCK, "K")
        return cls(k, _xor(_encipher(k, op), op))

    def codes(self, rand: bytes, sqn: bytes, amf: bytes) -> tuple[bytes, bytes]:
        """Give MAC-A (f1) and MAC-S (f1*), eight octets each, of SQN (6) and AMF (2)."""
        _check(sqn, 6, "SQN")
        _check(amf, 2, "AMF")
        block = _xor((sqn + amf) * 2, self.opc)
        turned = block[_ROTATION_1:] + block[:_ROTATION_1]
        out = _xor(_encipher(self.k, _xor(self._temp(rand), turned)), self.opc)
        return out[:8], out[8:]

    def vector(self, rand: bytes) -> Vector:
        """Give f2 to f5 of a challenge of 16 octets."""
        temp = self._temp(rand)
        second = self._output(temp, 2)
        return Vector(second[8:], self._output(temp, 3), self._output(temp, 4), second[:6])

    def resynchronization_key(self, rand: bytes) -> bytes:
        """Give AK* (f5*), six octets that hide SQN in AUTS."""
        return self._output(self._temp(rand), 5)[:6]

    def _temp(self, rand: bytes) -> bytes:
        _check(rand, _BLOCK, "RAND")
        return _encipher(self.k, _xor(rand, self.opc))

    def _output(self, temp: bytes, number: int) -> bytes:
        constant, rotation = _OUTPUTS[number]
        block = _xor(temp, self.opc)
        turned = block[rotation:] + block[:rotation]
        return _xor(_encipher(self.k, _xor(turned, constant.to_bytes(_BLOCK, "big"))), self.opc)


def _encipher(key: bytes, block: bytes) -> bytes:
    """Encipher one block: the kernel function is AES on a block, no mode hides anything here."""
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305  # the kernel of the set
    return encryptor.update(block) + encryptor.finalize()
