"""The face of the card: instructions, status words, and whatever octets come."""

import random
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.card.memory import Memory
from cardsync.card.uicc import ATR, Uicc
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.toolkit import envelope
from cardsync.toolkit.codes import EventCode
from cardsync.toolkit.information import LocationStatus
from cardsync.transport.user_data import UserData
from mobiles import (
    ENDS,
    HEAD,
    LOADING,
    POLICY,
    SYNC_NOW,
    Mobile,
    Sender,
    bare_card,
    card_with,
    compact,
    personalising,
    policy_group,
    rule,
    tpdu,
    trigger,
)

MASTER = "62238202782183023F00A5068001718701018A01058B032F0601C609900140830101830181" + "9000"
DIRECTORY = "61184F10A0000000871002FFFFFFFF890709000050045553494D" + "FF" * 12 + "9000"
FREE = "FF" * 38 + "9000"
USIM = "00A4040C10A0000000871002FFFFFFFF8907090000"


def answer(card: Uicc, apdu: str) -> str:
    """Exchange an APDU, both in hexadecimal."""
    return card.transact(bytes.fromhex(apdu)).hex().upper()


def test_answer_to_reset() -> None:
    """The ATR is one: its check character and the number of historical bytes are right.

    ISO/IEC 7816-3 clause 8.2.
    """
    interface, historical = 4, ATR[1] & 0x0F  # TA1, TD1, TD2, TA3

    assert 0 == reduce(xor, ATR[1:])
    assert 2 + interface + historical + 1 == len(ATR)
    assert ATR == bare_card().reset()


@pytest.mark.parametrize(
    ("apdus", "expected"),
    [
        (["00A4000C023F00"], "9000"),
        (["00A40004023F0000"], MASTER),
        (["00A4000C022FE2", "00B000000A"], "988812010000000010F79000"),
        (["00A4000C022FE2", "00B0000000"], "988812010000000010F79000"),
        (["00A4000C022FE2", "00B0000B0A"], "6B00"),
        (["00A4000C022FE2", "00D6000001AA"], "6982"),
        (["00A4000C022F00", "00B2010426"], DIRECTORY),
        (["00A4000C022F00", "00B2020426"], FREE),
        (["00A4000C022F00", "00B2030426"], "6A83"),
        (["00A4000C022F00", "00B2000226"], DIRECTORY),
        (["00A4000C022F00", "00B2000326"], FREE),
        (["00A4000C022F00", "00B2010126"], "6A86"),
        (["00A4000C022F00", "00B2010410"], "6C26"),
        (["00A4000C022F00", "00B2030410"], "6A83"),
        (["00B201F426"], DIRECTORY),
        ([USIM, "00B0870009"], "0809101000000000719000"),
        ([USIM, "00A4000C026F7E", "00D60000020102"], "9000"),
        (["00A4080C047FFF6F07", "00B0000009"], "0809101000000000719000"),
        (["00A4000C027FFF", "00A4090C026F07", "00B0000001"], "089000"),
        ([USIM, "00A4000C026F42", "00DC010428" + "00" * 40], "9000"),
        ([USIM, "00A4000C026F42", "00DC030428" + "00" * 40], "6A83"),
        ([USIM, "00A4000C026F42", "00DC01041C" + "00" * 28], "6700"),
        (["00A4000C021234"], "6A82"),
        (["00A4020C023F00"], "6A86"),
        (["00A4000D023F00"], "6A86"),
        (["00A4040C"], "9000"),
        ([USIM, "00A4044C07A0000000871002", "80F2000100"], "6A88"),
        ([USIM, "00A4044C07A0000000871002", "00A4000C022FE2"], "9000"),
        (["00A4044C07A0000000871002"], "6A82"),
        ([USIM, "00A4044C07A0000000871004"], "6A82"),
        (["00A4040C05A000000087"], "9000"),
        (["00A4040E05A000000087"], "9000"),
        ([USIM, "00A4040E05A000000087"], "6A82"),
        (["00A4000C027F10", "00A4030C"], "9000"),
        (["00A4030C"], "6A82"),
        ([USIM, "00A4000C022FE2"], "6A82"),
        (["80F2000100"], "6A88"),
        ([USIM, "80F2000100"], "8410A0000000871002FFFFFFFF89070900009000"),
        (["80F2030000"], "6A86"),
        (["80F2000005"], "6C25"),
        (["00F2000000"], "6D00"),
        ([USIM, "00A4000C026F39", "803200000100"], "000000009000"),
        ([USIM, "00A4000C026F39", "803200000105"], "000005059000"),
        ([USIM, "00A4000C026F39", "003200000105"], "6D00"),
        (["00A4080C047F106F3A", "00A201040141"], "6282"),
        (["00A4080C047F106F3A", "00DC01041C41" + "FF" * 27, "00A201040141"], "019000"),
        (["0020000100"], "63C3"),
        (["00200001083132333400000000"], "6984"),
        (["00200081083132333400000000"], "63C2"),
        (["002000810831323334FFFFFFFF"], "9000"),
        (["002001010831323334FFFFFFFF"], "6A86"),
        (["002000020831323334FFFFFFFF"], "6A88"),
        (["002C000100"], "6A88"),
        (["002800010831323334FFFFFFFF", USIM], "9000"),
        (["00A4000C022F05", "0004000000"], "6982"),
        (["00A4000C022F05", "0004000100"], "6A86"),
        (["80AA000005A903810100"], "9000"),
        (["80AA000003A900FF"], "6A80"),
        (["80AA0000028100"], "6A80"),
        (["80AA000002A901"], "6A80"),
        (["0088008110" + "00" * 16], "6985"),
        ([USIM, "0088008110" + "00" * 16], "6700"),
        ([USIM, "0088008211" + "00" * 17], "6A86"),
        ([USIM, "008800801110" + "00" * 16], "6985"),
        (["80F2000C"], "9000"),
        (["80F2000000"], MASTER),
        (["8012000010"], "6985"),
        (["801400000C810301250082028281830100"], "6985"),
        (["8010000000"], "6A80"),
        (["80C2000000"], "6A80"),
        (["8070000000"], "6D00"),
        (["00C0000000"], "6D00"),
        (["01A4000C023F00"], "6881"),
        (["41A4000C023F00"], "6881"),
        (["04A4000C023F00"], "6882"),
        (["0CA4000C023F00"], "6882"),
        (["10A4000C023F00"], "6E00"),
        (["0070000001"], "019000"),
        (["0070000000"], "019000"),
        (["0070000001", "01A4000C022FE2", "01B000000A"], "988812010000000010F79000"),
        (["0070000001", "01A4000C022FE2", "00B000000A"], "6986"),
        (["0070000200", "02A4000C023F00"], "9000"),
        (["0070000200", "0070000200"], "6A86"),
        (["0070000200", "0070800200", "02A4000C023F00"], "6881"),
        (["0070800100"], "6881"),
        (["0070800000"], "6A86"),
        (["0070000400"], "6A86"),
        (["0070010000"], "6A86"),
        ([f"00700000{n:02}" for n in (1, 1, 1, 1)], "6A81"),
        (["FFFFFFFF"], "6E00"),
        (["00A4"], "6700"),
        ([""], "6700"),
        (["00A4000005AA"], "6700"),
        (["00A4000001AABBCC"], "6700"),
    ],
)  # fmt: skip
def test_exchange(apdus: list[str], expected: str) -> None:
    """Instructions and what they answer. TS 102 221 clauses 10.2 and 11.1."""
    card = bare_card()
    card.reset()
    for apdu in apdus[:-1]:
        assert answer(card, apdu).endswith("9000")

    assert expected == answer(card, apdus[-1])


