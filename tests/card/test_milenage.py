"""MILENAGE against the implementers' and design conformance test data of 3GPP."""

from dataclasses import dataclass

import pytest

from cardsync.card.milenage import Milenage
from cardsync.errors import LocalError


@dataclass(frozen=True)
class Set:
    """A test set of TS 35.207 clauses 3 to 5 (the same sets as 1, 3 to 7 of TS 35.208)."""

    k: str
    rand: str
    sqn: str
    amf: str
    op: str
    opc: str
    f1: str
    f1_star: str
    f2: str
    f3: str
    f4: str
    f5: str
    f5_star: str


SETS = [
    Set(*text.split())
    for text in (
        (
            "465b5ce8b199b49faa5f0a2ee238a6bc 23553cbe9637a89d218ae64dae47bf35 ff9bb4d0b607 b9b9 "
            "cdc202d5123e20f62b6d676ac72cb318 cd63cb71954a9f4e48a5994e37a02baf 4a9ffac354dfafb3 "
            "01cfaf9ec4e871e9 a54211d5e3ba50bf b40ba9a3c58b2a05bbf0d987b21bf8cb "
            "f769bcd751044604127672711c6d3441 aa689c648370 451e8beca43b"
        ),
        (
            "0396eb317b6d1c36f19c1c84cd6ffd16 c00d603103dcee52c4478119494202e8 fd8eef40df7d af17 "
            "ff53bade17df5d4e793073ce9d7579fa 53c15671c60a4b731c55b4a441c0bde2 5df5b31807e258b0 "
            "a8c016e51ef4a343 d3a628ed988620f0 58c433ff7a7082acd424220f2b67c556 "
            "21a8c1f929702adb3e738488b9f5c5da c47783995f72 30f1197061c1"
        ),
        (
            "fec86ba6eb707ed08905757b1bb44b8f 9f7c8d021accf4db213ccff0c7f71a6a 9d0277595ffc 725c "
            "dbc59adcb6f9a0ef735477b7fadf8374 1006020f0a478bf6b699f15c062e42b3 9cabc3e99baf7281 "
            "95814ba2b3044324 8011c48c0c214ed2 5dbdbb2954e8f3cde665b046179a5098 "
            "59a92d3b476a0443487055cf88b2307b 33484dc2136b deacdd848cc6"
        ),
        (
            "9e5944aea94b81165c82fbf9f32db751 ce83dbc54ac0274a157c17f80d017bd6 0b604a81eca8 9e09 "
            "223014c5806694c007ca1eeef57f004f a64a507ae1a2a98bb88eb4210135dc87 74a58220cba84c49 "
            "ac2cc74a96871837 f365cd683cd92e96 e203edb3971574f5a94b0d61b816345d "
            "0c4524adeac041c4dd830d20854fc46b f0b9c08ad02e 6085a86c6f63"
        ),
        (
            "4ab1deb05ca6ceb051fc98e77d026a84 74b0cd6031a1c8339b2b6ce2b8c4a186 e880a1b580b6 9f07 "
            "2d16c5cd1fdf6b22383584e3bef2a8d8 dcf07cbd51855290b92a07a9891e523e 49e785dd12626ef2 "
            "9e85790336bb3fa2 5860fc1bce351e7e 7657766b373d1c2138f307e3de9242f9 "
            "1c42e960d89b8fa99f2744e0708ccb53 31e11a609118 fe2555e54aa9"
        ),
    )
]


@pytest.mark.parametrize("one", SETS)
def test_sets(one: Set) -> None:
    """Every function of every set. TS 35.207 clauses 3, 4 and 5."""
    card = Milenage.of_operator(bytes.fromhex(one.k), bytes.fromhex(one.op))
    rand = bytes.fromhex(one.rand)
    codes = card.codes(rand, bytes.fromhex(one.sqn), bytes.fromhex(one.amf))
    vector = card.vector(rand)

    assert one.opc == card.opc.hex()
    assert (one.f1, one.f1_star) == (codes[0].hex(), codes[1].hex())
    assert (one.f2, one.f3) == (vector.res.hex(), vector.ck.hex())
    assert (one.f4, one.f5) == (vector.ik.hex(), vector.ak.hex())
    assert one.f5_star == card.resynchronization_key(rand).hex()


def test_sixth_set() -> None:
    """MAC-A, MAC-S, IK and AK* of the sixth set."""
    card = Milenage.of_operator(
        bytes.fromhex("6c38a116ac280c454f59332ee35c8c4f"),
        bytes.fromhex("1ba00a1a7c6700ac8c3ff3e96ad08725"),
    )
    rand = bytes.fromhex("ee6466bc96202c5a557abbeff8babf63")
    codes = card.codes(rand, bytes.fromhex("414b98222181"), bytes.fromhex("4464"))

    assert "3803ef5363b947c6aaa225e58fae3934" == card.opc.hex()
    assert ("078adfb488241a57", "80246b8d0186bcf1") == (codes[0].hex(), codes[1].hex())
    assert "a7466cc1e6b2a1337d49d3b66e95d7b4" == card.vector(rand).ik.hex()
    assert "1f53cd2b1113" == card.resynchronization_key(rand).hex()


def test_challenge() -> None:
    """Set 19 of TS 35.208 as it goes over the air: AUTN is SQN + AK, AMF, MAC-A."""
    card = Milenage.of_operator(
        bytes.fromhex("5122250214c33e723a5dd523fc145fc0"),
        bytes.fromhex("c9e8763286b5b9ffbdf56e1297d0887b"),
    )
    rand = bytes.fromhex("81e92b6c0ee0e12ebceba8d92a99dfa5")
    sqn, amf = bytes.fromhex("16f3b3f70fc2"), bytes.fromhex("c3ab")
    vector = card.vector(rand)
    hidden = bytes([a ^ b for a, b in zip(sqn, vector.ak, strict=True)])

    assert "28d7b0f2a2ec3de5" == vector.res.hex()
    assert "5349fbe098649f948f5d2e973a81c00f" == vector.ck.hex()
    assert "9744871ad32bf9bbd1dd5ce54e3e2e5a" == vector.ik.hex()
    assert (
        "bb52e91c747ac3ab2a5c23d15ee351d5" == (hidden + amf + card.codes(rand, sqn, amf)[0]).hex()
    )


def test_gsm() -> None:
    """SRES and Kc of the first set. TS 35.208 clause 5, TS 33.102 clause 6.8.1.2."""
    vector = Milenage(
        bytes.fromhex("465b5ce8b199b49faa5f0a2ee238a6bc"),
        bytes.fromhex("cd63cb71954a9f4e48a5994e37a02baf"),
    ).vector(bytes.fromhex("23553cbe9637a89d218ae64dae47bf35"))

    assert ("46f8416a", "eae4be823af9a08b") == (vector.sres.hex(), vector.kc.hex())


@pytest.mark.parametrize(("k", "opc"), [(b"k" * 15, b"o" * 16), (b"k" * 16, b"o" * 17)])
def test_lengths(k: bytes, opc: bytes) -> None:
    """A key of another length is refused."""
    with pytest.raises(LocalError):
        Milenage(k, opc)


def test_secrets_are_not_shown() -> None:
    """Neither K nor OPc nor what is derived stands in a repr."""
    card = Milenage(b"K" * 16, b"O" * 16)

    assert "KK" not in repr(card)
    assert card.vector(bytes(16)).ck.hex() not in repr(card.vector(bytes(16)))
    assert repr(card.vector(bytes(16)).ck) not in repr(card.vector(bytes(16)))
