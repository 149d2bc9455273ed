"""Files of data objects: retrieved and set in blocks of any size. TS 102 221 clause 11.3."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card import profile
from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.profile import Profile
from cardsync.card.remote_files import SHARED_TAR
from cardsync.card.tpdu import TpduProcessor
from cardsync.card.uicc import Uicc
from cardsync.errors import ConfigError
from cardsync.octets import tlv
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.ota.script import CompactResponse
from cardsync.toolkit import commands
from mobiles import ICCID, IMSI, KEYS, Sender, receive

TEXT = """
[[directory]]
path = "3F00"
name = "MF"
files = [
  { id = "2F06", name = "EF.ARR", access = "ALW ADM1", made = "rules" },
  { id = "2FE2", name = "EF.ICCID", size = 10, access = "ALW NEV", made = "iccid" },
  { id = "6F01", name = "A", size = 600, short = 1, objects = true, access = "ALW ALW", CONTENT },
  { id = "6F02", name = "B", size = 20, objects = true, access = "PIN1 ADM1" },
]
""".replace("CONTENT", 'content = "8101FF"')
SELECT_A, SELECT_B = "00A40004026F01", "00A4000C026F02"


@cache
def files() -> Profile:
    """Give a profile with two files of objects."""
    return profile.parse(TEXT)


def card() -> Uicc:
    """Make a card of it."""
    codes = Codes("1234", "1234", pin1_enabled=True)
    return Uicc(personalise(Subscriber(ICCID, IMSI), [KEYS], profile=files(), codes=codes))


def answers(*apdus: str) -> list[str]:
    """Exchange APDUs with a new card."""
    there = card()
    return [there.transact(bytes.fromhex(apdu)).hex().upper() for apdu in apdus]


def test_template() -> None:
    """The file descriptor, and what is told of the file. Clause 11.1.1.4."""
    expected = (
        "6220820279218302" + "6F01" + "A507840101860202588A01058B032F060480020258880108" + "9000"
    )

    assert [expected] == answers(SELECT_A)


@pytest.mark.parametrize(
    ("apdus", "expected"),
    [
        (["80CB00800181"], "8101FF9000"),
        (["80CB00810181"], "8101FF9000"),  # by its short identifier
        (["80CB0080015C"], "5C01819000"),
        (["80CB00800182"], "6A88"),
        (["80CB0080029F70"], "6A88"),
        (["80CB0080028182"], "6A80"),
        (["80CB008000"], "6A80"),
        (["80CB000000"], "6985"),
        (["80CB00C00181"], "6A86"),
        (["80CB01800181"], "6A86"),
        (["80CB00010181"], "6A86"),
        (["00CB00800181"], "6D00"),
        (["80DB0080058203ABCDEF", "80CB00800182"], "8203ABCDEF9000"),
        (["80DB0080038101AA", "80CB00800181"], "8101AA9000"),
        (["80DB00800181", "80CB00800181"], "6A88"),
        (["80DB00800182"], "6A88"),
        (["80DB0080048203ABCD"], "63F1"),
        (["80DB0080048203ABCD", "80DB000001EF", "80CB00800182"], "8203ABCDEF9000"),
        (["80DB0080048203ABCD", "80CB00800182"], "6A88"),
        (["80DB0080048203ABCD", "00A40004026F01", "80DB000001EF"], "6985"),
        (["80DB0080048203ABCD", "00B0000000", "80DB000001EF"], "6985"),
        (["80DB0080048203ABCD", "80DB000002EFEF"], "6A80"),
        (["80DB0080048201ABCD"], "6A80"),
        (["80DB0080058282" + "0300" + "00"], "6A84"),
        (["80DB000001EF"], "6985"),
        (["80DB004001EF"], "6A86"),
        (["80DB008000"], "6700"),
        (["80DB0080029F82"], "6A80"),
        (["80DB00800282" + "88"], "6A80"),
        (["00B0000001"], "6981"),
        (["00B2010401"], "6981"),
        ([SELECT_B, "80CB00800181"], "6982"),
        ([SELECT_B, "002000010831323334FFFFFFFF", "80CB00800181"], "6A88"),
        ([SELECT_B, "002000010831323334FFFFFFFF", "80DB0080038101AA"], "6982"),
        (["00A40004022FE2", "80CB00800181"], "6981"),
        (["A0A40000026F01", "A0B0000001"], "9408"),
    ],
)
def test_exchange(apdus: list[str], expected: str) -> None:
    """What is found, what is put there, what is refused."""
    assert expected == answers(SELECT_A, *apdus)[-1]


def put(there: Uicc, whole: bytes, size: int) -> list[int]:
    """Set an object in blocks."""
    words = []
    for start in range(0, len(whole), size):
        p2 = 0x80 if start == 0 else 0
        apdu = CommandApdu(0x80, Ins.SET_DATA, 0, p2, whole[start : start + size])
        words.append(ResponseApdu.decode(there.transact(apdu.encode())).sw)
    return words


def get(there: Uicc, tag: bytes, size: int) -> tuple[bytes, list[int]]:
    """Retrieve an object in blocks."""
    apdu, found, words = CommandApdu(0x80, Ins.RETRIEVE_DATA, 0, 0x80, tag, size), b"", list[int]()
    while not words or words[-1] == 0x62F1:
        response = ResponseApdu.decode(there.transact(apdu.encode()))
        found, words = found + response.data, [*words, response.sw]
        apdu = CommandApdu(0x80, Ins.RETRIEVE_DATA, le=size)
    return found, words


@given(
    st.sampled_from([0x82, 0x9F70, 0xDF8101]),
    st.binary(max_size=580),
    st.integers(4, 255),
    st.integers(1, 256),
)
@settings(max_examples=200, deadline=None)
def test_blocks_of_any_size(tag: int, value: bytes, wide: int, narrow: int) -> None:
    """An object comes back as it went, however both were cut; the old ones stay."""
    there, whole = card(), tlv.encode(tag, value)
    there.transact(bytes.fromhex(SELECT_A))
    words = put(there, whole, wide)
    name = tag.to_bytes(3, "big").lstrip(b"\0")

    assert [0x63F1] * (len(words) - 1) + [0x9000] == words
    found, told = get(there, name, narrow)
    assert (whole, 0x9000) == (found, told[-1])
    assert bytes.fromhex("8101FF") == get(there, b"\x81", 256)[0]


def test_a_block_again() -> None:
    """The block that was told last can be asked for again. Clause 11.3.1.2."""
    there = card()
    there.transact(bytes.fromhex(SELECT_A))
    put(there, tlv.encode(0x82, bytes(range(200))), 100)
    first = there.transact(bytes.fromhex("80CB008001" + "82" + "10"))
    second = there.transact(bytes.fromhex("80CB000010"))

    assert first != second
    assert second == there.transact(bytes.fromhex("80CB004010"))
    assert bytes(range(29, 45)) + b"\x62\xf1" == there.transact(bytes.fromhex("80CB000010"))


def test_the_file_is_full() -> None:
    """Objects do not take more than the file has; what was there stays."""
    there = card()
    there.transact(bytes.fromhex(SELECT_A))

    assert [0x63F1, 0x63F1, 0x9000] == put(there, tlv.encode(0x82, bytes(500)), 200)
    assert 0x6A84 == put(there, tlv.encode(0x83, bytes(100)), 200)[-1]
    assert 500 + 4 == len(get(there, b"\x82", 256)[0])
    assert [0x63F1, 0x63F1, 0x9000] == put(there, tlv.encode(0x82, bytes(550)), 200)


def test_over_t0() -> None:
    """Blocks over T=0: 61 XX for the first, Le for the others, 6C XX for the last."""
    there = card()
    there.transact(bytes.fromhex(SELECT_A))
    put(there, tlv.encode(0x82, bytes(300)), 200)
    reader = TpduProcessor(there)

    assert "6100" == reader.transact(bytes.fromhex("80CB00800182")).hex()
    first = reader.transact(bytes.fromhex("80C0000000"))
    assert (258, b"\x62\xf1") == (len(first), first[-2:])
    assert "6c30" == reader.transact(bytes.fromhex("80CB000000")).hex()
    assert 48 + 2 == len(reader.transact(bytes.fromhex("80CB000030")))
    assert "6985" == reader.transact(bytes.fromhex("80CB000000")).hex()


def test_a_command_waits_meanwhile() -> None:
    """With a command to fetch the status words are 62 F2 and 63 F2. Clause 10.2.1."""
    there = card()
    there._session.offer(commands.poll_interval(30))
    there._profiled = True
    there.transact(bytes.fromhex(SELECT_A))

    assert b"\x63\xf2" == there.transact(bytes.fromhex("80DB0080048203ABCD"))
    there.transact(bytes.fromhex("80DB000001EF"))
    assert b"\x82\x62\xf2" == there.transact(bytes.fromhex("80CB0080018201"))


def test_over_the_air() -> None:
    """The operator sets and reads objects by a script. TS 102 226 clause 7.1."""
    there, sender = card(), Sender()
    script = bytes.fromhex("00A4000C026F02" + "80DB0080038101AA" + "80CB00800181" + "80C0000003")
    proof = sender.proof(receive(there, sender.messages(script, SHARED_TAR)).data, SHARED_TAR)
    response = CompactResponse.decode(proof.data)

    assert (4, 0x9000, "8101aa") == (response.executed, response.sw, response.data.hex())


@pytest.mark.parametrize(("content", "why"), [("8105FF", "no row"), ("8101FF" * 201, "longer")])
def test_content_that_is_none(content: str, why: str) -> None:
    """A profile whose content is no objects, or too many."""
    with pytest.raises(ConfigError, match=why):
        profile.parse(TEXT.replace("8101FF", content))