def test_reset_selects_the_mf() -> None:
    """After a reset the MF is selected. TS 102 221 clause 8.4."""
    card = bare_card()
    answer(card, "00A4000C022FE2")
    card.reset()

    assert "6986" == answer(card, "00B000000A")


def test_profile_begins_anew() -> None:
    """A TERMINAL PROFILE voids what waited: a terminal that hung comes to itself again so."""
    card = card_with(POLICY)
    profile = CommandApdu(0x80, Ins.TERMINAL_PROFILE, data=b"\xff" * 40).encode()
    words = [card.transact(profile).hex() for _ in range(50)]

    assert 1 == len(set(words))
    assert "91" == words[0][:2]
    assert 10 > len(card._answered)


def test_swapped_terminal() -> None:
    """The card needs no terminal of ours: a script of APDUs does. R-03, R-50."""
    card = card_with(HEAD + rule('"profile_download"') + ENDS)
    answer(card, "8010000014" + "FF" * 20)
    fetched = []
    for _ in range(12):
        command = card.transact(bytes.fromhex("8012000000"))[:-2]
        if not command:
            break
        fetched.append(command)
        answers = {0x26: {1: "94084A09512430325781"}}
        at = command.index(b"\x81\x03") + 2
        number, type_, qualifier = command[at : at + 3]
        more = answers.get(type_, {}).get(qualifier, "")
        data = f"8103{number:02X}{type_:02X}{qualifier:02X}82028281830100{more}"
        answer(card, f"80140000{len(data) // 2:02X}{data}")

    assert [0x05, 0x03, *[0x26] * 5, 0xF5, 0x27] == [
        one[one.index(b"\x81\x03") + 3] for one in fetched
    ]


