"""Characters. TS 23.038, TS 102 221 annex A."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardsync.errors import LocalError, PeerError
from cardsync.octets import text
from cardsync.octets.text import Alphabet

GSM = "".join(sorted(character for character in text._SEPTETS))


def test_corners_of_the_alphabet() -> None:
    """`@` is 00, `Δ` 10, `$` 02, `à` 7F; the euro is 1B 65. TS 23.038 clause 6.2.1."""
    octets = bytes.fromhex("00 10 02 24 7F 1B65 1B3C 1B3E 41")

    assert "@Δ$¤à€[]A" == text.decode_septets(octets)
    assert octets == text.encode_septets("@Δ$¤à€[]A")


def test_an_escape_to_nothing() -> None:
    """It shows as a space, or as what stands in the first table. TS 23.038 clause 6.2.1.1."""
    assert "  A" == text.decode_septets(bytes.fromhex("1B1B 20 1B41"))
    assert "a " == text.decode_septets(bytes.fromhex("611B"))


def test_what_is_no_septet_and_no_character() -> None:
    """An octet of eight bits cannot be read, a Chinese character not be written."""
    with pytest.raises(PeerError):
        text.decode_septets(b"\x80")
    with pytest.raises(LocalError):
        text.encode_septets("你")

    assert (True, False) == (text.is_gsm("Grüße"), text.is_gsm("你好"))


def test_packing_a_display_text() -> None:
    """TS 31.124 clause 27.22.4.1, sequence 1.4."""
    packed = bytes.fromhex("D4F79BBD4ED341D4F29C0E9A01")

    assert "Toolkit Test 3" == text.unpack_text(packed)
    assert packed == text.pack_text("Toolkit Test 3")


@pytest.mark.parametrize(
    ("content", "packed"),
    [
        ("1234567", "31D98C56B3DD1A"),
        ("12345678", "31D98C56B3DD70"),
        ("1234567\r", "31D98C56B3DD1A0D"),
        ("", ""),
    ],
)
def test_seven_bits_left_over(content: str, packed: str) -> None:
    """A carriage return fills them, and follows one that is meant. TS 23.038 clause 6.1.2.3.1."""
    assert bytes.fromhex(packed) == text.pack_text(content)
    assert content == text.unpack_text(bytes.fromhex(packed))


def test_seven_bits_of_zero_are_no_commercial_at() -> None:
    """A sender of short messages leaves them; they are no `@`."""
    assert "1234567" == text.unpack_text(bytes.fromhex("31D98C56B3DD00"))


def test_septets_behind_a_header() -> None:
    """Fill bits bring the first septet to its boundary. TS 23.040 clause 9.2.3.24."""
    assert b"\x02" == text.pack(b"\x01", fill=1)
    assert b"\x01" == text.unpack(b"\x02", 1, fill=1)
    with pytest.raises(PeerError):
        text.unpack(b"\x02", 2)


SCHEMES = {
    0x00: Alphabet.PACKED, 0x04: Alphabet.OCTETS, 0x08: Alphabet.UCS2, 0x0C: Alphabet.PACKED,
    0x16: Alphabet.OCTETS, 0x48: Alphabet.UCS2, 0x80: Alphabet.PACKED, 0xC0: Alphabet.PACKED,
    0xD8: Alphabet.PACKED, 0xE0: Alphabet.UCS2, 0xF0: Alphabet.PACKED, 0xF4: Alphabet.OCTETS,
    0xF6: Alphabet.OCTETS,
}  # fmt: skip
BROADCAST = {
    0x0F: Alphabet.PACKED, 0x11: Alphabet.UCS2, 0x10: Alphabet.PACKED, 0x24: Alphabet.PACKED,
    0x44: Alphabet.OCTETS, 0x48: Alphabet.UCS2, 0x94: Alphabet.OCTETS, 0xE0: Alphabet.PACKED,
    0xF0: Alphabet.PACKED, 0xF4: Alphabet.OCTETS,
}  # fmt: skip


def test_data_coding_schemes() -> None:
    """Alphabets of short messages (TS 23.038 clause 4) and of cell broadcasts (clause 5)."""
    assert SCHEMES == {scheme: text.alphabet(scheme) for scheme in SCHEMES}
    assert BROADCAST == {scheme: text.broadcast_alphabet(scheme) for scheme in BROADCAST}


def test_a_compressed_text_is_refused() -> None:
    """TS 23.042 is not spoken here."""
    for read in (text.alphabet, text.broadcast_alphabet):
        with pytest.raises(PeerError, match="compressed"):
            read(0x60)


@given(st.text(GSM, max_size=30), st.sampled_from(list(Alphabet)))
def test_a_text_of_the_alphabet_both_ways(content: str, alphabet: Alphabet) -> None:
    """What can be written is read again, but for an `@` in the last of eight packed septets."""
    octets = text.encode_text(content, alphabet)
    lost = alphabet is Alphabet.PACKED and content.endswith("@")
    lost |= alphabet is Alphabet.PACKED and content.endswith("\r")

    assert lost or content == text.decode_text(octets, alphabet)


@given(st.text(max_size=20))
def test_any_text_as_ucs2(content: str) -> None:
    """Any text is written and read, with characters beyond the basic plane as two halves."""
    assert content == text.decode_ucs2(text.encode_ucs2(content))


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    """It cannot be written."""
    with pytest.raises(LocalError):
        text.encode_ucs2("a\ud800")


def test_what_is_no_ucs2() -> None:
    """Half a character and half a pair are refused; the octets stay out of the message."""
    for octets in (b"\x04", b"\xd8\x00"):
        with pytest.raises(PeerError) as caught:
            text.decode_ucs2(octets)

        assert octets.hex() not in str(caught.value).lower()


ALPHA = [
    ("", ""),
    ("54657374", "Test"),
    ("54657374FFFF", "Test"),
    ("FFFFFF", ""),
    ("800417041404200410", "ЗДРА"),
    ("8004170414FFFF", "ЗД"),
    ("8004170414FF", "ЗД"),
    ("810C089794A09092A1A292A399A295", "ЗДРАВСТВУЙТЕ"),
    ("82024E00AD80", "中一"),
    ("8104613831EB31", "81ル1"),
    ("820430A03832CB32", "82ル2"),
]


@pytest.mark.parametrize(("octets", "content"), ALPHA)
def test_alpha_fields(octets: str, content: str) -> None:
    """The three codings of UCS2 and padding. TS 102 221 annex A; TS 31.124 clause 27.22.4.5."""
    assert content == text.decode_alpha(bytes.fromhex(octets))


def test_an_alpha_field_of_ours() -> None:
    """The default alphabet where it can, else UCS2 marked 80."""
    assert bytes.fromhex("54657374") == text.encode_alpha("Test")
    assert bytes.fromhex("8004170414") == text.encode_alpha("ЗД")


@pytest.mark.parametrize(
    "octets", ["81", "8103", "81020841", "82", "820204", "8201D80080", "8201FFF0FF", "83", "54FF54"]
)
def test_alpha_fields_that_are_none(octets: str) -> None:
    """Too short, beyond UCS2, a surrogate, or an octet that is no septet."""
    with pytest.raises(PeerError):
        text.decode_alpha(bytes.fromhex(octets))


@given(st.binary(max_size=24))
def test_any_octets_as_text(octets: bytes) -> None:
    """Reading raises nothing but `PeerError`; what was read can be written."""
    for read in (text.decode_alpha, text.decode_septets, text.unpack_text, text.decode_ucs2):
        try:
            found = read(octets)
        except PeerError:
            continue
        text.encode_alpha(found)
