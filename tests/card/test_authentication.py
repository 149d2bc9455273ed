"""AUTHENTICATE: the network is checked, each challenge is taken once."""

import pytest

from cardsync.card.authentication import Authenticator, write_keys
from cardsync.card.memory import Memory
from cardsync.card.milenage import Milenage
from cardsync.errors import PeerError
from cardsync.octets.apdu import SW

K = bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc")
OP = bytes.fromhex("cdc202d5123e20f62b6d676ac72cb318")
RAND = bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")
AMF = bytes.fromhex("b9b9")
NETWORK = Milenage.of_operator(K, OP)
RES = "a54211d5e3ba50bf"
CK = "b40ba9a3c58b2a05bbf0d987b21bf8cb"
IK = "f769bcd751044604127672711c6d3441"


def challenge(number: int, amf: bytes = AMF) -> bytes:
    """Make RAND and AUTN as the network sends them."""
    sqn = number.to_bytes(6, "big")
    hidden = bytes([a ^ b for a, b in zip(sqn, NETWORK.vector(RAND).ak, strict=True)])
    autn = hidden + amf + NETWORK.codes(RAND, sqn, amf)[0]
    return b"\x10" + RAND + b"\x10" + autn


def memory() -> Memory:
    """Give the memory of a card with the network's keys."""
    made = Memory()
    write_keys(made, NETWORK)
    return made


def test_success() -> None:
    """RES, CK and IK behind the tag DB. TS 31.102 clause 7.1.2.1."""
    answer = Authenticator(memory()).usim(challenge(32))

    assert f"db08{RES}10{CK}10{IK}" == answer.hex()


def test_success_with_gsm_access() -> None:
    """Kc follows where service 27 is available. TS 31.102 clause 7.1.2.1."""
    answer = Authenticator(memory()).usim(challenge(32), with_kc=True)

    assert f"db08{RES}10{CK}10{IK}08eae4be823af9a08b" == answer.hex()


def test_a_challenge_is_taken_once() -> None:
    """The same again is a synchronization failure that tells the number. TS 33.102 clause 6.3.5."""
    card = memory()
    Authenticator(card).usim(challenge(32 * 7 + 3))
    answer = Authenticator(Memory.decode(card.encode())).usim(challenge(32 * 7 + 3))
    auts = answer[2:]
    sqn = bytes([a ^ b for a, b in zip(auts[:6], NETWORK.resynchronization_key(RAND), strict=True)])

    assert (0xDC, 14) == (answer[0], answer[1])
    assert 32 * 7 + 3 == int.from_bytes(sqn, "big")
    assert NETWORK.codes(RAND, sqn, b"\0\0")[1] == auts[6:]


def test_other_indices_may_be_older() -> None:
    """A lower number of another index is fresh, once. TS 33.102 annex C.2.2."""
    card = Authenticator(memory())
    tags = [card.usim(challenge(number))[0] for number in (32 * 9 + 1, 32 * 8 + 2, 32 * 8 + 2)]

    assert [0xDB, 0xDB, 0xDC] == tags


def test_numbers_cannot_be_used_up() -> None:
    """A step of more than 2^28 is refused and changes nothing. TS 33.102 annex C.2.1."""
    card = memory()
    before = card.encode()
    answer = Authenticator(card).usim(challenge(((1 << 28) + 1) << 5))

    assert (0xDC, before) == (answer[0], card.encode())


def test_not_our_network() -> None:
    """A wrong MAC is answered by 98 62 and changes nothing. TS 31.102 clause 7.3."""
    card = memory()
    before, wrong = card.encode(), bytearray(challenge(32))
    wrong[-1] ^= 1
    with pytest.raises(PeerError) as refused:
        Authenticator(card).usim(bytes(wrong))

    assert (0x9862, before) == (refused.value.answer, card.encode())


@pytest.mark.parametrize("data", [b"", b"\x10" + RAND, challenge(32) + b"\0", b"\x0f" + bytes(32)])
def test_malformed(data: bytes) -> None:
    """Other lengths are answered by 67 00."""
    with pytest.raises(PeerError) as refused:
        Authenticator(memory()).usim(data)

    assert SW.WRONG_LENGTH == refused.value.answer


def test_gsm() -> None:
    """SRES and Kc in the GSM context and for CLA A0. TS 31.102 clause 7.1.2.2."""
    card = Authenticator(memory())

    assert "0446f8416a08eae4be823af9a08b" == card.gsm(b"\x10" + RAND).hex()
    assert "46f8416aeae4be823af9a08b" == card.run_gsm_algorithm(RAND).hex()


def test_gsm_malformed() -> None:
    """A short challenge is answered by 67 00."""
    for call in (Authenticator(memory()).gsm, Authenticator(memory()).run_gsm_algorithm):
        with pytest.raises(PeerError) as refused:
            call(RAND[1:])

        assert SW.WRONG_LENGTH == refused.value.answer


def test_without_keys() -> None:
    """A card without a subscriber key answers 69 85."""
    with pytest.raises(PeerError) as refused:
        Authenticator(Memory()).gsm(b"\x10" + RAND)

    assert SW.CONDITIONS_NOT_SATISFIED == refused.value.answer