def test_another_response() -> None:
    """A response of another command is refused, and the command is still owed its own."""
    card = card_with(POLICY)
    answer(card, "8010000001FF")
    answer(card, "8012000000")

    assert "6A80" == answer(card, "801400000C810377050082028281830100")
    assert "91" == answer(card, "801400000C810301050082028281830100")[:2]


def live_card() -> Uicc:
    """Give a card in the middle of things: a policy, a session, commands that wait."""
    text = HEAD + SYNC_NOW + rule('"location_status"') + rule('{ menu = "Update" }') + ENDS
    there = Mobile(card_with(text)).on()
    there.message(trigger(Sender(start=10)))
    return there.card


def seeds() -> list[bytes]:
    """Give APDUs of every kind that a terminal sends."""
    there, sender = Mobile(card_with(POLICY)).on(), Sender(start=50)
    there.message(trigger(sender))
    there.end(there.agent.references[0])
    there.poll(2)
    there.equipment.choose(1, 1.0)
    there.message(sender.messages(compact(*LOADING, *personalising(policy_group()))))
    there.message([tpdu(UserData(b"hello"))])
    told = envelope.event_download(EventCode.LOCATION_STATUS, LocationStatus(0)).encode()
    return [
        *{apdu for apdu, _ in there.exchanges},
        CommandApdu(0x80, Ins.ENVELOPE, data=told).encode(),
    ]


def test_mutated_instructions() -> None:
    """Eight thousand changed APDUs: always a status word, never an exception, keys untouched."""
    card, chance, known = live_card(), random.Random(102221), seeds()
    keys = card.memory.read("key:1")
    for number in range(8000):
        apdu = bytearray(chance.choice(known))
        for _ in range(chance.randint(0, 3)):
            place = chance.randrange(len(apdu))
            kind = chance.random()
            if kind < 0.7:
                apdu[place] = chance.randrange(256)
            elif kind < 0.85 and len(apdu) > 1:
                del apdu[place]
            else:
                apdu.insert(place, chance.randrange(256))
        response = card.transact(bytes(apdu))
        if number % 500 == 499:
            card.reset()

        assert 2 <= len(response) <= 258

    assert keys == card.memory.read("key:1")
    assert card.memory.encode() == Memory.decode(card.memory.encode()).encode()


@settings(max_examples=400)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_octets(apdus: list[bytes]) -> None:
    """Whatever octets come, there is a status word. TS 102 221 clause 10.2."""
    card = card_with(POLICY)
    for apdu in apdus:
        assert 2 <= len(card.transact(apdu)) <= 258


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x10, 0x12, 0x14, 0xC2, 0xF2]),
            st.sampled_from([0xD1, 0xD3, 0xD6, 0xD7, 0x81]),
            st.binary(max_size=120),
        ),
        max_size=8,
    )
)
def test_any_toolkit_octets(told: list[tuple[int, int, bytes]]) -> None:
    """Any content of the toolkit's instructions, in any order."""
    card = live_card()
    for ins, tag, content in told:
        data = bytes([tag, *([0x81] if len(content) > 127 else []), len(content)]) + content
        card.transact(CommandApdu(0x80, ins, data=data, le=256).encode())
        card.transact(CommandApdu(0x80, Ins.FETCH, le=256).encode())


def test_refused_instruction_changes_nothing() -> None:
    """What is refused has changed no cell; what a terminal may not change it does not. R-04."""
    card, chance, known = live_card(), random.Random(7), seeds()
    for _ in range(2000):
        apdu = bytearray(chance.choice(known))
        apdu[chance.randrange(len(apdu))] = chance.randrange(256)
        before = card.memory.encode()
        sw = ResponseApdu.decode(card.transact(bytes(apdu))).sw
        if sw >> 8 not in {0x90, 0x91}:
            assert before == card.memory.encode()
        for name in ("key:1", "counter:1", "app:program"):
            assert (name in Memory.decode(before).names("")) is (name in card.memory.names(""))


def test_memory_of_time() -> None:
    """Ten thousand events leave an image of the size that it had: nothing piles up."""
    there = Mobile(live_card()).on()
    sizes = set()
    for number in range(40):
        there.poll(50)
        there.equipment.event(EventCode.LOCATION_STATUS, LocationStatus(number % 3), now=there.now)
        for reference in there.agent.references[-1:]:
            there.end(reference)
        sizes.add(len(there.card.memory.encode()))
        there.exchanges.clear()

    assert max(sizes) < 12000
    assert max(sizes) - min(sizes) < 2500
