"""Texts with places for parameters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardsync.policy import templates

PARAMETERS = ("interval", "server", "path")
PARTS = st.text("abc $/\né", max_size=6) | st.sampled_from(PARAMETERS).map("${{{}}}".format)


@settings(deadline=None)
@given(st.lists(PARTS, max_size=5).map("".join))
def test_round_trip(text: str) -> None:
    """A text goes into octets and comes back, its places coded as 01 and 20 plus a number."""
    octets = templates.encode(text, PARAMETERS)

    assert text == templates.decode(octets, lambda number: PARAMETERS[number])


def test_octets_of_a_place() -> None:
    """The second parameter stands as 01 21."""
    assert bytes.fromhex("01 21 2F 73") == templates.encode("${server}/s", PARAMETERS)


def test_fill() -> None:
    """Every place takes the value of its parameter; other dollars stay."""
    values: dict[str, int | str] = {"server": "https://a.example", "interval": 30}

    assert templates.fill("${server}/${interval}$", values) == "https://a.example/30$"


def test_fill_address() -> None:
    """What an address may not have is written as %xx, all else stays. RFC 3987 clause 3.1."""
    filled = templates.fill_address("https://ä.example/${home}?a=%20&b[]#1", {"home": "Öl"})

    assert filled == "https://%C3%A4.example/%C3%96l?a=%20&b[]#1"


def test_names() -> None:
    """Places are told with their offsets."""
    assert templates.names("a${x}${y}") == ((1, "x"), (5, "y"))


@pytest.mark.parametrize("octets", [b"a\x01", b"a\x01\x1f", b"\x02", b"${x}", b"\xff"])
def test_no_text(octets: bytes) -> None:
    """Octets with control characters, uncoded places or broken UTF-8 are refused."""
    with pytest.raises(ValueError, match=r"text|utf-8"):
        templates.decode(octets, lambda number: PARAMETERS[number])
