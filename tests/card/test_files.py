"""Files of the card: selection, templates, reading, updating, access rules."""

import pytest

from cardsync.card.files import FILES, USIM_AID, Access, File, FileSystem, cell
from cardsync.card.memory import Memory
from cardsync.errors import PeerError
from cardsync.octets import tlv
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from mobiles import bare_card


@pytest.fixture
def files() -> FileSystem:
    """Give the files of a personalised card."""
    return FileSystem(bare_card().memory)


def at(*identifiers: str) -> FileSystem:
    """Give a file system with these selected one after the other."""
    files = FileSystem(bare_card().memory)
    for identifier in identifiers:
        files.select_identifier(bytes.fromhex(identifier))
    return files


@pytest.mark.parametrize(
    ("identifiers", "tag", "expected"),
    [
        (("3F00",), 0x82, "7821"),
        (("3F00",), 0x83, "3F00"),
        (("2FE2",), 0x82, "4121"),
        (("2FE2",), 0x80, "000A"),
        (("2FE2",), 0x88, "10"),
        (("2F00",), 0x82, "4221002601"),
        (("7FFF",), 0x84, "A0000000871002FFFFFFFF8907090000"),
        (("7FFF", "6F07"), 0x80, "0009"),
        (("7FFF", "6F07"), 0x8B, "2F0601"),
        (("7FFF", "6F7E"), 0x8B, "2F0602"),
    ],
)
def test_template(identifiers: tuple[str, ...], tag: int, expected: str) -> None:
    """The FCP template says what the file is. TS 102 221 clause 11.1.1.3."""
    (outer,) = tlv.decode_all(at(*identifiers).template())
    found = {one.tag: one.value for one in tlv.decode_all(outer.value)}

    assert 0x62 == outer.tag
    assert bytes.fromhex(expected) == found[tag]


@pytest.mark.parametrize(
    ("octets", "identifiers"),
    [
        ("62178202412183026f078a01058b036f060a80020009880138", ("7FFF", "6F07")),
        ("621a82054221000e0283026fb78a01058b036f06088002001c880108", ("2F00",)),
        (
            (
                "622c8202782183023f00a50c80017183040003a738870101"
                "8a01058b032f0601c60c90016083010183010a83010b"
            ),
            ("3F00",),
        ),
    ],
)
def test_template_as_real_cards_write_it(octets: str, identifiers: tuple[str, ...]) -> None:
    """A real card answers the same objects in the same order. TS 102 221 clause 11.1.1.3."""
    real = tlv.decode_all(bytes.fromhex(octets))[0]
    ours = tlv.decode_all(at(*identifiers).template())[0]

    assert [one.tag for one in tlv.decode_all(real.value)] == [
        one.tag for one in tlv.decode_all(ours.value)
    ]


@pytest.mark.parametrize(
    ("path", "selected"),
    [("2FE2", "2FE2"), ("7FFF6F07", "6F07"), ("", "3F00")],
)
def test_select_path(files: FileSystem, path: str, selected: str) -> None:
    """A path leads from the MF. TS 102 221 clause 8.4.2."""
    assert b"\x83\x02" + bytes.fromhex(selected) in files.select_path(
        bytes.fromhex(path), from_mf=True
    )


@pytest.mark.parametrize("path", ["6F07", "7FFF2FE2", "00"])
def test_no_such_path(files: FileSystem, path: str) -> None:
    """A path that leads nowhere is refused."""
    with pytest.raises(PeerError) as refused:
        files.select_path(bytes.fromhex(path), from_mf=True)

    assert SW.FILE_NOT_FOUND == refused.value.answer


def test_select_path_from_current() -> None:
    """A path may begin in the current directory."""
    files = at("7FFF")
    files.select_path(bytes.fromhex("6F46"), from_mf=False)

    assert b"\x01cardsync" == files.read_binary(0, 9)


@pytest.mark.parametrize("aid", [USIM_AID, USIM_AID[:7], USIM_AID[:5]])
def test_select_aid(files: FileSystem, aid: bytes) -> None:
    """The USIM is selected by its AID or its beginning. TS 102 221 clause 8.4.1."""
    assert USIM_AID in files.select_aid(aid)


@pytest.mark.parametrize("aid", [b"", USIM_AID[:4], b"\xa0\0\0\0\x09\0", USIM_AID + b"\0"])
def test_select_other_aid(files: FileSystem, aid: bytes) -> None:
    """Another application is not there."""
    with pytest.raises(PeerError) as refused:
        files.select_aid(aid)

    assert SW.FILE_NOT_FOUND == refused.value.answer


