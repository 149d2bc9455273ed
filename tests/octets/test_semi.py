"""Semi-octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError
from cardsync.octets.semi import pair, swapped, unpair, unswapped


def test_a_number_of_odd_length() -> None:
    """The filler F stands in the last upper half. TS 24.008 clause 10.5.4.7."""
    octets = bytes.fromhex("11 22 33 44 55 66 77 F8")

    assert octets == swapped("112233445566778")
    assert "112233445566778" == unswapped(octets)


@given(st.text("0123456789ABCDE", max_size=20))
def test_both_ways(digits: str) -> None:
    """Digits are read as they were written."""
    assert digits == unswapped(swapped(digits))


@given(st.integers(0, 99))
def test_two_digits(number: int) -> None:
    """A number of two digits is one octet."""
    assert (number, swapped(f"{number:02}")[0]) == (unpair(pair(number)), pair(number))


@pytest.mark.parametrize("octet", [0x0A, 0xA0, 0xF0, 0xFF])
def test_no_digits(octet: int) -> None:
    """Halves above 9 are no digits."""
    with pytest.raises(PeerError, match="not two digits"):
        unpair(octet)
