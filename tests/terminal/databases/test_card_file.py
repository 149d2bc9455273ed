"""Files of the card as collections, read by APDUs alone. R-13; TS 102 221 clause 11.1."""

from collections.abc import Callable
from functools import partial

import pytest

from cardsync.card.personalisation import Codes, Subscriber, personalise
from cardsync.card.uicc import Uicc
from cardsync.errors import ConfigError, PeerError
from cardsync.octets.apdu import CommandApdu, Ins, ResponseApdu
from cardsync.terminal.databases.card_file import CardFile
from cardsync.terminal.databases.phonebook import card_of
from mobiles import ICCID, IMSI, bare_card

ADN, SPN, ICC, PNN = "3F007F106F3A", "7FFF6F46", "3F002FE2", "7FFF6FC5"


def opened(card: Uicc, path: str) -> CardFile:
    """Open a file of a card."""
    return CardFile(card.transact, ICCID, bytes.fromhex(path))


def put(card: Uicc, number: int, name: str = "Alice") -> bytes:
    """Write an entry into EF.ADN as a phone does; give the record."""
    record = name.encode().ljust(14, b"\xff") + bytes.fromhex("039121F1").ljust(14, b"\xff")
    for path in ("3F00", "7F10", "6F3A"):
        card.transact(CommandApdu(0x00, Ins.SELECT, 0, 0x0C, bytes.fromhex(path)).encode())
    answer = card.transact(CommandApdu(0x00, Ins.UPDATE_RECORD, number, 4, record).encode())

    assert b"\x90\0" == answer
    return record


def test_records() -> None:
    """Each record that is not empty is an item, named by its number; what changes is seen."""
    card = bare_card()
    first = put(card, 1)
    found = opened(card, ADN)
    before = dict(found.stamps())
    put(card, 100, "Zoe")
    put(card, 1, "Alicia")

    assert ["1"] == list(before)
    assert card_of(first) == found.read("1")
    assert ["1", "100"] == list(found.stamps())
    assert before["1"] != found.stamps()["1"]
    assert b"N:Zoe" in (found.read("100") or b"")
    assert found.read("2") is None


@pytest.mark.parametrize(
    ("path", "name"), [(ICC, "2FE2"), (SPN, "6F46"), ("7FFF6F38", "6F38"), ("3F002F05", "2F05")]
)
def test_transparent(path: str, name: str) -> None:
    """A transparent file is one item, below the MF or below the application."""
    found = opened(bare_card(), path)

    assert [name] == list(found.stamps())
    assert "application/octet-stream" == found.content_type


def test_long_file() -> None:
    """A file of more than one READ BINARY comes whole."""
    answers = {Ins.MANAGE_CHANNEL: b"\1", Ins.SELECT: bytes.fromhex("6208820201218002012C")}

    def transact(apdu: bytes) -> bytes:
        command = CommandApdu.decode(apdu)
        if command.ins == Ins.READ_BINARY:
            return bytes([command.p1 << 8 | command.p2 > 0] * (command.le or 0)) + b"\x90\0"
        return answers[Ins(command.ins)] + b"\x90\0"

    found = CardFile(transact, ICCID, bytes.fromhex(ICC))

    assert 300 == len(found.read("2FE2") or b"")


def test_what_the_terminal_may_not_read() -> None:
    """Without the PIN the phone book is closed, and a missing file is not there. RS-36."""
    codes = Codes("1234", "5678", "11111111", "22222222", b"ADMINKEY", pin1_enabled=True)
    card = Uicc(personalise(Subscriber(ICCID, IMSI), [], codes=codes))
    for path, sw in ((ADN, "6982"), ("3F001234", "6A82"), ("7FFF1234", "6A82")):
        with pytest.raises(ConfigError, match=sw):
            opened(card, path)
    channels = ResponseApdu.decode(card.transact(bytes.fromhex("0070000001")))

    assert b"\1" == channels.data  # every channel was closed again


@pytest.mark.parametrize("path", ["3F00", "3F007F10", "7FFF"])
def test_directories(path: str) -> None:
    """A directory is no database."""
    with pytest.raises(ConfigError):
        opened(bare_card(), path)


def test_basic_channel_is_left_alone() -> None:
    """What the terminal has selected for itself stays selected."""
    card = bare_card()
    card.transact(bytes.fromhex("00A40004023F00"))
    card.transact(bytes.fromhex("00A40004022FE2"))
    opened(card, ADN)

    assert 12 == len(card.transact(bytes.fromhex("00B000000A")))


def test_nothing_is_written() -> None:
    """A peer that wants to change the card is answered 405."""
    card = bare_card()
    put(card, 1)
    found, before = opened(card, ADN), card.memory.encode()
    changes: list[Callable[[], None]] = [
        partial(found.write, "1", b"x"), partial(found.name, "", b"x"), partial(found.remove, "1"),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(PeerError) as refused:
            change()

        assert 405 == refused.value.answer
    assert before == card.memory.encode()


def test_what_it_is() -> None:
    """Another card, or another file, is another collection."""
    card = bare_card()
    found = opened(card, ICC)

    assert f"{ICCID} 3f002fe2" == found.identity()
    assert found.type_of(b"") is None
    assert b"x" == found.likeness(b"x") == found.merge(b"x", b"x")
    assert found.merge(b"x", b"y") is None
    with found.batch():
        pass


def answering(select: str, read: str = "9000", channel: str = "019000") -> Callable[[bytes], bytes]:
    """Give a card that always answers so."""

    def transact(apdu: bytes) -> bytes:
        ins = CommandApdu.decode(apdu).ins
        told = {Ins.MANAGE_CHANNEL: channel, Ins.SELECT: select}.get(Ins(ins), read)
        return bytes.fromhex(told)

    return transact


@pytest.mark.parametrize(
    "card",
    [
        answering("9000"),
        answering("62009000"),
        answering("6204820179219000"),
        answering("62028201399000"),
        answering("620582017921009000"),
        answering("6282"),
        answering("FF9000"),
        answering("6207820201218001059000"),
        answering("6207820201218001059000", "6B00"),
        answering("6203820121009000"),
        answering("620782054221000E059000", "6982"),
        answering("9000", channel="9000"),
        answering("9000", channel="6881"),
        answering("9000", channel="099000"),
        answering("", channel=""),
    ],
)
def test_strange_cards(card: Callable[[bytes], bytes]) -> None:
    """Whatever a card answers, the file cannot be used, and nothing else happens."""
    with pytest.raises(ConfigError):
        CardFile(card, ICCID, bytes.fromhex(ICC))


def test_card_without_application() -> None:
    """`7FFF` needs an application in EF.DIR. TS 102 221 clause 13.1."""
    with pytest.raises(ConfigError, match="no application"):
        CardFile(answering("6207820542210002059000", "FFFF9000"), ICCID, bytes.fromhex(SPN))