def test_beside() -> None:
    """A file beside the selected one, and the MF from anywhere. TS 102 221 clause 8.4.1."""
    files = at("7FFF", "6F07", "6F38", "3F00")

    assert 0x3F00 == int.from_bytes(
        tlv.decode_all(tlv.decode_all(files.template())[0].value)[1].value
    )


def test_read_binary() -> None:
    """Reading begins anywhere and ends with the file. TS 102 221 clause 11.1.3."""
    files = at("7FFF", "6F38")

    assert 16 == len(files.read_binary(0, 256))
    assert 8 == files.read_binary(3, 1)[0]  # service 28, data download by SMS-PP
    assert 12 == len(files.read_binary(4, 256))


@pytest.mark.parametrize(
    ("identifier", "offset", "length", "sw"),
    [
        ("2FE2", 10, 1, SW.WRONG_P1_P2),
        ("2FE2", 0, 11, SW.WRONG_LENGTH),
        ("2FE2", 9, 2, SW.WRONG_LENGTH),
        ("3F00", 0, 1, SW.NO_EF_SELECTED),
        ("2F00", 0, 1, SW.CONDITIONS_NOT_SATISFIED),
    ],
)
def test_read_binary_refused(identifier: str, offset: int, length: int, sw: SW) -> None:
    """Beyond the file, or not a transparent one. TS 102 221 clause 11.1.3."""
    with pytest.raises(PeerError) as refused:
        at(identifier).read_binary(offset, length)

    assert sw == refused.value.answer


def test_update() -> None:
    """What the terminal may write is read again. TS 102 221 clause 11.1.4."""
    files = at("7FFF", "6F7E")
    files.update_binary(4, b"\x00\xf1\x10")

    assert b"\xff\xff\xff\xff\x00\xf1\x10\xff\xff\xff\xff" == files.read_binary(0, 11)


def test_record() -> None:
    """Records count from 1 and are written whole. TS 102 221 clauses 11.1.5 and 11.1.6."""
    files = at("7FFF", "6F42")
    files.update_record(1, bytes(28))

    assert bytes(28) == files.read_record(1)
    for number in (0, 2):
        with pytest.raises(PeerError) as refused:
            files.read_record(number)
        assert SW.RECORD_NOT_FOUND == refused.value.answer
    with pytest.raises(PeerError) as refused:
        files.update_record(1, bytes(27))
    assert SW.WRONG_LENGTH == refused.value.answer


@pytest.mark.parametrize(
    "file", [f for f in FILES.values() if f.update is Access.NEVER], ids=lambda file: file.path
)
def test_never_updated(file: File) -> None:
    """What nobody may change stays, whatever the length. R-04, TS 102 221 clause 9."""
    files = FileSystem(bare_card().memory)
    files.select_path(bytes.fromhex(file.path.replace("/", "")[4:]), from_mf=True)
    update = files.update_record if file.record else files.update_binary
    sw = SW.NO_EF_SELECTED if file.directory else SW.SECURITY_NOT_SATISFIED
    with pytest.raises(PeerError) as refused:
        update(0, b"\0")

    assert sw == refused.value.answer


def test_update_beyond() -> None:
    """An update that does not fit changes nothing."""
    files = at("7FFF", "6F7E")
    with pytest.raises(PeerError):
        files.update_binary(10, b"\0\0")

    assert b"" == files._memory.read(cell("3F00/7FFF/6F7E"))


def test_short_identifier() -> None:
    """READ BINARY by short file identifier, through the face of the card. Clause 11.1.3."""
    card = bare_card()
    response = ResponseApdu.decode(card.transact(CommandApdu(0, 0xB0, 0x82, 0, le=10).encode()))

    assert (0x9000, 10) == (response.sw, len(response.data))

    response = ResponseApdu.decode(card.transact(CommandApdu(0, 0xB0, 0x9F, 0, le=10).encode()))

    assert SW.FILE_NOT_FOUND == response.sw


def test_missing_content_is_erased_content() -> None:
    """A file that was never written reads as FF."""
    files = FileSystem(Memory())
    files.select_identifier(bytes.fromhex("2FE2"))

    assert b"\xff" * 10 == files.read_binary(0, 10)
