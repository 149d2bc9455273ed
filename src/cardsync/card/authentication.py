"""AUTHENTICATE and RUN GSM ALGORITHM: the card proves itself and checks that the network is ours.

TS 31.102 clause 7.1.2, TS 51.011 clause 9.2.16, TS 33.102 clause 6.3 and annex C.2. The keys and
the sequence numbers that were accepted lie in cells of memory; a sequence number is remembered
before the answer leaves, so no challenge is taken twice.
"""

import hmac

from cardsync.card.memory import Memory
from cardsync.card.milenage import Milenage
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW
from cardsync.octets.reader import Reader

_KEYS, _NUMBERS = "aka:keys", "aka:numbers"
_SUCCESS, _SYNCHRONIZATION_FAILURE = 0xDB, 0xDC
_INCORRECT_MAC = 0x9862  # TS 31.102 clause 7.3
_RAND, _AUTN, _SQN = 16, 16, 6
_INDICES = 32  # annex C.1.1.1: the low five bits of SQN are IND
_SEQ_SHIFT = 5
_LARGEST_STEP = 1 << 28  # annex C.2.1: more is an attempt to use the numbers up
_RESYNCHRONIZATION_AMF = b"\0\0"  # TS 33.102 clause 6.3.3


def write_keys(memory: Memory, keys: Milenage) -> None:
    """Put the subscriber's keys into a card; its sequence numbers begin anew."""
    memory.write(_KEYS, keys.k + keys.opc)
    memory.write(_NUMBERS, b"")


class Authenticator:
    """The authentication functions over the memory of the card."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def usim(self, data: bytes, *, with_kc: bool = False) -> bytes:
        """Answer a 3G challenge: success (DB) or synchronization failure (DC).

        `data` is RAND and AUTN, each behind its length; `with_kc` adds Kc for GSM access (service
        27). Raises `PeerError`: 98 62 for a network that is not ours, 67 00 for other lengths.
        """
        rand, autn = _fields(data, _RAND, _AUTN)
        keys = self._keys()
        vector = keys.vector(rand)
        sqn, amf = _xor(autn[:_SQN], vector.ak), autn[_SQN:8]
        if not hmac.compare_digest(keys.codes(rand, sqn, amf)[0], autn[8:]):
            raise PeerError("the challenge is not of our network", answer=_INCORRECT_MAC)
        number = int.from_bytes(sqn, "big")
        if not self._accept(number):
            return bytes([_SYNCHRONIZATION_FAILURE]) + _lv(self._resynchronization(keys, rand))
        found = [vector.res, vector.ck, vector.ik] + ([vector.kc] if with_kc else [])
        return bytes([_SUCCESS]) + b"".join(map(_lv, found))

    def gsm(self, data: bytes) -> bytes:
        """Answer a GSM challenge (RAND behind its length): SRES and Kc, each behind its length."""
        (rand,) = _fields(data, _RAND)
        vector = self._keys().vector(rand)
        return _lv(vector.sres) + _lv(vector.kc)

    def run_gsm_algorithm(self, rand: bytes) -> bytes:
        """Give SRES and Kc, twelve octets. TS 51.011 clause 9.2.16."""
        if len(rand) != _RAND:
            raise PeerError(f"RAND of {len(rand)} octets", answer=SW.WRONG_LENGTH)
        vector = self._keys().vector(rand)
        return vector.sres + vector.kc

    def _keys(self) -> Milenage:
        octets = self._memory.read(_KEYS)
        if not octets:
            raise PeerError("the card has no subscriber key", answer=SW.CONDITIONS_NOT_SATISFIED)
        return Milenage(octets[:16], octets[16:])

    def _numbers(self) -> list[int]:
        """Give the highest sequence number accepted of each index."""
        octets = self._memory.read(_NUMBERS).ljust(_INDICES * _SQN, b"\0")
        starts = range(0, len(octets), _SQN)
        return [int.from_bytes(octets[start : start + _SQN], "big") for start in starts]

    def _accept(self, number: int) -> bool:
        """Remember a sequence number if it is fresh. Annex C.2.2."""
        numbers, index, sequence = self._numbers(), number % _INDICES, number >> _SEQ_SHIFT
        highest = max(numbers) >> _SEQ_SHIFT
        if sequence <= numbers[index] >> _SEQ_SHIFT or sequence - highest > _LARGEST_STEP:
            return False
        numbers[index] = number
        self._memory.write(_NUMBERS, b"".join([one.to_bytes(_SQN, "big") for one in numbers]))
        return True

    def _resynchronization(self, keys: Milenage, rand: bytes) -> bytes:
        """Give AUTS: the highest number accepted, hidden, and MAC-S. TS 33.102 clause 6.3.3."""
        sqn = max(self._numbers()).to_bytes(_SQN, "big")
        hidden = _xor(sqn, keys.resynchronization_key(rand))
        return hidden + keys.codes(rand, sqn, _RESYNCHRONIZATION_AMF)[1]


def _fields(data: bytes, *lengths: int) -> list[bytes]:
    """Read fields, each behind its length, which must be as expected."""
    reader = Reader(data)
    try:
        fields = [reader.octets(reader.uint8()) for _ in lengths]
        reader.finish()
    except PeerError as exc:
        raise PeerError("a malformed challenge", answer=SW.WRONG_LENGTH) from exc
    if [len(field) for field in fields] != list(lengths):
        raise PeerError("a challenge of another length", answer=SW.WRONG_LENGTH)
    return fields


def _lv(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes([a ^ b for a, b in zip(first, second, strict=True)])
