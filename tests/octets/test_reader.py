"""The bounded reader: every read is checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import PeerError, ShortInput
from cardsync.octets.reader import Reader


def test_numbers_most_significant_first() -> None:
    """Integers of one to four octets, then the rest."""
    reader = Reader(bytes.fromhex("01 0203 040506 0708090A 0B0C"))
    read = (reader.uint8(), reader.uint16(), reader.uint24(), reader.uint32(), reader.rest())

    assert (1, 0x0203, 0x040506, 0x0708090A, b"\x0b\x0c") == read
    assert (0, 12) == (len(reader), reader.offset)


@pytest.mark.parametrize(
    ("octets", "value"),
    [("00", 0), ("7F", 127), ("8100", 128), ("8720", 0x3A0), ("8FFFFFFF7F", 0xFFFFFFFF)],
)
def test_uintvar(octets: str, value: int) -> None:
    """Groups of seven bits; 87 20 is 3A0. WAP-230 clause 8.1.2."""
    assert value == Reader(bytes.fromhex(octets)).uintvar()


@pytest.mark.parametrize("octets", ["9FFFFFFF7F", "8080808080", "FFFFFFFFFF01"])
def test_uintvar_beyond_32_bits(octets: str) -> None:
    """More than 32 bits or five octets is refused."""
    with pytest.raises(PeerError, match="longer than 32 bits"):
        Reader(bytes.fromhex(octets)).uintvar()


def test_until_a_stop() -> None:
    """The stop is passed over; without one the input is short."""
    reader = Reader(b"ab\0cd", 0)

    assert (b"ab", b"cd") == (reader.until(0), reader.rest())
    with pytest.raises(ShortInput):
        Reader(b"ab").until(0)


def test_sub_reader_keeps_its_bounds_and_our_offsets() -> None:
    """An inner reader ends where its octets end, whatever follows."""
    reader = Reader(b"\0abcd")
    reader.uint8()
    inner = reader.sub(2)

    assert (1, 2) == (inner.offset, len(inner))
    assert (b"ab", b"cd") == (inner.rest(), reader.rest())
    for read in (inner.uint8, inner.uint16, lambda: reader.sub(1)):
        with pytest.raises(ShortInput):
            read()


def test_finish_refuses_what_is_left() -> None:
    """A reader that is done has nothing left."""
    reader = Reader(b"a")
    with pytest.raises(PeerError, match="1 octets are left over at offset 0"):
        reader.finish()

    assert b"a" == reader.rest()
    reader.finish()


def test_short_input_says_where() -> None:
    """The error tells the offset and how many octets were wanted."""
    reader = Reader(b"abc", 1)
    with pytest.raises(ShortInput) as caught:
        reader.octets(3)

    assert (1, 3) == (caught.value.offset, caught.value.wanted)


@given(st.binary(max_size=20), st.integers(0, 20), st.integers(0, 30))
def test_a_reader_never_reads_beyond_its_end(data: bytes, start: int, count: int) -> None:
    """What was read is what stands there, or the read raises."""
    start = min(start, len(data))
    try:
        read = Reader(data, start).octets(count)
    except ShortInput:
        assert count > len(data) - start
    else:
        assert data[start : start + count] == read
