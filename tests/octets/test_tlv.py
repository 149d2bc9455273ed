"""BER-TLV and COMPREHENSION-TLV. TS 101 220 clause 7.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError, ShortInput
from cardsync.octets import tlv
from cardsync.octets.reader import Reader
from cardsync.octets.tlv import ComprehensionTlv, Tlv

LENGTHS = [
    (0, "00"),
    (0x7F, "7F"),
    (0x80, "8180"),
    (0xFF, "81FF"),
    (0x100, "820100"),
    (0xFFFF, "82FFFF"),
    (0x10000, "83010000"),
    (0xFFFFFF, "83FFFFFF"),
]


@pytest.mark.parametrize(("length", "octets"), LENGTHS)
def test_lengths(length: int, octets: str) -> None:
    """One to four octets, the table of TS 101 220 clause 7.1.2."""
    assert bytes.fromhex(octets) == tlv.encode_length(length)
    assert length == tlv.decode_length(Reader(bytes.fromhex(octets)))


@pytest.mark.parametrize("octets", ["80", "84000000", "FF"])
def test_lengths_that_are_none(octets: str) -> None:
    """An indefinite length or one of five octets is refused."""
    with pytest.raises(PeerError, match="length octet"):
        tlv.decode_length(Reader(bytes.fromhex(octets)))


def test_a_length_that_cannot_be_written() -> None:
    """Four octets end at FFFFFF."""
    with pytest.raises(LocalError):
        tlv.encode_length(0x1000000)


@pytest.mark.parametrize("tag", [0x4F, 0x81, 0x9F70, 0x7F21, 0xDF8101])
def test_ber_tlv_both_ways(tag: int) -> None:
    """Tags of one to three octets. ISO/IEC 8825-1 clause 8.1.2."""
    one = Tlv(tag, b"ab")

    assert (one, Tlv(0x80, b"")) == tlv.decode_all(one.encode() + tlv.encode(0x80, b""))


def test_ber_tag_of_four_octets() -> None:
    """A tag is at most three octets."""
    with pytest.raises(PeerError, match="longer than three octets"):
        tlv.decode_all(bytes.fromhex("1F 81 82 83 00"))


def test_comprehension_tlvs_of_a_command() -> None:
    """Details, identities and a text. TS 31.124 clause 27.22.4.1, sequence 1.1."""
    data = bytes.fromhex("8103012180 02028102 8D02042B")

    assert [
        ComprehensionTlv(0x01, bytes.fromhex("012180"), comprehension=True),
        ComprehensionTlv(0x02, bytes.fromhex("8102")),
        ComprehensionTlv(0x0D, bytes.fromhex("042B"), comprehension=True),
    ] == list(tlv.walk_comprehension(data))


def test_three_octet_form() -> None:
    """7F, then the flag and 15 bits of tag. TS 101 220 clause 7.1.1.2."""
    required = ComprehensionTlv(0x7E0E, b"\1", comprehension=True, three_octets=True)
    optional = ComprehensionTlv(0x7E07, b"\0\1", three_octets=True)
    octets = bytes.fromhex("7FFE0E0101 7F7E07020001")

    assert octets == required.encode() + optional.encode()
    assert [required, optional] == list(tlv.walk_comprehension(octets))


def test_one_after_the_other_from_a_reader() -> None:
    """A reader stands behind the TLV that it read."""
    reader = Reader(bytes.fromhex("8B8180" + 128 * "AA" + "0500"))

    assert 128 == len(tlv.decode_comprehension(reader).value)
    assert ComprehensionTlv(0x05, b"") == tlv.decode_comprehension(reader)
    with pytest.raises(ShortInput):
        tlv.decode_comprehension(reader)


@pytest.mark.parametrize("octets", ["00", "8000", "FF00", "81", "8102", "810201", "7F", "7FFE",
                                    "7FFE01", "7FFE0101", "7F000000", "7F80000101", "8180", "8B81",
                                    "8B8280"])  # fmt: skip
def test_comprehension_tlvs_that_are_none(octets: str) -> None:
    """00, 80 and FF are no tags (clause 7.1.1.1), nor is 0 in three octets; what ends too early."""
    with pytest.raises(PeerError):
        list(tlv.walk_comprehension(bytes.fromhex(octets)))


@pytest.mark.parametrize("octets", ["8B810100", "8B81 7F" + 127 * "00", "8B82 00FF" + 255 * "00"])
def test_a_length_in_too_many_octets(octets: str) -> None:
    """Each length has one way to be written. TS 101 220 clause 7.1.2."""
    with pytest.raises(PeerError, match="too many octets"):
        list(tlv.walk_comprehension(bytes.fromhex(octets)))


@pytest.mark.parametrize(
    ("tag", "three_octets"), [(0, False), (0x7F, False), (0, True), (0x8000, True)]
)
def test_a_tag_that_cannot_be_written(tag: int, three_octets: bool) -> None:
    """One octet holds 1 to 7E, three hold 1 to 7FFF."""
    with pytest.raises(LocalError):
        tlv.encode_comprehension_tag(tag, comprehension=True, three_octets=three_octets)


@given(st.binary(max_size=64))
def test_any_octets_are_the_same_again_or_refused(data: bytes) -> None:
    """What was split is joined to the same octets; nothing but `PeerError` is raised."""
    try:
        found = list(tlv.walk_comprehension(data))
    except PeerError:
        return

    assert data == b"".join(one.encode() for one in found)


@given(st.binary(max_size=64))
def test_any_octets_as_ber(data: bytes) -> None:
    """Reading BER-TLVs raises nothing but `PeerError`."""
    try:
        found = tlv.decode_all(data)
    except PeerError:
        return

    assert len(data) >= sum(len(one.value) + 2 for one in found)
