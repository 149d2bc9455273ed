"""Files and readers. TS 102 223 clauses 8.18, 8.33, 8.35, 8.40."""

import pytest

from cardsync.toolkit.readers import AtCommand, AtResponse, CApdu, CardReaderStatus, FileList


def test_paths_of_files() -> None:
    """Each begins with the MF or the current ADF. TS 31.124 clause 27.22.4.7."""
    found = FileList.read(bytes.fromhex("02 3F002FE2 7FFF6F07"))

    assert (bytes.fromhex("3F002FE2"), bytes.fromhex("7FFF6F07")) == found.paths
    assert () == FileList(0, b"").paths
    with pytest.raises(ValueError, match="two octets"):
        FileList.read(bytes.fromhex("013F00FF"))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0x59, (1, True, True, False, True, False)),
        (0x51, (1, False, True, False, True, False)),
        (0x09, (1, True, False, False, False, False)),
        (0xF2, (2, False, True, True, True, True)),
    ],
)
def test_a_reader(status: int, told: tuple[object, ...]) -> None:
    """Identity, removable, there, size, card, power. TS 31.124 clause 27.22.7.7."""
    found = CardReaderStatus(status)

    assert told == (
        found.reader,
        found.removable,
        found.present,
        found.id1,
        found.card_present,
        found.card_powered,
    )


def test_at_commands() -> None:
    """One octet a character, whatever the modem says. TS 31.124 clause 27.22.4.23."""
    assert "AT+CGMI" == AtCommand.read(b"AT+CGMI").text
    assert b"+CGMI: \xff" == AtResponse.read(b"+CGMI: \xff").value()


def test_a_command_for_a_card_has_a_header() -> None:
    """Four octets at least."""
    with pytest.raises(ValueError, match="too few"):
        CApdu(b"\xa0\xa4\0")
