"""Command and response APDU. TS 102 221 clause 10."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets.apdu import SW, CommandApdu, Ins, ResponseApdu

CASES = [
    ("80AA0000", CommandApdu(0x80, Ins.TERMINAL_CAPABILITY)),
    ("801200001B", CommandApdu(0x80, Ins.FETCH, le=27)),
    ("8012000000", CommandApdu(0x80, Ins.FETCH, le=256)),
    ("00A4080C022FE2", CommandApdu(0, Ins.SELECT, 8, 12, b"\x2f\xe2")),
    ("00A40804023F0000", CommandApdu(0, Ins.SELECT, 8, 4, b"\x3f\x00", 256)),
]


@pytest.mark.parametrize(("octets", "apdu"), CASES, ids=["1", "2", "2 of 256", "3", "4"])
def test_four_cases(octets: str, apdu: CommandApdu) -> None:
    """The cases of TS 102 221 clause 10.1.1, both ways."""
    assert bytes.fromhex(octets) == apdu.encode()
    assert apdu == CommandApdu.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "octets", ["", "00A404", "00A4040002AA", "00A4040001AA0000", "00A404000000"]
)
def test_lengths_that_disagree(octets: str) -> None:
    """The card owes `67 00`. TS 102 221 clause 10.2.1.5."""
    with pytest.raises(PeerError) as caught:
        CommandApdu.decode(bytes.fromhex(octets))

    assert SW.WRONG_LENGTH == caught.value.answer


def test_what_a_short_apdu_cannot_hold() -> None:
    """At most 255 octets go and 256 come back."""
    with pytest.raises(LocalError):
        CommandApdu(0, 0, data=bytes(256))
    for le in (0, 257):
        with pytest.raises(LocalError):
            CommandApdu(0, 0, le=le)


def test_response() -> None:
    """Data and the status word behind it. TS 102 221 clause 10.2."""
    response = ResponseApdu(0x911B, b"\1\2")

    assert bytes.fromhex("0102911B") == response.encode()
    assert response == ResponseApdu.decode(response.encode())
    assert (0x91, 0x1B) == (response.sw1, response.sw2)
    with pytest.raises(PeerError, match="no status word"):
        ResponseApdu.decode(b"\x90")


@given(st.binary(max_size=270))
def test_any_octets_are_the_same_again_or_refused(octets: bytes) -> None:
    """What was read is written to the same octets."""
    try:
        apdu = CommandApdu.decode(octets)
    except PeerError:
        return

    assert octets == apdu.encode()
