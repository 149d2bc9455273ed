"""TERMINAL PROFILE. TS 102 223 clause 5.2."""

import re
import subprocess

import pytest

from cardsync.errors import PeerError
from cardsync.toolkit.profile import Difference, Feature, Quantity, TerminalProfile
from cardsync.toolkit.synchronization_objects import CODE_POINTS
from peers import need
from vectors import load


def test_facilities_are_bits() -> None:
    """Byte 1 bit 1 is profile download, byte 3 bit 1 DISPLAY TEXT; what is beyond is not there."""
    profile = TerminalProfile.of(Feature.PROFILE_DOWNLOAD, Feature.DISPLAY_TEXT)

    assert bytes.fromhex("010001") == profile.octets
    assert (True, False) == (Feature.DISPLAY_TEXT in profile, Feature.REFRESH in profile)
    assert Feature.REQUEST_SYNCHRONIZATION not in profile
    assert (Feature.PROFILE_DOWNLOAD, Feature.DISPLAY_TEXT) == profile.features


def test_our_own_byte() -> None:
    """Byte 40, its eight bits in their order; where it is stands in one place."""
    ours = [feature for feature in Feature if feature.value[0] == CODE_POINTS.profile_byte]
    profile = TerminalProfile.of(*ours)

    assert (40, 0xFF) == (len(profile.octets), profile.octets[-1])
    assert [Feature.REQUEST_SYNCHRONIZATION, Feature.SYNCHRONIZATION_STATUS] == ours[:2]


def test_a_profile_has_an_octet() -> None:
    """An empty one is refused; one that claims nothing is 00."""
    with pytest.raises(PeerError):
        TerminalProfile(b"")

    assert (b"\0", ()) == (TerminalProfile.of().octets, TerminalProfile.of().features)


def test_numbers_in_the_profile() -> None:
    """Soft keys, channels, the size of the display, frames. Bytes 11, 13 to 16, 19, 24."""
    octets = bytearray(24)
    octets[10], octets[12], octets[13], octets[14] = 4, 0b11100010, 0b10101000, 0b10010100
    octets[15], octets[18], octets[23] = 0b00101000, 0x05, 0x0F
    profile = TerminalProfile(bytes(octets))

    assert [4, 7, 8, 20, 1, 5, 15] == [profile.quantity(quantity) for quantity in Quantity]
    assert [0] * 7 == [TerminalProfile(b"\1").quantity(quantity) for quantity in Quantity]
    assert Feature.BEARER_GPRS in profile
    assert Feature.SCREEN_SIZING in profile


def test_two_profiles_are_compared() -> None:
    """What is new, what is gone, which numbers changed; bits without a name by their place."""
    before = TerminalProfile.of(Feature.PROFILE_DOWNLOAD, Feature.REFRESH)
    after = TerminalProfile(bytes.fromhex("01 00 01 00 00 00 80") + bytes(5) + b"\x40")

    assert Difference(
        gained=(Feature.DISPLAY_TEXT, (7, 8)),
        lost=(Feature.REFRESH,),
        changed=((Quantity.CHANNELS, 0, 2),),
    ) == after.compare(before)
    assert not before.compare(TerminalProfile(before.octets + b"\0\0"))
    assert after.compare(before)


def test_bytes_33_to_39() -> None:
    """The table of the folder of vectors has a name where we have one, and none where not."""
    table = load("codepoints.json")["terminal_profile_bytes_33_on"]
    named = {(int(byte), bit) for byte, names in table.items()
             for bit, name in enumerate(names, 1) if name not in {None, "deprecated"}}  # fmt: skip

    assert named == {feature.value for feature in Feature if 33 <= feature.value[0] < 40}


def tshark_names() -> dict[tuple[int, int], str]:
    """Give the name that tshark has for each bit, in small letters."""
    asked = [need("tshark"), "-G", "fields"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in told.splitlines() if "\tgsm_sim.tp." in line]
    named: dict[tuple[int, int], str] = {}
    byte = 0
    for row in rows:
        name, mask = row[2], int(row[6] or "0", 16)
        if name.startswith("gsm_sim.tp.b") and name[12:].isdigit():
            byte = int(name[12:])
        elif name not in {"gsm_sim.tp.rfu", "gsm_sim.tp.tia_iea_is820a_reserved"}:
            bits = [(byte, bit) for bit in range(1, 9) if mask >> bit - 1 & 1]
            named |= dict.fromkeys(bits, row[1].lower())
    return named


def test_bytes_1_to_33_as_tshark_names_them() -> None:
    """Each bit that tshark knows is a facility of ours or part of a number, and the reverse."""
    known = set(tshark_names())
    numbers = {(byte, bit) for byte, low, size in (one.value for one in Quantity)
               for bit in range(low, low + size)}  # fmt: skip
    ours = {feature.value for feature in Feature} | numbers

    assert set() == known - ours
    assert {(1, 8), (2, 3), (2, 5), (9, 3)} | {(33, bit) for bit in range(4, 9)} == {
        (byte, bit) for byte, bit in ours - known if byte <= 33
    }


def test_names_as_tshark_has_them() -> None:
    """Our name of a bit shares a word with that of tshark; two it names by their command alone."""
    told = tshark_names()
    strange = {
        feature
        for feature in Feature
        if feature.value in told
        and not {word.rstrip("s") for word in feature.name.lower().split("_")}
        & {word.rstrip("s") for word in re.findall("[a-z0-9]+", told[feature.value])}
    }

    assert {Feature.SECOND_ALPHA_IDENTIFIER, Feature.SECOND_CAPABILITY_CONFIGURATION} == strange


@pytest.mark.parametrize("length", [1, 2, 5, 20, 39, 40, 45, 255])
def test_a_profile_of_any_length(length: int) -> None:
    """A shorter one claims nothing behind its end, a longer one keeps what has no name yet."""
    profile = TerminalProfile(b"\xff" * length)
    unnamed = [place for place in profile.unnamed if place[0] > 40]

    assert [one for one in Feature if one.value[0] <= length] == list(profile.features)
    assert [(byte, bit) for byte in range(41, length + 1) for bit in range(1, 9)] == unnamed
    assert (Quantity.SOFT_KEYS.name in dict(profile.quantities)) == (length >= 11)


def test_quantities_by_name() -> None:
    """Those that are not 0. TS 102 223 clause 5.2, bytes 13 to 15."""
    profile = TerminalProfile(bytes(12) + bytes.fromhex("E7 4F 93"))

    assert profile.quantities == (
        ("CHANNELS", 7),
        ("DISPLAY_HEIGHT", 15),
        ("DISPLAY_WIDTH", 19),
    )
    assert () == TerminalProfile(b"\1").unnamed
    assert ((7, 6), (20, 8)) == TerminalProfile(bytes(6) + b"\x20" + bytes(12) + b"\x80").unnamed
