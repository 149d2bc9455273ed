"""Remote command scripts, compact and expanded. TS 102 226 clause 5."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, ResponseApdu
from cardsync.ota.script import (
    BadFormat,
    CompactResponse,
    ExpandedResponse,
    ExpandedScript,
    decode_compact,
    encode_compact,
)

SELECT = CommandApdu(0x00, 0xA4, 0x00, 0x04, bytes.fromhex("3F00"))
READ = CommandApdu(0x00, 0xB0, 0x00, 0x00, le=0x10)
ACTIVATE = CommandApdu(0x00, 0x44, 0x00, 0x00)


def test_compact_script() -> None:
    """C-APDUs one behind the other; P3 is Lc, or Le of a command that only reads. Clause 5.1.1."""
    octets = bytes.fromhex("00A40004023F00 0044000000 00B0000010")

    assert octets == encode_compact((SELECT, ACTIVATE, READ))
    assert (SELECT, ACTIVATE, READ) == decode_compact(octets)


def test_le_of_the_last_command() -> None:
    """One octet behind the data of the last command is its Le."""
    octets = bytes.fromhex("80F24002024F0000")
    apdu = CommandApdu(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F00"), 256)

    assert (apdu,) == decode_compact(octets)
    assert octets == encode_compact((apdu,))


def test_status_is_not_get_status() -> None:
    """F2 with P1 below 10 reads and has Le. TS 102 221 clause 11.1.2."""
    assert (CommandApdu(0x80, 0xF2, 0, 0, le=0x22),) == decode_compact(bytes.fromhex("80F2000022"))


@pytest.mark.parametrize(
    "commands",
    [
        (),
        (SELECT,) * 256,
        (CommandApdu(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256), SELECT),  # Le in the middle
        (CommandApdu(0x00, 0x70, 0x00, 0x00, le=1),),  # would read as data of one octet
        (CommandApdu(0x00, 0xB0, 0x00, 0x00),),  # reads nothing
        (CommandApdu(0x00, 0xB0, 0x00, 0x00, b"x"),),
    ],
)
def test_what_a_compact_script_cannot_say(commands: tuple[CommandApdu, ...]) -> None:
    """It is refused, not written so that it reads otherwise."""
    with pytest.raises(LocalError):
        encode_compact(commands)


@pytest.mark.parametrize("octets", ["", "00A40004", "00A40004023F", "00440000000000", "00" * 1300])
def test_malformed_compact_script(octets: str) -> None:
    """Lengths that do not fit, or more than 255 commands: 6700."""
    with pytest.raises(PeerError) as caught:
        decode_compact(bytes.fromhex(octets))

    assert SW.WRONG_LENGTH == caught.value.answer


def test_compact_response() -> None:
    """Number of commands, status word, data: as a real card answers. Clause 5.1.2."""
    octets = bytes.fromhex("016132")

    assert CompactResponse(1, 0x6132) == CompactResponse.decode(octets)
    assert octets == CompactResponse(1, 0x6132).encode()
    assert CompactResponse(2, 0x9000, b"xy") == CompactResponse.decode(b"\x02\x90\x00xy")
    with pytest.raises(PeerError):
        CompactResponse.decode(octets[:2])


def test_expanded_script() -> None:
    """AA with the C-APDUs in 22, of definite length. Clause 5.2.1."""
    octets = bytes.fromhex("AA 10 22 07 00A40004023F00 22 05 00B0000010")
    script = ExpandedScript((SELECT, READ))

    assert octets == script.encode()
    assert script == ExpandedScript.decode(octets)


def test_expanded_script_of_indefinite_length() -> None:
    """AE 80 ... 00 00. Clause 5.2.1."""
    octets = bytes.fromhex("AE 80 22 07 00A40004023F00 00 00")
    script = ExpandedScript((SELECT,), indefinite=True)

    assert octets == script.encode()
    assert script == ExpandedScript.decode(octets)


def test_expanded_response() -> None:
    """AB with the number of executed commands in 80 and the R-APDUs in 23. Clause 5.2.2."""
    octets = bytes.fromhex("AB 07 80 01 02 23 02 90 00")
    response = ExpandedResponse((ResponseApdu(0x9000),), executed=2)

    assert octets == response.encode()
    assert response == ExpandedResponse.decode(octets)


def test_expanded_response_of_indefinite_length() -> None:
    """AF 80 ... 00 00, with what was unreadable in 90."""
    octets = bytes.fromhex("AF 80 23 04 6162 9000 90 01 02 00 00")
    response = ExpandedResponse(
        (ResponseApdu(0x9000, b"ab"),), bad_format=BadFormat.WRONG_LENGTH, indefinite=True
    )

    assert octets == response.encode()
    assert response == ExpandedResponse.decode(octets)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("", BadFormat.UNKNOWN_TAG),
        ("AB 00", BadFormat.UNKNOWN_TAG),
        ("AA 03 81 01 00", BadFormat.UNKNOWN_TAG),
        ("AA 02 22", BadFormat.WRONG_LENGTH),
        ("AA 00 00", BadFormat.WRONG_LENGTH),
        ("AA 05 22 03 00A400", BadFormat.WRONG_LENGTH),
        ("AE 80 22 07 00A40004023F00", BadFormat.LENGTH_NOT_FOUND),
        ("AE 80 00", BadFormat.LENGTH_NOT_FOUND),
    ],
)
def test_malformed_expanded_script(octets: str, expected: BadFormat) -> None:
    """The answer owed says what is wrong. Clause 5.2.2."""
    with pytest.raises(PeerError) as caught:
        ExpandedScript.decode(bytes.fromhex(octets))

    assert expected == caught.value.answer


@pytest.mark.parametrize("octets", ["AB 03 90 01 09", "AB 03 23 01 90", "AA 00"])
def test_malformed_expanded_response(octets: str) -> None:
    """An unknown bad format, a response without status word, a command script."""
    with pytest.raises(PeerError):
        ExpandedResponse.decode(bytes.fromhex(octets))


commands = st.builds(
    CommandApdu,
    st.just(0x80),
    st.sampled_from([0xE2, 0xE4, 0xE6, 0xE8, 0xD6]),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=255),
)


@settings(max_examples=100)
@given(st.lists(commands, min_size=1, max_size=8))
def test_round_trip(script: list[CommandApdu]) -> None:
    """decode(encode(x)) is x in both formats."""
    assert tuple(script) == decode_compact(encode_compact(script))
    for indefinite in (False, True):
        expanded = ExpandedScript(tuple(script), indefinite)

        assert expanded == ExpandedScript.decode(expanded.encode())


@settings(max_examples=300)
@given(st.binary(max_size=60), st.sampled_from(["", "AA", "AB", "AE80", "AF80"]))
def test_any_octets(octets: bytes, prefix: str) -> None:
    """Any octets are read or raise `PeerError`."""
    for read in (
        decode_compact,
        CompactResponse.decode,
        ExpandedScript.decode,
        ExpandedResponse.decode,
    ):
        try:
            read(bytes.fromhex(prefix) + octets)
        except PeerError:
            continue
